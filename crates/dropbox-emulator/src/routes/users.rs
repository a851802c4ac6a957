//! `users/*` and `check/user`: whose account this is, and how full.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Arg, Caller, path_root};
use crate::failure::Failure;

/// The longest `query` of `check/user`.
const MAX_QUERY: usize = 500;

/// `FullAccount`.
pub(crate) fn get_current_account(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    arg.expect_void()?;
    let (team, person) = (caller.app.config.team_root, caller.person);
    let (given, surname) = (person.given_name(), person.surname());
    let mut account = json!({
        "account_id": person.account_id(),
        "name": {
            "given_name": given,
            "surname": surname,
            "familiar_name": given,
            "display_name": person.name(),
            "abbreviated_name": format!("{}{}", &given[..1], &surname[..1]),
        },
        "email": person.email(),
        "email_verified": true,
        "disabled": false,
        "country": "GB",
        "locale": "en",
        "referral_link": "https://www.dropbox.com/referrals/emulated",
        "is_paired": false,
        "account_type": { ".tag": if team { "business" } else { "basic" } },
        "root_info": path_root::root_info(&caller.app, person),
    });
    if team {
        account["team"] = team_info();
        account["team_member_id"] = format!("dbmid:AAEmulatedMember{given}{surname}").into();
    }
    Ok(account)
}

fn team_info() -> Value {
    json!({
        "id": "dbtid:AAEmulatedTeam",
        "name": "Analytical Engines",
        "sharing_policies": {
            "shared_folder_member_policy": { ".tag": "anyone" },
            "shared_folder_join_policy": { ".tag": "from_anyone" },
            "shared_link_create_policy": { ".tag": "default_public" },
            "group_creation_policy": { ".tag": "admins_and_members" },
            "shared_folder_link_restriction_policy": { ".tag": "anyone" },
            "enforce_link_password_policy": { ".tag": "optional" },
            "default_link_expiration_days_policy": { ".tag": "none" },
            "shared_link_default_permissions_policy": { ".tag": "default" },
        },
        "office_addin_policy": { ".tag": "disabled" },
        "top_level_content_policy": { ".tag": "everyone" },
    })
}

/// `SpaceUsage`. In a team, the allowance is the team's, and the member's own limit is none (0).
pub(crate) fn get_space_usage(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    arg.expect_void()?;
    let account = caller.app.account();
    let (used, allocated) = (account.tree.used(), account.quota);
    let allocation = if caller.app.config.team_root {
        json!({
            ".tag": "team",
            "used": used,
            "allocated": allocated,
            "user_within_team_space_allocated": 0,
            "user_within_team_space_limit_type": { ".tag": "off" },
            "user_within_team_space_used_cached": used,
        })
    } else {
        json!({ ".tag": "individual", "allocated": allocated })
    };
    Ok(json!({ "used": used, "allocation": allocation }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EchoArg {
    #[serde(default)]
    query: String,
}

/// Echoes: that the token is good, and the way there and back is open.
pub(crate) fn check(_: &Caller, arg: &Arg) -> Result<Value, Failure> {
    let EchoArg { query } = arg.parse()?;
    if query.chars().count() > MAX_QUERY {
        return Err(arg.refuse(&format!("query: longer than {MAX_QUERY} characters")));
    }
    Ok(json!({ "result": query }))
}
