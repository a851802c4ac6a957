//! Files that nobody else may read or keep until they are whole and published.
//!
//! A file is created new, with the given mode, and locked as long as its writer lives. What a killed process of this machine left
//! is told by its lock being free, and the next run removes it.

mod abandoned;
mod publish;

pub use abandoned::sweep;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use crate::aside::aside;

/// How often a new file may be lost to another run's clean-up.
const MAX_ATTEMPTS: u32 = 5;
/// Permissions of a file until its own are set.
const CREATED_MODE: u32 = 0o600;

/// A locked file that is removed when dropped, unless it was published.
#[derive(Debug)]
pub struct PrivateFile {
    path: PathBuf,
    file: Arc<File>,
    /// The open folder through which the path leads, if it leads through one.
    folder: Option<Arc<OwnedFd>>,
}

impl PrivateFile {
    /// Creates `<folder>/<prefix><host>-<boot>-<random>` with permissions `mode`, after removing what dead processes left under
    /// that prefix.
    ///
    /// # Errors
    /// If the folder cannot be read or written.
    pub fn create(folder: &Path, prefix: &OsStr, mode: u32) -> io::Result<Self> {
        sweep(folder, prefix)?;
        Self::create_new(folder, prefix, mode)
    }

    /// Creates a file like [`Self::create`]. The caller has called [`sweep`], or will.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn create_new(folder: &Path, prefix: &OsStr, mode: u32) -> io::Result<Self> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(created) = Self::create_locked(folder.join(abandoned::new_name(prefix)?), mode)? {
                return Ok(created);
            }
        }
        Err(io::Error::other("another process keeps removing the file"))
    }

    /// Creates `<path><suffix>`, private and locked like this file: a journal that belongs to it.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn companion(&self, suffix: &str) -> io::Result<Self> {
        let path = OsString::from_vec([self.path.as_os_str().as_bytes(), suffix.as_bytes()].concat());
        let created = Self::create_locked(path.into(), CREATED_MODE)?;
        created.ok_or_else(|| io::Error::other("another process removed the file"))
    }

    /// Returns `None` if another run took the file for abandoned between its creation and its lock.
    fn create_locked(path: PathBuf, mode: u32) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(CREATED_MODE).open(&path)?;
        let created = Self { path, file: Arc::new(file), folder: None };
        match created.file.lock() {
            // Without locks, nothing is taken for abandoned before its time.
            Err(error) if has_no_locks(&error) => {}
            locked => locked?,
        }
        // Some file systems have no permissions to set.
        if mode != CREATED_MODE {
            created.file.set_permissions(Permissions::from_mode(mode))?;
        }
        let is_there = created.is_at(&created.path);
        Ok(is_there.then_some(created))
    }

    /// Creates `<beside>.<purpose>-<random>`, as [`Self::create`].
    ///
    /// # Errors
    /// If the folder cannot be read or written.
    pub fn beside(path: &Path, purpose: &str, mode: u32) -> io::Result<Self> {
        Self::create(folder_of(path), &prefix_of(path, purpose), mode)
    }

    /// Keeps the folder open through whose descriptor the path leads, until the file has been removed.
    #[must_use]
    pub fn holding(self, folder: OwnedFd) -> Self {
        let mut holding = self;
        holding.folder = Some(Arc::new(folder));
        holding
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its handle.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes its content durable, where its file system can do that.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sync(&self) -> io::Result<()> {
        sync(&self.file)
    }

    /// Makes it durable and gives it its final name, in the same folder tree. Nothing is ever overwritten.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if the name is taken: the file stays as it was.
    pub fn publish(&self, target: &Path) -> io::Result<()> {
        self.publish_by(&[publish::rename, publish::link, publish::reserve], target)
    }

    /// Goes on to the next way where the file system does not know one.
    fn publish_by(&self, ways: &[publish::Way], target: &Path) -> io::Result<()> {
        sync(&self.file)?;
        let mut published = Err(io::ErrorKind::Unsupported.into());
        for way in ways {
            published = way(&self.path, target);
            match &published {
                Err(error) if publish::is_unsupported(error) => {}
                // On a network, the answer can be lost after the effect.
                Err(_) if self.is_at(target) => published = Ok(()),
                _ => break,
            }
        }
        published?;
        sync_folder(folder_of(target))
    }

    fn is_at(&self, path: &Path) -> bool {
        let (Ok(found), Ok(ours)) = (fs::symlink_metadata(path), self.file.metadata()) else { return false };
        (found.dev(), found.ino()) == (ours.dev(), ours.ino())
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        let (path, file, folder) = (std::mem::take(&mut self.path), Arc::clone(&self.file), self.folder.clone());
        // A cancel drops files on threads of the runtime, which a dead mount must not hold.
        aside(move || {
            // If this fails, the lock is free from now on and the next run removes the file.
            let _ = fs::remove_file(&path);
            drop((file, folder));
        });
    }
}

