//! `dbackup login | logout | open`

use std::process::Stdio;

use secrecy::ExposeSecret;
use serde_json::Value;

use super::resources::text;
use crate::failure::{Failure, Outcome};
use crate::remote::{Server, server_url};
use crate::{credentials, output, prompt};

/// What opens an address in the user's browser, the first that there is.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

/// Asks for an API token, tries it, and keeps it.
pub(crate) async fn log_in() -> Result<Outcome, Failure> {
    let url = server_url()?;
    output::note(&format!(
        "Create an API token at {url}people (People and access, API tokens), and paste it here. It is not shown."
    ));
    let token = prompt::secret(&format!("API token for {url}")).await?;
    let token = token.expose_secret().trim();
    if !token.starts_with(server::API_TOKEN_PREFIX) {
        return Err(Failure::usage(format!("this is no API token: they begin with {}", server::API_TOKEN_PREFIX)));
    }
    let who = Server::with_token(url.clone(), token.into())?.get("/api/session").await?;
    let file = credentials::keep(&url, &token.into())?;
    let permissions: Vec<String> = who["permissions"].as_array().into_iter().flatten().map(text).collect();
    output::line(&format!("Logged in to {url} as {} ({})", output::printable(&name(&who)), permissions.join(", ")));
    output::note(&format!("The token is kept in {}. DBACKUP_TOKEN takes precedence.", file.display()));
    Ok(Outcome::Succeeded)
}

fn name(who: &Value) -> String {
    text(&who["name"])
}

/// Forgets the token.
pub(crate) fn log_out() -> Result<Outcome, Failure> {
    let url = server_url()?;
    output::line(&match credentials::forget(&url)? {
        true => format!("Logged out of {url}. Revoke the token on the server if nothing else uses it."),
        false => format!("There is no token for {url}."),
    });
    Ok(Outcome::Succeeded)
}

/// Prints the address of the web UI, and opens it if there is a browser.
pub(crate) async fn open() -> Result<Outcome, Failure> {
    let url = server_url()?;
    output::line(url.as_str());
    for opener in OPENERS {
        #[expect(clippy::disallowed_methods, reason = "the browser outlives this command")]
        let started = tokio::process::Command::new(opener)
            .arg(url.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if started.is_ok() {
            break;
        }
    }
    Ok(Outcome::Succeeded)
}
