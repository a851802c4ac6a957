//! API tokens that `dbackup login` keeps: a file in the user's configuration folder, readable by its owner only. A token belongs to the
//! address of its server and is sent nowhere else.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use crate::environment::{read_secret, variable};
use crate::failure::Failure;

/// The folder in the configuration folder, and the file in it.
const FILE: &str = "dbackup/credentials.json";

/// Tokens by the address of their server.
type Tokens = BTreeMap<String, String>;

/// Returns the token that is kept for a server.
pub(crate) fn find(server: &Url) -> Result<Option<SecretString>, Failure> {
    let Some(file) = file()? else { return Ok(None) };
    Ok(read(&file)?.remove(&key(server)).map(SecretString::from))
}

/// Keeps the token of a server. Returns the file.
pub(crate) fn keep(server: &Url, token: &SecretString) -> Result<PathBuf, Failure> {
    let missing = || Failure::usage("there is no folder to keep the token in: set HOME or XDG_CONFIG_HOME");
    let file = file()?.ok_or_else(missing)?;
    let mut tokens = read(&file)?;
    tokens.insert(key(server), token.expose_secret().to_owned());
    write(&file, &tokens)?;
    Ok(file)
}

/// Forgets the token of a server. Returns whether there was one.
pub(crate) fn forget(server: &Url) -> Result<bool, Failure> {
    let Some(file) = file()? else { return Ok(false) };
    let mut tokens = read(&file)?;
    let had_one = tokens.remove(&key(server)).is_some();
    if had_one {
        write(&file, &tokens)?;
    }
    Ok(had_one)
}

/// Scheme, host and port.
fn key(server: &Url) -> String {
    server.origin().ascii_serialization()
}

/// Returns where tokens are kept (<https://specifications.freedesktop.org/basedir-spec/latest/>).
fn file() -> Result<Option<PathBuf>, Failure> {
    if let Some(folder) = variable("XDG_CONFIG_HOME")? {
        return Ok(Some(Path::new(&folder).join(FILE)));
    }
    Ok(variable("HOME")?.map(|home| Path::new(&home).join(".config").join(FILE)))
}

fn read(file: &Path) -> Result<Tokens, Failure> {
    if !file.exists() {
        return Ok(Tokens::new());
    }
    let text = read_secret(file)?;
    serde_json::from_str(text.expose_secret()).map_err(|error| {
        Failure::failed(format!("could not read {}: {error}. Remove the file, and run dbackup login", file.display()))
    })
}

/// Writes a file that takes the place of the old one when it is complete. Its mode is 0600 from the start.
fn write(file: &Path, tokens: &Tokens) -> Result<(), Failure> {
    let written = || {
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut new, tokens)?;
        new.flush()?;
        new.as_file().sync_all()?;
        new.persist(file).map(drop).map_err(|error| error.error)
    };
    written().map_err(|error: std::io::Error| Failure::failed(format!("could not write {}: {error}", file.display())))
}
