//! What is known of an authorization: what uses have shown of it, and what a person has to do.

use adapter::authorization::{Act, Description};
use adapter::{Authorization as Fault, Kind};
use catalog::{AuthorizationState, Destination};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use super::Authority;
use crate::app::App;
use crate::failure::{Failure, with_cure};

/// How often it is noted that an authorization still works.
const NOTE_INTERVAL: SignedDuration = SignedDuration::from_mins(10);

/// What a person has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthorizationStatus {
    /// Nothing: this kind of storage needs none.
    NotRequired,
    /// Authorize it.
    AuthorizationRequired,
    /// Nothing.
    Authorized,
    /// Authorize it again.
    ReauthorizationRequired,
    /// Correct the app's secrets: the provider does not know the app.
    AppNotRecognized,
}

/// What is wrong with an authorization, with both cures: the app's, and this program's.
pub(crate) fn in_words(description: &Description, fault: &Fault) -> String {
    let (cause, cure) = (description.words)(fault);
    with_cure(&cure.map_or(cause.clone(), |cure| format!("{cause}. {cure}")), fault)
}

/// What a person has to do about an authorization, and why.
pub(crate) fn standing(description: &Description, state: &AuthorizationState) -> (AuthorizationStatus, Option<String>) {
    if let Some(reason) = &state.broken {
        let status = match state.app_refused {
            true => AuthorizationStatus::AppNotRecognized,
            false => AuthorizationStatus::ReauthorizationRequired,
        };
        return (status, Some(reason.clone()));
    }
    let missing = &state.missing_scopes;
    if missing.is_empty() {
        return (AuthorizationStatus::Authorized, None);
    }
    let reason = in_words(description, &Fault::MissingScope(missing.join(", ")));
    if missing.iter().all(|scope| description.works_without(scope)) {
        let reason = format!("{reason}. Until then backups and restores work, but account and space may not be shown");
        return (AuthorizationStatus::Authorized, Some(reason));
    }
    (AuthorizationStatus::ReauthorizationRequired, Some(reason))
}

impl App {
    /// Notes what an error of a destination says of its authorization, if anything (M-08).
    pub(crate) async fn note_broken_grant(&self, destination_id: &str, error: &adapter::Error) {
        let Kind::Unauthorized(fault) = error.kind() else { return };
        let noted = async {
            let Some(destination) = self.catalog.destination(destination_id).await? else { return Ok(()) };
            let Ok(authority) = self.authority_of(&destination) else { return Ok(()) };
            let Some(mut state) = destination.authorization.clone() else { return Ok(()) };
            // A run that began before somebody authorized again fails with the old grant; the new one may be fine.
            if *fault == Fault::Revoked && !self.is_revoked(&destination).await {
                return Ok(());
            }
            note_fault(&mut state, authority.description, fault);
            state.checked_at = self.now();
            self.catalog.set_authorization_state(&destination, &state).await
        };
        if let Err(error) = noted.await {
            let _: catalog::Error = error;
            tracing::error!(%error, destination_id, "could not note that the authorization is gone");
        }
    }

    /// Notes that an act has succeeded at a destination: its authorization works, and has the scopes that the act needs.
    pub(crate) async fn note_working(&self, destination_id: &str, act: Act) {
        self.note_accepted(destination_id, |description| description.proved_by(act).map(str::to_owned).collect()).await;
    }

    async fn note_accepted(&self, destination_id: &str, proved: impl FnOnce(&Description) -> Vec<String>) {
        let noted = async {
            let Some(destination) = self.catalog.destination(destination_id).await? else { return Ok(()) };
            let Ok(authority) = self.authority_of(&destination) else { return Ok(()) };
            let Some(before) = &destination.authorization else { return Ok(()) };
            let mut state = before.clone();
            (state.broken, state.app_refused, state.app_changed) = (None, false, false);
            let proved = proved(authority.description);
            state.missing_scopes.retain(|scope| !proved.contains(scope));
            let now = self.now();
            if now.duration_since(before.checked_at) >= NOTE_INTERVAL {
                state.checked_at = now;
            }
            if state == *before {
                return Ok(());
            }
            self.catalog.set_authorization_state(&destination, &state).await
        };
        if let Err(error) = noted.await {
            let _: catalog::Error = error;
            tracing::error!(%error, destination_id, "could not note that the authorization works");
        }
    }

    /// Asks the provider about the grant that the destination has now.
    async fn is_revoked(&self, destination: &Destination) -> bool {
        let Ok(client) = self.account_client(destination) else { return true };
        client.account().await.is_err_and(|error| *error.kind() == Kind::Unauthorized(Fault::Revoked))
    }

