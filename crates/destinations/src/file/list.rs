//! Listing what can be read, and telling what cannot.

use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::Path;

use domain::naming::PARTIAL_PREFIX;

use super::read::modified;
use super::{FileSystem, blocking};
use crate::error::Error;
use crate::{Listing, Object, Unreadable};

impl FileSystem {
    /// Lists the files below a folder. Whatever cannot be read is an error.
    pub(super) async fn list_all_files(&self, folder: &str) -> Result<Vec<Object>, Error> {
        let Listing { objects, unreadable } = self.list_files(folder).await?;
        match unreadable.into_iter().next() {
            None => Ok(objects),
            Some(Unreadable { path, cause }) => {
                Err(Error::failed(format!("could not list {}", self.folder.join(path).display()), cause))
            }
        }
    }

    /// Lists the files below a folder that can be read.
    pub(super) async fn list_files(&self, folder: &str) -> Result<Listing, Error> {
        let destination = self.clone();
        let start = if folder.is_empty() { self.folder.clone() } else { self.resolve(folder)? };
        let must_exist = folder.is_empty();
        let prefix = folder.to_owned();
        blocking(move || {
            let mut listing = Listing::default();
            let is_there = start.symlink_metadata();
            if is_there.as_ref().is_ok_and(Metadata::is_symlink) && !start.exists() {
                let cause = "it is a link that leads nowhere: mount the disk that it leads to, or remove the link";
                return Err(Error::failed(format!("could not list {}", start.display()), cause));
            }
            if must_exist || is_there.is_ok() {
                let depth = if must_exist { Depth::Destination } else { Depth::Below };
                walk(&start, &prefix, depth, &mut listing)
                    .map_err(|error| destination.io_error("could not list", &start, &error))?;
            }
            listing.objects.sort_by(|one, other| one.path.cmp(&other.path));
            Ok(listing)
        })
        .await
    }
}

/// Where a folder stands, which decides what of it is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// The destination's own folder. A job's folder in it may be a link to another disk.
    Destination,
    /// A folder below: links to folders could lead in a circle, and are not followed.
    Below,
    /// Where a link led: only its files are listed.
    Linked,
}

fn walk(folder: &Path, prefix: &str, depth: Depth, listing: &mut Listing) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let (is_link, Some(found)) = follow(&entry)? else { continue };
        if found.is_dir() {
            let below = match (depth, is_link) {
                (Depth::Destination, true) => Depth::Linked,
                (Depth::Destination | Depth::Below, false) => Depth::Below,
                _ => continue,
            };
            step_into(&entry.path(), &path, below, listing);
        } else if found.is_file() && !name.starts_with(PARTIAL_PREFIX) {
            listing.objects.push(Object { path, size: found.len(), modified: modified(&found) });
        }
    }
    Ok(())
}

fn step_into(folder: &Path, path: &str, depth: Depth, listing: &mut Listing) {
    match walk(folder, path, depth, listing) {
        // Deleted since its parent was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            let cause = match error.kind() {
                io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                _ => error.to_string(),
            };
            listing.unreadable.push(Unreadable { path: path.to_owned(), cause });
        }
        Ok(()) => {}
    }
}

/// Returns whether an entry is a link, and what it is or leads to; `None` if that is gone, or leads nowhere.
fn follow(entry: &DirEntry) -> io::Result<(bool, Option<Metadata>)> {
    let is_link = entry.file_type()?.is_symlink();
    let found = if is_link { fs::metadata(entry.path()) } else { entry.metadata() };
    match found {
        Ok(found) => Ok((is_link, Some(found))),
        Err(error) if is_link || error.kind() == io::ErrorKind::NotFound => Ok((is_link, None)),
        Err(error) => Err(error),
    }
}
