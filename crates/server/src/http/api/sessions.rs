//! Signing in and out.

use std::net::IpAddr;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{SET_COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use catalog::{Keep, NewSession, Token, User};
use domain::access::{Permission, Role};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::access::{AuditDetail, USER};
use super::super::audit_words::AuditSubject;
use super::super::caller::{Caller, Credential, cookie, cookie_name, device_cookie_name};
use super::super::client_address::ClientAddress;
use super::super::extract::{Body, Id};
use super::super::lists::List;
use super::super::problem::{Fields, Problem};
use super::super::time::Time;
use super::users::check_password;
use crate::app::App;
use crate::limiter::{Limiter, address_key};

/// A name and its password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    #[schema(write_only, value_type = String, max_length = 200)]
    password: SecretString,
}

/// A change of one's own password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PasswordChange {
    #[schema(write_only, value_type = String, max_length = 200)]
    current_password: SecretString,
    /// At least 10 characters.
    #[schema(write_only, value_type = String, min_length = 10, max_length = 200)]
    new_password: SecretString,
    /// Whether to revoke one's API tokens, too.
    #[serde(default)]
    revoke_tokens: bool,
}

/// Maximum characters of a name that count in a limit.
const MAX_NAME: usize = 100;
/// Seconds for which a browser stays known to its user: a year.
const DEVICE_SECONDS: i64 = 365 * 24 * 3600;

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CurrentSession {
    user_id: String,
    name: String,
    role: Role,
    /// What they may do here.
    permissions: Vec<Permission>,
}

/// A signed-in browser.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionInfo {
    id: String,
    /// Whether it is the one that asks.
    current: bool,
    /// Where the sign-in came from.
    address: String,
    /// What the browser calls itself.
    user_agent: String,
    created_at: Time,
    last_seen_at: Time,
}

/// What a browser calls itself, cut.
pub(crate) struct UserAgent(String);

impl<S: Send + Sync> FromRequestParts<S> for UserAgent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self(agent.chars().take(300).collect()))
    }
}

fn describe(caller: &Caller) -> CurrentSession {
    CurrentSession {
        user_id: caller.user.id.clone(),
        name: caller.user.name.clone(),
        role: caller.user.role,
        permissions: Permission::ALL.into_iter().filter(|&permission| caller.allows(permission)).collect(),
    }
}

/// Signs in: a session, by cookie.
#[utoipa::path(post, path = "/api/session", tag = "session", request_body = SignIn, responses((status = 201, body = CurrentSession)))]
pub(crate) async fn sign_in(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    agent: UserAgent,
    headers: HeaderMap,
    Body(input): Body<SignIn>,
) -> Result<Response, Problem> {
    let user = app.catalog.user_by_name(&input.name).await?;
    let attempt = Attempt::new(&app, address, &input.name, user.as_ref(), &headers);
    attempt.count(&app)?;
    if input.password.expose_secret().len() > 4 * crate::passwords::LONGEST {
        return Ok(refused_response(&input.name));
    }
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let fits = app.passwords.verify(input.password, hash).await;
    if !matches!(fits, Ok(false)) {
        // Neither a right password nor a server that is too busy is a wrong attempt.
        attempt.give_back();
    }
    let Some(user) = user.filter(|_| fits == Ok(true)) else {
        return fits.map(|_| refused_response(&input.name)).map_err(Problem::from);
    };
    Ok((StatusCode::CREATED, begin_session(&app, &user, address, &agent).await?).into_response())
}

/// An attempt to sign in, with what counts the wrong ones.
struct Attempt<'a>(Vec<(&'a Limiter, String)>);

impl<'a> Attempt<'a> {
    /// A browser in which this user has signed in before is counted on its own, so that strangers behind the same address cannot
    /// keep the user out. All others share the address.
    fn new(app: &'a App, address: IpAddr, name: &str, user: Option<&User>, headers: &HeaderMap) -> Self {
        let mark = cookie(headers, device_cookie_name(app.config.is_secure()));
        let mark = mark.filter(|mark| user.is_some_and(|user| app.catalog.is_device_mark(&user.id, mark)));
        if let Some(mark) = mark {
            return Self(vec![(&app.limiters.passwords, format!("device {}", Token::shown(mark).hash()))]);
        }
        let address = address_key(address);
        let name = user.map_or_else(|| name.trim().to_lowercase(), |user| user.id.clone());
        let name: String = name.chars().take(MAX_NAME).collect();
        Self(vec![(&app.limiters.passwords, format!("{address} {name}")), (&app.limiters.sign_ins, address)])
    }

    /// Counts it, before the slow hash, so that a hundred attempts at once are a hundred.
    fn count(&self, app: &App) -> Result<(), Problem> {
        let now = app.now();
        for (limiter, key) in &self.0 {
            limiter.check(key, now).map_err(Problem::too_many)?;
        }
        self.0.iter().for_each(|(limiter, key)| limiter.count(key, now));
        Ok(())
    }

