//! `dbackup admin reset-password | create-user | create-token`: on the server's machine, without signing in.

use catalog::{Catalog, Keep, MAX_TOKENS_PER_USER, NewApiToken, NewAuditEntry, NewUser, Token, User};
use jiff::SignedDuration;

use super::store::Store;
use crate::cli::{CreateTokenArguments, CreateUserArguments, ResetPasswordArguments};
use crate::failure::{Failure, Outcome};
use crate::{output, prompt};

pub(crate) async fn reset_password(arguments: ResetPasswordArguments) -> Result<Outcome, Failure> {
    let store = Store::find(arguments.store)?;
    let catalog = store.open().await?;
    let user = find(&catalog, &arguments.name).await?;
    let hash = read_password(&user.name).await?;
    catalog.set_password(&user.id, &hash, Keep::default()).await?;
    audit(&catalog, "reset-password", &user.name, "").await?;
    catalog.close().await?;
    output::note("Done. All their sessions and API tokens have ended.");
    Ok(Outcome::Succeeded)
}

pub(crate) async fn create_user(arguments: CreateUserArguments) -> Result<Outcome, Failure> {
    if let Some(refusal) = server::refuse_name(&arguments.name) {
        return Err(Failure::usage(format!("the name: {refusal}")));
    }
    let store = Store::find(arguments.store)?;
    let catalog = store.open().await?;
    let password_hash = read_password(&arguments.name).await?;
    let new = NewUser { name: arguments.name, role: arguments.role, password_hash };
    let user = catalog.create_user(&new, super::now()).await?;
    audit(&catalog, "create-user", &user.name, user.role.as_str()).await?;
    catalog.close().await?;
    output::note(&format!("Created the {} {}.", user.role, output::printable(&user.name)));
    Ok(Outcome::Succeeded)
}

pub(crate) async fn create_token(arguments: CreateTokenArguments) -> Result<Outcome, Failure> {
    if let Some(refusal) = server::refuse_name(&arguments.name) {
        return Err(Failure::usage(format!("the name of the token: {refusal}")));
    }
    let store = Store::find(arguments.store)?;
    let catalog = store.open().await?;
    let user = find(&catalog, &arguments.user).await?;
    let mut scopes = arguments.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    if let Some(beyond) = scopes.iter().find(|&&scope| !user.role.allows(scope)) {
        return Err(Failure::usage(format!("the scope {beyond} is beyond the role of {}: {}", user.name, user.role)));
    }
    let now = super::now();
    let days = |days: u16| now.checked_add(SignedDuration::from_hours(i64::from(days) * 24));
    let expires_at = arguments.expires_in.map(days).transpose().map_err(|error| Failure::usage(error.to_string()))?;
    let token = Token::new(server::API_TOKEN_PREFIX)?;
    let name = arguments.name.trim();
    let new = NewApiToken { user_id: &user.id, name, token: &token, scopes: &scopes, expires_at };
    if catalog.create_api_token(&new, now).await?.is_none() {
        return Err(Failure::failed(format!(
            "{} has {MAX_TOKENS_PER_USER} API tokens, which is the maximum: revoke one that is no longer needed",
            output::printable(&user.name)
        )));
    }
    let words = scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    audit(&catalog, "create-token", &user.name, &format!("{name}: {words}")).await?;
    catalog.close().await?;
    output::line(token.expose());
    Ok(Outcome::Succeeded)
}

async fn find(catalog: &Catalog, name: &str) -> Result<User, Failure> {
    let user = catalog.user_by_name(name).await?;
    user.ok_or_else(|| Failure::failed(format!("there is no user '{}'", output::printable(name))))
}

/// Reads a password, and returns its hash.
async fn read_password(user: &str) -> Result<String, Failure> {
    let password = prompt::secret(&format!("New password for {}:", output::printable(user))).await?;
    if let Some(refusal) = server::refuse_password(&password) {
        return Err(Failure::usage(format!("the password: {refusal}")));
    }
    server::hash_password(&password).map_err(Failure::Failed)
}

async fn audit(catalog: &Catalog, action: &str, user: &str, detail: &str) -> Result<(), Failure> {
    let object = format!("user {user}");
    let event = match action {
        "reset-password" => "password.change",
        "create-token" => "token.create",
        _ => "user.create",
    };
    let entry = NewAuditEntry {
        actor: "command line",
        event,
        action,
        object_kind: "user",
        object_name: user,
        object: &object,
        detail,
        ..NewAuditEntry::default()
    };
    Ok(catalog.add_audit_entry(&entry, super::now()).await?)
}
