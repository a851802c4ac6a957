//! The first administrator of a server that nobody sets up in a browser: the name from the environment, the password and perhaps an
//! API token from files. Used once, on a server without users.

use std::path::Path;

use catalog::{NewAuditEntry, NewUser, Token};
use domain::access::Role;
use pipeline::secret_file;
use secrecy::{ExposeSecret, SecretString};

use crate::app::App;
use crate::config::FirstAdministrator;
use crate::http::{API_TOKEN_PREFIX, names};
use crate::passwords::refuse_password;
use crate::serve::Error;

/// Maximum bytes that are read of a file.
const MAX_FILE: u64 = 4096;
/// Minimum characters of a token behind its prefix: as many as a random one of 192 bits has.
const MIN_TOKEN_LEN: usize = 32;
/// The name of the token.
const TOKEN_NAME: &str = "bootstrap";

impl FirstAdministrator {
    /// Creates the administrator and the token. Called on a server without users.
    pub(crate) async fn create(&self, app: &App) -> Result<(), Error> {
        let start = |words: String| Error::Start(format!("the first administrator was not created: {words}"));
        if let Some(refusal) = names::refuse(&self.name) {
            return Err(start(format!("DBACKUP_ADMIN_NAME: {refusal}")));
        }
        let password = first_line(&self.password_file).map_err(start)?;
        if let Some(refusal) = refuse_password(&password) {
            return Err(start(format!("{}: {refusal}", self.password_file.display())));
        }
        let token = self.token_file.as_deref().map(read_token).transpose().map_err(start)?;
        let password_hash = app.passwords.hash(password).await.map_err(|error| start(error.to_string()))?;
        let new = NewUser { name: self.name.clone(), role: Role::Administrator, password_hash };
        let setup = Token::new("")?;
        app.catalog.add_setup_token(&setup).await?;
        // Of several servers that start at once, one is first.
        let token = token.as_ref().map(|token| (TOKEN_NAME, token));
        let created = app.catalog.create_first_administrator(&setup, &new, token, app.now()).await?;
        let Some(user) = created else { return Ok(()) };
        let object = format!("user {}", user.name);
        let entry = NewAuditEntry {
            actor: "command line",
            event: "user.create",
            action: "first-administrator",
            object_kind: "user",
            object_id: &user.id,
            object_name: &user.name,
            object: &object,
            detail: if self.token_file.is_some() { "with the API token 'bootstrap'" } else { "" },
            ..NewAuditEntry::default()
        };
        app.catalog.add_audit_entry(&entry, app.now()).await?;
        crate::setup_token::remove(&app.config.data);
        tracing::info!(name = user.name, "created the first administrator");
        Ok(())
    }
}

fn first_line(file: &Path) -> Result<SecretString, String> {
    let text = secret_file::read(file, MAX_FILE).map_err(|error| error.to_string())?;
    Ok(text.expose_secret().lines().next().unwrap_or_default().into())
}

/// Reads a token that somebody else has drawn, and refuses one that could be guessed.
fn read_token(file: &Path) -> Result<Token, String> {
    let text = first_line(file)?;
    let text = text.expose_secret().trim();
    let drawn = text.strip_prefix(API_TOKEN_PREFIX).unwrap_or_default();
    let is_sound = drawn.len() >= MIN_TOKEN_LEN && drawn.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !is_sound {
        return Err(format!(
            "the token in {} must be {API_TOKEN_PREFIX} and at least {MIN_TOKEN_LEN} random letters or digits: echo \
             {API_TOKEN_PREFIX}$(openssl rand -hex 32)",
            file.display()
        ));
    }
    Ok(Token::shown(text))
}
