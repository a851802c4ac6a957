//! Grants of destinations: checked, stored, replaced, revoked.

use std::sync::Arc;
use std::time::Duration;

use adapter::authorization::{Account, Client, Granted, Patience, Use};
use adapter::{Authorization as Fault, Kind};
use catalog::{Authorization, AuthorizationState, Destination, GrantChange};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Authority, Kept};
use crate::app::App;
use crate::failure::{Failure, of_storage};
use crate::http::problem::Problem;
use crate::http::secret_field::SecretFields;

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
    /// Looks up the account of a grant.
    ///
    /// # Errors
    /// Why the grant cannot be used, in words.
    pub(super) async fn of(
        app: &App,
        authority: &Authority,
        secrets: &adapter::Secrets,
        granted: Granted,
    ) -> Result<Self, String> {
        let Granted { grant, scopes, account_id } = granted;
        crate::redaction::register(grant.expose_secret());
        let client = short_client(authority, secrets, &grant).map_err(|error| error.to_string())?;
        let mut missing = authority.description.missing(&scopes);
        let account = match client.account().await {
            Ok(account) => account,
            // Backups do not need to know whose account it is.
            Err(error) => match error.kind() {
                Kind::Unauthorized(Fault::MissingScope(scope)) => {
                    missing.extend((!missing.contains(scope)).then(|| scope.clone()));
                    Account { id: account_id.unwrap_or_default(), ..Account::default() }
                }
                _ => return Err(of_storage(&error)),
            },
        };
        missing.sort();
        let now = app.now();
        let state = AuthorizationState {
            account_id: account.id,
            account_name: account.name,
            email: account.email,
            team: account.team,
            scopes,
            used: None,
            allowed: None,
            authorized_at: now,
            checked_at: now,
            broken: None,
            app_refused: false,
            app_changed: false,
            missing_scopes: missing,
            team_root: account.place,
        };
        Ok(Self { refresh_token: grant, state })
    }

    /// Reads what a request does with the grant: `null` removes it. Asks the provider whose a new one is. The one that the destination
    /// works with stays. The one that is replaced or removed may be in use elsewhere, and is not revoked. What is wrong with the app's own
    /// secrets is not said here.
    pub(crate) async fn of_request(
        app: &App,
        kind: &str,
        secrets: &mut SecretFields,
        before: Option<&Destination>,
    ) -> Result<GrantChange, Problem> {
        // For adapters without an authorization it is an unknown field.
        let Some(authority) = app.authority(kind) else { return Ok(GrantChange::Keep) };
        let grant = match secrets.take(REFRESH_TOKEN) {
            None => return Ok(GrantChange::Keep),
            Some(Value::Null) => return Ok(GrantChange::Remove),
            Some(Value::String(grant)) if !grant.trim().is_empty() => SecretString::from(grant.trim()),
            Some(_) => return Err(Problem::invalid_field(REFRESH_TOKEN, "must be a text, or null to remove it")),
        };
        let kept = before.map(|before| app.kept_access(before)).transpose()?;
        let (mut own, kept_grant) = kept.map(|Kept { app, grant }| (app, grant)).unwrap_or_default();
        let Some(adapter) = app.config.adapters.destinations.get(kind) else { return Ok(GrantChange::Keep) };
        for field in adapter.manifest.secrets() {
            if secrets.removes(field.name) {
                own.remove(field.name);
            } else if let Some(secret) = secrets.set(field.name) {
                own.insert(field.name.to_owned(), secret);
            }
        }
        if !own.contains_key(authority.description.app) {
            return Ok(GrantChange::Keep);
        }
        let is_broken =
            before.and_then(|before| before.authorization.as_ref()).is_none_or(|state| state.broken.is_some());
        if !is_broken && kept_grant.is_some_and(|kept| kept.expose_secret() == grant.expose_secret()) {
            return Ok(GrantChange::Keep);
        }
        let granted = Granted { grant, scopes: Vec::new(), account_id: None };
        match Self::of(app, &authority, &own, granted).await {
            Ok(Self { refresh_token, state }) => Ok(GrantChange::Set(refresh_token, Box::new(state))),
            Err(why) => Err(Problem::invalid_field(REFRESH_TOKEN, format!("does not work: {why}"))),
        }
    }

    /// Returns whether the destination has used another account so far.
    pub(super) fn is_of_other_account(&self, destination: &Destination) -> bool {
        destination.authorization.as_ref().is_some_and(|before| before.account_id != self.state.account_id)
    }

    /// Packs the grant to be sealed until somebody confirms it.
    pub(super) fn pack(&self) -> Result<SecretString, Failure> {
        let refresh_token = self.refresh_token.expose_secret().to_owned();
        let packed = Unconfirmed { refresh_token, state: self.state.clone() };
        Ok(serde_json::to_string(&packed)?.into())
    }

    pub(super) fn unpack(packed: &SecretString) -> Result<Self, Failure> {
        let Unconfirmed { refresh_token, state } = serde_json::from_str(packed.expose_secret())?;
        crate::redaction::register(&refresh_token);
        Ok(Self { refresh_token: refresh_token.into(), state })
    }

    /// Stores the grant, and revokes the one that it replaces. Returns the destination, and what to tell if the revocation failed.
    pub(super) async fn store(
        self,
        app: &App,
        destination: &Destination,
    ) -> Result<(Destination, Option<String>), Failure> {
        let replaced = Access::of(app, destination);
        let is_same =
            matches!(&replaced.grant, Some(grant) if grant.expose_secret() == self.refresh_token.expose_secret());
        app.catalog.set_grant(&destination.id, &self.refresh_token, &self.state).await?;
        let taken = app.catalog.take_all_unconfirmed(&destination.id).await.unwrap_or_default();
        let replaced = replaced.and_unconfirmed(app, destination, &taken);
        let notice = if is_same { None } else { revoke_replaced(app, destination, replaced).await };
        // This is the first use of the new grant after the revocation of the old one.
        Ok((app.look_at_new_grant(&destination.id).await?, notice))
    }

    /// Revokes the grant, which was not stored.
    pub(super) async fn discard(&self, app: &App, destination: &Destination) -> Result<(), String> {
        let client = client_of(app, destination, &self.refresh_token).map_err(|failure| failure.to_string())?;
        revoke(app, destination, &*client).await.map(drop)
    }
}

