//! From a request to an answer: which route it is for, the weather and the fault on its way, and the record of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::body::Incoming;
use hyper::header::{HeaderValue, RANGE};
use hyper::{Method, Request, StatusCode};

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::connection::Signals;
use super::named;
use super::request::Head;
use super::strike::Call;
use super::trouble;
use crate::app::App;
use crate::failure::Failure;
use crate::faults::FaultKind;
use crate::records::{Pending, RequestRecord};
use crate::{control_api, oauth, random, routes};

/// Answers one request. An error ends the connection without an answer.
pub(crate) async fn serve(app: Arc<App>, signals: Arc<Signals>, request: Request<Incoming>) -> io::Result<Answer> {
    let (parts, incoming) = request.into_parts();
    let (head, mut body) = (Head::new(parts), RequestBody::new(incoming));
    let is_control = head.path().starts_with(control_api::PREFIX);
    signals.sheltered.store(is_control, Ordering::Relaxed);
    if is_control {
        return Ok(control_api::answer(&app, &head, &mut body).await);
    }
    call(&app, &signals, &head, &mut body).await
}

/// Answers one call to a route.
async fn call(app: &Arc<App>, signals: &Arc<Signals>, head: &Head, body: &mut RequestBody) -> io::Result<Answer> {
    let route = route_name(head.path());
    let in_progress = app.records.begin(route);
    let argument = named::argument(head, body, route).await;
    let paths = named::paths(&argument);
    let record = RequestRecord {
        route: route.to_owned(),
        status: 0,
        body_bytes: 0,
        request_id: random::request_id(),
        path: paths.first().cloned(),
        range: head.header(RANGE).map(str::to_owned),
    };
    let id = HeaderValue::from_str(&record.request_id);
    let mut record = Pending::new(app.records.clone(), body.counter(), record);
    let fault = app.faults.take(route, &paths);
    let call = Call { app, route, argument: &argument };
    let answer = match perform(app, signals, head, body, &call, fault).await {
        Ok(answer) => Some(answer),
        Err(Failure::Silent) => {
            record.complete(0);
            // It may last until the emulator stops, long after its caller has given up.
            drop(in_progress);
            return std::future::pending().await;
        }
        Err(failure) => failure.into_answer(route),
    };
    let Some(mut answer) = answer else {
        signals.reset.store(true, Ordering::Relaxed);
        return Err(io::ErrorKind::ConnectionAborted.into());
    };
    body.drain().await?;
    let latency = app.weather().latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    record.complete(answer.status().as_u16());
    if let Ok(id) = id {
        answer.headers_mut().insert("x-dropbox-request-id", id);
    }
    Ok(trouble::in_progress(in_progress, answer))
}

/// `files/upload` for `/2/files/upload`, `oauth2/token` for `/oauth2/token`.
fn route_name(path: &str) -> &str {
    path.strip_prefix("/2/").or_else(|| path.strip_prefix('/')).unwrap_or(path)
}

async fn perform(
    app: &Arc<App>,
    signals: &Arc<Signals>,
    head: &Head,
    body: &mut RequestBody,
    call: &Call<'_>,
    fault: Option<FaultKind>,
) -> Result<Answer, Failure> {
    let Some(fault) = fault else {
        let answer = dispatch(app, head, body, call.route, None).await?;
        call.take_time(body).await;
        return Ok(answer);
    };
    if let Some(answer) = call.before(fault, body).await? {
        return Ok(answer);
    }
    let answer = dispatch(app, head, body, call.route, Some(fault)).await?;
    call.take_time(body).await;
    Ok(match call.after(fault)? {
        Some(trouble) => trouble::meet(trouble, answer, signals.clone()),
        None => answer,
    })
}

async fn dispatch(
    app: &Arc<App>,
    head: &Head,
    body: &mut RequestBody,
    route: &str,
    fault: Option<FaultKind>,
) -> Result<Answer, Failure> {
    if head.path().starts_with("/2/") {
        return routes::call(app, head, body, route, fault).await;
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
