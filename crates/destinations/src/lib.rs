//! Storages: how each one takes, lists, gives back and deletes backups. What a storage has to be is [`adapter::destination`].
//!
//! A folder per storage, the same file names in each: `manifest` (what can be set), `config` (what is made of it), `write`, `list`, `read`;
//! `authorization` and `provider` where a person grants the access.
//! A new storage is a new folder and one line in [`registry`].

mod dropbox;
mod file;
mod registry;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapter::Error;
use adapter::destination::{Destination, Folder};

pub use dropbox::DROPBOX_CONTENT_HASH;
pub use file::RootLinks;
pub use registry::{Context, DestinationAdapter, address_forms, parse, registry};

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
