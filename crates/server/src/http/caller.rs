//! Who asks: a browser with a session, or a program with a token.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use catalog::{ApiToken, Session, Token, User};
use domain::access::{Permission, Role};
use jiff::SignedDuration;
use tokio::sync::watch;

use super::problem::Problem;
use crate::app::App;

/// Whether a credential still holds is looked at this often while an answer goes on.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Uses are noted this often.
const NOTE_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Every API token starts so, which makes leaked ones easy to find.
pub const TOKEN_PREFIX: &str = "dbk_";

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
    /// The file of a configuration, which the operator starts the server with.
    File,
}

/// Why nobody is recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Nothing of ours was shown.
    Nothing,
    /// A session that has ended.
    EndedSession,
    /// An API token that is none, or has ended.
    WrongToken,
}

/// Returns the hash of the API token that is shown, whether it is one or not.
pub(crate) fn shown_token(headers: &HeaderMap) -> Option<String> {
    bearer(headers).map(|token| token.hash())
}

impl Caller {
    /// Recognizes whoever sends these headers, and notes the use.
    pub(crate) async fn of(app: &App, headers: &HeaderMap) -> Result<Result<Self, Unknown>, Problem> {
        let found = Self::find(app, headers).await?;
        if let Ok(caller) = &found {
            caller.note_use(app).await;
        }
        Ok(found)
    }

    /// Recognizes whoever sends these headers. A valid token counts, then a valid session; `Authorization` headers that hold no
    /// token of this server are a proxy's business.
    async fn find(app: &App, headers: &HeaderMap) -> Result<Result<Self, Unknown>, Problem> {
        let shown = bearer(headers);
        if let Some(token) = &shown
            && let Some(caller) = by_token(app, token).await?
        {
            return Ok(Ok(caller));
        }
        if let Some(session) = cookie(headers, cookie_name(app.config.is_secure()))
            && let Some(caller) = by_session(app, &Token::shown(session)).await?
        {
            return Ok(Ok(caller));
        }
        let has_cookie = cookie(headers, cookie_name(app.config.is_secure())).is_some();
        Ok(Err(match shown {
            Some(_) => Unknown::WrongToken,
            None if has_cookie => Unknown::EndedSession,
            None => Unknown::Nothing,
        }))
    }

    /// Best effort: nobody is kept out because a use could not be noted.
    async fn note_use(&self, app: &App) {
        let now = app.now();
        let is_due = |last: Option<jiff::Timestamp>| last.is_none_or(|last| now.duration_since(last) >= NOTE_EVERY);
        let noted = match &self.credential {
            Credential::Session(session) if is_due(Some(session.last_seen_at.0)) => {
                app.catalog.touch_session(&session.id, now).await
            }
            Credential::Token(token) if is_due(token.last_used_at.map(|used| used.0)) => {
                app.catalog.touch_api_token(&token.id, now).await
            }
            _ => Ok(()),
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "could not note the use of a session or token");
        }
    }

    /// Returns when what they show no longer holds, or their role is another: looked at each minute, and whenever a credential
    /// ends on this server.
    pub(crate) async fn ended(self, app: App, headers: HeaderMap) {
        let look = || async {
            match Self::find(&app, &headers).await {
                Ok(Ok(found)) => found.credential_id() == self.credential_id() && found.user.role == self.user.role,
                // While the database is away nobody can tell.
                Err(_) => true,
                Ok(Err(_)) => false,
            }
        };
        until_ended(app.credentials.subscribe(), look).await;
    }

    /// The operator, who may do everything: the configuration that the server is started with.
    pub(crate) fn at_start(now: jiff::Timestamp) -> Self {
        let user = User {
            id: String::new(),
            name: "configuration file".to_owned(),
            role: Role::Administrator,
            password_hash: String::new(),
            revision: 0,
            created_at: now.into(),
        };
        Self { user, credential: Credential::File }
    }

    /// Whether they may.
    pub(crate) fn allows(&self, permission: Permission) -> bool {
        let scoped = match &self.credential {
            Credential::Session(_) | Credential::File => true,
            Credential::Token(token) => token.scopes.contains(&permission),
        };
        scoped && self.user.role.allows(permission)
    }

    /// The id of what they show.
    pub(crate) fn credential_id(&self) -> &str {
        match &self.credential {
            Credential::Session(session) => &session.id,
            Credential::Token(token) => &token.id,
            Credential::File => "",
        }
    }

    /// Returns the names of the user and of the API token, which is empty for a session.
    pub(crate) fn names(&self) -> (&str, &str) {
        match &self.credential {
            Credential::Session(_) => (&self.user.name, ""),
            Credential::Token(token) => (&self.user.name, &token.name),
            Credential::File => ("", ""),
        }
    }

    /// Returns the name of the user or the API token, as runs show it.
    pub(crate) fn name(&self) -> String {
        match &self.credential {
            Credential::Session(_) | Credential::File => self.user.name.clone(),
            Credential::Token(token) => token.name.clone(),
        }
    }

    /// For the audit log.
    pub(crate) fn describe(&self) -> String {
        match &self.credential {
            Credential::Session(_) => format!("user {}", self.user.name),
            Credential::Token(token) => format!("token {} of {}", token.name, self.user.name),
            Credential::File => self.user.name.clone(),
        }
    }
}

