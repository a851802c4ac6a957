//! `dbackup dropbox login | account | logout`

use std::io::Write;

use domain::size::human;
use dropbox::Patience;
use dropbox::oauth::{self, Pkce};
use secrecy::ExposeSecret;

use crate::environment;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Without a redirect: for machines that Dropbox could not send a browser back to.
pub(crate) async fn login() -> Result<Outcome, Failure> {
    let settings = environment::dropbox_settings()?.with_patience(Patience::Interactive);
    let mut entropy = [0; 48];
    getrandom::fill(&mut entropy).map_err(|error| Failure::failed(format!("no randomness: {error}")))?;
    let pkce = Pkce::new(entropy);
    output::note("1. Open this address in a browser, sign in to Dropbox and allow the access:\n");
    output::note(&format!("   {}\n", oauth::authorize_url(&settings, &pkce, None, None, false)));
    output::note("2. Dropbox shows a code. Paste it here:");
    let code = read_code()?;
    let grant = oauth::exchange_code(&settings, &pkce, &code, None).await?;
    let refresh_token = grant.refresh_token.ok_or_else(|| Failure::failed("Dropbox gave no refresh token"))?;
    let missing: Vec<&str> =
        oauth::SCOPES.into_iter().filter(|scope| !grant.scope.split(' ').any(|granted| granted == *scope)).collect();
    if !missing.is_empty() {
        output::note(&format!(
            "The app lacks permissions: {}. Enable them on its Permissions tab, submit, and log in again.",
            missing.join(", ")
        ));
    }
    output::note("Logged in. This refresh token is a secret; set it as DROPBOX_REFRESH_TOKEN:");
    output::line(refresh_token.expose_secret());
    Ok(Outcome::Succeeded)
}

pub(crate) async fn account() -> Result<Outcome, Failure> {
    let client = environment::interactive_dropbox_client()?;
    let account = client.account().await?;
    let usage = client.space_usage().await?;
    let team = account.team.map(|team| format!(", team {}", team.name)).unwrap_or_default();
    output::line(&output::printable(&format!("{} <{}>{team}", account.name.display_name, account.email)));
    output::line(&match usage.allowed {
        Some(allowed) => format!("{} of {} used", human(usage.used), human(allowed)),
        None => format!("{} used, no limit", human(usage.used)),
    });
    Ok(Outcome::Succeeded)
}

pub(crate) async fn logout() -> Result<Outcome, Failure> {
    environment::interactive_dropbox_client()?.revoke().await?;
    output::line("Logged out: the refresh token is revoked. Backups in Dropbox stay where they are.");
    Ok(Outcome::Succeeded)
}

fn read_code() -> Result<String, Failure> {
    std::io::stderr().flush()?;
    let mut code = String::new();
    std::io::stdin().read_line(&mut code)?;
    let code = code.trim();
    if code.is_empty() {
        Err(Failure::usage("no code was given: run dbackup dropbox login again"))
    } else {
        Ok(code.to_owned())
    }
}