fn short_client(
    authority: &Authority,
    app: &adapter::Secrets,
    grant: &SecretString,
) -> Result<Arc<dyn Client>, adapter::Error> {
    authority.provider.client(app, grant, &Use { settings: None, place: None, patience: Patience::Short })
}

/// Returns a client with another grant than the destination's.
fn client_of(app: &App, destination: &Destination, grant: &SecretString) -> Result<Arc<dyn Client>, Failure> {
    let authority = app.authority_of(destination)?;
    short_client(&authority, &app.kept_access(destination)?.app, grant).map_err(Failure::Destination)
}

impl App {
    /// Looks at the space of a destination whose grant is new, and at what is stored there. A grant that may not look at its space can
    /// still back up.
    pub(crate) async fn look_at_new_grant(&self, id: &str) -> Result<Destination, Failure> {
        let gone = || Failure::Gone("the destination");
        self.listings.forget(id);
        self.folders.forget(id);
        self.forget_clients(id);
        let stored = self.catalog.destination(id).await?.ok_or_else(gone)?;
        match self.account_client(&stored)?.usage().await {
            Ok(Some(usage)) => self.note_space(id, usage.used, usage.allowed).await?,
            Ok(None) => {}
            Err(error) => self.note_broken_grant(id, &error).await,
        }
        self.confirm_copies(id).await;
        self.catalog.destination(id).await?.ok_or_else(gone)
    }

