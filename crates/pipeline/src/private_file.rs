//! Files that nobody else may read or keep until they are whole and published.
//!
//! A file is created new, with the given mode, and locked as long as its writer lives. What a killed process left is told by
//! its lock being free, and the next run removes it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// How often a new file may be lost to another run's clean-up.
const MAX_ATTEMPTS: u32 = 5;

/// A locked file that is removed when dropped, unless it was published.
#[derive(Debug)]
pub struct PrivateFile {
    path: PathBuf,
    file: File,
}

impl PrivateFile {
    /// Creates `<folder>/<prefix><random>` with permissions `mode`, after removing what dead processes left under that prefix.
    ///
    /// # Errors
    /// If the folder cannot be read or written.
    pub fn create(folder: &Path, prefix: &OsStr, mode: u32) -> io::Result<Self> {
        sweep(folder, prefix)?;
        Self::create_new(folder, prefix, mode)
    }

    /// Creates `<folder>/<prefix><random>` with permissions `mode`. The caller has called [`sweep`], or will.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn create_new(folder: &Path, prefix: &OsStr, mode: u32) -> io::Result<Self> {
        for _ in 0..MAX_ATTEMPTS {
            let random = getrandom::u64().map_err(io::Error::other)?;
            let name = OsString::from_vec([prefix.as_bytes(), format!("{random:016x}").as_bytes()].concat());
            if let Some(created) = Self::create_locked(folder.join(name), mode)? {
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
        let created = Self::create_locked(path.into(), 0o600)?;
        created.ok_or_else(|| io::Error::other("another process removed the file"))
    }

    /// Returns `None` if another run took the file for abandoned between its creation and its lock.
    fn create_locked(path: PathBuf, mode: u32) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let created = Self { path, file };
        match created.file.lock() {
            // A file system without locks: then nothing there is ever taken for abandoned either.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            locked => locked?,
        }
        created.file.set_permissions(Permissions::from_mode(mode))?;
        let is_there = fs::metadata(&created.path)
            .is_ok_and(|found| created.file.metadata().is_ok_and(|ours| ours.ino() == found.ino()));
        Ok(is_there.then_some(created))
    }

    /// Creates `<beside>.<purpose>-<random>`, as [`Self::create`].
    ///
    /// # Errors
    /// If the folder cannot be read or written.
    pub fn beside(path: &Path, purpose: &str, mode: u32) -> io::Result<Self> {
        Self::create(folder_of(path), &prefix_of(path, purpose), mode)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its handle.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes it durable and gives it its final name, in the same folder tree. Nothing is ever overwritten.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if the name is taken: the file stays as it was.
    pub fn publish(&self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        match renameat_with(CWD, &self.path, CWD, target, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            // A file system that cannot do that in one step can make a second name for the file, and refuse if it is taken.
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::hard_link(&self.path, target)?;
                fs::remove_file(&self.path)?;
            }
            Err(error) => return Err(error.into()),
        }
        File::open(folder_of(target))?.sync_all()
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        // If this fails, the lock is free from now on and the next run removes the file.
        let _ = fs::remove_file(&self.path);
    }
}

/// Returns the folder in which a file lies.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns what the names of the private files begin with that are made for `path`.
pub fn prefix_of(path: &Path, purpose: &str) -> OsString {
    let name = path.file_name().unwrap_or_default();
    OsString::from_vec([name.as_bytes(), b".", purpose.as_bytes(), b"-"].concat())
}

/// Removes what dead processes left in `folder` under `prefix`. Returns what may be left over and could not be removed.
///
/// # Errors
/// If the folder cannot be read.
pub fn sweep(folder: &Path, prefix: &OsStr) -> io::Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_bytes().starts_with(prefix.as_bytes()) || !entry.file_type()?.is_file() {
            continue;
        }
        match remove_if_abandoned(&entry.path()) {
            // Another run was faster.
            Err(error) if error.kind() != io::ErrorKind::NotFound => left.push(entry.path()),
            _ => {}
        }
    }
    Ok(left)
}

fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path).or_else(|_| File::open(path))?;
    // A lock that is held, or cannot be had on this file system, belongs to a living writer.
    if file.try_lock().is_ok() { fs::remove_file(path) } else { Ok(()) }
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
        let abandoned = folder.path().join("shop.db.copy-dead");
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
    fn publishing_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let file = PrivateFile::create(folder.path(), OsStr::new(".partial-"), 0o600).unwrap();
        let (taken, free) = (folder.path().join("taken"), folder.path().join("free"));
        fs::write(&taken, "older").unwrap();
        assert_eq!(file.publish(&taken).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        file.publish(&free).unwrap();
        drop(file);
        assert!(free.exists());
        assert_eq!(fs::read_to_string(taken).unwrap(), "older");
    }
}
