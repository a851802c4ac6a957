//! Tokens for programs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use catalog::{ApiToken, MAX_TOKENS_PER_USER, NewApiToken, Token};
use domain::access::Permission;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::audit_words::AuditSubject;
use super::super::caller::{Caller, Credential, TOKEN_PREFIX};
use super::super::extract::{Body, Id};
use super::super::lists::List;
use super::super::problem::{Fields, Problem};
use super::super::time::Time;
use crate::app::App;

/// A token, without the token itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiToken)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenInfo {
    id: String,
    /// On whose behalf it acts.
    user_id: String,
    name: String,
    scopes: Vec<Permission>,
    created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Time>,
}

/// A token that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenInput {
    /// What it is for.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Within one's own role.
    #[schema(min_items = 1, max_items = 4)]
    scopes: Vec<Permission>,
    /// Never, if absent.
    expires_at: Option<Time>,
}

/// A new token: shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewToken {
    /// For `Authorization: Bearer`.
    token: String,
    #[serde(flatten)]
    info: TokenInfo,
}

impl From<ApiToken> for TokenInfo {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id,
            user_id: token.user_id,
            name: token.name,
            scopes: token.scopes,
            created_at: token.created_at.into(),
            expires_at: token.expires_at.map(Time::from),
            last_used_at: token.last_used_at.map(Time::from),
        }
    }
}

/// One's own; an administrator sees everybody's.
#[utoipa::path(get, path = "/api/tokens", tag = "tokens", responses((status = 200, body = List<TokenInfo>)))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<List<TokenInfo>>, Problem> {
    let tokens = app.catalog.api_tokens(whose(&caller)).await?;
    Ok(Json(List { items: tokens.into_iter().map(TokenInfo::from).collect(), next_cursor: None }))
}

/// Makes one for oneself.
#[utoipa::path(post, path = "/api/tokens", tag = "tokens", request_body = TokenInput, responses((status = 201, body = NewToken)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<TokenInput>,
) -> Result<(StatusCode, axum::Extension<AuditSubject>, Json<NewToken>), Problem> {
    if let Credential::Token(_) = caller.credential {
        return Err(Problem::forbidden("an API token cannot make another one: sign in"));
    }
    let mut fields = Fields::default();
    fields.check_name(&input.name);
    fields.check("scopes", !input.scopes.is_empty(), || "Choose at least one permission".to_owned());
    let beyond = input.scopes.iter().find(|&&scope| !caller.allows(scope));
    fields.check("scopes", beyond.is_none(), || {
        format!("'{}' is beyond your role", beyond.map(ToString::to_string).unwrap_or_default())
    });
    let now = app.now();
    fields.check("expiresAt", input.expires_at.is_none_or(|end| end.0 > now), || "has passed already".to_owned());
    fields.finish()?;
    let mut scopes = input.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let token = Token::new(TOKEN_PREFIX)?;
    let expires_at = input.expires_at.map(|end| end.0);
    let new =
        NewApiToken { user_id: &caller.user.id, name: input.name.trim(), token: &token, scopes: &scopes, expires_at };
    let made = app.catalog.create_api_token(&new, now).await?.ok_or_else(|| {
        let words = format!(
            "You have {MAX_TOKENS_PER_USER} API tokens, which is the maximum. Revoke one that is no longer needed."
        );
        Problem::conflict("tooManyTokens", words)
    })?;
    let subject = AuditSubject { kind: None, id: made.id.clone(), name: made.name.clone() };
    let made = NewToken { token: token.expose().to_owned(), info: made.into() };
    Ok((StatusCode::CREATED, axum::Extension(subject), Json(made)))
}

/// Ends one of one's own; an administrator ends anybody's.
#[utoipa::path(delete, path = "/api/tokens/{id}", tag = "tokens", params(("id" = String, Path)), responses((status = 204)))]
pub(crate) async fn delete(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    if app.catalog.delete_api_token(whose(&caller), &id).await? {
        app.credentials.changed();
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("the token"))
    }
}

fn whose(caller: &Caller) -> Option<&str> {
    (!caller.allows(Permission::Administer)).then_some(caller.user.id.as_str())
}
