//! Who asks: a browser with a session, or a program with a token.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use catalog::{ApiToken, Session, Token, User};
use domain::access::Permission;
use jiff::SignedDuration;

use super::problem::Problem;
use crate::app::App;

/// A session ends after so long without use,
pub(crate) const IDLE: SignedDuration = SignedDuration::from_hours(3 * 24);
/// and after so long in any case.
pub(crate) const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Uses are noted this often.
const NOTE_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Every API token starts so, which makes leaked ones easy to find.
pub(crate) const TOKEN_PREFIX: &str = "dbk_";

/// Whoever asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user: User,
    pub(crate) credential: Credential,
}

/// What they show.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    Session(Session),
    Token(ApiToken),
}

/// Why nobody is recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Nothing was shown.
    Nothing,
    /// What was shown is not valid (any more).
    Invalid,
}

impl Caller {
    /// Recognizes whoever sends these headers.
    pub(crate) async fn of(app: &App, headers: &HeaderMap) -> Result<Result<Self, Unknown>, Problem> {
        if let Some(token) = bearer(headers) {
            return by_token(app, &token).await;
        }
        match cookie(headers, cookie_name(app.config.is_secure())) {
            Some(token) => by_session(app, &token).await,
            None => Ok(Err(Unknown::Nothing)),
        }
    }

    /// Whether they may.
    pub(crate) fn allows(&self, permission: Permission) -> bool {
        let scoped = match &self.credential {
            Credential::Session(_) => true,
            Credential::Token(token) => token.scopes.contains(&permission),
        };
        scoped && self.user.role.allows(permission)
    }

    /// The id of what they show.
    pub(crate) fn credential_id(&self) -> &str {
        match &self.credential {
            Credential::Session(session) => &session.id,
            Credential::Token(token) => &token.id,
        }
    }

    /// For the audit log.
    pub(crate) fn describe(&self) -> String {
        match &self.credential {
            Credential::Session(_) => format!("user {}", self.user.name),
            Credential::Token(token) => format!("token {} of {}", token.name, self.user.name),
        }
    }
}

async fn by_token(app: &App, token: &Token) -> Result<Result<Caller, Unknown>, Problem> {
    let now = app.now();
    let Some(found) = app.catalog.api_token_by_token(token).await? else { return Ok(Err(Unknown::Invalid)) };
    if found.expires_at.is_some_and(|end| end.0 <= now) {
        return Ok(Err(Unknown::Invalid));
    }
    if found.last_used_at.is_none_or(|used| now.duration_since(used.0) >= NOTE_EVERY) {
        note_use(app.catalog.touch_api_token(&found.id, now).await);
    }
    let user = app.catalog.user(&found.user_id).await?;
    Ok(user.map(|user| Caller { user, credential: Credential::Token(found) }).ok_or(Unknown::Invalid))
}

async fn by_session(app: &App, token: &Token) -> Result<Result<Caller, Unknown>, Problem> {
    let now = app.now();
    let Some(session) = app.catalog.session_by_token(token).await? else { return Ok(Err(Unknown::Invalid)) };
    let unused = now.duration_since(session.last_seen_at.0);
    if unused >= IDLE || now.duration_since(session.created_at.0) >= LONGEST {
        return Ok(Err(Unknown::Invalid));
    }
    if unused >= NOTE_EVERY {
        note_use(app.catalog.touch_session(&session.id, now).await);
    }
    let user = app.catalog.user(&session.user_id).await?;
    Ok(user.map(|user| Caller { user, credential: Credential::Session(session) }).ok_or(Unknown::Invalid))
}

fn bearer(headers: &HeaderMap) -> Option<Token> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Token::shown(token.trim()))
}

/// `__Host-` makes browsers refuse the cookie unless it is ours alone, over TLS.
pub(crate) fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-dbackup" } else { "dbackup" }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<Token> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, token)| Token::shown(token))
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthorized("sign in first"))
    }
}

/// That a use cannot be noted, as on a full disk, keeps nobody from reading.
fn note_use(noted: Result<(), catalog::Error>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "the use of a session or token could not be noted");
    }
}