    /// Returns what a person can do where a destination's grant could not be revoked.
    pub(crate) fn revoke_by_hand(&self, destination: &Destination) -> &'static str {
        self.authority_of(destination).map_or("", |authority| authority.description.revoke_by_hand)
    }
}

/// Revokes a grant that was replaced; if runs are using it, once they have ended.
async fn revoke_replaced(app: &App, destination: &Destination, replaced: Access) -> Option<String> {
    let running = app.runs.active_ids();
    if running.is_empty() {
        let why = replaced.revoke(app).await.err()?;
        let by_hand = app.revoke_by_hand(destination);
        return Some(format!("the previous access could not be revoked: {why}. {by_hand}"));
    }
    let app = app.clone();
    tokio::spawn(async move {
        let mut live = app.runs.watch();
        while running.iter().any(|id| app.runs.active(id).is_some()) {
            // Whatever it says, or that nothing came: it is time to look again.
            let _ = tokio::time::timeout(LOOK_INTERVAL, live.recv()).await;
        }
        if let Err(why) = replaced.revoke(&app).await {
            tracing::warn!(why, "the previous access of a destination could not be revoked");
        }
    });
    None
}

/// The access that a destination has.
pub(crate) struct Access {
    destination: Destination,
    grant: Option<SecretString>,
    client: Result<Arc<dyn Client>, Failure>,
    /// Grants that nobody confirmed.
    unconfirmed: Vec<Result<Arc<dyn Client>, Failure>>,
}

impl Access {
    pub(crate) fn of(app: &App, destination: &Destination) -> Self {
        let client = app.account_client(destination);
        let grant = app.kept_access(destination).ok().and_then(|kept| kept.grant);
        Self { destination: destination.clone(), grant, client, unconfirmed: Vec::new() }
    }

    /// Adds grants that nobody confirmed.
    pub(crate) fn and_unconfirmed(mut self, app: &App, destination: &Destination, flows: &[Authorization]) -> Self {
        let client_of =
            |flow: &Authorization| client_of(app, destination, &NewGrant::unpack(&flow.verifier)?.refresh_token);
        self.unconfirmed.extend(flows.iter().map(client_of));
        self
    }

    /// Ends the access for good. Returns how that went, for the audit log.
    ///
    /// # Errors
    /// Why it may still stand.
    pub(crate) async fn revoke(self, app: &App) -> Result<&'static str, String> {
        let Self { destination, client, unconfirmed, .. } = self;
        let mut failure = None;
        for client in unconfirmed {
            let revoked = match client {
                Ok(client) => revoke(app, &destination, &*client).await.map(drop),
                Err(error) => Err(error.to_string()),
            };
            failure = failure.or(revoked.err());
        }
        let app_changed = destination.authorization.as_ref().is_some_and(|state| state.app_changed);
        let done = match client {
            // The provider would say that it does not know the grant, which is not to say that it has ended.
            Ok(_) if app_changed => {
                let label = app.authority_of(&destination).map_or("app", |authority| app.app_label(&authority));
                Err(format!("the {label} was changed since, and the access belongs to the previous app"))
            }
            Ok(client) => revoke(app, &destination, &*client).await,
            Err(Failure::NotAuthorized { .. }) => Ok(", there was no access to revoke"),
            Err(error) => Err(error.to_string()),
        };
        failure.map_or(done, Err)
    }
}

async fn revoke(app: &App, destination: &Destination, client: &dyn Client) -> Result<&'static str, String> {
    let Err(error) = client.revoke().await else { return Ok(", access revoked") };
    match (error.kind(), app.authority_of(destination)) {
        (Kind::Unauthorized(Fault::Revoked), _) => Ok(", access was revoked already"),
        (Kind::Unauthorized(fault), Ok(authority)) => Err((authority.description.words)(fault).0),
        _ => Err(error.to_string()),
    }
}
