//! What comes from the environment and from files: Dropbox settings, passwords, keys. None of it is ever printed.

use std::fs;
use std::io::IsTerminal;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use adapter::destination::Destination;
use dropbox::{Client, Endpoints, Patience, Settings, Space};
use pipeline::keys::Identity;
use secrecy::SecretString;
use server::DropboxNetwork;
use sources::{Origin, Source};

use crate::failure::Failure;
use crate::output;

/// Waits from here on are told.
const WORTH_TELLING: Duration = Duration::from_secs(2);
/// And this often at most.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Files with a password or a key are not larger.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// Dropbox's settings.
pub(crate) fn dropbox_settings() -> Result<Settings, Failure> {
    let app_key = variable("DROPBOX_APP_KEY")?.ok_or_else(|| {
        Failure::usage("DROPBOX_APP_KEY is not set: it is the App key on the Settings tab of your app at dropbox.com/developers/apps")
    })?;
    let mut settings = Settings::new(app_key);
    settings.app_secret = variable("DROPBOX_APP_SECRET")?.map(SecretString::from);
    settings.refresh_token = variable("DROPBOX_REFRESH_TOKEN")?.map(SecretString::from);
    settings.endpoints = endpoints()?;
    settings.retry.on_wait = tell_of_wait;
    if let Some(memory) = number("DROPBOX_MEMORY", "128MiB")? {
        settings.memory = usize::try_from(memory).unwrap_or(usize::MAX);
    }
    if let Some(parallelism) = number("DROPBOX_PARALLELISM", "8")? {
        settings.parallelism = usize::try_from(parallelism).unwrap_or(usize::MAX);
    }
    settings.bandwidth = bandwidth()?;
    settings.extra_ca = extra_ca()?;
    Ok(settings)
}

/// Short waits are everyday; of long ones a person wants to know, but not once for every connection.
fn tell_of_wait(error: &dropbox::Error, wait: Duration) {
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

/// How a server reaches Dropbox. App and grant are its destinations' own.
pub(crate) fn dropbox_network() -> Result<DropboxNetwork, Failure> {
    let bounded = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(DropboxNetwork {
        endpoints: endpoints()?,
        extra_ca: extra_ca()?,
        memory: number("DROPBOX_MEMORY", "128MiB")?.map(bounded),
        parallelism: number("DROPBOX_PARALLELISM", "8")?.map(bounded),
        bandwidth: bandwidth()?,
    })
}

fn bandwidth() -> Result<Option<NonZeroU64>, Failure> {
    number("DROPBOX_BANDWIDTH", "10MiB")?.map(NonZeroU64::try_from).transpose().map_err(|_| {
        Failure::usage("DROPBOX_BANDWIDTH is 0, with which nothing would move: leave it unset for no limit")
    })
}

fn extra_ca() -> Result<Option<Vec<u8>>, Failure> {
    let read =
        |file: String| fs::read(&file).map_err(|error| Failure::usage(format!("DROPBOX_CA_FILE {file}: {error}")));
    variable("DROPBOX_CA_FILE")?.map(read).transpose()
}

/// The clients made so far: one per space, so that a bandwidth holds for all transfers together.
static CLIENTS: Mutex<Vec<Client>> = Mutex::new(Vec::new());

/// A client that has a grant.
pub(crate) fn dropbox_client(space: Space) -> Result<Client, Failure> {
    kept_client(dropbox_settings()?, space)
}

/// The same, for a command that nobody waits for.
fn unattended_dropbox_client(space: Space) -> Result<Client, Failure> {
    kept_client(dropbox_settings()?.with_patience(Patience::Unattended), space)
}

fn kept_client(settings: Settings, space: Space) -> Result<Client, Failure> {
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = clients.iter().find(|client| client.settings().space == space) {
        return Ok(client.clone());
    }
    let client = with_grant(Settings { space, ..settings })?;
    clients.push(client.clone());
    Ok(client)
}

/// A client for a command whose only business is an answer from Dropbox: an unreachable one fails within seconds.
pub(crate) fn interactive_dropbox_client() -> Result<Client, Failure> {
    with_grant(dropbox_settings()?.with_patience(Patience::Interactive))
}

fn with_grant(settings: Settings) -> Result<Client, Failure> {
    if settings.refresh_token.is_none() {
        return Err(Failure::failed(
            "Dropbox is not authorized yet: run dbackup dropbox login, then set DROPBOX_REFRESH_TOKEN to what it prints",
        ));
    }
    Ok(Client::new(settings)?)
}

/// Reads a destination's address.
pub(crate) fn destination(address: &str) -> Result<Arc<dyn Destination>, Failure> {
    destinations::parse(address, dropbox_client)
}

/// Reads the address of a destination that a backup or a copy writes to or reads from. Where no person waits, as in cron, calls are
/// retried for as long as those of a server's scheduled runs.
pub(crate) fn transfer_destination(address: &str) -> Result<Arc<dyn Destination>, Failure> {
    let is_unattended = !std::io::stdin().is_terminal() && !std::io::stderr().is_terminal();
    destinations::parse(address, if is_unattended { unattended_dropbox_client } else { dropbox_client })
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

fn endpoints() -> Result<Endpoints, Failure> {
    let standard = Endpoints::default();
    let or_standard =
        |name: &str, standard: &str| Ok::<_, Failure>(variable(name)?.unwrap_or_else(|| standard.to_owned()));
    Ok(Endpoints::parse(
        &or_standard("DROPBOX_API_URL", standard.api.as_str())?,
        &or_standard("DROPBOX_CONTENT_URL", standard.content.as_str())?,
        &or_standard("DROPBOX_WEB_URL", standard.web.as_str())?,
    )?)
}

/// A number or an amount of bytes.
fn number(name: &str, example: &str) -> Result<Option<u64>, Failure> {
    let parse = |value: String| {
        domain::size::parse(&value).ok_or_else(|| {
            Failure::usage(format!("{name} is '{value}', which is no number: write {example}, for instance"))
        })
    };
    variable(name)?.map(parse).transpose()
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

pub(crate) fn read_secret(file: &Path) -> Result<SecretString, Failure> {
    use std::io::Read;
    let mut text = String::new();
    let read = fs::File::open(file).and_then(|file| file.take(MAX_SECRET_FILE).read_to_string(&mut text));
    read.map_err(|error| Failure::usage(format!("could not read {}: {error}", file.display())))?;
    Ok(text.into())
}
