//! The one authorization layer. A route is added with what it needs ([`super::routes::Routes::add`]); there is no other way.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use catalog::NewAuditEntry;
use domain::access::Permission;

use super::audit_words::{AuditSubject, Subject, event};
use super::caller::{Caller, Credential, Unknown, shown_token};
use super::client_address;
use super::own_address;
use super::problem::Problem;
use super::same_origin::{is_cross_site, is_safe, is_same_origin};
use crate::app::App;
use crate::limiter::address_key;

/// Where the metrics are.
const METRICS: &str = "/metrics";

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Public,
    /// That somebody is signed in; the route itself keeps to what is theirs.
    SignedIn,
    /// The account of whoever is signed in: a session, or a token with `administer`.
    OwnAccount,
    /// A permission.
    Needs(Permission),
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::SignedIn => f.write_str("signedIn"),
            Self::OwnAccount => f.write_str("ownAccount"),
            Self::Needs(permission) => permission.fmt(f),
        }
    }
}

/// What a handler adds to the audit entry of its request.
#[derive(Debug, Clone)]
pub(crate) struct AuditDetail(pub(crate) String);

/// Lets a request through, or not; writes the audit log.
pub(crate) async fn guard(State((app, access)): State<(App, Access)>, mut request: Request, next: Next) -> Response {
    let mut asked = Asked::of(&app, &request);
    let (caller, admitted) = match admit(&app, access, request.headers(), &asked).await {
        Ok((caller, admitted)) => (caller, admitted),
        Err(problem) if asked.is_known_reader(&app, request.headers(), &problem) => return next.run(request).await,
        Err(problem) => return problem.into_response(),
    };
    let mut actor = caller.as_ref().map_or_else(Actor::nobody, Actor::of);
    if caller.is_some() && !is_safe(&asked.method) {
        // What is deleted has no name afterwards.
        asked.subject = Subject::of(&app, &asked.route, &asked.path).await;
    }
    if let Err(problem) = admitted {
        // A page that asks whether somebody is signed in is no attempt at anything.
        let is_question = caller.is_none() && is_safe(request.method()) && !problem.is_attempt;
        if !is_question {
            asked.audit(&app, &actor, &problem.detail).await;
        }
        return problem.into_response();
    }
    if asked.path == METRICS
        && let Some(token) = shown_token(request.headers())
    {
        app.metrics.remember_reader(token, app.now());
    }
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    let response = next.run(request).await;
    if let Some(answered) = response.extensions().get::<AuditSubject>().cloned() {
        if access == Access::Public && answered.kind == Some(USER) {
            actor = Actor::signed_in(&answered.name);
        }
        asked.subject = asked.subject.and(answered);
    }
    let detail = response.extensions().get::<AuditDetail>().cloned();
    asked.audit_answer(&app, &actor, response.status(), detail).await;
    response
}

async fn admit(
    app: &App,
    access: Access,
    headers: &HeaderMap,
    asked: &Asked,
) -> Result<(Option<Caller>, Result<(), Problem>), Problem> {
    if access == Access::Public {
        return Ok((None, if is_safe(&asked.method) { Ok(()) } else { admit_stranger(app, headers) }));
    }
    let caller = match Caller::of(app, headers).await? {
        Ok(caller) => caller,
        Err(Unknown::Nothing) => return Ok((None, Err(Problem::unauthorized("sign in first, or send an API token")))),
        Err(Unknown::EndedSession) => return Ok((None, Err(ended()))),
        Err(Unknown::WrongToken) => return Ok((None, Err(refuse_guess(app, asked)))),
    };
    let by_cookie = matches!(caller.credential, Credential::Session(_));
    let admitted = if by_cookie && !is_safe(&asked.method) && !is_same_origin(headers, &app.config.public_url) {
        Err(foreign_page(app))
    } else {
        match access {
            Access::OwnAccount if !by_cookie && !caller.allows(Permission::Administer) => {
                Err(Problem::forbidden("This needs a signed-in session, or an API token with the scope 'administer'."))
            }
            Access::Needs(permission) if !caller.allows(permission) => Err(Problem::forbidden(format!(
                "this needs the permission '{permission}', which {} lacks",
                caller.describe()
            ))),
            _ => Ok(()),
        }
    };
    Ok((Some(caller), admitted))
}

/// Setup and sign-in: for pages of this server, opened at an address of its own.
fn admit_stranger(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    own_address::check(headers, &app.config)?;
    if is_cross_site(headers, &app.config.public_url) { Err(foreign_page(app)) } else { Ok(()) }
}