/// Makes a folder's entries durable, where its file system can do that: a rename that succeeded is not undone by a sync that
/// does not exist.
///
/// # Errors
/// If the disk fails.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(folder) => sync(&folder),
        // A folder that may be written but not read.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a file's content durable, where its file system can do that.
///
/// # Errors
/// If the disk fails. The kernel says so once: whoever gets the error must not take the file for written.
pub fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error) if has_no_sync(&error) => Ok(()),
        synced => synced,
    }
}

fn has_no_sync(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| {
        [
            Errno::INVAL,
            Errno::NOSYS,
            Errno::OPNOTSUPP,
            Errno::BADF,
            Errno::ISDIR,
            Errno::NOTTY,
            Errno::PERM,
            Errno::ACCESS,
        ]
        .contains(&errno)
    })
}

fn has_no_locks(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL].contains(&errno))
}

/// Returns what the names of the private files begin with that are made for `path`.
pub fn prefix_of(path: &Path, purpose: &str) -> OsString {
    let name = path.file_name().unwrap_or_default();
    OsString::from_vec([name.as_bytes(), b".", purpose.as_bytes(), b"-"].concat())
}

/// Returns the folder in which a file lies.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_a_living_one_holds_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("shop.db");
        let living = PrivateFile::beside(&database, "copy", 0o640).unwrap();
        assert_eq!(fs::metadata(living.path()).unwrap().permissions().mode() & 0o777, 0o640);
        let abandoned = folder.path().join(abandoned::new_name("shop.db.copy-".as_ref()).unwrap());
        fs::write(&abandoned, "plaintext").unwrap();
        fs::write(folder.path().join("shop.db.copyright"), "not ours").unwrap();
        let second = PrivateFile::beside(&database, "copy", 0o600).unwrap();
        assert!(!abandoned.exists() && living.path().exists() && second.path().exists());
        assert!(folder.path().join("shop.db.copyright").exists());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }

    #[test]
    fn publishing_never_overwrites_in_whichever_way() {
        let ways: [publish::Way; 3] = [publish::rename, publish::link, publish::reserve];
        for (index, way) in ways.into_iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let file = PrivateFile::create(folder.path(), OsStr::new(".partial-"), 0o600).unwrap();
            let (taken, free) = (folder.path().join("taken"), folder.path().join("free"));
            fs::write(&taken, "older").unwrap();
            let refused = file.publish_by(&[way], &taken).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists, "{index}");
            file.publish_by(&[way], &free).unwrap();
            drop(file);
            assert!(free.exists(), "{index}");
            assert_eq!(fs::read_to_string(taken).unwrap(), "older");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "{index}");
        }
    }

    #[test]
    fn a_way_that_a_file_system_does_not_know_gives_place_to_the_next() {
        let way = |errno: Errno| -> io::Error { errno.into() };
        for unknown in [Errno::INVAL, Errno::NOSYS, Errno::PERM, Errno::OPNOTSUPP, Errno::MLINK] {
            assert!(publish::is_unsupported(&way(unknown)), "{unknown}");
        }
        for failure in [Errno::EXIST, Errno::NOSPC, Errno::IO, Errno::NOENT, Errno::ROFS, Errno::XDEV] {
            assert!(!publish::is_unsupported(&way(failure)), "{failure}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = PrivateFile::create(folder.path(), OsStr::new(".partial-"), 0o600).unwrap();
        let without: publish::Way = |_, _| Err(Errno::NOSYS.into());
        let target = folder.path().join("published");
        file.publish_by(&[without, without, publish::reserve], &target).unwrap();
        assert!(target.exists());
        assert!(file.publish_by(&[without], &target).is_err(), "no way is left");
    }

    #[test]
    fn an_answer_that_is_lost_after_the_effect_is_a_success() {
        let folder = tempfile::tempdir().unwrap();
        let file = PrivateFile::create(folder.path(), OsStr::new(".partial-"), 0o600).unwrap();
        let lost: publish::Way = |from, to| publish::rename(from, to).and(Err(Errno::NOENT.into()));
        file.publish_by(&[lost], &folder.path().join("published")).unwrap();
    }

    #[test]
    fn file_systems_without_locks_and_syncs_are_told_from_broken_disks() {
        for errno in [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS] {
            assert!(has_no_locks(&errno.into()), "{errno}");
        }
        for errno in [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::BADF] {
            assert!(has_no_sync(&errno.into()), "{errno}");
        }
        for errno in [Errno::IO, Errno::NOSPC, Errno::DQUOT] {
            assert!(!has_no_sync(&errno.into()) && !has_no_locks(&errno.into()), "{errno}");
        }
    }
}
