//! Grants of Dropbox destinations: exchanged for a code, stored, replaced, revoked.

use std::time::Duration;

use adapter::Authorization as Fault;
use catalog::{Authorization, AuthorizationState, Destination};
use destinations::{dropbox_fault, dropbox_fault_words};
use dropbox::oauth::{Pkce, SCOPES, exchange_code};
use dropbox::{Client, Space};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::problem::Problem;
use super::super::secret_field::SecretFields;
use super::dropbox_adapter::Mode;
use crate::app::App;
use crate::dropbox_clients::{APP_KEY, APP_SECRET};
use crate::failure::{Failure, of_dropbox};
use crate::patience::Patience;

/// What a person can do where a grant could not be revoked.
pub(super) const BY_HAND: &str = "Revoke it in Dropbox: Settings, Connected apps";

/// How often to look whether the runs that use a replaced grant have ended, besides at each event of a run.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// The field of a request that brings a grant.
pub(crate) const REFRESH_TOKEN: &str = "refreshToken";

/// A grant that is new, and whose account it is for.
pub(crate) struct NewGrant {
    pub(crate) refresh_token: SecretString,
    pub(crate) state: AuthorizationState,
}

/// A grant as it waits for the confirmation that the account may change.
#[derive(Serialize, Deserialize)]
struct Unconfirmed {
    refresh_token: String,
    state: AuthorizationState,
}

impl NewGrant {
    /// Exchanges a code, and looks whose account it is.
    pub(super) async fn exchange(
        app: &App,
        destination: &Destination,
        flow: &Authorization,
        code: &SecretString,
        mode: Mode,
    ) -> Result<Self, String> {
        let (settings, _) = app.dropbox_app(destination).map_err(|failure| failure.to_string())?;
        let redirect_uri = mode.redirect_uri(app);
        let pkce = Pkce::resume(flow.verifier.clone());
        let grant = exchange_code(&settings, &pkce, code.expose_secret(), redirect_uri.as_deref())
            .await
            .map_err(|error| refused_code(&error, mode, &app.config.redirect_uri()))?;
        let refresh_token = grant.refresh_token.ok_or("Dropbox granted no lasting access: authorize again")?;
        let granted = grant.scope.split_whitespace().map(str::to_owned).collect();
        Self::of_token(app, settings, refresh_token, granted, grant.account_id).await
    }

    /// Looks whose account a refresh token of an app is for. What was granted is empty where that is not known.
    async fn of_token(
        app: &App,
        mut settings: dropbox::Settings,
        refresh_token: SecretString,
        granted: Vec<String>,
        account_id: Option<String>,
    ) -> Result<Self, String> {
        crate::redaction::register(refresh_token.expose_secret());
        settings.refresh_token = Some(refresh_token.clone());
        let client = Client::new(settings).map_err(|error| error.to_string())?;
        let mut missing = missing_scopes(&granted);
        let mut team_root = None;
        let (account_id, account_name, email, team) = match client.account().await {
            Ok(account) => {
                team_root = account.root_info.team_root();
                (account.account_id, account.name.display_name, account.email, account.team.map(|team| team.name))
            }
            // Backups do not need to know whose Dropbox it is.
            Err(error) => match dropbox_fault(&error) {
                Some(Fault::MissingScope(scope)) => {
                    missing.extend((!missing.contains(&scope)).then_some(scope));
                    (account_id.unwrap_or_default(), String::new(), String::new(), None)
                }
                _ => return Err(of_dropbox(&error)),
            },
        };
        missing.sort();
        let now = app.now();
        let state = AuthorizationState {
            account_id,
            account_name,
            email,
            team,
            scopes: granted,
            used: None,
            allowed: None,
            authorized_at: now,
            checked_at: now,
            broken: None,
            app_refused: false,
            app_changed: false,
            missing_scopes: missing,
            team_root,
        };
        Ok(Self { refresh_token, state })
    }

