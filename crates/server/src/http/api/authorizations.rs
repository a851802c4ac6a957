//! Authorizing a destination (M-02 to M-05): with a redirect, or with a code that the person pastes.

use adapter::authorization::Description;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::{IntoResponse, Redirect, Response};
use catalog::{Authorization, Destination, NewAuditEntry, Token};
use domain::access::Permission;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::access::AuditDetail;
use super::super::caller::Caller;
use super::super::client_address::ClientAddress;
use super::super::extract::{Body, Id, Query};
use super::super::problem::Problem;
use super::super::revision::Revised;
use super::super::time::Time;
use super::destinations::{DestinationInfo, info};
use crate::app::App;
use crate::authorizations::flows::{self, Ended, Mode, gone, settle, usable};

/// Where providers send browsers back to. Each has an address of its own, so that one cannot answer for another (RFC 9700, section 4.4).
pub(crate) const CALLBACK: &str = "/api/adapters/{kind}/callback";

/// How to authorize.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizationInput {
    #[serde(default)]
    mode: Mode,
}

/// Where to send the person.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthorizationBegun {
    /// The provider's consent page.
    url: String,
    /// To be sent with the code, in mode `code`.
    state: String,
    expires_at: Time,
}

/// What a provider sends the browser back with (RFC 6749, section 4.1.2).
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
    /// The user has not answered the provider yet.
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

/// The code that the provider has shown.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeInput {
    #[schema(write_only, value_type = String, min_length = 1, max_length = 1000)]
    code: SecretString,
    /// From the answer that began it.
    #[schema(min_length = 1, max_length = 200)]
    state: String,
}

/// Begins an authorization: returns the address of the provider's consent page.
#[utoipa::path(post, path = "/api/destinations/{id}/authorization", tag = "destinations", params(("id" = String, Path)),
    request_body = AuthorizationInput, responses((status = 200, body = AuthorizationBegun)))]
pub(crate) async fn begin(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(input): Body<AuthorizationInput>,
) -> Result<Json<AuthorizationBegun>, Problem> {
    let (user_id, now) = (&caller.user.id, app.now());
    app.limiters.authorizations.check(user_id, now).map_err(|seconds| Problem::too_often("authorizations", seconds))?;
    app.limiters.authorizations.count(user_id, now);
    let destination = app.catalog.destination(&id).await?.ok_or_else(gone)?;
    let begun = flows::begin(&app, &destination, caller.credential_id(), input.mode).await?;
    let state = begun.state.expose().to_owned();
    Ok(Json(AuthorizationBegun { url: begun.url, state, expires_at: begun.expires_at.into() }))
}

/// Where a provider sends the browser. Sends it on to the destination's page, whatever came of it.
#[utoipa::path(get, path = "/api/adapters/{kind}/callback", tag = "adapters", params(("kind" = String, Path), CallbackQuery),
    responses((status = 303, description = "To a page of the UI, with `?authorization=authorized`, `account_changed` or `failed`, and the `state` to ask for the words with")))]
pub(crate) async fn callback(
    State(app): State<App>,
    headers: HeaderMap,
    ClientAddress(address): ClientAddress,
    Path(kind): Path<String>,
    Query(query): Query<CallbackQuery>,
) -> Result<Response, Problem> {
    let description = app.authority(&kind).ok_or_else(|| Problem::not_found("the adapter"))?.description;
    let caller = Caller::of(&app, &headers).await?.ok();
    let state = query.state.clone().unwrap_or_default();
    let (flow, ended) = match begin_to_end(&app, &kind, description, caller.as_ref(), &state).await {
        Ok(flow) => {
            let ended = end(&app, description, &flow, &state, query).await;
            (Some(flow), ended)
        }
        Err(problem) if !is_browser(&headers) => return Err(problem),
        Err(problem) => (None, Err(problem.detail)),
    };
    let id = match flow {
        Some(flow) => Some(flow.destination_id),
        None => app.catalog.authorization(&Token::shown(&state)).await?.map(|known| known.destination_id),
    };
    let destination = match &id {
        Some(id) => app.catalog.destination(id).await?,
        None => None,
    };
    let name = destination.map(|destination| destination.name).unwrap_or_default();
    let provider = description.provider;
    let detail = match &ended {
        Ok(Ended::Authorized { .. }) => format!("{provider} authorized"),
        Ok(Ended::OtherAccount) => format!("{provider} authorized by another account, to be confirmed"),
        Err(reason) => reason.clone(),
    };
    let (user, token) = caller.as_ref().map(Caller::names).unwrap_or_default();
    let entry = NewAuditEntry {
        actor: &caller.as_ref().map_or_else(|| "nobody".to_owned(), Caller::describe),
        user,
        token,
        address: &address.to_string(),
        event: "destination.authorize",
        action: "authorize",
        object_kind: "destination",
        object_id: id.as_deref().unwrap_or_default(),
        object_name: &name,
        object: &format!("/api/destinations/{}", id.as_deref().unwrap_or_default()),
        refused: ended.is_err(),
        detail: &detail,
    };
    if app.limiters.audit.take(&crate::limiter::address_key(address), app.now()) {
        app.catalog.add_audit_entry(&entry, app.now()).await?;
    }
    Ok(Redirect::to(&page(&app, id.as_deref(), &state, &ended)).into_response())
}

