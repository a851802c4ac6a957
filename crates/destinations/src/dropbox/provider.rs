//! Dropbox as the party that grants access: its consent page, codes, grants, and whose they are.

use std::num::NonZeroU64;
use std::sync::Arc;

use ::dropbox::oauth::{Pkce, authorize_url, exchange_code};
use ::dropbox::{Endpoints, Error as DropboxError, Settings as ClientSettings, Space};
use adapter::authorization::{Account, Answer, Client, Consent, Environment, Granted, Patience, Provider, Use};
use adapter::destination::Usage;
use adapter::{Error, Secrets, Settings};
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::authorization::{
    APP_KEY, APP_KEY_VARIABLE, APP_SECRET, APP_SECRET_VARIABLE, BANDWIDTH, CA_FILE, GRANT_VARIABLE, MEMORY, PARALLELISM,
};
use super::error::in_words;
use super::manifest::space;

/// Nothing has this name, so that a call about it changes nothing.
const ABSENT: &str = "/.dbackup-no-such-file";

/// How this process reaches Dropbox, whatever the app.
pub(super) struct DropboxProvider {
    /// Without an app.
    network: ClientSettings,
    environment: Environment,
}

impl DropboxProvider {
    /// Reads the variables that begin with `DROPBOX_`.
    pub(super) fn connect(environment: &Environment) -> Result<Arc<dyn Provider>, Error> {
        let bounded = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let mut network = ClientSettings::new("");
        network.endpoints = endpoints(environment)?;
        network.retry.on_wait = environment.on_wait;
        if let Some(memory) = environment.number(MEMORY, "128MiB")? {
            network.memory = bounded(memory);
        }
        if let Some(parallelism) = environment.number(PARALLELISM, "8")? {
            network.parallelism = bounded(parallelism);
        }
        network.bandwidth = bandwidth(environment)?;
        network.extra_ca = extra_ca(environment)?;
        Ok(Arc::new(Self { network, environment: environment.clone() }))
    }

    /// Returns the settings of an app, for calls that a user waits for.
    fn app(&self, app: &Secrets) -> Result<ClientSettings, Error> {
        let key = app.get(APP_KEY).ok_or_else(|| {
            Error::invalid("the App Key is missing: it is on the Settings tab of your app in the Dropbox App Console")
        })?;
        let mut settings = self.network.clone();
        key.expose_secret().clone_into(&mut settings.app_key);
        settings.app_secret = app.get(APP_SECRET).cloned();
        Ok(settings)
    }
}

fn endpoints(environment: &Environment) -> Result<Endpoints, Error> {
    let standard = Endpoints::default();
    let or_standard =
        |name: &str, standard: &str| Ok::<_, Error>(environment.variable(name)?.unwrap_or_else(|| standard.to_owned()));
    Endpoints::parse(
        &or_standard("DROPBOX_API_URL", standard.api.as_str())?,
        &or_standard("DROPBOX_CONTENT_URL", standard.content.as_str())?,
        &or_standard("DROPBOX_WEB_URL", standard.web.as_str())?,
    )
    .map_err(|error| in_words(&error))
}

fn bandwidth(environment: &Environment) -> Result<Option<NonZeroU64>, Error> {
    let number = environment.number(BANDWIDTH, "10MiB")?;
    number.map(NonZeroU64::try_from).transpose().map_err(|_| {
        Error::invalid(format!("{BANDWIDTH} is 0, with which nothing would move: leave it unset for no limit"))
    })
}

fn extra_ca(environment: &Environment) -> Result<Option<Vec<u8>>, Error> {
    let Some(file) = environment.variable(CA_FILE)? else { return Ok(None) };
    let read = std::fs::read(&file);
    read.map(Some).map_err(|error| Error::invalid(format!("{CA_FILE} {file}: {error}")))
}

fn with_patience(settings: ClientSettings, patience: Patience) -> ClientSettings {
    match patience {
        Patience::Short => settings.with_patience(::dropbox::Patience::Interactive),
        Patience::Medium => settings,
        Patience::Long => settings.with_patience(::dropbox::Patience::Unattended),
    }
}

#[async_trait]
impl Provider for DropboxProvider {
    fn consent_url(&self, app: &Secrets, consent: &Consent<'_>) -> Result<String, Error> {
        let pkce = Pkce::resume(consent.verifier.clone());
        let url = authorize_url(&self.app(app)?, &pkce, consent.redirect_uri, consent.state, consent.ask_again);
        Ok(url.into())
    }

