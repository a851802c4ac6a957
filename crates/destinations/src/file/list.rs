//! Listing what can be read, and telling what cannot.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use domain::naming::PARTIAL_PREFIX;
use rustix::fs::{AtFlags, Dir, FileType, statat};

use super::read::{modified, size};
use super::{FileSystem, LINK, beneath, blocking};
use crate::error::Error;
use crate::{Listing, Object, Unreadable, path};

/// Folders below each other that are listed. A job's is the first.
const MAX_DEPTH: usize = 32;

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

    /// Lists the files below a folder that can be read. Links are not followed.
    pub(super) async fn list_files(&self, folder: &str) -> Result<Listing, Error> {
        let (destination, prefix) = (self.clone(), folder.to_owned());
        if !prefix.is_empty() {
            path::check(&prefix)?;
        }
        blocking(move || {
            let start = destination.folder.join(&prefix);
            let mut listing = Listing::default();
            let listed = destination.beneath().and_then(|beneath| match beneath.listed(&prefix) {
                // A job that has no backups yet. The destination's own folder must be there.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !prefix.is_empty() => Ok(()),
                opened => walk(&opened?, &prefix, MAX_DEPTH, &mut listing),
            });
            listed.map_err(|error| match beneath::is_link(&error) {
                true => Error::failed(format!("could not list {}", start.display()), LINK),
                false => destination.io_error("could not list", &start, &error),
            })?;
            listing.objects.sort_by(|one, other| one.path.cmp(&other.path));
            Ok(listing)
        })
        .await
    }
}

fn walk(folder: &OwnedFd, prefix: &str, depth: usize, listing: &mut Listing) -> io::Result<()> {
    let entries = Dir::read_from(folder)?;
    for entry in entries {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let found = match statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            // Deleted since.
            Err(rustix::io::Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => step_into(folder.as_fd(), entry.file_name(), &path, depth - 1, listing),
            FileType::RegularFile if !name.starts_with(PARTIAL_PREFIX) => {
                listing.objects.push(Object { path, size: size(&found), modified: modified(&found) });
            }
            // What lies in a job's folder that is a link is missing in this listing.
            FileType::Symlink if prefix.is_empty() && leads_to_folder(folder.as_fd(), entry.file_name()) => {
                listing.unreadable.push(Unreadable { path, cause: LINK.to_owned() });
            }
            _ => {}
        }
    }
    Ok(())
}

fn step_into(folder: BorrowedFd<'_>, name: &CStr, path: &str, depth: usize, listing: &mut Listing) {
    if depth == 0 {
        let cause = format!("more than {MAX_DEPTH} folders below each other are not listed");
        return listing.unreadable.push(Unreadable { path: path.to_owned(), cause });
    }
    let walked = beneath::step_into(folder, name).map_err(io::Error::from);
    match walked.and_then(|inner| walk(&inner, path, depth, listing)) {
        Ok(()) => {}
        // Deleted since its parent was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            let cause = match error.kind() {
                io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                _ => error.to_string(),
            };
            listing.unreadable.push(Unreadable { path: path.to_owned(), cause });
        }
    }
}

/// Whether a link is worth a word. Nothing is opened for it.
fn leads_to_folder(folder: BorrowedFd<'_>, name: &CStr) -> bool {
    let found = statat(folder, name, AtFlags::empty());
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
}
