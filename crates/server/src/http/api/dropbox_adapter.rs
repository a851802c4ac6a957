//! Authorizing Dropbox (M-02 to M-05): with a redirect, or with a code that the person pastes.
//!
//! The `state` is random, works once, for ten minutes, for one destination, and only for whoever began.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use catalog::{Authorization, AuthorizationState, Destination, NewAuditEntry, NewAuthorization, Token};
use domain::access::Permission;
use dropbox::oauth::{Pkce, SCOPES, authorize_url, exchange_code};
use dropbox::{Client, Settings};
use jiff::SignedDuration;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::access::AuditDetail;
use super::super::caller::Caller;
use super::super::client_address::ClientAddress;
use super::super::extract::{Body, Query};
use super::super::problem::Problem;
use super::super::time::Time;
use super::destinations::{DestinationInfo, info};
use crate::app::App;
use crate::failure::Failure;

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
    let destination = app.catalog.destination(&input.destination_id).await?.ok_or_else(gone)?;
    let (settings, _) = app.dropbox_app(&destination)?;
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
    let redirect_uri = redirect_uri(&app, input.mode);
    let for_redirect = (input.mode == Mode::Redirect).then(|| state.expose());
    let url = authorize_url(&settings, &pkce, redirect_uri.as_deref(), for_redirect).to_string();
    Ok(Json(AuthorizationBegun { url, state: state.expose().to_owned(), expires_at: expires_at.into() }))
}

/// Where Dropbox sends the browser; sends it on to the destination, with the outcome.
#[utoipa::path(get, path = "/api/adapters/dropbox/callback", tag = "dropbox", params(CallbackQuery),
    responses((status = 303, description = "To the destination's page, with `?authorization=authorized` or `failed` and `reason`")))]
pub(crate) async fn callback(
    State(app): State<App>,
    caller: Caller,
    ClientAddress(address): ClientAddress,
    Query(query): Query<CallbackQuery>,
) -> Result<Response, Problem> {
    if !caller.allows(Permission::Configure) {
        return Err(Problem::forbidden("this needs the permission 'configure'"));
    }
    let state = query.state.as_deref().filter(|state| !state.is_empty());
    let state = state
        .ok_or_else(|| Problem::forbidden("Dropbox's answer lacks its state: start again from the destination"))?;
    let flow = take(&app, &caller, state, Mode::Redirect).await?;
    let outcome = match (query.code, query.error) {
        (_, Some(error)) => Err(refusal(&error, query.error_description.as_deref())),
        (Some(code), None) => complete(&app, &flow, &code.into(), Mode::Redirect).await.map(drop),
        (None, None) => Err(Problem::bad_request("Dropbox's answer holds neither a code nor an error: start again")),
    };
    let reason = outcome.as_ref().err().map(|problem| problem.detail.clone());
    let entry = NewAuditEntry {
        actor: &caller.describe(),
        address: &address.to_string(),
        action: "authorize",
        object: &format!("/api/destinations/{}", flow.destination_id),
        refused: reason.is_some(),
        detail: reason.as_deref().unwrap_or("Dropbox authorized"),
    };
    app.catalog.add_audit_entry(&entry, app.now()).await?;
    let page = format!("/destinations/{}", flow.destination_id);
    let outcome = match reason {
        None => "authorization=authorized".to_owned(),
        Some(reason) => format!("authorization=failed&reason={}", utf8_percent_encode(&reason, NON_ALPHANUMERIC)),
    };
    let base = app.config.public_url.as_str().trim_end_matches('/');
    Ok(Redirect::to(&format!("{base}{page}?{outcome}")).into_response())
}

/// Completes an authorization with the code that Dropbox has shown.
#[utoipa::path(post, path = "/api/adapters/dropbox/code", tag = "dropbox", request_body = CodeInput,
    responses((status = 200, body = DestinationInfo)))]
pub(crate) async fn code(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<CodeInput>,
) -> Result<(axum::Extension<AuditDetail>, Json<DestinationInfo>), Problem> {
    let flow = take(&app, &caller, &input.state, Mode::Code).await?;
    let destination = match complete(&app, &flow, &input.code, Mode::Code).await {
        Ok(destination) => destination,
        Err(problem) => {
            // Half a code was pasted, or that of yesterday: the right one may still come.
            put_back(&app, &input.state, &flow).await?;
            return Err(problem);
        }
    };
    let detail = AuditDetail(format!("Dropbox authorized for {}", destination.name));
    Ok((axum::Extension(detail), Json(info(destination)?)))
}