    /// Checks a refresh token that a request brings: asks Dropbox whose it is. Returns `None` where the request brings none, or the one
    /// that the destination works with. What is wrong with the app's own secrets is not said here.
    pub(super) async fn of_request(
        app: &App,
        secrets: &mut SecretFields,
        before: Option<&Destination>,
    ) -> Result<Option<Self>, Problem> {
        let token = match secrets.take(REFRESH_TOKEN) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(token)) if !token.trim().is_empty() => SecretString::from(token.trim()),
            Some(_) => return Err(Problem::invalid_field(REFRESH_TOKEN, "must be a text")),
        };
        let kept = before.map(|before| app.catalog.destination_secrets(before)).transpose()?;
        let secret = |name: &str| match secrets.removes(name) {
            true => None,
            false => secrets.set(name).or_else(|| kept.as_ref()?.settings.get(name).cloned()),
        };
        let Some(app_key) = secret(APP_KEY) else { return Ok(None) };
        let is_broken =
            before.and_then(|before| before.authorization.as_ref()).is_none_or(|state| state.broken.is_some());
        let grant = kept.as_ref().and_then(|kept| kept.grant.as_ref());
        if !is_broken && grant.is_some_and(|grant| grant.expose_secret() == token.expose_secret()) {
            return Ok(None);
        }
        let settings = app.dropbox_settings(&app_key, secret(APP_SECRET));
        let found = Self::of_token(app, settings, token, Vec::new(), None).await;
        found.map(Some).map_err(|why| Problem::invalid_field(REFRESH_TOKEN, format!("does not work: {why}")))
    }

    /// Keeps a grant that a request has brought. The one that it replaces may be in use elsewhere, and is not revoked.
    pub(super) async fn keep(self, app: &App, id: &str) -> Result<Destination, Problem> {
        app.catalog.set_grant(id, &self.refresh_token, &self.state).await?;
        kept(app, id).await
    }

    /// Returns the account that the destination has used so far, if this grant is for another one.
    pub(super) fn other_account<'a>(&self, destination: &'a Destination) -> Option<&'a AuthorizationState> {
        let before = destination.authorization.as_ref()?;
        (before.account_id != self.state.account_id).then_some(before)
    }

    /// Packs the grant to be sealed until somebody confirms it.
    pub(super) fn pack(&self) -> Result<SecretString, Problem> {
        let refresh_token = self.refresh_token.expose_secret().to_owned();
        let packed = Unconfirmed { refresh_token, state: self.state.clone() };
        Ok(serde_json::to_string(&packed).map_err(Problem::internal)?.into())
    }

    pub(super) fn unpack(packed: &SecretString) -> Result<Self, Problem> {
        let Unconfirmed { refresh_token, state } =
            serde_json::from_str(packed.expose_secret()).map_err(Problem::internal)?;
        crate::redaction::register(&refresh_token);
        Ok(Self { refresh_token: refresh_token.into(), state })
    }

    /// Keeps the grant, and revokes the one that it replaces. Returns the destination, and what to tell if the revocation
    /// failed.
    pub(super) async fn store(
        self,
        app: &App,
        destination: &Destination,
    ) -> Result<(Destination, Option<String>), Problem> {
        let replaced = Access::of(app, destination);
        let is_same =
            matches!(&replaced.grant, Some(grant) if grant.expose_secret() == self.refresh_token.expose_secret());
        app.catalog.set_grant(&destination.id, &self.refresh_token, &self.state).await?;
        let taken = app.catalog.take_all_unconfirmed(&destination.id).await.unwrap_or_default();
        let replaced = replaced.and_unconfirmed(app, destination, &taken);
        let notice = if is_same { None } else { revoke_replaced(app, replaced).await };
        // This is the first use of the new grant after the revocation of the old one.
        Ok((kept(app, &destination.id).await?, notice))
    }

    /// Revokes the grant, which was not stored.
    pub(super) async fn discard(&self, app: &App, destination: &Destination) -> Result<(), String> {
        let (mut settings, _) = app.dropbox_app(destination).map_err(|failure| failure.to_string())?;
        settings.refresh_token = Some(self.refresh_token.clone());
        let client = Client::new(settings).map_err(|error| error.to_string())?;
        revoke(&client).await.map(drop)
    }
}

/// Looks at the space of a destination whose grant is new, and at what is stored there. A grant that may not look at its space can still back
/// up.
pub(crate) async fn kept(app: &App, id: &str) -> Result<Destination, Problem> {
    app.listings.forget(id);
    app.folders.forget(id);
    app.forget_dropbox_clients(id);
    let stored = app.catalog.destination(id).await?.ok_or_else(super::dropbox_adapter::gone)?;
    let client = app.dropbox_client(&stored, Space::Home, Patience::Short)?;
    match client.space_usage().await {
        Ok(usage) => app.note_space(id, usage.used, usage.allowed).await?,
        Err(error) => app.note_broken(id, &error).await,
    }
    app.confirm_copies(id).await;
    app.catalog.destination(id).await?.ok_or_else(super::dropbox_adapter::gone)
}

