//! The API's own description, and pages to browse it: nothing of them comes from another host.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa_swagger_ui::Config;

use super::problem::{FieldError, Problem, ProblemBody};
use super::secret_field::SecretSchema;
use crate::app::App;

/// Where the description is.
const DESCRIPTION: &str = "/api/openapi.json";

/// Swagger UI sets styles on elements.
const POLICY: &str = "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'; img-src 'self' data:; \
                      style-src 'self' 'unsafe-inline'";

#[derive(utoipa::OpenApi)]
#[openapi(
    servers((url = "/", description = "This server")),
    info(
        title = "dbackup",
        version = "1.0.0",
        contact(name = "dbackup"),
        description = "Back up databases, encrypted, and restore them. Sign in with a session cookie (`POST /api/session`), \
                       or send an API token: `Authorization: Bearer dbk_...`. What an operation needs is in its `x-permission`."
    ),
    components(schemas(ProblemBody, FieldError, SecretSchema))
)]
struct Base;

/// What is not said by any one route.
pub(crate) fn base() -> OpenApi {
    let mut api = Base::openapi();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let cookie = ApiKey::Cookie(ApiKeyValue::new(super::caller::cookie_name(false)));
    components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    api
}

/// The description, which is JSON, and its pages.
pub(crate) fn routes(json: String) -> Router<App> {
    let json: Bytes = json.into();
    let description = move || {
        let json = json.clone();
        async move { ([(CONTENT_TYPE, "application/json")], json) }
    };
    let config = Arc::new(Config::new([DESCRIPTION]).use_base_layout());
    Router::new()
        .route(DESCRIPTION, get(description))
        .route("/api/docs", get(|| async { Redirect::permanent("/api/docs/") }))
        .route(
            "/api/docs/",
            get({
                let config = Arc::clone(&config);
                || async move { page("index.html", config) }
            }),
        )
        .route("/api/docs/{file}", get(|Path(file): Path<String>| async move { page(&file, config) }))
}

fn page(file: &str, config: Arc<Config<'static>>) -> Response {
    let found = utoipa_swagger_ui::serve(file, config).ok().flatten();
    let Some(found) = found else {
        return Problem::new(StatusCode::NOT_FOUND, "notFound", "there is no such page").into_response();
    };
    let kind = HeaderValue::from_str(&found.content_type);
    let mut response = found.bytes.into_owned().into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = kind {
        headers.insert(CONTENT_TYPE, kind);
    }
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
