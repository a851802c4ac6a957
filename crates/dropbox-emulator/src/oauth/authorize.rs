//! `/oauth2/authorize`: what the app asks for, and what the person says to it.

use hyper::StatusCode;
use url::Url;

use super::grants::{Code, Scopes};
use super::page;
use super::pkce::Challenge;
use crate::app::App;
use crate::config::SCOPES;
use crate::http::answer::{self, Answer};
use crate::http::request::{Head, decode_form};
use crate::people::Person;

/// The longest `state`, in bytes.
const MAX_STATE: usize = 500;

/// A request for consent that is in order.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) consent: Code,
    pub(crate) state: Option<String>,
    /// The app wants the question to be asked again.
    force_reapprove: bool,
    /// The app wants the person to sign in again, possibly as somebody else.
    pub(crate) force_reauthentication: bool,
}

/// Shows the consent page, or why there is none. A person who has agreed before is sent back at once, unless the app wants to
/// ask again (DOC: HTTP documentation, /oauth2/authorize).
pub(crate) fn ask(app: &App, head: &Head) -> Answer {
    let pairs = head.query();
    match Request::parse(app, &pairs) {
        Ok(request) if request.is_settled(app) => grant(app, request),
        Ok(request) => answer::page(StatusCode::OK, page::consent(&request, &pairs)),
        Err(problem) => answer::page(StatusCode::BAD_REQUEST, page::problem(&problem)),
    }
}

/// Takes the person's answer, which comes with the same parameters and `decision`.
pub(crate) fn decide(app: &App, form: &str) -> Answer {
    let pairs = decode_form(form);
    let request = match Request::parse(app, &pairs) {
        Ok(request) => request,
        Err(problem) => return answer::page(StatusCode::BAD_REQUEST, page::problem(&problem)),
    };
    let redirect_uri = request.consent.redirect_uri.clone();
    if find(&pairs, "decision") != Some("allow") {
        return match redirect_uri {
            None => answer::page(StatusCode::OK, page::denied()),
            Some(uri) => {
                let description = "The user chose not to give your app access to their Dropbox account.";
                back(&uri, &[("error", "access_denied"), ("error_description", description)], request.state)
            }
        };
    }
    grant(app, request)
}

fn grant(app: &App, request: Request) -> Answer {
    let redirect_uri = request.consent.redirect_uri.clone();
    let code = app.change(|account| account.grants.issue_code(request.consent, app.clock.now()));
    match redirect_uri {
        None => answer::page(StatusCode::OK, page::code(&code)),
        Some(uri) => back(&uri, &[("code", &code)], request.state),
    }
}

fn back(uri: &str, pairs: &[(&str, &str)], state: Option<String>) -> Answer {
    match Url::parse(uri) {
        Ok(mut url) => {
            url.query_pairs_mut().extend_pairs(pairs).extend_pairs(state.map(|state| ("state", state)));
            answer::redirect(url.as_str())
        }
        Err(_) => answer::page(StatusCode::BAD_REQUEST, page::problem("Invalid redirect_uri: it is not a URI.")),
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

impl Request {
    /// Reads a request; the error is a sentence for the error page.
    fn parse(app: &App, pairs: &[(String, String)]) -> Result<Request, String> {
        let get = |name| find(pairs, name);
        let client_id = get("client_id").ok_or("Missing client_id.")?;
        if client_id != app.config.app_key || app.secret().is_none() {
            return Err(format!("Invalid client_id: \"{client_id}\". This app does not exist."));
        }
        if get("response_type") != Some("code") {
            return Err("Invalid response_type: it must be \"code\".".to_owned());
        }
        let redirect_uri = get("redirect_uri").map(str::to_owned);
        if let Some(uri) = &redirect_uri {
            check_redirect_uri(&app.config.redirect_uris, uri)?;
        }
        let challenge = get("code_challenge")
            .map(|challenge| Challenge::parse(challenge, get("code_challenge_method")))
            .transpose()?;
        let offline = match get("token_access_type") {
            Some("offline") => true,
            Some("online" | "legacy") | None => false,
            Some(other) => return Err(format!("Invalid token_access_type: \"{other}\".")),
        };
        let scopes = scopes(get("scope"))?;
        let state = get("state").map(str::to_owned);
        if state.as_ref().is_some_and(|state| state.len() > MAX_STATE) {
            return Err(format!("Invalid state: it is longer than {MAX_STATE} bytes."));
        }
        let is_set = |name| get(name).is_some_and(|value| value == "true");
        let (force_reapprove, force_reauthentication) = (is_set("force_reapprove"), is_set("force_reauthentication"));
        let person = get("account").filter(|_| force_reauthentication).and_then(Person::find).unwrap_or_default();
        let consent = Code { client_id: client_id.to_owned(), redirect_uri, challenge, offline, scopes, person };
        Ok(Request { consent, state, force_reapprove, force_reauthentication })
    }

    /// Whether there is nothing to ask. Without a redirect the code is to be seen, so the page is.
    fn is_settled(&self, app: &App) -> bool {
        let is_forced = self.force_reapprove || self.force_reauthentication;
        !is_forced && self.consent.redirect_uri.is_some() && app.account().grants.is_approved(&self.consent)
    }
}

/// The asked scopes, which the app must have; without any, all that it has.
fn scopes(asked: Option<&str>) -> Result<Scopes, String> {
    let asked: Scopes = match asked {
        Some(asked) => asked.split_whitespace().map(str::to_owned).collect(),
        None => SCOPES.iter().map(|&scope| scope.to_owned()).collect(),
    };
    match asked.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        Some(scope) => Err(format!("Invalid scope: \"{scope}\" is not among this app's permissions.")),
        None => Ok(asked),
    }
}

fn check_redirect_uri(registered: &[String], uri: &str) -> Result<(), String> {
    let is_loopback = || {
        Url::parse(uri)
            .is_ok_and(|url| url.scheme() == "http" && matches!(url.host_str(), Some("localhost" | "127.0.0.1")))
    };
    let is_good = if registered.is_empty() { is_loopback() } else { registered.iter().any(|known| known == uri) };
    if is_good {
        return Ok(());
    }
    Err(format!(
        "Invalid redirect_uri: \"{uri}\". It must exactly match one of the redirect URIs registered for this app."
    ))
}