    /// Looks up account and space of a destination, and notes what that says of its authorization.
    pub(crate) async fn check_authorization(&self, destination: &Destination) -> Result<(), Failure> {
        let Some(mut state) = destination.authorization.clone() else { return Ok(()) };
        let id = &destination.id;
        let client = self.account_client(destination)?;
        let looked = async { Ok::<_, adapter::Error>((client.account().await?, client.usage().await?)) };
        match looked.await {
            Ok((account, usage)) => {
                (state.account_name, state.email, state.team) = (account.name, account.email, account.team);
                self.catalog.set_authorization_state(destination, &state).await?;
                self.note_working(id, Act::Account).await;
                if let Some(usage) = usage {
                    self.note_space(id, usage.used, usage.allowed).await?;
                }
                self.confirm_copies(id).await;
            }
            Err(error) => match error.kind() {
                Kind::Unauthorized(fault) => {
                    if matches!(fault, Fault::MissingScope(_)) {
                        self.note_accepted(id, |_| Vec::new()).await;
                    }
                    self.note_broken_grant(id, &error).await;
                }
                _ => return Err(Failure::Destination(error)),
            },
        }
        self.try_missing_scopes(id).await
    }

    /// Notes what a failed test says of the authorization.
    pub(crate) async fn note_failed_test(&self, destination_id: &str) {
        let Ok(Some(destination)) = self.catalog.destination(destination_id).await else { return };
        let Ok(client) = self.account_client(&destination) else { return };
        let looked = async { client.account().await.and(client.usage().await) };
        if let Err(error) = looked.await {
            self.note_broken_grant(destination_id, &error).await;
        }
    }

    /// Tries the scopes that were missing: the app may have them again.
    async fn try_missing_scopes(&self, id: &str) -> Result<(), Failure> {
        let destination = self.catalog.destination(id).await?.ok_or(Failure::Gone("the destination"))?;
        let Some(state) = &destination.authorization else { return Ok(()) };
        if state.broken.is_some() {
            return Ok(());
        }
        for scope in &state.missing_scopes {
            if self.account_client(&destination)?.has_scope(scope).await == Some(true) {
                self.note_accepted(id, |_| vec![scope.clone()]).await;
            }
        }
        Ok(())
    }

    /// Brings what is known of a destination's authorization in line with a change that is stored; `named_app` is the secret that named its
    /// app before. What cannot be looked at is told in the log, and not as a failure of the change.
    pub(crate) async fn follow_change(&self, id: &str, is_granted: bool, named_app: Option<SecretString>) {
        let followed = match is_granted {
            true => self.look_at_new_grant(id).await,
            false => self.settle_authorization(id, named_app).await,
        };
        if let Err(error) = followed {
            tracing::warn!(%error, destination_id = id, "a destination that was changed could not be looked at");
        }
    }

    /// Brings what is known of a destination's authorization in line with settings that were changed; `app` is the secret that named its
    /// app before.
    async fn settle_authorization(&self, id: &str, app: Option<SecretString>) -> Result<Destination, Failure> {
        self.forget_clients(id);
        let gone = || Failure::Gone("the destination");
        let mut changed = self.catalog.destination(id).await?.ok_or_else(gone)?;
        if let Some(mut state) = changed.authorization.clone().filter(|state| state.team_root.is_some()) {
            // Whoever saves it has chosen the folder, and with it the place.
            state.team_root = None;
            self.catalog.set_authorization_state(&changed, &state).await?;
            changed = self.catalog.destination(id).await?.ok_or_else(gone)?;
        }
        let app_now = self.app_of(&changed)?;
        let exposed = |app: &Option<SecretString>| app.as_ref().map(|app| app.expose_secret().to_owned());
        if exposed(&app) != exposed(&app_now)
            && let Some(mut state) = changed.authorization.clone()
            && let Ok(authority) = self.authority_of(&changed)
        {
            let label = self.app_label(&authority);
            state.broken = Some(format!(
                "the {label} was changed, and the access belongs to the previous app. Re-authorize to continue"
            ));
            (state.app_refused, state.app_changed) = (false, true);
            self.catalog.set_authorization_state(&changed, &state).await?;
            changed = self.catalog.destination(id).await?.ok_or_else(gone)?;
        }
        self.listings.forget(id);
        self.folders.forget(id);
        // Without an access it would only fail: a new authorization, or a check, tries it.
        if changed.authorization.as_ref().is_none_or(|state| state.broken.is_none()) {
            self.confirm_copies(id).await;
        }
        Ok(changed)
    }

    /// Returns what forms call the secret that names the app: `App Key`.
    pub(super) fn app_label(&self, authority: &Authority) -> &'static str {
        let adapter = self.config.adapters.destinations.get(authority.kind);
        let field = adapter.and_then(|adapter| adapter.manifest.field(authority.description.app));
        field.map_or("app", |field| field.label)
    }
}

fn note_fault(state: &mut AuthorizationState, description: &Description, fault: &Fault) {
    match fault {
        // There is nothing that could be broken.
        Fault::Missing => {}
        Fault::MissingScope(scope) => {
            if let Err(place) = state.missing_scopes.binary_search(scope) {
                state.missing_scopes.insert(place, scope.clone());
            }
        }
        Fault::Revoked | Fault::AppNotRecognized => {
            state.broken = Some(in_words(description, fault));
            state.app_refused = *fault == Fault::AppNotRecognized;
        }
    }
}
