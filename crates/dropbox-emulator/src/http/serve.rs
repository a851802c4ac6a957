//! From a request to an answer: which route it is for, the fault that may be waiting there, and the record of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::request::Head;
use crate::app::App;
use crate::control::RequestRecord;
use crate::failure::Failure;
use crate::faults::Moment;
use crate::{oauth, random, routes};

/// Answers one request. An error ends the connection without an answer.
pub(crate) async fn serve(app: Arc<App>, reset: Arc<AtomicBool>, request: Request<Incoming>) -> io::Result<Answer> {
    let (parts, incoming) = request.into_parts();
    let (head, mut body) = (Head::new(parts), RequestBody::new(incoming));
    let route = route_name(head.path()).to_owned();
    let request_id = random::request_id();
    let answer = match perform(&app, &head, &mut body, &route).await {
        Ok(answer) => Some(answer),
        Err(failure) => failure.into_answer(&route),
    };
    let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
    if answer.is_some() {
        body.drain().await?;
    }
    let record = RequestRecord { route, status, body_bytes: body.received(), request_id: request_id.clone() };
    app.records.add(record);
    match answer {
        Some(mut answer) => {
            if let Ok(id) = HeaderValue::from_str(&request_id) {
                answer.headers_mut().insert("x-dropbox-request-id", id);
            }
            Ok(answer)
        }
        None => {
            reset.store(true, Ordering::Relaxed);
            Err(io::ErrorKind::ConnectionAborted.into())
        }
    }
}

/// `files/upload` for `/2/files/upload`, `oauth2/token` for `/oauth2/token`.
fn route_name(path: &str) -> &str {
    path.strip_prefix("/2/").or_else(|| path.strip_prefix('/')).unwrap_or(path)
}

async fn perform(app: &Arc<App>, head: &Head, body: &mut RequestBody, route: &str) -> Result<Answer, Failure> {
    let fault = app.faults.take(route);
    if let Some(failure) = fault.and_then(|kind| kind.failure(Moment::Before)) {
        return Err(failure);
    }
    let answer = dispatch(app, head, body, route).await?;
    match fault.and_then(|kind| kind.failure(Moment::After)) {
        Some(failure) => Err(failure),
        None => Ok(answer),
    }
}

async fn dispatch(app: &Arc<App>, head: &Head, body: &mut RequestBody, route: &str) -> Result<Answer, Failure> {
    if head.path().starts_with("/2/") {
        return routes::call(app, head, body, route).await;
    }
    let link = route.strip_prefix(routes::files::temporary_link::PREFIX);
    match (head.method(), route, link) {
        (&Method::GET, "oauth2/authorize", _) => Ok(oauth::authorize::ask(app, head)),
        (&Method::POST, "oauth2/authorize", _) => Ok(oauth::authorize::decide(app, &body.text().await?)),
        (&Method::POST, "oauth2/token", _) => oauth::token::exchange(app, head, body).await,
        (&Method::GET | &Method::HEAD, _, Some(link)) => routes::files::temporary_link::open(app, head, link),
        _ => Ok(answer::text(StatusCode::NOT_FOUND, "There is no such page.".to_owned())),
    }
}