/// The flow that a state belongs to, if it is this person's, of this kind, and in time.
async fn take(app: &App, caller: &Caller, state: &str, mode: Mode) -> Result<Authorization, Problem> {
    let flow = app.catalog.take_authorization(&Token::shown(state.trim())).await?;
    let sound = |flow: &Authorization| {
        flow.credential == caller.credential_id() && flow.mode == mode.as_str() && flow.expires_at.0 > app.now()
    };
    flow.filter(sound).ok_or_else(|| {
        Problem::forbidden(
            "this authorization was not begun here, has been completed already, or took longer than ten minutes: start again from the destination",
        )
    })
}

async fn put_back(app: &App, state: &str, flow: &Authorization) -> Result<(), Problem> {
    let again = NewAuthorization {
        state: &Token::shown(state.trim()),
        destination_id: &flow.destination_id,
        credential: &flow.credential,
        mode: &flow.mode,
        verifier: &flow.verifier,
        expires_at: flow.expires_at.0,
    };
    Ok(app.catalog.create_authorization(&again, app.now()).await?)
}

async fn complete(app: &App, flow: &Authorization, code: &SecretString, mode: Mode) -> Result<Destination, Problem> {
    let destination = app.catalog.destination(&flow.destination_id).await?.ok_or_else(gone)?;
    let (settings, _) = app.dropbox_app(&destination)?;
    let (refresh_token, state) = exchange(app, settings, flow, code, mode)
        .await
        .map_err(|failure| Problem::new(StatusCode::CONFLICT, "authorizationFailed", failure.to_string()))?;
    app.catalog.set_grant(&destination.id, &refresh_token, &state).await?;
    app.catalog.destination(&flow.destination_id).await?.ok_or_else(gone)
}

/// Exchanges the code, and looks whose account it is.
async fn exchange(
    app: &App,
    mut settings: Settings,
    flow: &Authorization,
    code: &SecretString,
    mode: Mode,
) -> Result<(SecretString, AuthorizationState), Failure> {
    let pkce = Pkce::resume(flow.verifier.clone());
    let code = secrecy::ExposeSecret::expose_secret(code);
    let grant = exchange_code(&settings, &pkce, code, redirect_uri(app, mode).as_deref()).await?;
    let refresh_token = grant.refresh_token.ok_or(dropbox::Error::NotAuthorized)?;
    crate::redaction::register(secrecy::ExposeSecret::expose_secret(&refresh_token));
    settings.refresh_token = Some(refresh_token.clone());
    let client = Client::new(settings)?;
    let account = client.account().await?;
    // Whoever may not look at the space can still back up.
    let usage = client.space_usage().await.ok();
    let scopes: Vec<String> = grant.scope.split_whitespace().map(str::to_owned).collect();
    let now = app.now();
    let state = AuthorizationState {
        account_id: account.account_id,
        account_name: account.name.display_name,
        email: account.email,
        team: account.team.map(|team| team.name),
        broken: missing_scopes(&scopes),
        scopes,
        used: usage.map(|usage| usage.used),
        allowed: usage.and_then(|usage| usage.allowed),
        authorized_at: now,
        checked_at: now,
    };
    Ok((refresh_token, state))
}

/// Dropbox grants what the app has, not what was asked for.
fn missing_scopes(granted: &[String]) -> Option<String> {
    let missing: Vec<&str> = SCOPES
        .into_iter()
        .filter(|scope| !granted.is_empty() && !granted.iter().any(|granted| granted == scope))
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "the app lacks {}: enable it on the app's Permissions tab, submit, then authorize again",
            missing.join(", ")
        )
    })
}

fn refusal(error: &str, description: Option<&str>) -> Problem {
    let words = if error == "access_denied" {
        "the access was not allowed in Dropbox: authorize again, and click Allow".to_owned()
    } else {
        let description: String = description.unwrap_or("no reason given").chars().take(300).collect();
        format!("Dropbox refused the authorization ({}: {description})", error.chars().take(60).collect::<String>())
    };
    Problem::conflict("authorizationFailed", words)
}

fn redirect_uri(app: &App, mode: Mode) -> Option<String> {
    (mode == Mode::Redirect).then(|| app.config.redirect_uri())
}

fn gone() -> Problem {
    Problem::not_found("the destination")
}
