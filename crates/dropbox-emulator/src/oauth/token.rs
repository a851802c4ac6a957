//! `POST /oauth2/token`: a code for tokens, a refresh token for an access token.
//!
//! Errors are 400 with `{"error", "error_description"}`; sources of their texts are in the threads that
//! `dropbox-sdk-python#544`, `nextcloud/integration_dropbox#34` and `node-mongotools#94` quote.

use hyper::StatusCode;
use serde_json::json;

use super::client::Parameters;
use super::grants::{Grant, Scopes};
use crate::app::{Account, App};
use crate::failure::Failure;
use crate::http::answer::{self, Answer};
use crate::http::body::RequestBody;
use crate::http::request::Head;
use crate::people::Person;

/// An OAuth error: its code and its sentence.
type Refusal = (&'static str, &'static str);

const INVALID_CLIENT: Refusal = ("invalid_client", "Invalid client_id or client_secret");
const UNKNOWN_CODE: Refusal = ("invalid_grant", "code doesn't exist or has expired");

/// What the exchange comes to.
struct Tokens {
    access_token: String,
    refresh_token: Option<String>,
    scopes: Scopes,
    person: Person,
}

/// Answers the token endpoint.
pub(crate) async fn exchange(app: &App, head: &Head, body: &mut RequestBody) -> Result<Answer, Failure> {
    let parameters = Parameters::gather(head, &body.text().await?);
    let outcome = app.change(|account| match parameters.get("grant_type") {
        Some("authorization_code") => by_code(app, account, &parameters),
        Some("refresh_token") => by_refresh_token(app, account, &parameters),
        Some(_) => Err(("unsupported_grant_type", "grant_type must be authorization_code or refresh_token")),
        None => Err(("invalid_request", "missing required field \"grant_type\"")),
    });
    Ok(match outcome {
        Err((error, description)) => {
            answer::json(StatusCode::BAD_REQUEST, &json!({ "error": error, "error_description": description }))
        }
        Ok(tokens) => answer::json(StatusCode::OK, &body_of(app, &parameters, tokens)),
    })
}

fn body_of(app: &App, parameters: &Parameters, tokens: Tokens) -> serde_json::Value {
    let mut body = json!({
        "access_token": tokens.access_token,
        "token_type": "bearer",
        "expires_in": app.config.token_lifetime.as_secs(),
    });
    if let Some(refresh_token) = tokens.refresh_token {
        body["refresh_token"] = refresh_token.into();
    }
    if parameters.get("grant_type") == Some("authorization_code") {
        body["scope"] = Vec::from_iter(tokens.scopes).join(" ").into();
        body["uid"] = tokens.person.user_id().into();
        body["account_id"] = tokens.person.account_id().into();
    }
    body
}

/// The app that asks; `true` if it has shown its secret.
fn authenticate<'a>(app: &App, parameters: &'a Parameters) -> Result<(&'a str, bool), Refusal> {
    let client_id = parameters.get("client_id").ok_or(("invalid_request", "missing required field \"client_id\""))?;
    let secret = parameters.get("client_secret");
    let app_secret = app.secret();
    if client_id != app.config.app_key || app_secret.is_none() {
        return Err(INVALID_CLIENT);
    }
    if secret.is_some() && secret != app_secret.as_deref() {
        return Err(INVALID_CLIENT);
    }
    Ok((client_id, secret.is_some()))
}

fn by_code(app: &App, account: &mut Account, parameters: &Parameters) -> Result<Tokens, Refusal> {
    let code = parameters.get("code").ok_or(("invalid_request", "missing required field \"code\""))?;
    let (client_id, has_secret) = authenticate(app, parameters)?;
    let now = app.clock.now();
    let consent = account.grants.take_code(code, now).ok_or(UNKNOWN_CODE)?;
    if consent.client_id != client_id {
        return Err(("invalid_grant", "code was not issued to this client"));
    }
    if consent.redirect_uri.as_deref() != parameters.get("redirect_uri") {
        return Err(("invalid_grant", "redirect_uri mismatch"));
    }
    match (&consent.challenge, parameters.get("code_verifier")) {
        (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier) => {}
        (Some(_), Some(_)) => return Err(("invalid_grant", "invalid code verifier")),
        (Some(_), None) => return Err(("invalid_grant", "code verifier missing")),
        (None, Some(_)) => return Err(("invalid_grant", "code was requested without a code challenge")),
        (None, None) if !has_secret => return Err(INVALID_CLIENT),
        (None, None) => {}
    }
    let needs_secret = consent.challenge.is_none();
    let grant =
        Grant { client_id: client_id.to_owned(), scopes: consent.scopes.clone(), needs_secret, person: consent.person };
    let refresh_token = account.grants.add(grant);
    let lifetime = app.config.token_lifetime;
    let access_token =
        account.grants.issue_access_token(&refresh_token, (consent.scopes.clone(), consent.person), lifetime, now);
    let refresh_token = consent.offline.then_some(refresh_token);
    Ok(Tokens { access_token, refresh_token, scopes: consent.scopes, person: consent.person })
}

fn by_refresh_token(app: &App, account: &mut Account, parameters: &Parameters) -> Result<Tokens, Refusal> {
    let token =
        parameters.get("refresh_token").ok_or(("invalid_request", "missing required field \"refresh_token\""))?;
    let (client_id, has_secret) = authenticate(app, parameters)?;
    let is_word = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_word || account.grants.is_code(token) {
        return Err(("invalid_grant", "refresh token is malformed"));
    }
    let grant = account.grants.find(token).ok_or(("invalid_grant", "refresh token is invalid or revoked"))?;
    if grant.client_id != client_id {
        return Err(("invalid_grant", "refresh token was not issued to this client"));
    }
    if grant.needs_secret && !has_secret {
        return Err(INVALID_CLIENT);
    }
    let wanted: Option<Scopes> =
        parameters.get("scope").map(|scope| scope.split_whitespace().map(str::to_owned).collect());
    if wanted.as_ref().is_some_and(|wanted| !wanted.is_subset(&grant.scopes)) {
        return Err(("invalid_scope", "the requested scope exceeds what was granted"));
    }
    let (scopes, person) = (wanted.unwrap_or_else(|| grant.scopes.clone()), grant.person);
    let (lifetime, now) = (app.config.token_lifetime, app.clock.now());
    let access_token = account.grants.issue_access_token(token, (scopes.clone(), person), lifetime, now);
    Ok(Tokens { access_token, refresh_token: None, scopes, person })
}
