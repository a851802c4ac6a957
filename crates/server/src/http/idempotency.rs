//! `Idempotency-Key`: a client that repeats a request, because its answer got lost, gets the first one's answer and starts nothing twice.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use catalog::{KeyedRequest, RequestKey};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Required};

use super::access::AuditDetail;
use super::caller::Caller;
use super::extract::body_of;
use super::problem::{DidNothing, Problem};
use crate::app::App;

/// The header.
const NAME: &str = "Idempotency-Key";
/// Maximum length of a key, in bytes.
const MAX_KEY_LEN: usize = 255;
/// Maximum length of an answer's body that is kept, in bytes. Of a longer one, the status and the address are.
const MAX_ANSWER_LEN: usize = 256 * 1024;

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Returns whether an operation starts or creates something, and so takes a key.
pub(crate) fn takes_key(operation: &Operation, method: &str) -> bool {
    let creates = |status: &str| operation.responses.responses.contains_key(status);
    method == "post" && (creates("201") || creates("202"))
}

/// Adds the header to an operation's description.
pub(crate) fn describe(operation: &mut Operation) {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(MAX_KEY_LEN)).build();
    let words = "A text of your choice, new for each thing that you want done. A request that is repeated with it within 24 hours is \
                 not carried out again, and gets the same answer. With another body it is refused (422), and while the first one is \
                 carried out as well (409, `Retry-After`).";
    let header = ParameterBuilder::new()
        .name(NAME)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(words))
        .schema(Some(text));
    operation.parameters.get_or_insert_default().push(RefOr::T(header.build()));
}

/// Carries a request out, or answers it as before.
pub(crate) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    let key = match key_of(request.headers()) {
        Ok(Some(key)) => key,
        Ok(None) => return next.run(request).await,
        Err(problem) => return problem.into_response(),
    };
    let Some(caller) = request.extensions().get::<Caller>().cloned() else { return next.run(request).await };
    let key = RequestKey { user_id: &caller.user.id, key: &key };
    let asked = format!("{} {}\n{}", request.method(), request.uri(), String::from_utf8_lossy(&body_of(&request)));
    match app.catalog.begin_keyed(key, &asked, app.now()).await {
        Ok(KeyedRequest::New) => {}
        Ok(known) => return answer_known(known),
        Err(error) => return Problem::from(error).into_response(),
    }
    let answered = next.run(request).await;
    keep(&app, key, answered).await.unwrap_or_else(Problem::into_response)
}

fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(NAME) else { return Ok(None) };
    let is_sound =
        |key: &&str| (1..=MAX_KEY_LEN).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match value.to_str().ok().filter(is_sound) {
        Some(key) if headers.get_all(NAME).iter().count() == 1 => Ok(Some(key.to_owned())),
        _ => Err(Problem::invalid_field(
            NAME,
            format!("must be 1 to {MAX_KEY_LEN} visible ASCII characters, without spaces"),
        )),
    }
}

fn answer_known(known: KeyedRequest) -> Response {
    let problem = match known {
        KeyedRequest::Answered(answer) => match again(&answer) {
            Some(response) => return response,
            None => Problem::internal("a kept answer cannot be read"),
        },
        KeyedRequest::Other => Problem::key_reused("The Idempotency-Key was used for another request. Use a new key."),
        KeyedRequest::CutOff => Problem::conflict(
            "outcomeUnknown",
            "The server stopped while it carried out the request with this Idempotency-Key. Look at what it has done, then use a new key.",
        ),
        KeyedRequest::New | KeyedRequest::Running => Problem::key_in_use(
            "The request with this Idempotency-Key is being carried out. Repeat it in a moment to get its answer.",
        ),
    };
    problem.into_response()
}

fn again(answer: &SecretString) -> Option<Response> {
    let answer: Answer = serde_json::from_str(answer.expose_secret()).ok()?;
    let mut response = (StatusCode::from_u16(answer.status).ok()?, answer.body).into_response();
    for (name, value) in answer.headers {
        response.headers_mut().insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    let words = "repeated request: answered as before, nothing was done".to_owned();
    response.extensions_mut().insert(AuditDetail(words));
    Some(response)
}

/// Keeps the answer of a request that did something. One that was refused did nothing, and may be repeated. One of which it is not known
/// what it did, since the metadata database went away meanwhile, stays open: a repeated one learns just that. What cannot be kept is
/// answered all the same.
async fn keep(app: &App, key: RequestKey<'_>, response: Response) -> Result<Response, Problem> {
    let (head, body) = response.into_parts();
    // These answers are in memory already.
    let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(Problem::internal)?;
    let did_nothing = head.status.is_client_error() || head.extensions.get::<DidNothing>().is_some();
    let kept = if did_nothing {
        app.catalog.forget_keyed(key).await
    } else if head.status == StatusCode::SERVICE_UNAVAILABLE {
        Ok(())
    } else {
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = [CONTENT_TYPE, ETAG, LOCATION]
            .into_iter()
            .filter_map(|name| Some((name.to_string(), text(head.headers.get(&name)?))));
        let body =
            if bytes.len() > MAX_ANSWER_LEN { "{}".into() } else { String::from_utf8_lossy(&bytes).into_owned() };
        let answer = Answer { status: head.status.as_u16(), headers: headers.collect(), body };
        let answer = serde_json::to_string(&answer).map_err(Problem::internal)?;
        app.catalog.finish_keyed(key, &answer.into()).await
    };
    if let Err(error) = kept {
        tracing::error!(%error, "the answer to a request with an Idempotency-Key could not be kept");
    }
    Ok(Response::from_parts(head, Body::from(bytes)))
}
