//! The web UI, embedded from `web/dist/app`, served at the addresses of its pages.

use axum::extract::State;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use rust_embed::{Embed, EmbeddedFile};

use super::own_address;
use super::problem::Problem;
use crate::app::App;

/// In debug builds read from the folder at each request.
#[derive(Embed)]
#[folder = "../../web/dist"]
struct Built;

/// Files whose names hold a hash of their contents.
const IMMUTABLE: &str = "assets/";
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><title>dbackup</title>\
    <h1>This dbackup was built without its web UI</h1>\
    <p>Everything works by the command line and the API: <a href=\"/api/docs/\">/api/docs</a>. \
    The server embeds what is in <code>web/dist/app</code> when it is built.</p></html>";

/// A file of the UI; for every other address that a browser opens, its one page, which knows what to show there.
pub(crate) async fn serve(State(app): State<App>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if !matches!(method, Method::GET | Method::HEAD) || path == "api" || path.starts_with("api/") {
        return nothing();
    }
    if let Some(file) = file(path, &headers) {
        return file;
    }
    if !headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().windows(9).any(|part| part == b"text/html")) {
        return nothing();
    }
    if let Some(mut instead) = own_address::loopback_instead(&headers, &app.config.public_url) {
        instead.set_path(uri.path());
        instead.set_query(uri.query());
        return Redirect::temporary(instead.as_str()).into_response();
    }
    file("index.html", &headers).unwrap_or_else(|| {
        ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-cache")], NOT_BUILT).into_response()
    })
}

fn nothing() -> Response {
    let words = "there is nothing at this address; /api/docs lists what there is";
    Problem::new(StatusCode::NOT_FOUND, "notFound", words).into_response()
}

/// The file, compressed if it was and the browser can take it.
fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let kind = content_type(path)?;
    let brotli = takes_brotli(headers).then(|| built(&format!("{path}.br"))).flatten();
    let compressed = brotli.is_some();
    let mut response = brotli.or_else(|| built(path))?.data.into_owned().into_response();
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.insert(VARY, HeaderValue::from_static("accept-encoding"));
    answer.insert(CACHE_CONTROL, if path.starts_with(IMMUTABLE) { FOR_EVER } else { ASK_FIRST });
    if compressed {
        answer.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    Some(response)
}

fn built(path: &str) -> Option<EmbeddedFile> {
    Built::get(&format!("app/{path}"))
}

fn takes_brotli(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|one| one.trim() == "br")
}

/// Of the kinds of files that the build makes; nothing else is served.
fn content_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "png" => "image/png",
        _ => return None,
    })
}
