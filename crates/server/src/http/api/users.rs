//! People who may sign in.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use catalog::{NewUser, Page, User};
use domain::access::Role;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::edit::MergePatch;
use super::super::extract::{Body, Id, Query};
use super::super::lists::{List, NamedListQuery, list as answer};
use super::super::problem::{Fields, Problem};
use super::super::revision::{HasRevision, IfMatch, Revised};
use super::super::time::Time;
use crate::app::App;
use crate::passwords::refuse_password;

/// Somebody who may sign in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserInfo {
    id: String,
    name: String,
    role: Role,
    /// Counts the changes of role and password, from 1. It is also the `ETag`.
    revision: i64,
    created_at: Time,
}

impl HasRevision for UserInfo {
    fn revision(&self) -> i64 {
        self.revision
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Somebody new.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserInput {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    role: Role,
    /// At least 10 characters.
    #[schema(write_only, value_type = String, min_length = 10, max_length = 200)]
    password: SecretString,
}

/// What is changed; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    role: Option<Role>,
    /// Ends all of that person's sessions and API tokens.
    #[schema(write_only, value_type = Option<String>, min_length = 10, max_length = 200)]
    password: Option<SecretString>,
}

impl From<User> for UserInfo {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            name: user.name,
            role: user.role,
            revision: user.revision,
            created_at: user.created_at.into(),
        }
    }
}

pub(crate) fn check_password(fields: &mut Fields, field: &str, password: &SecretString) {
    let refusal = refuse_password(password);
    fields.check(field, refusal.is_none(), || refusal.unwrap_or_default());
}

/// By name.
#[utoipa::path(get, path = "/api/users", tag = "users", params(NamedListQuery), responses((status = 200, body = List<UserInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<NamedListQuery>,
) -> Result<Json<List<UserInfo>>, Problem> {
    let request = query.page()?;
    let page = match &query.name {
        Some(name) => Page::of_one(app.catalog.user_by_name(name).await?),
        None => app.catalog.users(&request).await?,
    };
    Ok(answer(page, |user| user.name.clone(), UserInfo::from))
}

/// Adds somebody.
#[utoipa::path(post, path = "/api/users", tag = "users", request_body = UserInput, responses((status = 201, body = UserInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    Body(input): Body<UserInput>,
) -> Result<(StatusCode, Revised<UserInfo>), Problem> {
    let mut fields = Fields::default();
    fields.check_name(&input.name);
    check_password(&mut fields, "password", &input.password);
    fields.finish()?;
    let password_hash = app.passwords.hash(input.password).await?;
    let new = NewUser { name: input.name, role: input.role, password_hash };
    Ok((StatusCode::CREATED, Revised(app.catalog.create_user(&new, app.now()).await?.into())))
}

/// Gives somebody another role or password.
#[utoipa::path(patch, path = "/api/users/{id}", tag = "users", params(("id" = String, Path), IfMatch),
    request_body(content = UserChange, content_type = "application/merge-patch+json"), responses((status = 200, body = UserInfo)))]
pub(crate) async fn update(
    State(app): State<App>,
    Id(id): Id,
    if_match: IfMatch,
    patch: MergePatch,
) -> Result<Revised<UserInfo>, Problem> {
    let change: UserChange = patch.read()?;
    let before = app.catalog.user(&id).await?.ok_or_else(gone)?;
    if_match.check(before.revision)?;
    if let Some(password) = &change.password {
        let mut fields = Fields::default();
        check_password(&mut fields, "password", password);
        fields.finish()?;
    }
    let hash = match change.password {
        Some(password) => Some(app.passwords.hash(password).await?),
        None => None,
    };
    let changed = app.catalog.update_user(&id, before.revision, change.role, hash.as_deref()).await;
    if !changed.map_err(|error| if_match.refusal(error))? {
        return Err(last_administrator());
    }
    app.credentials.changed();
    Ok(Revised(app.catalog.user(&id).await?.ok_or_else(gone)?.into()))
}

/// Removes somebody, with their sessions and tokens.
#[utoipa::path(delete, path = "/api/users/{id}", tag = "users", params(("id" = String, Path), IfMatch), responses((status = 204)))]
pub(crate) async fn delete(State(app): State<App>, Id(id): Id, if_match: IfMatch) -> Result<StatusCode, Problem> {
    let user = app.catalog.user(&id).await?.ok_or_else(gone)?;
    if_match.check(user.revision)?;
    let deleted = app.catalog.delete_user(&id, user.revision).await.map_err(|error| if_match.refusal(error))?;
    if !deleted {
        return Err(last_administrator());
    }
    app.credentials.changed();
    Ok(StatusCode::NO_CONTENT)
}

fn gone() -> Problem {
    Problem::not_found("the user")
}

fn last_administrator() -> Problem {
    Problem::conflict("lastAdministrator", "this is the last administrator: make somebody else one first")
}