/// Returns the page to go on at, with what came of it.
fn page(app: &App, destination_id: Option<&str>, state: &str, ended: &Result<Ended, String>) -> String {
    let state = utf8_percent_encode(state, NON_ALPHANUMERIC);
    let outcome = match ended {
        Ok(Ended::Authorized { notice: None }) => "authorization=authorized".to_owned(),
        // The words are asked for by the state: anybody could write others into a link.
        Ok(Ended::Authorized { notice: Some(_) }) => format!("authorization=authorized&state={state}"),
        Ok(Ended::OtherAccount) => format!("authorization=account_changed&state={state}"),
        Err(_) => format!("authorization=failed&state={state}"),
    };
    let base = app.config.public_url.as_str().trim_end_matches('/');
    let page = destination_id.map(|id| format!("/{id}")).unwrap_or_default();
    format!("{base}/destinations{page}?{outcome}")
}

/// Whether a page is wanted: a program gets a problem instead.
fn is_browser(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

/// Takes the flow that a provider's answer belongs to, for the user who began it.
async fn begin_to_end(
    app: &App,
    kind: &str,
    description: &Description,
    caller: Option<&Caller>,
    state: &str,
) -> Result<Authorization, Problem> {
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
        let words = format!("{}'s answer lacks its state: start again from the destination", description.provider);
        return Err(Problem::forbidden(words));
    }
    let flow = flows::take(app, caller.credential_id(), state, Mode::Redirect, None).await?;
    let destination = app.catalog.destination(&flow.destination_id).await?.ok_or_else(gone)?;
    match destination.settings["type"] == kind {
        true => Ok(flow),
        false => Err(Problem::forbidden("this answer is another provider's: start again from the destination")),
    }
}

/// Completes a flow with the provider's answer, and keeps what came of it for the page that waits.
async fn end(
    app: &App,
    description: &Description,
    flow: &Authorization,
    state: &str,
    query: CallbackQuery,
) -> Result<Ended, String> {
    let ended = match (query.code, query.error) {
        (_, Some(error)) => Err(refusal(description.provider, &error, query.error_description.as_deref())),
        (Some(code), None) => {
            flows::complete(app, flow, state, &code.into(), Mode::Redirect).await.map_err(|problem| problem.detail)
        }
        (None, None) => {
            Err(format!("{}'s answer holds neither a code nor an error: start again", description.provider))
        }
    };
    let ended = ended.and_then(|(ended, destination)| usable(app, ended, &destination));
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

fn refusal(provider: &str, error: &str, description: Option<&str>) -> String {
    if error == "access_denied" {
        return format!("the access was not allowed in {provider}: authorize again, and click Allow");
    }
    let description: String = description.unwrap_or("no reason given").chars().take(300).collect();
    let error: String = error.chars().take(60).collect();
    format!("{provider} refused the authorization ({error}: {description}). Authorize again")
}

/// Completes an authorization with the code that the provider has shown.
///
/// 409 `accountChanged` if another account than before has allowed it: confirm it with the same state.
#[utoipa::path(post, path = "/api/destinations/{id}/authorization/code", tag = "destinations", params(("id" = String, Path)),
    request_body = CodeInput, responses((status = 200, body = DestinationInfo)))]