    async fn exchange(&self, app: &Secrets, answer: &Answer<'_>) -> Result<Granted, Error> {
        let settings = with_patience(self.app(app)?, Patience::Short);
        let pkce = Pkce::resume(answer.verifier.clone());
        let exchanged = exchange_code(&settings, &pkce, answer.code.expose_secret(), answer.redirect_uri).await;
        let grant = exchanged.map_err(|error| refused_code(&error, answer.redirect_uri))?;
        let refresh_token = grant.refresh_token.ok_or_else(|| {
            Error::failed("Dropbox granted no lasting access", "its answer has no refresh token")
                .cure("Authorize again")
        })?;
        let scopes = grant.scope.split_whitespace().map(str::to_owned).collect();
        Ok(Granted { grant: refresh_token, scopes, account_id: grant.account_id })
    }

    fn client(&self, app: &Secrets, grant: &SecretString, usage: &Use<'_>) -> Result<Arc<dyn Client>, Error> {
        let mut settings = with_patience(self.app(app)?, usage.patience);
        settings.space = usage.settings.map(space).unwrap_or_default();
        settings.team_root = usage.place.map(str::to_owned);
        settings.refresh_token = Some(grant.clone());
        let client = ::dropbox::Client::new(settings).map_err(|error| in_words(&error))?;
        Ok(Arc::new(Access(client)))
    }

    fn pins_place(&self, settings: &Settings) -> bool {
        space(settings) == Space::Team
    }

    fn own_access(&self) -> Result<(Secrets, Option<SecretString>), Error> {
        let variable = |name: &str| Ok::<_, Error>(self.environment.variable(name)?.map(SecretString::from));
        let key = variable(APP_KEY_VARIABLE)?.ok_or_else(|| {
            Error::invalid(format!(
                "{APP_KEY_VARIABLE} is not set: it is the App key on the Settings tab of your app at dropbox.com/developers/apps"
            ))
        })?;
        let mut app = Secrets::from([(APP_KEY.to_owned(), key)]);
        app.extend(variable(APP_SECRET_VARIABLE)?.map(|secret| (APP_SECRET.to_owned(), secret)));
        Ok((app, variable(GRANT_VARIABLE)?))
    }
}

/// A client of Dropbox as the contract has it.
pub(super) struct Access(pub(super) ::dropbox::Client);

#[async_trait]
impl Client for Access {
    async fn account(&self) -> Result<Account, Error> {
        let account = self.0.account().await.map_err(|error| in_words(&error))?;
        Ok(Account {
            id: account.account_id,
            name: account.name.display_name,
            email: account.email,
            team: account.team.map(|team| team.name),
            place: account.root_info.team_root(),
        })
    }

    async fn usage(&self) -> Result<Option<Usage>, Error> {
        let usage = self.0.space_usage().await.map_err(|error| in_words(&error))?;
        Ok(Some(Usage { used: usage.used, allowed: usage.allowed }))
    }

    async fn revoke(&self) -> Result<(), Error> {
        self.0.revoke().await.map_err(|error| in_words(&error))
    }

    async fn has_scope(&self, scope: &str) -> Option<bool> {
        let error = match scope {
            "files.metadata.read" => self.0.metadata(ABSENT).await.err(),
            "files.content.write" => self.0.delete(ABSENT).await.err(),
            "files.content.read" => self.0.open(ABSENT, None).await.err().filter(|error| !error.is_not_found()),
            "account_info.read" => self.0.account().await.err(),
            _ => return None,
        };
        Some(error.is_none())
    }
}

/// Why a code was not exchanged, and what to do.
fn refused_code(error: &DropboxError, redirect_uri: Option<&str>) -> Error {
    let DropboxError::OAuth(oauth) = error else { return in_words(error) };
    match redirect_uri {
        Some(uri) if oauth.error_description.contains("redirect_uri") => Error::failed(
            "Dropbox does not know this server's redirect URI", //
            "",
        )
        .cure(format!(
            "Add exactly {uri} on the Settings tab of your app in the Dropbox App Console, then authorize again"
        )),
        Some(_) if oauth.is_invalid_grant() => Error::failed(
            "Dropbox did not accept the authorization",
            "it was used already, took longer than ten minutes, or an answer was lost on the way",
        )
        .cure("Authorize again"),
        None if oauth.is_invalid_grant() => Error::failed(
            "Dropbox does not know this code",
            "it is mistyped, was used already, or is older than ten minutes",
        )
        .cure("Get a new code and paste it"),
        _ => in_words(error),
    }
}
