//! Authorizations that have begun. The `state` is random, works once, for ten minutes, for one destination, and only for whoever began.

use adapter::authorization::{Answer, Consent, new_verifier};
use catalog::{Authorization, Destination, NewAuthorization, Token};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::grants::NewGrant;
use super::status::{AuthorizationStatus, standing};
use crate::app::App;
use crate::failure::Failure;
use crate::http::problem::Problem;

/// How long a person may take.
const VALID: SignedDuration = SignedDuration::from_mins(10);

/// How the person comes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// The provider sends the browser back.
    #[default]
    Redirect,
    /// The provider shows a code, which the person pastes: for servers that it cannot send a browser to.
    Code,
}

impl Mode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Code => "code",
        }
    }

    fn redirect_uri(self, app: &App, kind: &str) -> Option<String> {
        (self == Self::Redirect).then(|| app.redirect_uri(kind))
    }
}

/// An authorization that has begun.
pub(crate) struct Begun {
    /// The address of the consent page.
    pub(crate) url: String,
    pub(crate) state: Token,
    pub(crate) expires_at: Timestamp,
}

/// How an authorization ended.
pub(crate) enum Ended {
    Authorized {
        /// What else there is to know.
        notice: Option<String>,
    },
    OtherAccount,
}

/// Begins an authorization.
pub(crate) async fn begin(
    app: &App,
    destination: &Destination,
    credential: &str,
    mode: Mode,
) -> Result<Begun, Problem> {
    let authority = app.authority_of(destination)?;
    if mode == Mode::Code && !authority.description.shows_code {
        let words = format!("{} shows no code to paste: authorize with a redirect", authority.description.provider);
        return Err(Problem::invalid_field("mode", words));
    }
    let secrets = app.kept_access(destination)?.app;
    discard_unconfirmed(app, destination).await?;
    let verifier = new_verifier().map_err(Problem::internal)?;
    let state = Token::new("")?;
    let expires_at = app.now() + VALID;
    let redirect_uri = mode.redirect_uri(app, authority.kind);
    let consent = Consent {
        verifier: &verifier,
        redirect_uri: redirect_uri.as_deref(),
        state: (mode == Mode::Redirect).then(|| state.expose()),
        // Without this a provider may send back a user who has approved the app before, without asking which account.
        ask_again: destination.authorization.is_some(),
    };
    let url = authority.provider.consent_url(&secrets, &consent).map_err(Failure::Destination)?;
    let new = NewAuthorization {
        state: &state,
        destination_id: &destination.id,
        credential,
        mode: mode.as_str(),
        verifier: &verifier,
        expires_at,
    };
    app.catalog.create_authorization(&new, app.now()).await?;
    Ok(Begun { url, state, expires_at })
}

/// Ends the access of other accounts that nobody confirmed.
async fn discard_unconfirmed(app: &App, destination: &Destination) -> Result<(), Problem> {
    for flow in app.catalog.take_all_unconfirmed(&destination.id).await? {
        if let Err(why) = NewGrant::unpack(&flow.verifier)?.discard(app, destination).await {
            tracing::warn!(why, "an access that was not confirmed could not be revoked");
        }
    }
    Ok(())
}

/// Takes the flow that a state belongs to, if it is this person's, of this mode, in time, and of the destination named, if one is.
pub(crate) async fn take(
    app: &App,
    credential: &str,
    state: &str,
    mode: Mode,
    destination_id: Option<&str>,
) -> Result<Authorization, Problem> {
    let flow = app.catalog.take_authorization(&Token::shown(state.trim())).await?;
    let sound = |flow: &Authorization| {
        is_theirs(app, flow, credential)
            && flow.mode == mode.as_str()
            && destination_id.is_none_or(|id| id == flow.destination_id)
    };
    flow.filter(sound).ok_or_else(lost)
}

/// Takes a grant of another account, which waits for its confirmation.
pub(crate) async fn take_unconfirmed(
    app: &App,
    credential: &str,
    state: &str,
    destination_id: &str,
) -> Result<Authorization, Problem> {
    let flow = find(app, credential, state).await?.filter(|flow| flow.destination_id == destination_id);
    let flow = if flow.is_some() { app.catalog.take_unconfirmed(&Token::shown(state.trim())).await? } else { None };
    flow.ok_or_else(lost)
}

/// Returns the flow of a state, or what became of it, if it is this person's and in time. Nothing is used up.
pub(crate) async fn find(app: &App, credential: &str, state: &str) -> Result<Option<Authorization>, Problem> {
    let flow = app.catalog.authorization(&Token::shown(state.trim())).await?;
    Ok(flow.filter(|flow| is_theirs(app, flow, credential)))
}

fn is_theirs(app: &App, flow: &Authorization, credential: &str) -> bool {
    flow.credential == credential && flow.expires_at.0 > app.now()
}

