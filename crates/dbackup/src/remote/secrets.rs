//! Secrets in configuration files, by reference: `env:NAME` or `file:/path`. A secret itself is refused there.

use secrecy::ExposeSecret;
use serde_json::Value;

use crate::environment::{read_secret, variable};
use crate::failure::Failure;

/// Puts the secrets themselves where an entry refers to them.
pub(crate) fn resolve(secrets: &[String], entry: &mut Value) -> Result<(), Failure> {
    for field in secrets {
        let Some(value) = entry.get_mut(field) else { continue };
        let secret = resolve_one(value).map_err(|message| Failure::usage(format!("{field}: {message}")))?;
        *value = secret.into();
    }
    Ok(())
}

/// Returns the secret that a reference leads to.
///
/// # Errors
/// What is wrong, without the value, which may be the secret itself.
pub(crate) fn resolve_one(reference: &Value) -> Result<String, String> {
    let reference = reference.as_str().unwrap_or_default();
    let secret = match reference.split_once(':') {
        Some(("env", name)) => variable(name)
            .map_err(|failure| failure.to_string())?
            .ok_or_else(|| format!("refers to {name}, which is not set in the environment"))?,
        Some(("file", path)) => read_secret(path.as_ref())
            .map(|text| text.expose_secret().trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|failure| failure.to_string())?,
        None if reference == "-" => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map_err(|error| error.to_string())?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        }
        _ => {
            return Err("must be a reference, env:NAME or file:/path, so that no secret is in a configuration file or a list of \
                        processes"
                .to_owned());
        }
    };
    Ok(secret)
}
