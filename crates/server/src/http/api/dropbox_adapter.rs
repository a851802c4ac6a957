//! Authorizing Dropbox (M-02 to M-05): with a redirect, or with a code that the person pastes.
//!
//! The `state` is random, works once, for ten minutes, for one destination, and only for whoever began.

use axum::Json;
use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use catalog::{Authorization, Destination, NewAuditEntry, NewAuthorization, Token};
use domain::access::Permission;
use dropbox::oauth::{Pkce, authorize_url};
use jiff::SignedDuration;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::access::AuditDetail;
use super::super::caller::Caller;
use super::super::client_address::ClientAddress;
use super::super::extract::{Body, Query};
use super::super::problem::Problem;
use super::super::time::Time;
use super::destinations::{AuthorizationStatus, DestinationInfo, info, standing};
use super::dropbox_grant::{BY_HAND, NewGrant};
use crate::app::App;

/// How long a person may take.
const VALID: SignedDuration = SignedDuration::from_mins(10);

/// How the person comes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Dropbox sends the browser back.
    #[default]
    Redirect,
    /// Dropbox shows a code, which the person pastes: for servers that Dropbox cannot send a browser to.
    Code,
}

impl Mode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Code => "code",
        }
    }

    pub(super) fn redirect_uri(self, app: &App) -> Option<String> {
        (self == Self::Redirect).then(|| app.config.redirect_uri())
    }
}

/// What is to be authorized.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AuthorizationInput {
    destination_id: String,
    #[serde(default)]
    mode: Mode,
}

/// Where to send the person.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthorizationBegun {
    /// Dropbox's consent page.
    url: String,
    /// To be sent with the code, in mode `code`.
    state: String,
    expires_at: Time,
}

/// What Dropbox sends the browser back with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallbackQuery {
    code: Option<String>,
    state: Option<String>,
    /// `access_denied` if the person refused.
    error: Option<String>,
    error_description: Option<String>,
}

/// What became of an authorization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthorizationProgress {
    status: ProgressStatus,
    /// Why it failed and what to do, or what else there is to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The account that the destination has used so far, while the change to another one waits for its confirmation.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_account: Option<String>,
    /// The account that has allowed the access.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
}

/// How far an authorization is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ProgressStatus {
    /// The user has not answered Dropbox yet.
    Waiting,
    /// The destination can be used.
    Authorized,
    /// Another account than before: confirm it.
    AccountChanged,
    /// Begin again.
    Failed,
    /// Ten minutes are over: begin again.
    Expired,
}

/// Which authorization.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StateQuery {
    /// From the answer that began it.
    #[param(min_length = 1, max_length = 200)]
    state: String,
}

/// Whether another account may take the place of the one before.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmationInput {
    /// From the answer that began it.
    #[schema(min_length = 1, max_length = 200)]
    state: String,
    /// `false` revokes the new access and keeps the account of before.
    accept: bool,
}

/// The code that Dropbox has shown.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeInput {
    #[schema(write_only, value_type = String, min_length = 1, max_length = 1000)]
    code: SecretString,
    /// From the answer that began it.
    #[schema(min_length = 1, max_length = 200)]
    state: String,
}

/// Begins an authorization: gives the address of Dropbox's consent page.
#[utoipa::path(post, path = "/api/adapters/dropbox/auth", tag = "dropbox", request_body = AuthorizationInput,
    responses((status = 200, body = AuthorizationBegun)))]
pub(crate) async fn begin(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<AuthorizationInput>,
) -> Result<Json<AuthorizationBegun>, Problem> {
    let (user_id, now) = (&caller.user.id, app.now());
    app.limiters.authorizations.check(user_id, now).map_err(|seconds| Problem::too_often("authorizations", seconds))?;
    app.limiters.authorizations.count(user_id, now);
    let destination = app.catalog.destination(&input.destination_id).await?.ok_or_else(gone)?;
    let (settings, _) = app.dropbox_app(&destination)?;
    discard_unconfirmed(&app, &destination).await?;
    let mut entropy = [0; 48];
    getrandom::fill(&mut entropy).map_err(Problem::internal)?;
    let pkce = Pkce::new(entropy);
    let state = Token::new("")?;
    let expires_at = app.now() + VALID;
    let new = NewAuthorization {
        state: &state,
        destination_id: &destination.id,
        credential: caller.credential_id(),
        mode: input.mode.as_str(),
        verifier: pkce.verifier(),
        expires_at,
    };
    app.catalog.create_authorization(&new, app.now()).await?;
    let redirect_uri = input.mode.redirect_uri(&app);
    // Without this Dropbox may send back a user who has approved the app before, without asking which account.
    let asks_again = destination.authorization.is_some();
    let for_redirect = (input.mode == Mode::Redirect).then(|| state.expose());
    let url = authorize_url(&settings, &pkce, redirect_uri.as_deref(), for_redirect, asks_again).to_string();
    Ok(Json(AuthorizationBegun { url, state: state.expose().to_owned(), expires_at: expires_at.into() }))
}