fn lost() -> Problem {
    Problem::forbidden("This authorization link has expired or was already used. Start again from the destination.")
}

/// Keeps under a flow's state what became of it, for a while yet.
pub(crate) async fn settle(
    app: &App,
    flow: &Authorization,
    state: &str,
    mode: &str,
    what: String,
) -> Result<(), Problem> {
    let state = &Token::shown(state.trim());
    let (destination_id, credential) = (flow.destination_id.as_str(), flow.credential.as_str());
    let expires_at = if mode == flow.mode { flow.expires_at.0 } else { app.now() + VALID };
    let again = NewAuthorization { state, destination_id, credential, mode, verifier: &what.into(), expires_at };
    Ok(app.catalog.create_authorization(&again, app.now()).await?)
}

/// Keeps a flow as it was before it was taken, so that it can be completed yet.
pub(crate) async fn put_back(app: &App, flow: &Authorization, state: &str) -> Result<(), Problem> {
    settle(app, flow, state, &flow.mode, flow.verifier.expose_secret().to_owned()).await
}

/// Exchanges the code. The grant is stored, unless it is for another account than before: then it waits.
pub(crate) async fn complete(
    app: &App,
    flow: &Authorization,
    state: &str,
    code: &SecretString,
    mode: Mode,
) -> Result<(Ended, Destination), Problem> {
    let destination = app.catalog.destination(&flow.destination_id).await?.ok_or_else(gone)?;
    let failed = |why: String| Problem::conflict("authorizationFailed", why);
    let grant = exchange(app, &destination, flow, code, mode).await.map_err(failed)?;
    if grant.is_of_other_account(&destination) {
        settle(app, flow, state, "confirm", grant.pack()?.expose_secret().to_owned()).await?;
        return Ok((Ended::OtherAccount, destination));
    }
    let (destination, notice) = grant.store(app, &destination).await?;
    Ok((Ended::Authorized { notice }, destination))
}

async fn exchange(
    app: &App,
    destination: &Destination,
    flow: &Authorization,
    code: &SecretString,
    mode: Mode,
) -> Result<NewGrant, String> {
    let in_words = |failure: Failure| failure.to_string();
    let authority = app.authority_of(destination).map_err(in_words)?;
    let secrets = app.kept_access(destination).map_err(in_words)?.app;
    let redirect_uri = mode.redirect_uri(app, authority.kind);
    let answer = Answer { code, verifier: &flow.verifier, redirect_uri: redirect_uri.as_deref() };
    let granted = authority.provider.exchange(&secrets, &answer).await;
    let granted = granted.map_err(|error| in_words(Failure::Destination(error)))?;
    NewGrant::of(app, &authority, &secrets, granted).await
}

/// Returns the end of an authorization. One that lacks a scope which backups need is stored, but is no success.
pub(crate) fn usable(app: &App, ended: Ended, destination: &Destination) -> Result<Ended, String> {
    let (Some(state), Ok(authority)) = (&destination.authorization, app.authority_of(destination)) else {
        return Ok(ended);
    };
    match (&ended, standing(authority.description, state)) {
        (Ended::OtherAccount, _) | (_, (AuthorizationStatus::Authorized, None)) => Ok(ended),
        (Ended::Authorized { notice: Some(_) }, (AuthorizationStatus::Authorized, _)) => Ok(ended),
        (_, (AuthorizationStatus::Authorized, reason)) => Ok(Ended::Authorized { notice: reason }),
        (_, (_, reason)) => {
            Err(reason.unwrap_or_else(|| "the authorization cannot be used: authorize again".to_owned()))
        }
    }
}

/// Stores a grant of another account that was confirmed. Returns the destination, the account's address, and what else there is to know.
pub(crate) async fn accept(
    app: &App,
    flow: &Authorization,
    destination: &Destination,
) -> Result<(Destination, String, Option<String>), Problem> {
    let grant = NewGrant::unpack(&flow.verifier)?;
    let email = grant.state.email.clone();
    let (destination, notice) = grant.store(app, destination).await?;
    Ok((destination, email, notice))
}

/// Revokes a grant of another account that was refused.
///
/// # Errors
/// Why it may still stand.
pub(crate) async fn refuse(app: &App, flow: &Authorization, destination: &Destination) -> Result<(), String> {
    let grant = NewGrant::unpack(&flow.verifier).map_err(|failure| failure.to_string())?;
    grant.discard(app, destination).await
}

/// Returns the address of the account whose grant waits for its confirmation.
pub(crate) fn waiting_account(flow: &Authorization) -> Result<String, Problem> {
    Ok(NewGrant::unpack(&flow.verifier)?.state.email)
}

pub(crate) fn gone() -> Problem {
    Problem::not_found("the destination")
}
