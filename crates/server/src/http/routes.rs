//! Every route with what it needs.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use domain::access::Permission;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::access::{Access, guard};
use super::api::{
    audit, backups, copies, destinations, downloads, dropbox_adapter, events, folders, jobs, overview, profiles,
    restores, runs, sessions, setup, sources, system, tokens, users,
};
use super::problem::Problem;
use super::{documentation, headers, pages, request_log};
use crate::app::App;

/// The name of the extension that says what an operation needs.
pub(crate) const PERMISSION: &str = "x-permission";

/// Routes on their way into the router.
pub(crate) struct Routes {
    app: App,
    router: OpenApiRouter<App>,
}

impl Routes {
    /// Adds the one operation of `method_router` behind the authorization layer, and says in its documentation what it needs.
    fn add(self, access: Access, (schemas, mut paths, method_router): UtoipaMethodRouter<App>) -> Self {
        for (path, item) in &mut paths.paths {
            let operations = [
                ("get", &mut item.get),
                ("post", &mut item.post),
                ("put", &mut item.put),
                ("patch", &mut item.patch),
                ("delete", &mut item.delete),
                ("head", &mut item.head),
                ("options", &mut item.options),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    operation.operation_id = Some(name(method, path));
                    declare(operation, access);
                }
            }
        }
        let guarded = (schemas, paths, method_router)
            .map(|router| router.route_layer(from_fn_with_state((self.app.clone(), access), guard)));
        Self { router: self.router.routes(guarded), app: self.app }
    }
}

/// A name that no other operation has, which handlers' names are not: `get_jobs_id` for `GET /api/jobs/{id}`.
fn name(method: &str, path: &str) -> String {
    let places = path.trim_start_matches("/api").split('/').map(|part| part.trim_matches(['{', '}']));
    std::iter::once(method).chain(places.filter(|part| !part.is_empty())).collect::<Vec<_>>().join("_")
}

fn declare(operation: &mut Operation, access: Access) {
    operation.extensions = Some(ExtensionsBuilder::new().add(PERMISSION, access.to_string()).build());
    operation.security = Some(match access {
        Access::Public => Vec::new(),
        _ => ["token", "session"].map(|name| SecurityRequirement::new::<_, [&str; 0], &str>(name, [])).into(),
    });
    let problem = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build();
    let refused = ResponseBuilder::new()
        .description("It was refused, or it failed; the answer says why and what to do")
        .content("application/problem+json", problem)
        .build();
    operation.responses.responses.entry("default".to_owned()).or_insert(refused.into());
}

/// The routes and their documentation.
pub(crate) fn all(app: &App) -> (Router<App>, OpenApi) {
    use Access::{Needs, Public, SignedIn};
    use Permission::{Administer, Configure, Operate, View};
    let router = OpenApiRouter::with_openapi(documentation::base());
    Routes { app: app.clone(), router }
        .add(Public, routes!(system::health))
        .add(Public, routes!(system::ready))
        .add(Needs(View), routes!(system::metrics))
        .add(Needs(View), routes!(system::info))
        .add(Public, routes!(setup::status))
        .add(Public, routes!(setup::set_up))
        .add(Public, routes!(sessions::sign_in))
        .add(SignedIn, routes!(sessions::current))
        .add(SignedIn, routes!(sessions::sign_out))
        .add(SignedIn, routes!(sessions::list))
        .add(SignedIn, routes!(sessions::revoke))
        .add(SignedIn, routes!(sessions::change_password))
        .add(Needs(Administer), routes!(users::list))
        .add(Needs(Administer), routes!(users::create))
        .add(Needs(Administer), routes!(users::update))
        .add(Needs(Administer), routes!(users::delete))
        .add(SignedIn, routes!(tokens::list))
        .add(SignedIn, routes!(tokens::create))
        .add(SignedIn, routes!(tokens::delete))
        .add(Needs(Administer), routes!(audit::list))
        .add(Needs(View), routes!(sources::list))
        .add(Needs(Configure), routes!(sources::create))
        .add(Needs(View), routes!(sources::show))
        .add(Needs(Configure), routes!(sources::update))
        .add(Needs(Configure), routes!(sources::delete))
        .add(Needs(Operate), routes!(sources::databases))
        .add(Needs(Operate), routes!(sources::test))
        .add(Needs(View), routes!(destinations::list))
        .add(Needs(Configure), routes!(destinations::create))
        .add(Needs(View), routes!(destinations::show))
        .add(Needs(Configure), routes!(destinations::update))
        .add(Needs(Configure), routes!(destinations::delete))
        .add(Needs(Operate), routes!(destinations::check))
        .add(Needs(Operate), routes!(destinations::test))
        .add(Needs(Configure), routes!(folders::list))
        .add(Needs(Configure), routes!(folders::create))
        .add(Needs(Configure), routes!(dropbox_adapter::begin))
        .add(Public, routes!(dropbox_adapter::callback))
        .add(Needs(Configure), routes!(dropbox_adapter::progress))
        .add(Needs(Configure), routes!(dropbox_adapter::confirm))
        .add(Needs(Configure), routes!(dropbox_adapter::code))
        .add(Needs(View), routes!(profiles::list))
        .add(Needs(Configure), routes!(profiles::create))
        .add(Needs(View), routes!(profiles::show))
        .add(Needs(Configure), routes!(profiles::rename))
        .add(Needs(Configure), routes!(profiles::delete))
        .add(Needs(Administer), routes!(profiles::export))
        .add(Needs(View), routes!(overview::show))
        .add(Needs(View), routes!(jobs::list))
        .add(Needs(Configure), routes!(jobs::create))
        .add(Needs(View), routes!(jobs::show))
        .add(Needs(Configure), routes!(jobs::update))
        .add(Needs(Configure), routes!(jobs::delete))
        .add(Needs(Operate), routes!(jobs::run))
        .add(Needs(Configure), routes!(jobs::acknowledge))
        .add(Needs(View), routes!(jobs::preview_schedule))
        .add(Needs(View), routes!(runs::list))
        .add(Needs(View), routes!(runs::show))
        .add(Needs(Operate), routes!(runs::cancel))
        .add(Needs(View), routes!(runs::log))
        .add(Needs(View), routes!(runs::events))
        .add(Needs(View), routes!(events::all))
        .add(Needs(View), routes!(backups::list))
        .add(Needs(View), routes!(backups::details))
        .add(Needs(Operate), routes!(backups::verify))
        .add(Needs(Operate), routes!(backups::delete))
        .add(Needs(Operate), routes!(restores::preview))
        .add(Needs(Operate), routes!(restores::create))
        .add(Needs(Operate), routes!(restores::put_in_place))
        .add(Needs(Operate), routes!(copies::create))
        .add(Needs(Operate), routes!(downloads::create))
        .add(SignedIn, routes!(downloads::download))
        .router
        .split_for_parts()
}

/// The whole HTTP side.
pub(crate) fn router(app: &App) -> Router {
    let (routes, api) = all(app);
    routes
        .merge(documentation::routes(&api))
        .fallback(pages::serve)
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "methodNotAllowed", "this address does not take this method")
        })
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn(headers::check_uri))
        .layer(from_fn_with_state(app.clone(), headers::add))
        .layer(from_fn_with_state(app.clone(), request_log::log))
        .with_state(app.clone())
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(cause: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    let cause =
        cause.downcast_ref::<String>().cloned().or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    axum::response::IntoResponse::into_response(Problem::internal(cause.unwrap_or_else(|| "a panic".to_owned())))
}