/// Revokes a grant that was replaced; if runs are using it, once they have ended.
async fn revoke_replaced(app: &App, replaced: Access) -> Option<String> {
    let running = app.runs.active_ids();
    if running.is_empty() {
        let why = replaced.revoke().await.err()?;
        return Some(format!("the previous access could not be revoked: {why}. {BY_HAND}"));
    }
    let app = app.clone();
    tokio::spawn(async move {
        let mut live = app.runs.watch();
        while running.iter().any(|id| app.runs.active(id).is_some()) {
            // Whatever it says, or that nothing came: it is time to look again.
            let _ = tokio::time::timeout(LOOK_INTERVAL, live.recv()).await;
        }
        if let Err(why) = replaced.revoke().await {
            tracing::warn!(why, "the previous access to Dropbox could not be revoked");
        }
    });
    None
}

/// The access that a destination has.
pub(super) struct Access {
    grant: Option<SecretString>,
    app_changed: bool,
    client: Result<Client, Failure>,
    /// Grants that nobody confirmed.
    unconfirmed: Vec<Result<Client, Failure>>,
}

impl Access {
    pub(super) fn of(app: &App, destination: &Destination) -> Self {
        let client = app.dropbox_client(destination, Space::Home, Patience::Short);
        let grant = app.dropbox_app(destination).ok().and_then(|(_, grant)| grant);
        let app_changed = destination.authorization.as_ref().is_some_and(|state| state.app_changed);
        Self { grant, app_changed, client, unconfirmed: Vec::new() }
    }

    /// Adds grants that nobody confirmed.
    pub(super) fn and_unconfirmed(mut self, app: &App, destination: &Destination, flows: &[Authorization]) -> Self {
        let client_of = |flow: &Authorization| {
            let (mut settings, _) = app.dropbox_app(destination)?;
            let packed = NewGrant::unpack(&flow.verifier).map_err(|_| Failure::Gone("the grant"))?;
            settings.refresh_token = Some(packed.refresh_token);
            Ok(Client::new(settings)?)
        };
        self.unconfirmed.extend(flows.iter().map(client_of));
        self
    }

    /// Ends the access for good. Returns how that went, for the audit log.
    ///
    /// # Errors
    /// Why it may still stand.
    pub(super) async fn revoke(self) -> Result<&'static str, String> {
        let mut failure = None;
        for client in self.unconfirmed {
            let revoked = match client {
                Ok(client) => revoke(&client).await.map(drop),
                Err(error) => Err(error.to_string()),
            };
            failure = failure.or(revoked.err());
        }
        let done = match self.client {
            // Dropbox would say that it does not know the grant, which is not to say that it has ended.
            Ok(_) if self.app_changed => {
                Err("the App Key was changed since, and the access belongs to the previous app".to_owned())
            }
            Ok(client) => revoke(&client).await,
            Err(Failure::NotAuthorized(_)) => Ok(", there was no access to revoke"),
            Err(error) => Err(error.to_string()),
        };
        match failure {
            Some(failure) => Err(failure),
            None => done,
        }
    }
}

async fn revoke(client: &Client) -> Result<&'static str, String> {
    match client.revoke().await {
        Ok(()) => Ok(", access revoked"),
        Err(error) => match dropbox_fault(&error) {
            Some(Fault::Revoked) => Ok(", access was revoked already"),
            Some(fault) => Err(dropbox_fault_words(&fault).0),
            None => Err(error.to_string()),
        },
    }
}

/// Dropbox grants what the app has, not what was asked for.
fn missing_scopes(granted: &[String]) -> Vec<String> {
    let lacks = |scope: &&str| !granted.is_empty() && !granted.iter().any(|granted| granted == scope);
    SCOPES.into_iter().filter(lacks).map(str::to_owned).collect()
}

/// Why a code was not exchanged, and what to do.
fn refused_code(error: &dropbox::Error, mode: Mode, redirect_uri: &str) -> String {
    match error {
        dropbox::Error::OAuth(oauth) if oauth.error_description.contains("redirect_uri") => format!(
            "Dropbox does not know this server's redirect URI. Add exactly {redirect_uri} on the Settings tab of your app in the Dropbox App Console, then authorize again"
        ),
        dropbox::Error::OAuth(oauth) if oauth.is_invalid_grant() => match mode {
            Mode::Redirect => {
                "Dropbox did not accept the authorization: it was used already, took longer than ten minutes, or an answer was lost on the way. Authorize again".to_owned()
            }
            Mode::Code => {
                "Dropbox does not know this code: it is mistyped, was used already, or is older than ten minutes. Get a new code and paste it".to_owned()
            }
        },
        error => of_dropbox(error),
    }
}
