//! Every route with what it needs.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use domain::access::Permission;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa::openapi::extensions::{Extensions, ExtensionsBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::access::{Access, guard};
use super::api::authorizations::CALLBACK;
use super::api::{
    adapters, audit, authorizations, backups, channels, configuration, copies, databases, deletions, destination_usage,
    destinations, downloads, events, folders, jobs, notification_rules, outbox, overview, planned_runs, profiles,
    restores, retention, runs, scans, sessions, setup, sources, stored_backups, system, tokens, users, verify,
};
use super::bounds::keep;
use super::class::{Class, LIMITS};
use super::problem::Problem;
use super::query::Known;
use super::{description, documentation, headers, idempotency, pages, query, request_log};
use crate::app::App;

/// The name of the extension that says what an operation needs.
pub(crate) const PERMISSION: &str = "x-permission";

/// Routes on their way into the router.
pub(crate) struct Routes {
    app: App,
    router: OpenApiRouter<App>,
}

impl Routes {
    /// Adds the one operation of `method_router` behind the authorization layer and within the limits of its class, and says in its
    /// documentation what it needs and may take.
    fn add(self, access: Access, class: Class, (schemas, mut paths, method_router): UtoipaMethodRouter<App>) -> Self {
        let mut takes_key = false;
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
                    declare(operation, access, class);
                    if access != Access::Public && idempotency::takes_key(operation, method) {
                        idempotency::describe(operation);
                        takes_key = true;
                    }
                    description::describe_answers(operation, method, path, access, class);
                }
            }
        }
        let known = Known::of(paths.paths.values().flat_map(|item| {
            [&item.get, &item.post, &item.put, &item.patch, &item.delete, &item.head, &item.options]
                .into_iter()
                .flatten()
        }));
        // Providers of authorizations and the monitoring add parameters of their own.
        let is_ours = paths.paths.keys().all(|path| path.starts_with("/api/") && path != CALLBACK);
        // The last layer is the first that a request meets.
        let guarded = (schemas, paths, method_router).map(|router| {
            let router = if is_ours { router.route_layer(from_fn_with_state(known, query::check)) } else { router };
            let once = from_fn_with_state(self.app.clone(), idempotency::once);
            let router = if takes_key { router.route_layer(once) } else { router };
            router
                .route_layer(from_fn_with_state((self.app.clone(), class), keep))
                .route_layer(from_fn_with_state((self.app.clone(), access), guard))
        });
        Self { router: self.router.routes(guarded), app: self.app }
    }
}

/// A name that no other operation has, which handlers' names are not: `get_jobs_id` for `GET /api/jobs/{id}`.
fn name(method: &str, path: &str) -> String {
    let places = path.trim_start_matches("/api").split('/').map(|part| part.trim_matches(['{', '}']));
    std::iter::once(method).chain(places.filter(|part| !part.is_empty())).collect::<Vec<_>>().join("_")
}

fn declare(operation: &mut Operation, access: Access, class: Class) {
    operation.extensions = Some(extensions(access, class));
    operation.security = Some(match access {
        Access::Public => Vec::new(),
        _ => ["token", "session"].map(|name| SecurityRequirement::new::<_, [&str; 0], &str>(name, [])).into(),
    });
}

/// Returns what an operation needs and may take, in an order that does not change: utoipa keeps extensions in a map whose order is drawn
/// anew for each map, so another one is drawn until its order is that of the names.
fn extensions(access: Access, class: Class) -> Extensions {
    let limits = serde_json::to_value(class.limits()).unwrap_or_default();
    loop {
        let drawn = ExtensionsBuilder::new().add(PERMISSION, access.to_string()).add(LIMITS, limits.clone()).build();
        if drawn.keys().is_sorted() {
            return drawn;
        }
    }
}

