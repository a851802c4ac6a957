//! The account as a file: written beside the old one, then put in its place, so that a crash leaves one or the other.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::app::Account;
use crate::store::{Blob, BlobStore};

/// Reads the account back and reunites it with its bytes; `None` if there is none yet.
pub(crate) fn load(file: &Path, store: &BlobStore) -> io::Result<Option<Account>> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut account: Account = serde_json::from_slice(&text)?;
    let mut blobs: HashMap<String, Arc<Blob>> = HashMap::new();
    let files = account.tree.contents_mut().flat_map(|content| &mut content.segments);
    let links = account.links.values_mut().flat_map(|link| &mut link.content.segments);
    for segment in files.chain(links).chain(account.sessions.segments_mut()) {
        let name = segment.blob.name().to_owned();
        segment.blob = blobs.entry(name.clone()).or_insert_with(|| store.adopt(&name)).clone();
    }
    account.tree.reindex();
    store.sweep(|name| blobs.contains_key(name))?;
    Ok(Some(account))
}

/// Writes the account down.
pub(crate) fn save(file: &Path, account: &Account) -> io::Result<()> {
    let beside = file.with_extension("json.new");
    fs::write(&beside, serde_json::to_vec(account)?)?;
    fs::rename(&beside, file)
}
