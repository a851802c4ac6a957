//! Secrets in configuration files, by reference: `env:NAME` or `file:/path`. A secret itself is refused there.

use secrecy::ExposeSecret;
use serde_json::Value;

use crate::environment::{read_secret, variable};
use crate::failure::Failure;

/// Puts the secrets themselves where an entry refers to them.
pub(crate) fn resolve(secrets: &[String], entry: &mut Value) -> Result<(), Failure> {
    for field in secrets {
        let Some(value) = entry.get_mut(field) else { continue };
        let reference = value.as_str().unwrap_or_default();
        let secret = match reference.split_once(':') {
            Some(("env", name)) => variable(name)?.ok_or_else(|| {
                Failure::usage(format!("{field} refers to {name}, which is not set in the environment"))
            })?,
            Some(("file", path)) => {
                read_secret(path.as_ref())?.expose_secret().trim_end_matches(['\r', '\n']).to_owned()
            }
            None if reference == "-" => {
                let mut line = String::new();
                std::io::stdin().read_line(&mut line)?;
                line.trim_end_matches(['\r', '\n']).to_owned()
            }
            _ => {
                return Err(Failure::usage(format!(
                    "{field} must be a reference, env:NAME or file:/path, so that no secret is in a configuration file or a list of processes"
                )));
            }
        };
        *value = secret.into();
    }
    Ok(())
}