/// Returns once a look says that a credential no longer holds. Looks after each change on this server, and each minute for those of others.
async fn until_ended<Look: Future<Output = bool>>(mut changes: watch::Receiver<()>, holds: impl Fn() -> Look) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            _ = changes.changed() => {}
        }
        if !holds().await {
            return;
        }
    }
}

async fn by_token(app: &App, token: &Token) -> Result<Option<Caller>, Problem> {
    let Some(found) = app.catalog.api_token_by_token(token).await? else { return Ok(None) };
    if found.expires_at.is_some_and(|end| end.0 <= app.now()) {
        return Ok(None);
    }
    let user = app.catalog.user(&found.user_id).await?;
    Ok(user.map(|user| Caller { user, credential: Credential::Token(found) }))
}

async fn by_session(app: &App, token: &Token) -> Result<Option<Caller>, Problem> {
    let now = app.now();
    let Some(session) = app.catalog.session_by_token(token).await? else { return Ok(None) };
    let ages = app.config.housekeeping;
    if now.duration_since(session.last_seen_at.0) >= ages.session_idle
        || now.duration_since(session.created_at.0) >= ages.session_age
    {
        return Ok(None);
    }
    let user = app.catalog.user(&session.user_id).await?;
    Ok(user.map(|user| Caller { user, credential: Credential::Session(session) }))
}

/// An API token of this server.
fn bearer(headers: &HeaderMap) -> Option<Token> {
    let values = headers.get_all(AUTHORIZATION).iter().filter_map(|value| value.to_str().ok());
    let mut tokens = values.filter_map(|value| {
        let (scheme, token) = value.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") && token.trim().starts_with(TOKEN_PREFIX)).then(|| token.trim())
    });
    tokens.next().map(Token::shown)
}

/// Marks a browser in which its user has signed in before.
pub(crate) fn device_cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-dbackup-device" } else { "dbackup-device" }
}

/// `__Host-` makes browsers refuse the cookie unless it is ours alone, over TLS.
pub(crate) fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-dbackup" } else { "dbackup" }
}

pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthorized("sign in first"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::credentials::Credentials;

    #[tokio::test(start_paused = true)]
    async fn a_credential_that_another_server_ended_ends_its_streams_within_a_minute() {
        let credentials = Credentials::default();
        let (looks, begun) = (AtomicUsize::new(0), tokio::time::Instant::now());
        until_ended(credentials.subscribe(), || async { looks.fetch_add(1, Ordering::Relaxed) < 2 }).await;
        assert_eq!((looks.load(Ordering::Relaxed), begun.elapsed()), (3, LOOK_AGAIN * 3));
        assert!(LOOK_AGAIN <= Duration::from_secs(60));
    }
}
