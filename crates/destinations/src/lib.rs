//! Storages: how each one takes, lists, gives back and deletes backups. What a storage has to be is [`adapter::destination`].
//!
//! A folder per storage, the same file names in each: `config` (what a person writes), `write`, `read`. A new storage is a new
//! folder and one line in [`parse`].

mod dropbox;
mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::dropbox::Space;
use adapter::Error;
use adapter::destination::{Destination, Folder};

pub use dropbox::{DROPBOX_CONTENT_HASH, dropbox_fault, dropbox_fault_words, dropbox_folder};
pub use file::RootLinks;

/// By name, whatever the case.
fn sorted(mut folders: Vec<Folder>) -> Vec<Folder> {
    folders.sort_by_cached_key(|folder| (folder.name.to_lowercase(), folder.name.clone()));
    folders
}

/// What to do with a backup that is not expected to fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Back up anyway, and warn.
    #[default]
    Warn,
    /// Refuse the destination before the dump starts.
    Stop,
}

/// Opens a folder of this machine. The path is taken as it is, not as part of an address.
///
/// # Errors
/// [`adapter::Kind::Invalid`] if the path is not absolute.
pub fn folder(path: PathBuf, when_full: WhenFull, links: RootLinks) -> Result<Arc<dyn Destination>, Error> {
    Ok(Arc::new(file::FileSystem::new(path, when_full, links)?))
}

/// Returns the address of a folder of this machine, which [`parse`] reads back.
pub fn folder_address(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    // A percent sign has a meaning of its own there; what is not ASCII stays readable if it is UTF-8.
    const ESCAPED: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'%');
    match path.to_str() {
        Some(text) => format!("file://{}", text.replace('%', "%25")),
        None => format!("file://{}", percent_encoding::percent_encode(path.as_os_str().as_bytes(), ESCAPED)),
    }
}

/// Opens a folder of a Dropbox. The client decides on the account and its space.
///
/// # Errors
/// [`adapter::Kind::Invalid`] if Dropbox cannot have such a folder; see [`dropbox_folder`].
pub fn in_dropbox(client: ::dropbox::Client, folder: &str, when_full: WhenFull) -> Result<Arc<dyn Destination>, Error> {
    Ok(Arc::new(dropbox::Dropbox::new(client, folder, when_full)?))
}

/// Reads a destination's address: `dropbox:/folder`, `dropbox-team:/folder` (in the team's space), `file:///folder`. The Dropbox
/// client is asked for only if it is needed.
///
/// # Errors
/// [`adapter::Kind::Invalid`] says what is wrong with it; as `dropbox_client`.
pub fn parse<E: From<Error>>(
    address: &str,
    dropbox_client: impl FnOnce(Space) -> Result<::dropbox::Client, E>,
) -> Result<Arc<dyn Destination>, E> {
    for (scheme, space) in [(dropbox::SCHEME, Space::Home), (dropbox::TEAM_SCHEME, Space::Team)] {
        if let Some(folder) = address.strip_prefix(scheme) {
            return Ok(Arc::new(dropbox::Dropbox::parse(folder, dropbox_client(space)?)?));
        }
    }
    if let Some(folder) = address.strip_prefix("file://") {
        return Ok(Arc::new(file::FileSystem::parse(folder)?));
    }
    let usage =
        format!("'{address}' is not a destination: write dropbox:/folder, dropbox-team:/folder or file:///folder");
    Err(Error::invalid(usage).into())
}