/// The routes and their documentation.
pub(crate) fn all(app: &App) -> (Router<App>, OpenApi) {
    use Access::{Needs, OwnAccount, Public, SignedIn};
    use Class::{Authorization, Catalog, Download, Events, Password, Preview, Probe, Source, Storage, Test, Verify};
    use Permission::{Administer, Configure, Operate, View};
    let router = OpenApiRouter::with_openapi(documentation::base());
    let (router, mut api) = Routes { app: app.clone(), router }
        .add(Public, Probe, routes!(system::health))
        .add(Public, Probe, routes!(system::ready))
        .add(Needs(View), Catalog, routes!(system::metrics))
        .add(Needs(View), Catalog, routes!(system::info))
        .add(Public, Catalog, routes!(setup::status))
        .add(Public, Password, routes!(setup::set_up))
        .add(Public, Password, routes!(sessions::sign_in))
        .add(SignedIn, Catalog, routes!(sessions::current))
        .add(SignedIn, Catalog, routes!(sessions::sign_out))
        .add(OwnAccount, Catalog, routes!(sessions::list))
        .add(OwnAccount, Catalog, routes!(sessions::revoke))
        .add(OwnAccount, Password, routes!(sessions::change_password))
        .add(Needs(Administer), Catalog, routes!(users::list))
        .add(Needs(Administer), Password, routes!(users::create))
        .add(Needs(Administer), Password, routes!(users::update))
        .add(Needs(Administer), Catalog, routes!(users::delete))
        .add(OwnAccount, Catalog, routes!(tokens::list))
        .add(OwnAccount, Catalog, routes!(tokens::create))
        .add(OwnAccount, Catalog, routes!(tokens::delete))
        .add(Needs(Administer), Catalog, routes!(audit::list))
        .add(Needs(View), Catalog, routes!(adapters::list))
        .add(Needs(Configure), Source, routes!(configuration::plan))
        .add(Needs(Configure), Source, routes!(configuration::apply))
        .add(Needs(View), Catalog, routes!(sources::list))
        .add(Needs(Configure), Source, routes!(sources::create))
        .add(Needs(Configure), Source, routes!(sources::validate))
        .add(Needs(View), Catalog, routes!(sources::show))
        .add(Needs(Configure), Source, routes!(sources::update))
        .add(Needs(Configure), Source, routes!(sources::change))
        .add(Needs(Configure), Catalog, routes!(sources::delete))
        .add(Needs(Operate), Source, routes!(sources::databases))
        .add(Needs(Operate), Test, routes!(sources::test))
        .add(Needs(View), Catalog, routes!(destinations::list))
        .add(Needs(Configure), Storage, routes!(destinations::create))
        .add(Needs(Configure), Storage, routes!(destinations::validate))
        .add(Needs(View), Catalog, routes!(destinations::show))
        .add(Needs(Configure), Storage, routes!(destinations::update))
        .add(Needs(Configure), Storage, routes!(destinations::change))
        .add(Needs(Configure), Storage, routes!(destinations::delete))
        .add(Needs(View), Catalog, routes!(destination_usage::show))
        .add(Needs(Operate), Storage, routes!(destinations::check))
        .add(Needs(Operate), Test, routes!(destinations::test))
        .add(Needs(Configure), Storage, routes!(folders::list))
        .add(Needs(Configure), Storage, routes!(folders::create))
        .add(Needs(Configure), Authorization, routes!(authorizations::begin))
        .add(Public, Authorization, routes!(authorizations::callback))
        .add(Needs(Configure), Catalog, routes!(authorizations::progress))
        .add(Needs(Configure), Authorization, routes!(authorizations::confirm))
        .add(Needs(Configure), Authorization, routes!(authorizations::code))
        .add(Needs(View), Catalog, routes!(profiles::list))
        .add(Needs(Configure), Catalog, routes!(profiles::create))
        .add(Needs(View), Catalog, routes!(profiles::show))
        .add(Needs(Configure), Catalog, routes!(profiles::rename))
        .add(Needs(Configure), Catalog, routes!(profiles::delete))
        .add(Needs(Administer), Catalog, routes!(profiles::export))
        .add(Needs(View), Catalog, routes!(retention::list))
        .add(Needs(Configure), Catalog, routes!(retention::create))
        .add(Needs(View), Catalog, routes!(retention::preview))
        .add(Needs(View), Catalog, routes!(retention::show))
        .add(Needs(Configure), Catalog, routes!(retention::update))
        .add(Needs(Configure), Catalog, routes!(retention::change))
        .add(Needs(Configure), Catalog, routes!(retention::delete))
        .add(Needs(Configure), Catalog, routes!(retention::confirm))
        .add(Needs(View), Catalog, routes!(deletions::list))
        .add(Needs(Operate), Catalog, routes!(deletions::lock))
        .add(Needs(Operate), Catalog, routes!(deletions::unlock))
        .add(Needs(Operate), Catalog, routes!(deletions::note))
        .add(Needs(View), Catalog, routes!(channels::list))
        .add(Needs(Administer), Catalog, routes!(channels::create))
        .add(Needs(View), Catalog, routes!(channels::show))
        .add(Needs(Administer), Catalog, routes!(channels::update))
        .add(Needs(Administer), Catalog, routes!(channels::change))
        .add(Needs(Administer), Catalog, routes!(channels::delete))
        .add(Needs(Administer), Test, routes!(channels::test))
        .add(Needs(View), Catalog, routes!(notification_rules::list))
        .add(Needs(Administer), Catalog, routes!(notification_rules::create))
        .add(Needs(View), Catalog, routes!(notification_rules::show))
        .add(Needs(Administer), Catalog, routes!(notification_rules::update))
        .add(Needs(Administer), Catalog, routes!(notification_rules::change))
        .add(Needs(Administer), Catalog, routes!(notification_rules::delete))
        .add(Needs(View), Catalog, routes!(outbox::list))
        .add(Needs(View), Catalog, routes!(overview::show))
        .add(Needs(View), Catalog, routes!(overview::problems))
        .add(Needs(View), Catalog, routes!(databases::list))
        .add(Needs(View), Catalog, routes!(jobs::list))
        .add(Needs(Configure), Catalog, routes!(jobs::create))
        .add(Needs(View), Catalog, routes!(jobs::show))
        .add(Needs(Configure), Catalog, routes!(jobs::update))
        .add(Needs(Configure), Catalog, routes!(jobs::change))
        .add(Needs(Configure), Catalog, routes!(jobs::delete))
        .add(Needs(Operate), Catalog, routes!(jobs::run))
        .add(Needs(Configure), Catalog, routes!(jobs::acknowledge))
        .add(Needs(View), Catalog, routes!(jobs::preview_schedule))
        .add(Needs(View), Catalog, routes!(planned_runs::list))
        .add(Needs(View), Catalog, routes!(runs::list))
        .add(Needs(View), Catalog, routes!(runs::counts))
        .add(Needs(View), Catalog, routes!(runs::show))
        .add(Needs(View), Catalog, routes!(runs::spec))
        .add(Needs(Operate), Catalog, routes!(runs::cancel))
        .add(Needs(View), Catalog, routes!(runs::log))
        .add(Needs(View), Events, routes!(runs::events))
        .add(Needs(View), Events, routes!(events::all))
        .add(Needs(View), Catalog, routes!(stored_backups::list))
        .add(Needs(View), Catalog, routes!(stored_backups::summary))
        .add(Needs(View), Catalog, routes!(stored_backups::names))
        .add(Needs(View), Catalog, routes!(stored_backups::verifications))
        .add(Needs(View), Catalog, routes!(scans::list))
        .add(Needs(View), Catalog, routes!(scans::show))
        .add(Needs(View), Catalog, routes!(scans::start))
        .add(Needs(Operate), Catalog, routes!(scans::cancel))
        .add(Needs(View), Storage, routes!(backups::list))
        .add(Needs(View), Storage, routes!(backups::details))
        .add(Needs(Operate), Verify, routes!(verify::verify))
        .add(Needs(Operate), Storage, routes!(backups::delete))
        .add(Needs(Operate), Preview, routes!(restores::preview))
        .add(Needs(Operate), Storage, routes!(restores::create))
        .add(Needs(Operate), Source, routes!(restores::put_in_place))
        .add(Needs(Operate), Storage, routes!(copies::create))
        .add(Needs(Operate), Storage, routes!(downloads::create))
        .add(Needs(Operate), Download, routes!(downloads::download))
        .router
        .split_for_parts();
    crate::settings::describe(&mut api, &app.config.adapters);
    description::complete(&mut api);
    (router, api)
}

/// Returns the whole HTTP side.
///
/// # Errors
/// If the API's description cannot be written, so that no server starts with one that is empty.
pub(crate) fn router(app: &App) -> Result<Router, serde_json::Error> {
    let (routes, api) = all(app);
    let router = routes
        .merge(documentation::routes(api.to_pretty_json()?))
        .fallback(pages::serve)
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "methodNotAllowed", "this address does not take this method")
        })
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn(headers::check_uri))
        .layer(from_fn_with_state(app.clone(), headers::add))
        .layer(from_fn_with_state(app.clone(), request_log::log))
        .with_state(app.clone());
    Ok(router)
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(cause: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    let cause =
        cause.downcast_ref::<String>().cloned().or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    axum::response::IntoResponse::into_response(Problem::internal(cause.unwrap_or_else(|| "a panic".to_owned())))
}
