//! The folder browser of a destination's form (M-09, M-10).

use std::sync::Arc;

use adapter::authorization::Act;
use adapter::destination::Folder;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::access::Permission;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::caller::Caller;
use super::super::extract::{Body, Id, Query};
use super::super::lists::page;
use super::super::problem::{Fields, Problem};
use crate::app::App;
use crate::failure::Failure;
use crate::host_paths::Use;
use crate::patience::Patience;

/// Which folder, and which page of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FolderQuery {
    /// Absolute; the storage's root if absent.
    #[serde(default)]
    path: String,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
}

/// A folder that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FolderInput {
    /// Absolute.
    #[schema(min_length = 2, max_length = 1000)]
    path: String,
}

/// A folder.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Folder)]
pub(crate) struct FolderInfo {
    name: String,
    /// Absolute.
    path: String,
}

/// The folders in a folder.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Folders {
    /// By name.
    items: Vec<FolderInfo>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// What to say where there are none: at the root, also why that may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    empty_reason: Option<&'static str>,
}

impl From<Folder> for FolderInfo {
    fn from(folder: Folder) -> Self {
        Self { name: folder.name, path: folder.path }
    }
}

/// The folders in a folder of the storage, by name.
#[utoipa::path(get, path = "/api/destinations/{id}/folders", tag = "destinations", params(("id" = String, Path), FolderQuery),
    responses((status = 200, body = Folders)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<FolderQuery>,
) -> Result<Json<Folders>, Problem> {
    let request = page(query.cursor.as_deref(), query.limit)?;
    let folders = match view_of(&app, &caller, &id, &query.path).await? {
        View::Folder(path) => listing(&app, &id, &path, request.after.is_some()).await?,
        View::Allowed(folders) => Arc::new(folders),
    };
    let is_root = query.path.trim_matches('/').is_empty();
    let empty_reason = if folders.is_empty() { Some(reason(&app, &id, is_root).await?) } else { None };
    let start = request.after.and_then(|after| after.parse::<usize>().ok()).unwrap_or(0);
    let more = folders.len() > start.saturating_add(request.limit);
    let next_cursor = more.then(|| super::super::lists::cursor(&(start + request.limit).to_string()));
    let items = folders.iter().skip(start).take(request.limit).cloned().map(FolderInfo::from).collect();
    Ok(Json(Folders { items, next_cursor, empty_reason }))
}

/// What somebody sees of a storage.
enum View {
    /// This folder.
    Folder(String),
    /// The folders of this machine that the server was started with: the root, for others than administrators.
    Allowed(Vec<Folder>),
}

async fn view_of(app: &App, caller: &Caller, id: &str, path: &str) -> Result<View, Problem> {
    let destination = app.catalog.destination(id).await?.ok_or_else(|| Problem::not_found("the destination"))?;
    let on_this_machine = app.destination_settings(&destination)?.host_path().is_some();
    if !on_this_machine || caller.allows(Permission::Administer) {
        return Ok(View::Folder(path.to_owned()));
    }
    if path.trim_matches('/').is_empty() {
        let folders = app.host_paths(|paths| Ok(paths.allowed_folders())).await.map_err(Failure::from)?;
        let folder = |path: std::path::PathBuf| {
            let path = path.display().to_string();
            Folder { name: path.clone(), path }
        };
        return Ok(View::Allowed(folders.into_iter().map(folder).collect()));
    }
    usable(app, caller, path).await.map(View::Folder)
}

/// Where a path of this machine leads, if whoever asks may use it.
async fn usable(app: &App, caller: &Caller, path: &str) -> Result<String, Problem> {
    let (path, administers) = (std::path::PathBuf::from(path), caller.allows(Permission::Administer));
    let resolved = app.host_paths(move |paths| {
        let resolved = paths.resolve(&path, Use::Folder)?;
        if !administers {
            paths.check_allowed(&resolved)?;
        }
        Ok(resolved.display().to_string())
    });
    Ok(resolved.await.map_err(Failure::from)?)
}

/// All folders in a folder: as it lists them now, or as it did for the page before.
async fn listing(app: &App, id: &str, path: &str, goes_on: bool) -> Result<Arc<Vec<Folder>>, Problem> {
    if let Some(folders) = app.folders.recent(id, Some(path), app.now()).filter(|_| goes_on) {
        return Ok(folders);
    }
    let destination = app.open_destination(id, Patience::Short).await?;
    let listed = destination.folders(path).await;
    match &listed {
        Ok(_) => app.note_working(id, Act::List).await,
        Err(error) => app.note_broken_grant(id, error).await,
    }
    let folders = Arc::new(listed.map_err(Failure::Destination)?);
    app.folders.keep(id, Some(path), Arc::clone(&folders), app.now());
    Ok(folders)
}

/// Returns what to say of a folder without subfolders. Only of the root is that unexpected, with causes to look into.
async fn reason(app: &App, id: &str, is_root: bool) -> Result<&'static str, Problem> {
    if !is_root {
        return Ok("No subfolders");
    }
    let destination = app.catalog.destination(id).await?.ok_or_else(|| Problem::not_found("the destination"))?;
    Ok(app.destination_settings(&destination)?.adapter.no_subfolders)
}

/// Makes a folder in the storage.
#[utoipa::path(post, path = "/api/destinations/{id}/folders", tag = "destinations", params(("id" = String, Path)), request_body = FolderInput,
    responses((status = 201, body = FolderInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(input): Body<FolderInput>,
) -> Result<(StatusCode, Json<FolderInfo>), Problem> {
    let stored = app.catalog.destination(&id).await?.ok_or_else(|| Problem::not_found("the destination"))?;
    let mut fields = Fields::default();
    fields.check("path", input.path.starts_with('/'), || "must be absolute: /backups/new".to_owned());
    fields.finish()?;
    let settings = app.destination_settings(&stored)?;
    let checked = (settings.adapter.check_folder)(&input.path);
    let mut path = checked.map_err(|wrong| Problem::invalid_field("path", wrong))?;
    if settings.host_path().is_some() {
        path = usable(&app, &caller, &path).await?;
    }
    let destination = app.open_destination(&id, Patience::Short).await?;
    app.folders.forget(&id);
    let made = destination.create_folder(&path).await;
    if let Err(error) = &made {
        app.note_broken_grant(&id, error).await;
    }
    Ok((StatusCode::CREATED, Json(made.map_err(Failure::Destination)?.into())))
}