/// Where Dropbox sends the browser. Sends a browser on to the destination's page, whatever came of it.
#[utoipa::path(get, path = "/api/adapters/dropbox/callback", tag = "dropbox", params(CallbackQuery),
    responses((status = 303, description = "To a page of the UI, with `?authorization=authorized`, `account_changed` or `failed`, and the `state` to ask for the words with")))]
pub(crate) async fn callback(
    State(app): State<App>,
    headers: HeaderMap,
    ClientAddress(address): ClientAddress,
    Query(query): Query<CallbackQuery>,
) -> Result<Response, Problem> {
    let caller = Caller::of(&app, &headers).await?.ok();
    let state = query.state.clone().unwrap_or_default();
    let (flow, ended) = match begin_to_end(&app, caller.as_ref(), &state).await {
        Ok(flow) => {
            let ended = end(&app, &flow, &state, query).await;
            (Some(flow), ended)
        }
        Err(problem) if !is_browser(&headers) => return Err(problem),
        Err(problem) => (None, Err(problem.detail)),
    };
    let id = match flow {
        Some(flow) => Some(flow.destination_id),
        None => app.catalog.authorization(&Token::shown(&state)).await?.map(|known| known.destination_id),
    };
    let detail = match &ended {
        Ok(Ended::Authorized { .. }) => "Dropbox authorized",
        Ok(Ended::OtherAccount) => "Dropbox authorized by another account, to be confirmed",
        Err(reason) => reason,
    };
    let entry = NewAuditEntry {
        actor: &caller.as_ref().map_or_else(|| "nobody".to_owned(), Caller::describe),
        address: &address.to_string(),
        action: "authorize",
        object: &format!("/api/destinations/{}", id.as_deref().unwrap_or_default()),
        refused: ended.is_err(),
        detail,
    };
    if app.limiters.audit.take(&crate::limiter::address_key(address), app.now()) {
        app.catalog.add_audit_entry(&entry, app.now()).await?;
    }
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let outcome = match ended {
        Ok(Ended::Authorized { notice: None }) => "authorization=authorized".to_owned(),
        // The words are asked for by the state: anybody could write others into a link.
        Ok(Ended::Authorized { notice: Some(_) }) => format!("authorization=authorized&state={}", escape(&state)),
        Ok(Ended::OtherAccount) => format!("authorization=account_changed&state={}", escape(&state)),
        Err(_) => format!("authorization=failed&state={}", escape(&state)),
    };
    let base = app.config.public_url.as_str().trim_end_matches('/');
    let page = id.map(|id| format!("/{id}")).unwrap_or_default();
    Ok(Redirect::to(&format!("{base}/destinations{page}?{outcome}")).into_response())
}

/// Whether a page is wanted: a program gets a problem instead.
fn is_browser(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

/// The flow that Dropbox's answer belongs to, for the user who began it.
async fn begin_to_end(app: &App, caller: Option<&Caller>, state: &str) -> Result<Authorization, Problem> {
    let Some(caller) = caller else {
        return Err(Problem::unauthorized(format!(
            "sign in to dbackup first, in this browser and at {}, then authorize again",
            app.config.public_url
        )));
    };
    if !caller.allows(Permission::Configure) {
        return Err(Problem::forbidden("this needs the permission 'configure'"));
    }
    if state.is_empty() {
        return Err(Problem::forbidden("Dropbox's answer lacks its state: start again from the destination"));
    }
    take(app, caller, state, Mode::Redirect).await
}

/// How an authorization ended.
enum Ended {
    Authorized {
        /// What else there is to know.
        notice: Option<String>,
    },
    OtherAccount,
}

/// Completes a flow with Dropbox's answer, and keeps what came of it for the page that waits.
async fn end(app: &App, flow: &Authorization, state: &str, query: CallbackQuery) -> Result<Ended, String> {
    let ended = match (query.code, query.error) {
        (_, Some(error)) => Err(refusal(&error, query.error_description.as_deref())),
        (Some(code), None) => {
            complete(app, flow, state, &code.into(), Mode::Redirect).await.map_err(|problem| problem.detail)
        }
        (None, None) => Err("Dropbox's answer holds neither a code nor an error: start again".to_owned()),
    };
    let ended = ended.and_then(|(ended, destination)| usable(ended, &destination));
    let kept = match &ended {
        Ok(Ended::OtherAccount) => return ended,
        Ok(Ended::Authorized { notice }) => settle(app, flow, state, "done", notice.clone().unwrap_or_default()).await,
        Err(reason) => settle(app, flow, state, "failed", reason.clone()).await,
    };
    if let Err(problem) = kept {
        tracing::error!(detail = problem.detail, "could not keep the outcome of an authorization");
    }
    ended
}

/// An authorization that lacks a scope which backups need is stored, but is no success.
fn usable(ended: Ended, destination: &Destination) -> Result<Ended, String> {
    let Some(state) = &destination.authorization else { return Ok(ended) };
    match (&ended, standing(state)) {
        (Ended::OtherAccount, _) | (_, (AuthorizationStatus::Authorized, None)) => Ok(ended),
        (Ended::Authorized { notice: Some(_) }, (AuthorizationStatus::Authorized, _)) => Ok(ended),
        (_, (AuthorizationStatus::Authorized, reason)) => Ok(Ended::Authorized { notice: reason }),
        (_, (_, reason)) => {
            Err(reason.unwrap_or_else(|| "the authorization cannot be used: authorize again".to_owned()))
        }
    }
}

/// Completes an authorization with the code that Dropbox has shown.
///
/// 409 `accountChanged` if another account than before has allowed it: confirm it with the same state.
#[utoipa::path(post, path = "/api/adapters/dropbox/code", tag = "dropbox", request_body = CodeInput,
    responses((status = 200, body = DestinationInfo)))]