pub(crate) async fn code(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(input): Body<CodeInput>,
) -> Result<Answer, Problem> {
    let flow = flows::take(&app, caller.credential_id(), &input.state, Mode::Code, Some(&id)).await?;
    match flows::complete(&app, &flow, &input.state, &input.code, Mode::Code).await {
        Ok((Ended::Authorized { notice }, destination)) => authorized(&app, destination, "", notice),
        Ok((Ended::OtherAccount, destination)) => {
            let provider = provider(&app, &destination);
            let before = destination.authorization.map(|state| state.email).unwrap_or_default();
            let words = format!(
                "this is another {provider} account than {before}, which {} has used so far: confirm the change, or keep the account",
                destination.name
            );
            Err(Problem::conflict("accountChanged", words))
        }
        Err(problem) => {
            // Half a code was pasted, or that of yesterday: the right one may still come.
            flows::put_back(&app, &flow, &input.state).await?;
            Err(problem)
        }
    }
}

/// What became of an authorization, for the page that began it. Nothing is used up.
#[utoipa::path(get, path = "/api/destinations/{id}/authorization", tag = "destinations", params(("id" = String, Path), StateQuery),
    responses((status = 200, body = AuthorizationProgress)))]
pub(crate) async fn progress(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<StateQuery>,
) -> Result<Json<AuthorizationProgress>, Problem> {
    let flow = flows::find(&app, caller.credential_id(), &query.state).await?;
    let plain = |status| AuthorizationProgress { status, reason: None, previous_account: None, account: None };
    let Some(flow) = flow.filter(|flow| flow.destination_id == id) else {
        return Ok(Json(plain(ProgressStatus::Expired)));
    };
    let words = || Some(flow.verifier.expose_secret().to_owned()).filter(|words| !words.is_empty());
    Ok(Json(match flow.mode.as_str() {
        "done" => AuthorizationProgress { reason: words(), ..plain(ProgressStatus::Authorized) },
        "failed" => AuthorizationProgress { reason: words(), ..plain(ProgressStatus::Failed) },
        "confirm" => {
            let destination = app.catalog.destination(&flow.destination_id).await?.ok_or_else(gone)?;
            AuthorizationProgress {
                previous_account: destination.authorization.map(|state| state.email),
                account: Some(flows::waiting_account(&flow)?),
                ..plain(ProgressStatus::AccountChanged)
            }
        }
        _ => plain(ProgressStatus::Waiting),
    }))
}

/// Accepts or refuses that another account takes the place of the one before.
#[utoipa::path(post, path = "/api/destinations/{id}/authorization/confirm", tag = "destinations", params(("id" = String, Path)),
    request_body = ConfirmationInput, responses((status = 200, body = DestinationInfo)))]
pub(crate) async fn confirm(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(input): Body<ConfirmationInput>,
) -> Result<Answer, Problem> {
    let flow = flows::take_unconfirmed(&app, caller.credential_id(), &input.state, &id).await?;
    let destination = app.catalog.destination(&flow.destination_id).await?.ok_or_else(gone)?;
    if !input.accept {
        settle(&app, &flow, &input.state, "failed", "the account was not changed".to_owned()).await?;
        if let Err(why) = flows::refuse(&app, &flow, &destination).await {
            let by_hand = app.revoke_by_hand(&destination);
            let words =
                format!("the account was not changed, but the new access could not be revoked: {why}. {by_hand}");
            return Err(Problem::failed_dependency("notRevoked", words));
        }
        let detail = format!("{} keeps its account", destination.name);
        return answer(&app, destination, detail);
    }
    let (destination, email, notice) = flows::accept(&app, &flow, &destination).await?;
    settle(&app, &flow, &input.state, "done", notice.clone().unwrap_or_default()).await?;
    authorized(&app, destination, &format!(" by another account, {email}"), notice)
}

/// The destination, and what the audit log keeps.
type Answer = (axum::Extension<AuditDetail>, Revised<DestinationInfo>);

fn answer(app: &App, destination: Destination, detail: String) -> Result<Answer, Problem> {
    Ok((axum::Extension(AuditDetail(detail)), Revised(info(app, destination)?)))
}

/// Answers an authorization that is complete; `by` says by whom, if that is worth knowing.
fn authorized(app: &App, destination: Destination, by: &str, notice: Option<String>) -> Result<Answer, Problem> {
    let notice = notice.map(|notice| format!("; {notice}")).unwrap_or_default();
    let detail = format!("{} authorized for {}{by}{notice}", provider(app, &destination), destination.name);
    answer(app, destination, detail)
}

fn provider(app: &App, destination: &Destination) -> &'static str {
    app.authority_of(destination).map_or("it", |authority| authority.description.provider)
}
