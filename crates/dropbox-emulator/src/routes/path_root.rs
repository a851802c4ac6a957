//! The header `Dropbox-API-Path-Root`: which namespace a call's paths start from.
//!
//! Source: <https://www.dropbox.com/developers/reference/path-root-header-modes>.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::failure::Failure;
use crate::http::request::Head;
use crate::tree::path::View;

/// The member's own namespace; for an account without a team the only one.
const HOME_NAMESPACE: &str = "3001001";

/// The team's root namespace.
const TEAM_NAMESPACE: &str = "3001000";

#[derive(Deserialize)]
#[serde(tag = ".tag", rename_all = "snake_case")]
enum PathRoot {
    Home,
    Root { root: String },
    NamespaceId { namespace_id: String },
}

fn root_namespace(app: &App) -> &'static str {
    if app.config.team_root { TEAM_NAMESPACE } else { HOME_NAMESPACE }
}

/// A namespace by its number, if the account can see it.
pub(super) fn namespace(app: &App, number: &str) -> Option<View> {
    match number {
        HOME_NAMESPACE => Some(app.home()),
        number if number == root_namespace(app) => Some(View::root()),
        _ => None,
    }
}

/// `RootInfo`, as the account and `invalid_root` have it.
pub(super) fn root_info(app: &App) -> Value {
    let (root, home) = (root_namespace(app), HOME_NAMESPACE);
    if app.config.team_root {
        let home_path = app.home().prefix().to_owned();
        json!({ ".tag": "team", "root_namespace_id": root, "home_namespace_id": home, "home_path": home_path })
    } else {
        json!({ ".tag": "user", "root_namespace_id": root, "home_namespace_id": home })
    }
}

/// That the root asked for is not the account's.
pub(crate) fn invalid(app: &App) -> Failure {
    Failure::PathRoot(json!({ ".tag": "invalid_root", "invalid_root": root_info(app) }))
}

/// What the header asks for; without it, home.
pub(super) fn view(app: &App, head: &Head) -> Result<View, Failure> {
    let Some(header) = head.header("dropbox-api-path-root") else { return Ok(app.home()) };
    match serde_json::from_str(header) {
        Ok(PathRoot::Home) => Ok(app.home()),
        Ok(PathRoot::Root { root }) if root == root_namespace(app) => Ok(View::root()),
        Ok(PathRoot::Root { .. }) => Err(invalid(app)),
        Ok(PathRoot::NamespaceId { namespace_id }) => {
            namespace(app, &namespace_id).ok_or_else(|| Failure::PathRoot(json!({ ".tag": "no_permission" })))
        }
        Err(error) => Err(Failure::BadInput(format!("HTTP header \"Dropbox-API-Path-Root\": {error}"))),
    }
}
