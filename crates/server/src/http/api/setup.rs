//! The first administrator, who needs the token that the first start has printed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use catalog::{NewUser, Token};
use domain::access::Role;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::client_address::ClientAddress;
use super::super::extract::Body;
use super::super::problem::{Fields, Problem};
use super::sessions::{UserAgent, begin_session};
use super::users::check_password;
use crate::app::App;
use crate::limiter::address_key;

/// Whether the first administrator is still to be made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetupStatus {
    needed: bool,
}

/// The first administrator.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetupInput {
    /// Printed at the first start, and in the file `setup-token` in the data folder.
    #[schema(write_only, value_type = String, min_length = 1, max_length = 200)]
    token: SecretString,
    /// What to sign in with.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// At least 10 characters.
    #[schema(write_only, value_type = String, min_length = 10, max_length = 200)]
    password: SecretString,
}

/// Whether the first administrator is still to be made.
#[utoipa::path(get, path = "/api/setup", tag = "setup", responses((status = 200, body = SetupStatus)))]
pub(crate) async fn status(State(app): State<App>) -> Result<Json<SetupStatus>, Problem> {
    Ok(Json(SetupStatus { needed: app.catalog.has_no_users().await? }))
}

/// Makes the first administrator, once, and signs in.
#[utoipa::path(post, path = "/api/setup", tag = "setup", request_body = SetupInput,
    responses((status = 201, body = super::sessions::CurrentSession)))]
pub(crate) async fn set_up(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    agent: UserAgent,
    Body(input): Body<SetupInput>,
) -> Result<Response, Problem> {
    let now = app.now();
    let key = address_key(address);
    app.limiters.tokens.check(&key, now).map_err(Problem::too_many)?;
    let mut fields = Fields::default();
    fields.check_name(&input.name);
    check_password(&mut fields, "password", &input.password);
    fields.finish()?;
    let token = Token::shown(secrecy::ExposeSecret::expose_secret(&input.token).trim());
    if !app.catalog.is_setup_token(&token).await? {
        app.limiters.tokens.count(&key, now);
        return Err(Problem::forbidden(
            "this is not the setup token, or it has been used: it was printed when the server first started, and is in the file setup-token in its data folder",
        ));
    }
    let password_hash = app.passwords.hash(input.password).await?;
    let new = NewUser { name: input.name, role: Role::Administrator, password_hash };
    let Some(user) = app.catalog.create_first_administrator(&token, &new, None, now).await? else {
        return Err(Problem::forbidden("An administrator already exists. Sign in instead."));
    };
    crate::setup_token::remove(&app.config.data);
    Ok((StatusCode::CREATED, begin_session(&app, &user, address, &agent).await?).into_response())
}