pub(crate) async fn code(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<CodeInput>,
) -> Result<(axum::Extension<AuditDetail>, Json<DestinationInfo>), Problem> {
    let flow = take(&app, &caller, &input.state, Mode::Code).await?;
    match complete(&app, &flow, &input.state, &input.code, Mode::Code).await {
        Ok((Ended::Authorized { notice }, destination)) => {
            let notice = notice.map(|notice| format!("; {notice}")).unwrap_or_default();
            let detail = AuditDetail(format!("Dropbox authorized for {}{notice}", destination.name));
            Ok((axum::Extension(detail), Json(info(&app, destination)?)))
        }
        Ok((Ended::OtherAccount, destination)) => {
            let before = destination.authorization.map(|state| state.email).unwrap_or_default();
            let words = format!(
                "this is another Dropbox account than {before}, which {} has used so far: confirm the change, or keep the account",
                destination.name
            );
            Err(Problem::conflict("accountChanged", words))
        }
        Err(problem) => {
            // Half a code was pasted, or that of yesterday: the right one may still come.
            settle(&app, &flow, &input.state, &flow.mode, flow.verifier.expose_secret().to_owned()).await?;
            Err(problem)
        }
    }
}

/// What became of an authorization, for the page that began it. Nothing is used up.
#[utoipa::path(get, path = "/api/adapters/dropbox/auth", tag = "dropbox", params(StateQuery),
    responses((status = 200, body = AuthorizationProgress)))]
pub(crate) async fn progress(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<StateQuery>,
) -> Result<Json<AuthorizationProgress>, Problem> {
    let flow = app.catalog.authorization(&Token::shown(query.state.trim())).await?;
    let flow = flow.filter(|flow| flow.credential == caller.credential_id() && flow.expires_at.0 > app.now());
    let plain = |status| AuthorizationProgress { status, reason: None, previous_account: None, account: None };
    let Some(flow) = flow else { return Ok(Json(plain(ProgressStatus::Expired))) };
    let words = || Some(flow.verifier.expose_secret().to_owned()).filter(|words| !words.is_empty());
    Ok(Json(match flow.mode.as_str() {
        "done" => AuthorizationProgress { reason: words(), ..plain(ProgressStatus::Authorized) },
        "failed" => AuthorizationProgress { reason: words(), ..plain(ProgressStatus::Failed) },
        "confirm" => {
            let destination = app.catalog.destination(&flow.destination_id).await?.ok_or_else(gone)?;
            AuthorizationProgress {
                previous_account: destination.authorization.map(|state| state.email),
                account: Some(NewGrant::unpack(&flow.verifier)?.state.email),
                ..plain(ProgressStatus::AccountChanged)
            }
        }
        _ => plain(ProgressStatus::Waiting),
    }))
}

/// Accepts or refuses that another account takes the place of the one before.
#[utoipa::path(post, path = "/api/adapters/dropbox/confirm", tag = "dropbox", request_body = ConfirmationInput,
    responses((status = 200, body = DestinationInfo)))]
