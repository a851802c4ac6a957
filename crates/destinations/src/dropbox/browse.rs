//! Looking for a folder, and making one.

use ::dropbox::files::{FolderMetadata, Metadata};
use adapter::Error;
use adapter::destination::{Folder, check_path};

use super::Dropbox;
use crate::sorted;

impl Dropbox {
    pub(super) async fn list_folders(&self, path: &str) -> Result<Vec<Folder>, Error> {
        let full = absolute(path)?;
        let entries = match self.client.list_folder(&full, false).await {
            Ok(entries) => entries,
            Err(error) if error.is_not_found() => return Err(Error::missing(&full)),
            Err(error) => return Err(self.error(format!("could not list {}", shown(&full)), &error)),
        };
        let folders = entries.into_iter().filter_map(|entry| match entry {
            Metadata::Folder(folder) => Some(folder_in(&full, &folder)),
            _ => None,
        });
        Ok(sorted(folders.collect()))
    }

    pub(super) async fn make_folder(&self, path: &str) -> Result<Folder, Error> {
        let full = absolute(path)?;
        let parent = full.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
        match self.client.create_folder(&full).await {
            Ok(made) => Ok(folder_in(&parent, &made)),
            Err(error) if error.is_conflict() => Err(Error::taken(&full)),
            Err(error) => Err(self.error(format!("could not create the folder {full}"), &error)),
        }
    }
}

/// Dropbox is sure only of the case of the entry's own name; the rest is spelt as it was asked for.
fn folder_in(parent: &str, folder: &FolderMetadata) -> Folder {
    Folder { name: folder.name.clone(), path: format!("{parent}/{}", folder.name) }
}

/// Dropbox calls its root the empty path.
fn absolute(path: &str) -> Result<String, Error> {
    match path.trim_matches('/') {
        "" => Ok(String::new()),
        inner => Ok(format!("/{}", check_path(inner)?)),
    }
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "the root of this Dropbox" } else { path }
}
