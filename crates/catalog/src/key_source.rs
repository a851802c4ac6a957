//! Where the master key comes from: `ENCRYPTION_KEY`, or a file in the data folder.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use crate::error::Error;
use crate::master_key::MasterKey;

const FILE: &str = "encryption.key";
const NEXT_FILE: &str = "encryption.key.next";

/// Where the master key comes from.
#[derive(Debug)]
pub enum KeySource {
    /// It was given: `ENCRYPTION_KEY`.
    Given(MasterKey),
    /// A file, made on first start.
    File(KeyFile),
}

impl KeySource {
    /// The key that a database encrypted under `wanted` needs; for a new database the one there is, or a new one.
    pub(crate) fn find(&self, wanted: Option<&str>) -> Result<MasterKey, Error> {
        let file = match self {
            Self::Given(key) => return key.duplicate(),
            Self::File(file) => file,
        };
        match (file.read()?, wanted) {
            (Some(key), None) => Ok(key),
            (None, None) => file.create(),
            (Some(key), Some(wanted)) if key.id() == wanted => {
                // A change of keys that never happened.
                file.discard_next()?;
                Ok(key)
            }
            (key, Some(wanted)) => match file.read_next()? {
                // A change of keys that ended before the file had its name.
                Some(next) if next.id() == wanted => {
                    file.promote_next()?;
                    Ok(next)
                }
                _ => Err(Error::wrong_key(wanted, key.as_ref())),
            },
        }
    }
}

/// The key's file in the data folder; a second one beside it while the key is being changed.
#[derive(Debug, Clone)]
pub struct KeyFile {
    folder: PathBuf,
}

impl KeyFile {
    /// In this folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// The key, if there is a file.
    ///
    /// # Errors
    /// [`Error::Key`] if it cannot be read.
    pub fn read(&self) -> Result<Option<MasterKey>, Error> {
        read(&self.path())
    }

    /// The key that was about to replace it when something went wrong.
    ///
    /// # Errors
    /// [`Error::Key`] if it cannot be read.
    pub fn read_next(&self) -> Result<Option<MasterKey>, Error> {
        read(&self.folder.join(NEXT_FILE))
    }

    /// Makes the file, mode 0600, with a new key.
    ///
    /// # Errors
    /// [`Error::Key`] if it cannot be written, or is there already.
    pub fn create(&self) -> Result<MasterKey, Error> {
        let key = MasterKey::generate()?;
        write(&self.path(), &key)?;
        sync_folder(&self.folder)?;
        Ok(key)
    }

    /// Keeps a key beside the current one, before anything is encrypted under it.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn create_next(&self, key: &MasterKey) -> Result<(), Error> {
        write(&self.folder.join(NEXT_FILE), key)?;
        sync_folder(&self.folder)
    }

    /// Puts the next key in the current one's place.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn promote_next(&self) -> Result<(), Error> {
        std::fs::rename(self.folder.join(NEXT_FILE), self.path()).map_err(|error| unusable(&self.path(), &error))?;
        sync_folder(&self.folder)
    }

    /// Removes a next key that was never used.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn discard_next(&self) -> Result<(), Error> {
        let path = self.folder.join(NEXT_FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(unusable(&path, &error)),
            _ => Ok(()),
        }
    }
}

fn read(path: &Path) -> Result<Option<MasterKey>, Error> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(1024).read_to_string(&mut text)) {
        Ok(_) => MasterKey::parse(&text.into()).map(Some).map_err(|error| unusable(path, &error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(path, &error)),
    }
}

fn write(path: &Path, key: &MasterKey) -> Result<(), Error> {
    let written = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "{}", key.digits().expose_secret())?;
        file.sync_all()
    };
    written().map_err(|error| unusable(path, &error))
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|error| unusable(folder, &error))
}

fn unusable(path: &Path, error: &impl std::fmt::Display) -> Error {
    Error::Key(format!("the encryption key file {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_private_and_gives_the_key_back() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path());
        assert!(file.read().unwrap().is_none());
        let key = file.create().unwrap();
        assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(file.read().unwrap().unwrap().id(), key.id());
        assert!(file.create().is_err());
        let next = MasterKey::generate().unwrap();
        file.create_next(&next).unwrap();
        file.promote_next().unwrap();
        assert_eq!(file.read().unwrap().unwrap().id(), next.id());
        assert!(file.read_next().unwrap().is_none());
    }

    #[test]
    fn a_change_of_keys_that_broke_off_is_settled_by_what_the_database_wants() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path());
        let (old, next) = (file.create().unwrap(), MasterKey::generate().unwrap());
        let keys = KeySource::File(file.clone());
        file.create_next(&next).unwrap();
        assert_eq!(keys.find(Some(old.id())).unwrap().id(), old.id());
        assert!(file.read_next().unwrap().is_none());
        file.create_next(&next).unwrap();
        assert_eq!(keys.find(Some(next.id())).unwrap().id(), next.id());
        assert_eq!(file.read().unwrap().unwrap().id(), next.id());
        let refusal = keys.find(Some("12345678")).unwrap_err().to_string();
        assert!(refusal.contains("12345678") && refusal.contains(next.id()), "{refusal}");
    }
}
