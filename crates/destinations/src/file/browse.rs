//! Looking for a folder, making one, and how much room there is.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use adapter::Error;
use adapter::destination::{Folder, Usage, check_path};
use rustix::fs::{Mode, mkdirat};

use super::beneath::Beneath;
use super::{FileSystem, blocking};
use crate::sorted;

impl FileSystem {
    pub(super) async fn list_folders(&self, path: &str) -> Result<Vec<Folder>, Error> {
        let (destination, folder) = (self.clone(), absolute(path)?);
        blocking(move || {
            let cannot = |error: io::Error| match error.kind() {
                ErrorKind::NotFound => Error::missing(&folder.display().to_string()),
                _ => destination.io_error("could not list", &folder, &error),
            };
            let mut folders = Vec::new();
            for entry in fs::read_dir(&folder).map_err(cannot)? {
                let entry = entry.map_err(cannot)?;
                // What is not UTF-8 cannot be named in settings.
                let (Ok(name), true) = (entry.file_name().into_string(), entry.path().is_dir()) else { continue };
                folders.push(Folder { path: folder.join(&name).display().to_string(), name });
            }
            Ok(sorted(folders))
        })
        .await
    }

    pub(super) async fn make_folder(&self, path: &str) -> Result<Folder, Error> {
        let (destination, folder) = (self.clone(), absolute(path)?);
        blocking(move || match destination.create_one(&folder) {
            Ok(()) => {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(Folder { name, path: folder.display().to_string() })
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Error::taken(&folder.display().to_string())),
            Err(error) => Err(destination.io_error("could not create the folder", &folder, &error)),
        })
        .await
    }

    fn create_one(&self, folder: &Path) -> io::Result<()> {
        let (Some(above), Some(name)) = (folder.parent(), folder.file_name()) else {
            return Err(ErrorKind::AlreadyExists.into());
        };
        let above = Beneath::open(above, self.links)?;
        Ok(mkdirat(above.descriptor(), name, Mode::RWXU)?)
    }

    pub(super) async fn look_at_folder(&self) -> Result<((), Option<String>), Error> {
        let destination = self.clone();
        let cannot_use = |folder: &Path| format!("could not use the folder {}", folder.display());
        blocking(move || match fs::metadata(&destination.folder) {
            Ok(metadata) if metadata.is_dir() => Ok(((), Some(destination.folder.display().to_string()))),
            Ok(_) => Err(Error::failed(cannot_use(&destination.folder), "it is a file").cure("Choose a folder.")),
            Err(error) => {
                let error = Error::failed(cannot_use(&destination.folder), error);
                Err(error.cure("Create it, or mount the disk that it lies on."))
            }
        })
        .await
    }

    /// What is free for users without special rights counts as free.
    pub(super) async fn space(&self) -> Result<Usage, Error> {
        let destination = self.clone();
        blocking(move || {
            let failed =
                |error: &io::Error| destination.io_error("could not look up the space of", &destination.folder, error);
            let folder = destination.beneath().map_err(|error| failed(&error))?;
            let space = rustix::fs::fstatvfs(folder.descriptor()).map_err(|error| failed(&error.into()))?;
            let used = space.f_blocks.saturating_sub(space.f_bfree).saturating_mul(space.f_frsize);
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            Ok(Usage { used, allowed: Some(used.saturating_add(free)) })
        })
        .await
    }
}

fn absolute(path: &str) -> Result<PathBuf, Error> {
    match path.trim_matches('/') {
        "" => Ok(PathBuf::from("/")),
        inner => Ok(PathBuf::from("/").join(check_path(inner)?)),
    }
}
