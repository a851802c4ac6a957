//! `dbackup admin reset-password`

use std::io::{BufRead, IsTerminal};

use catalog::{Keep, NewAuditEntry};
use secrecy::SecretString;

use super::store::Store;
use crate::cli::ResetPasswordArguments;
use crate::failure::{Failure, Outcome};
use crate::output;

pub(crate) async fn reset_password(arguments: ResetPasswordArguments) -> Result<Outcome, Failure> {
    let store = Store::find(arguments.store)?;
    let catalog = store.open().await?;
    let name = arguments.name;
    let user = catalog.user_by_name(&name).await?;
    let user = user.ok_or_else(|| Failure::failed(format!("there is no user '{}'", output::printable(&name))))?;
    if std::io::stdin().is_terminal() {
        output::note(&format!("A new password for {}, then Enter:", output::printable(&user.name)));
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let password = SecretString::from(line.trim_end_matches(['\r', '\n']));
    if let Some(refusal) = server::refuse_password(&password) {
        return Err(Failure::usage(format!("the password {refusal}")));
    }
    let hash = server::hash_password(&password).map_err(Failure::Failed)?;
    catalog.set_password(&user.id, &hash, Keep::default()).await?;
    let object = format!("user {}", user.name);
    let entry = NewAuditEntry {
        actor: "command line",
        address: "",
        action: "reset-password",
        object: &object,
        refused: false,
        detail: "",
    };
    catalog.add_audit_entry(&entry, super::now()).await?;
    catalog.close().await?;
    output::note("Done. All their sessions and API tokens have ended.");
    Ok(Outcome::Succeeded)
}
