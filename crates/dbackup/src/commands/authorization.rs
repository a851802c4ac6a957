//! `dbackup dropbox login | account | logout`: an app and a grant of the command line's own, for each adapter whose storage is authorized
//! in a browser. The commands bear the adapters' ids.

use std::io::Write;
use std::sync::Arc;

use adapter::authorization::{Answer, Client, Consent, Description, Patience, Provider, Use, new_verifier};
use adapter::{Error, Manifest};
use domain::size::human;
use secrecy::{ExposeSecret, SecretString};

use crate::cli::AccessCommand;
use crate::environment;
use crate::failure::{Failure, Outcome};
use crate::output;

pub(crate) async fn run(manifest: &Manifest, command: AccessCommand) -> Result<Outcome, Failure> {
    let Some(description) = manifest.authorization else {
        return Err(Failure::usage(format!("{} needs no authorization", manifest.title)));
    };
    let access = OwnAccess::of(description)?;
    match command {
        AccessCommand::Login => login(manifest.id, description, &access).await,
        AccessCommand::Account => account(&access).await,
        AccessCommand::Logout => logout(description, &access).await,
    }
}

/// The app and the grant in the environment.
struct OwnAccess {
    provider: Arc<dyn Provider>,
    app: adapter::Secrets,
    grant: Option<SecretString>,
    missing: String,
}

impl OwnAccess {
    fn of(description: &Description) -> Result<Self, Failure> {
        let provider = (description.connect)(&environment::of_process())?;
        let (app, grant) = provider.own_access()?;
        Ok(Self { provider, app, grant, missing: format!("{} is not set", description.grant_variable()) })
    }

    /// Creates a client for a command whose only business is an answer of the provider: one that cannot be reached fails within seconds.
    fn client(&self) -> Result<Arc<dyn Client>, Failure> {
        let fault = adapter::Kind::Unauthorized(adapter::Authorization::Missing);
        let grant = self.grant.as_ref().ok_or_else(|| Error::new(fault, "not authorized yet", &self.missing))?;
        Ok(self.provider.client(&self.app, grant, &Use { settings: None, place: None, patience: Patience::Short })?)
    }
}

/// Without a redirect: for machines that the provider could not send a browser back to.
async fn login(id: &str, description: &Description, access: &OwnAccess) -> Result<Outcome, Failure> {
    let provider = description.provider;
    if !description.shows_code {
        return Err(Failure::failed(format!("{provider} shows no code to paste: authorize it on a server")));
    }
    let verifier = new_verifier()?;
    let consent = Consent { verifier: &verifier, redirect_uri: None, state: None, ask_again: false };
    let url = access.provider.consent_url(&access.app, &consent)?;
    output::note(&format!("1. Open this address in a browser, sign in to {provider} and allow the access:\n"));
    output::note(&format!("   {url}\n"));
    output::note(&format!("2. {provider} shows a code. Paste it here:"));
    let code = read_code(id)?;
    let answer = Answer { code: &code, verifier: &verifier, redirect_uri: None };
    // Logging in is what failed: that would be no cure.
    let granted = access.provider.exchange(&access.app, &answer).await;
    let granted = granted.map_err(|error| Failure::failed(error.to_string()))?;
    let missing = description.missing(&granted.scopes);
    if !missing.is_empty() {
        let (cause, cure) = (description.words)(&adapter::Authorization::MissingScope(missing.join(", ")));
        output::note(&format!("{cause}. {} Then log in again.", cure.unwrap_or_default()));
    }
    let variable = description.grant_variable();
    output::note(&format!("Logged in. This refresh token is a secret; set it as {variable}:"));
    output::line(granted.grant.expose_secret());
    Ok(Outcome::Succeeded)
}

async fn account(access: &OwnAccess) -> Result<Outcome, Failure> {
    let client = access.client()?;
    let account = client.account().await?;
    let usage = client.usage().await?;
    let team = account.team.map(|team| format!(", team {team}")).unwrap_or_default();
    output::line(&output::printable(&format!("{} <{}>{team}", account.name, account.email)));
    if let Some(usage) = usage {
        output::line(&match usage.allowed {
            Some(allowed) => format!("{} of {} used", human(usage.used), human(allowed)),
            None => format!("{} used, no limit", human(usage.used)),
        });
    }
    Ok(Outcome::Succeeded)
}

async fn logout(description: &Description, access: &OwnAccess) -> Result<Outcome, Failure> {
    access.client()?.revoke().await?;
    let provider = description.provider;
    output::line(&format!("Logged out: the refresh token is revoked. Backups in {provider} stay where they are."));
    Ok(Outcome::Succeeded)
}

fn read_code(id: &str) -> Result<SecretString, Failure> {
    std::io::stderr().flush()?;
    let mut code = String::new();
    std::io::stdin().read_line(&mut code)?;
    match code.trim() {
        "" => Err(Failure::usage(format!("no code was given: run dbackup {id} login again"))),
        code => Ok(code.into()),
    }
}