/// Guessing tokens is limited; whoever shows a good one is not held up by those who guess.
fn refuse_guess(app: &App, asked: &Asked) -> Problem {
    let now = app.now();
    if let Err(seconds) = app.limiters.tokens.check(&asked.address_key, now) {
        return Problem::too_many(seconds);
    }
    app.limiters.tokens.count(&asked.address_key, now);
    ended().of_attempt()
}

fn ended() -> Problem {
    Problem::unauthorized("Session or token expired: sign in again")
}

fn foreign_page(app: &App) -> Problem {
    Problem::forbidden(format!(
        "Cross-site request blocked: it came from a page of another site, or without saying from which. Open dbackup at {}, or use \
         an API token. Behind a proxy, set PUBLIC_URL (--public-url) to the address in the browser's address bar, and let the \
         proxy pass the Host header on.",
        app.config.public_url
    ))
}

/// The client's address, as a key of limits.
pub(crate) fn address_of(app: &App, request: &Request) -> String {
    Asked::of(app, request).address_key
}

/// A path without the token that a download link holds.
fn shown(path: &str) -> String {
    const LINK: &str = "/api/downloads/";
    if path.starts_with(LINK) { format!("{LINK}...") } else { path.chars().take(300).collect() }
}

/// The kind of thing that users are.
pub(crate) const USER: &str = "user";

/// Who asks, for the audit log.
struct Actor {
    words: String,
    user: String,
    token: String,
}

impl Actor {
    fn nobody() -> Self {
        Self { words: "nobody".to_owned(), user: String::new(), token: String::new() }
    }

    fn of(caller: &Caller) -> Self {
        let (user, token) = caller.names();
        Self { words: caller.describe(), user: user.to_owned(), token: token.to_owned() }
    }

    /// Who has just signed in.
    fn signed_in(user: &str) -> Self {
        Self { words: format!("user {user}"), user: user.to_owned(), token: String::new() }
    }
}

/// What was asked, for the audit log.
struct Asked {
    method: Method,
    /// The path with its parameters' names.
    route: String,
    path: String,
    subject: Subject,
    address: String,
    address_key: String,
}

impl Asked {
    fn of(app: &App, request: &Request) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let address = peer.map(|peer| client_address::of(peer, request.headers(), &app.config.trusted_proxies));
        Self {
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default(),
            path: shown(request.uri().path()),
            subject: Subject::default(),
            address: address.map(|address| address.to_string()).unwrap_or_default(),
            address_key: address.map(address_key).unwrap_or_default(),
        }
    }

    /// Returns whether the metrics are asked for while nobody can be recognized, by a token that could read them lately.
    fn is_known_reader(&self, app: &App, headers: &HeaderMap, problem: &Problem) -> bool {
        self.path == METRICS
            && is_safe(&self.method)
            && problem.status == StatusCode::SERVICE_UNAVAILABLE
            && shown_token(headers).is_some_and(|token| app.metrics.remembers_reader(&token, app.now()))
    }

    async fn audit_answer(&self, app: &App, actor: &Actor, status: StatusCode, detail: Option<AuditDetail>) {
        let detail = detail.as_ref().map(|AuditDetail(detail)| detail.as_str());
        if matches!(status.as_u16(), 401 | 403) {
            self.audit(app, actor, detail.unwrap_or("refused")).await;
        } else if !is_safe(&self.method) && (status.is_success() || status.is_redirection()) {
            self.write(app, actor, false, detail.unwrap_or_default()).await;
        }
    }

    /// A refusal; so many a minute, so that nobody fills the disk with them.
    async fn audit(&self, app: &App, actor: &Actor, refusal: &str) {
        if app.limiters.audit.take(&self.address_key, app.now()) {
            self.write(app, actor, true, refusal).await;
        }
    }

    async fn write(&self, app: &App, actor: &Actor, refused: bool, detail: &str) {
        let entry = NewAuditEntry {
            actor: &actor.words,
            user: &actor.user,
            token: &actor.token,
            address: &self.address,
            event: &event(self.method.as_str(), &self.route),
            action: self.method.as_str(),
            object_kind: &self.subject.kind,
            object_id: &self.subject.id,
            object_name: &self.subject.name,
            object: &self.path,
            refused,
            detail,
        };
        if let Err(error) = app.catalog.add_audit_entry(&entry, app.now()).await {
            tracing::error!(%error, "could not write the audit log");
        }
    }
}
