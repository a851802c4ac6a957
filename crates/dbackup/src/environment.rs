//! What comes from the environment and from files: apps, grants, passwords, keys. None of it is ever printed.

use std::fmt::Display;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use adapter::authorization::{Environment, Patience};
use adapter::destination::Destination;
use pipeline::keys::Identity;
use secrecy::SecretString;
use sources::{Origin, Source};

use crate::failure::Failure;
use crate::output;

/// Waits from here on are told.
const WORTH_TELLING: Duration = Duration::from_secs(2);
/// And this often at most.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Files with a password or a key are not larger.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// What adapters read of this process's environment.
pub(crate) fn of_process() -> Environment {
    let lookup = |name: &str| variable(name).map_err(|failure| adapter::Error::invalid(failure.to_string()));
    Environment::new(lookup).on_wait(tell_of_wait)
}

/// Short waits are everyday; of long ones a person wants to know, but not once for every connection.
fn tell_of_wait(error: &dyn Display, wait: Duration) {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    if wait < WORTH_TELLING {
        return;
    }
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_none_or(|last| last.elapsed() >= TELL_EVERY) {
        *last = Some(Instant::now());
        output::note(&format!("{error}. Trying again in {} s", wait.as_secs()));
    }
}

/// Reads a destination's address.
pub(crate) fn destination(address: &str) -> Result<Arc<dyn Destination>, Failure> {
    Ok(destinations::parse(address, &of_process(), Patience::Medium)?)
}

/// Reads the address of a destination that a backup or a copy writes to or reads from. Where no person waits, as in cron, calls are
/// retried for as long as those of a server's scheduled runs.
pub(crate) fn transfer_destination(address: &str) -> Result<Arc<dyn Destination>, Failure> {
    let is_unattended = !std::io::stdin().is_terminal() && !std::io::stderr().is_terminal();
    Ok(destinations::parse(address, &of_process(), if is_unattended { Patience::Long } else { Patience::Medium })?)
}

/// Reads a source's address from an argument, or else from `variable_name`, where it may hold a password.
pub(crate) fn source(
    argument: Option<&str>,
    option: &str,
    variable_name: &str,
    password_file: Option<&Path>,
) -> Result<Box<dyn Source>, Failure> {
    let password = password_file.map(read_first_line).transpose()?;
    match (argument, variable(variable_name)?) {
        (Some(address), _) => Ok(sources::parse(address, Origin::Argument, password)?),
        (None, Some(address)) => Ok(sources::parse(&address, Origin::Private, password)?),
        (None, None) => {
            Err(Failure::usage(format!("say which database: {option} SOURCE, or {variable_name} in the environment")))
        }
    }
}

/// Reads the identities of a key file, if one is named.
pub(crate) fn identities(file: Option<&Path>) -> Result<Vec<Identity>, Failure> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let text = read_secret(file)?;
    Identity::parse_file(&text).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

/// A variable's value; an empty one counts as not set.
pub(crate) fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::usage(format!("{name} is not UTF-8"))),
    }
}

/// Returns the value of a secret variable, or the first line of the file that the variable with `_FILE` behind its name names.
pub(crate) fn secret_variable(name: &str) -> Result<Option<SecretString>, Failure> {
    let file_name = format!("{name}_FILE");
    match (variable(name)?, variable(&file_name)?) {
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("{name} and {file_name} are both set: leave one of them out")))
        }
        (Some(value), None) => Ok(Some(value.into())),
        (None, Some(file)) => {
            let line = read_first_line(file.as_ref())?;
            match secrecy::ExposeSecret::expose_secret(&line).trim() {
                "" => Err(Failure::usage(format!("{file_name}: {file} is empty"))),
                text => Ok(Some(text.into())),
            }
        }
        (None, None) => Ok(None),
    }
}

fn read_first_line(file: &Path) -> Result<SecretString, Failure> {
    use secrecy::ExposeSecret;
    let text = read_secret(file)?;
    Ok(text.expose_secret().lines().next().unwrap_or_default().into())
}

/// Reads the text of a file that holds a secret.
pub(crate) fn read_secret(file: &Path) -> Result<SecretString, Failure> {
    pipeline::secret_file::read(file, MAX_SECRET_FILE).map_err(|error| Failure::usage(error.to_string()))
}

/// Returns the files that variables such as `ENCRYPTION_KEY_FILE` name.
pub(crate) fn secret_files(names: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let files = names.iter().map(|name| variable(name)).collect::<Result<Vec<_>, _>>()?;
    Ok(files.into_iter().flatten().map(PathBuf::from).collect())
}