    fn give_back(&self) {
        self.0.iter().for_each(|(limiter, key)| limiter.give_back(key));
    }
}

fn refused_response(name: &str) -> Response {
    let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    let mut response = Problem::unauthorized("Wrong username or password.").into_response();
    response.extensions_mut().insert(AuditDetail(format!("wrong name or password for '{name}'")));
    response
}

/// A new session: its cookie, and who it is.
pub(crate) async fn begin_session(
    app: &App,
    user: &User,
    address: IpAddr,
    UserAgent(agent): &UserAgent,
) -> Result<impl IntoResponse + use<>, Problem> {
    let token = Token::new("")?;
    let address = address.to_string();
    let new = NewSession { user_id: &user.id, token: &token, address: &address, user_agent: agent };
    let session = app.catalog.create_session(&new, app.now()).await?;
    let caller = Caller { user: user.clone(), credential: Credential::Session(session) };
    let secure = app.config.is_secure();
    let session =
        set_cookie(cookie_name(secure), token.expose(), app.config.housekeeping.session_age.as_secs(), secure)?;
    let mark = app.catalog.device_mark(&user.id)?;
    let device = set_cookie(device_cookie_name(secure), &mark, DEVICE_SECONDS, secure)?;
    let detail = axum::Extension(AuditDetail(format!("signed in: {}", user.name)));
    let subject = AuditSubject { kind: Some(USER), id: user.id.clone(), name: user.name.clone() };
    Ok((
        detail,
        axum::Extension(subject),
        AppendHeaders([(SET_COOKIE, session), (SET_COOKIE, device)]),
        Json(describe(&caller)),
    ))
}

fn set_cookie(name: &str, value: &str, seconds: i64, secure: bool) -> Result<HeaderValue, Problem> {
    let attributes = if secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{attributes}");
    HeaderValue::from_str(&text).map_err(Problem::internal)
}

/// Who asks.
#[utoipa::path(get, path = "/api/session", tag = "session", responses((status = 200, body = CurrentSession)))]
pub(crate) async fn current(caller: Caller) -> Json<CurrentSession> {
    Json(describe(&caller))
}

/// Signs out.
#[utoipa::path(delete, path = "/api/session", tag = "session", responses((status = 204)))]
pub(crate) async fn sign_out(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    if let Credential::Session(session) = &caller.credential {
        app.catalog.delete_session(&caller.user.id, &session.id).await?;
        app.credentials.changed();
    }
    let secure = app.config.is_secure();
    let gone = set_cookie(cookie_name(secure), "", 0, secure)?;
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(SET_COOKIE, gone)])).into_response())
}

/// One's own sessions.
#[utoipa::path(get, path = "/api/sessions", tag = "session", responses((status = 200, body = List<SessionInfo>)))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<List<SessionInfo>>, Problem> {
    let sessions = app.catalog.sessions_of(&caller.user.id).await?;
    let items = sessions.into_iter().map(|session| SessionInfo {
        current: session.id == caller.credential_id(),
        id: session.id,
        address: session.address,
        user_agent: session.user_agent,
        created_at: session.created_at.into(),
        last_seen_at: session.last_seen_at.into(),
    });
    Ok(Json(List { items: items.collect(), next_cursor: None }))
}

/// Ends one of one's own sessions.
#[utoipa::path(delete, path = "/api/sessions/{id}", tag = "session", params(("id" = String, Path)), responses((status = 204)))]
pub(crate) async fn revoke(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    if app.catalog.delete_session(&caller.user.id, &id).await? {
        app.credentials.changed();
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("the session"))
    }
}

/// Changes one's own password, which ends all other sessions, and API tokens where asked.
#[utoipa::path(put, path = "/api/session/password", tag = "session", request_body = PasswordChange, responses((status = 204)))]
pub(crate) async fn change_password(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let Credential::Session(session) = &caller.credential else {
        return Err(Problem::forbidden("an API token cannot change a password: sign in"));
    };
    let mut fields = Fields::default();
    check_password(&mut fields, "newPassword", &input.new_password);
    fields.finish()?;
    // By session: nobody else's wrong attempts count here.
    let (key, limiter) = (format!("change {}", session.id), &app.limiters.passwords);
    limiter.check(&key, app.now()).map_err(Problem::too_many)?;
    limiter.count(&key, app.now());
    let hash = Some(caller.user.password_hash.clone());
    if !app.passwords.verify(input.current_password, hash).await? {
        return Err(Problem::invalid_field("currentPassword", "is wrong"));
    }
    limiter.give_back(&key);
    let hash = app.passwords.hash(input.new_password).await?;
    let keep = Keep { session: Some(&session.id), tokens: !input.revoke_tokens };
    app.catalog.set_password(&caller.user.id, &hash, keep).await?;
    app.credentials.changed();
    Ok(StatusCode::NO_CONTENT)
}