pub(crate) async fn confirm(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<ConfirmationInput>,
) -> Result<(axum::Extension<AuditDetail>, Json<DestinationInfo>), Problem> {
    let state = Token::shown(input.state.trim());
    let is_theirs = app
        .catalog
        .authorization(&state)
        .await?
        .is_some_and(|flow| flow.credential == caller.credential_id() && flow.expires_at.0 > app.now());
    let flow = if is_theirs { app.catalog.take_unconfirmed(&state).await? } else { None };
    let flow = flow.ok_or_else(lost)?;
    let destination = app.catalog.destination(&flow.destination_id).await?.ok_or_else(gone)?;
    let grant = NewGrant::unpack(&flow.verifier)?;
    let email = grant.state.email.clone();
    if !input.accept {
        settle(&app, &flow, &input.state, "failed", "the account was not changed".to_owned()).await?;
        if let Err(why) = grant.discard(&app, &destination).await {
            let words =
                format!("the account was not changed, but the new access could not be revoked: {why}. {BY_HAND}");
            return Err(Problem::failed_dependency("notRevoked", words));
        }
        let detail = AuditDetail(format!("{} keeps its account", destination.name));
        return Ok((axum::Extension(detail), Json(info(&app, destination)?)));
    }
    let (destination, notice) = grant.store(&app, &destination).await?;
    settle(&app, &flow, &input.state, "done", notice.clone().unwrap_or_default()).await?;
    let notice = notice.map(|notice| format!("; {notice}")).unwrap_or_default();
    let detail =
        AuditDetail(format!("Dropbox authorized for {} by another account, {email}{notice}", destination.name));
    Ok((axum::Extension(detail), Json(info(&app, destination)?)))
}

/// The flow that a state belongs to, if it is this person's, of this kind, and in time.
async fn take(app: &App, caller: &Caller, state: &str, mode: Mode) -> Result<Authorization, Problem> {
    let flow = app.catalog.take_authorization(&Token::shown(state.trim())).await?;
    let sound = |flow: &Authorization| {
        flow.credential == caller.credential_id() && flow.mode == mode.as_str() && flow.expires_at.0 > app.now()
    };
    flow.filter(sound).ok_or_else(lost)
}

fn lost() -> Problem {
    Problem::forbidden(
        "this authorization was not begun here, has been completed already, or took longer than ten minutes: start again from the destination",
    )
}

/// Keeps under a flow's state what became of it, for a while yet.
async fn settle(app: &App, flow: &Authorization, state: &str, mode: &str, what: String) -> Result<(), Problem> {
    let state = &Token::shown(state.trim());
    let (destination_id, credential) = (flow.destination_id.as_str(), flow.credential.as_str());
    let expires_at = if mode == flow.mode { flow.expires_at.0 } else { app.now() + VALID };
    let again = NewAuthorization { state, destination_id, credential, mode, verifier: &what.into(), expires_at };
    Ok(app.catalog.create_authorization(&again, app.now()).await?)
}

/// Exchanges the code. The grant is stored, unless it is for another account than before: then it waits.
async fn complete(
    app: &App,
    flow: &Authorization,
    state: &str,
    code: &SecretString,
    mode: Mode,
) -> Result<(Ended, Destination), Problem> {
    let destination = app.catalog.destination(&flow.destination_id).await?.ok_or_else(gone)?;
    let grant = NewGrant::exchange(app, &destination, flow, code, mode)
        .await
        .map_err(|why| Problem::new(StatusCode::CONFLICT, "authorizationFailed", why))?;
    if grant.other_account(&destination).is_some() {
        settle(app, flow, state, "confirm", grant.pack()?.expose_secret().to_owned()).await?;
        return Ok((Ended::OtherAccount, destination));
    }
    let (destination, notice) = grant.store(app, &destination).await?;
    Ok((Ended::Authorized { notice }, destination))
}

/// Ends the access of other accounts that nobody confirmed.
async fn discard_unconfirmed(app: &App, destination: &Destination) -> Result<(), Problem> {
    for flow in app.catalog.take_all_unconfirmed(&destination.id).await? {
        if let Err(why) = NewGrant::unpack(&flow.verifier)?.discard(app, destination).await {
            tracing::warn!(why, "an access to Dropbox that was not confirmed could not be revoked");
        }
    }
    Ok(())
}

fn refusal(error: &str, description: Option<&str>) -> String {
    if error == "access_denied" {
        return "the access was not allowed in Dropbox: authorize again, and click Allow".to_owned();
    }
    let description: String = description.unwrap_or("no reason given").chars().take(300).collect();
    format!(
        "Dropbox refused the authorization ({}: {description}). Authorize again",
        error.chars().take(60).collect::<String>()
    )
}

pub(super) fn gone() -> Problem {
    Problem::not_found("the destination")
}
