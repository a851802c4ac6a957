//! The API's routes, all under `/2/`, and what every call goes through before its own code runs.

mod arg;
pub(crate) mod auth;
mod caller;
pub(crate) mod files;
pub(crate) mod path_root;
pub(crate) mod strings;
mod table;
pub(crate) mod users;

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::Value;

pub(crate) use arg::Arg;
pub(crate) use caller::Caller;
use table::{Handler, Host, ROUTES, Route};

use crate::app::App;
use crate::failure::Failure;
use crate::faults::FaultKind;
use crate::http::answer::{self, Answer};
use crate::http::body::RequestBody;
use crate::http::request::Head;

/// Where a call has its argument and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// JSON both ways.
    Rpc,
    /// Bytes in the request.
    Upload,
    /// Bytes in the answer.
    Download,
}

/// The style of the route `name`, if there is such a route.
pub(crate) fn style(name: &str) -> Option<Style> {
    Some(match find(name)?.handler {
        Handler::Poll(_) | Handler::Rpc(_) | Handler::Change(_) => Style::Rpc,
        Handler::Upload(_) => Style::Upload,
        Handler::Download(_) => Style::Download,
    })
}

/// The names of all routes.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|route| route.name)
}

fn find(name: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.name == name)
}

/// Calls the route `name`.
pub(crate) async fn call(
    app: &Arc<App>,
    head: &Head,
    body: &mut RequestBody,
    name: &str,
    fault: Option<FaultKind>,
) -> Result<Answer, Failure> {
    let Some(route) = find(name) else {
        return Err(Failure::Text(StatusCode::BAD_REQUEST, format!("Unknown API function: \"{name}\".")));
    };
    check_host(head, route)?;
    check_method(head, route)?;
    let identify = || Caller::identify(app, head, route.scope, fault);
    match route.handler {
        Handler::Poll(run) => {
            arg::check_content_type(head, &arg::RPC)?;
            let arg = Arg::body(body.text().await?);
            Ok(answer::json(StatusCode::OK, &run(app, &arg).await?))
        }
        Handler::Rpc(run) => {
            let caller = identify()?;
            arg::check_content_type(head, &arg::RPC)?;
            let arg = Arg::body(body.text().await?);
            Ok(answer::json(StatusCode::OK, &as_told(fault, run(&caller, &arg)?)))
        }
        Handler::Change(run) => {
            let caller = identify()?;
            arg::check_content_type(head, &arg::RPC)?;
            let arg = Arg::body(body.text().await?);
            let _lock = app.lock_namespace().await?;
            Ok(answer::json(StatusCode::OK, &as_told(fault, run(&caller, &arg)?)))
        }
        Handler::Upload(run) => {
            let caller = identify()?;
            arg::check_content_type(head, &arg::UPLOAD)?;
            let arg = Arg::header(head)?;
            Ok(answer::json(StatusCode::OK, &as_told(fault, run(&caller, &arg, body).await?)))
        }
        Handler::Download(run) => {
            let caller = identify()?;
            arg::check_content_type(head, &arg::DOWNLOAD)?;
            let arg = Arg::header(head)?;
            if !body.is_at_end().await? {
                return Err(Failure::BadInput("Non-empty request body; the argument belongs in the header".to_owned()));
            }
            run(&caller, &arg, head)
        }
    }
}

/// The answer of a route as the fault lets it be told.
fn as_told(fault: Option<FaultKind>, mut answer: Value) -> Value {
    if fault == Some(FaultKind::NoContentHash) {
        forget_hashes(&mut answer);
    }
    answer
}

fn forget_hashes(answer: &mut Value) {
    match answer {
        Value::Object(fields) => {
            fields.remove("content_hash");
            fields.values_mut().for_each(forget_hashes);
        }
        Value::Array(entries) => entries.iter_mut().for_each(forget_hashes),
        _ => {}
    }
}

/// Through the proxy the caller uses Dropbox's own names, and each route lives under one of them.
fn check_host(head: &Head, route: &Route) -> Result<(), Failure> {
    let expected = match route.host {
        Host::Api => "api.dropboxapi.com",
        Host::Content => "content.dropboxapi.com",
        Host::Notify => "notify.dropboxapi.com",
    };
    match head.host() {
        Some(host) if host.ends_with(".dropboxapi.com") && host != expected => {
            let url = format!("https://{expected}/2/{}", route.name);
            let sentence = format!("This API function operates at a different base URL: {url}");
            Err(Failure::Text(StatusCode::BAD_REQUEST, sentence))
        }
        _ => Ok(()),
    }
}

fn check_method(head: &Head, route: &Route) -> Result<(), Failure> {
    let is_download = matches!(route.handler, Handler::Download(_));
    match *head.method() {
        Method::POST => Ok(()),
        Method::GET if is_download => Ok(()),
        ref other => {
            let expected = if is_download { "\"GET\" or \"POST\"" } else { "\"POST\"" };
            Err(Failure::BadInput(format!(
                "Your request's HTTP request method is \"{other}\". This function only accepts the HTTP request method {expected}."
            )))
        }
    }
}
