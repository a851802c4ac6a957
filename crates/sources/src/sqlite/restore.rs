//! Restoring SQLite: into a new file beside the target, checked, then put in its place at once.
//!
//! A path where nothing lies gets the new file itself. A database that exists is replaced through SQLite's backup API inside
//! one transaction, so that processes which have it open see either the old or the new content, never a mixture; a rename
//! would leave them writing into a file that has no name any more.

mod ownership;
mod promise;
mod replace;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::Warning;
use pipeline::PrivateFile;
use pipeline::private_file::{folder_of, prefix_of};
use tokio::runtime::Handle;

use self::promise::{Exceeded, Promise};
use self::replace::{Ask, replace};
use super::blocking;
use super::connection::{failed, open_immutable};
use super::files::beside;
use super::integrity;
use super::private_copy::{RESTORE, remove_leftovers};
use super::probe::holds_data;
use super::rows;
use crate::error::Error;
use crate::guard::{Guard, Unguarded};
use crate::{Counted, Counting, Restore, RestoreOptions, Restored};

/// A restore that writes its new file.
pub(super) struct SqliteRestore {
    target: PathBuf,
    exists: bool,
    options: RestoreOptions,
    promise: Promise,
    file: Arc<PrivateFile>,
    warnings: Vec<Warning>,
    guard: Arc<dyn Guard>,
}

impl SqliteRestore {
    /// Looks at the target, and makes the new file.
    pub(super) async fn start(target: PathBuf, options: RestoreOptions) -> Result<Self, Error> {
        blocking(move || {
            refuse_dangling_link(&target)?;
            // A link's target is what is replaced, not the link.
            let target = fs::canonicalize(&target).unwrap_or(target);
            let exists = target.exists();
            if exists && holds_data(&target)? && !options.overwrite {
                return Err(Error::holds_data(target.display().to_string()));
            }
            if !exists {
                refuse_stale_journals(&target)?;
            }
            let warnings = remove_leftovers(&target);
            let file = PrivateFile::create_new(folder_of(&target), &prefix_of(&target, RESTORE), 0o600);
            let file = file.map_err(|error| {
                Error::failed(format!("could not create a file beside {}", target.display()), error.to_string())
                    .cure("Check that the folder exists, and give this user the right to write to it")
            })?;
            Ok(Self {
                target,
                exists,
                options,
                promise: Promise::default(),
                file: Arc::new(file),
                warnings,
                guard: Arc::new(Unguarded),
            })
        })
        .await
    }

    /// What came is not the database that it says it is.
    fn broken(&self, cause: String) -> Error {
        Error::failed(format!("could not restore to {}", self.target.display()), cause)
            .cure("Restore another backup, or this one as it is, with --allow-damaged")
    }

    /// `ask` is called right before the target changes, and before each try to.
    fn put_in_place(mut self, ask: &Ask<'_>) -> Result<Restored, Error> {
        if self.exists {
            // It may have been filled meanwhile.
            if !self.options.overwrite && holds_data(&self.target)? {
                return Err(Error::holds_data(self.target.display().to_string()));
            }
            let restored =
                open_immutable(self.file.path()).map_err(|error| failed("open", self.file.path(), &error))?;
            self.warnings.extend(replace(&restored, &self.target, ask)?);
        } else {
            self.warnings.extend(ownership::adopt(self.file.file(), &self.target));
            ask()?;
            self.file.publish(&self.target).map_err(|error| {
                Error::failed(
                    format!("could not put the restored database at {}", self.target.display()),
                    error.to_string(),
                )
                .maybe_cure(
                    (error.kind() == std::io::ErrorKind::AlreadyExists)
                        .then(|| "Another process created the file meanwhile. Check it, then restore again".to_owned()),
                )
            })?;
        }
        let target = format!("sqlite://{}", self.target.display());
        Ok(Restored { warnings: self.warnings, ..Restored::whole(target) })
    }
}

#[async_trait]
impl Restore for SqliteRestore {
    fn guard(&mut self, guard: Arc<dyn Guard>) {
        self.guard = guard;
    }

    fn accept_damage(&mut self) {
        self.options.allow_damaged = true;
    }

    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        let cannot = |target: &Path, error: std::io::Error| {
            Error::failed(format!("could not write beside {}", target.display()), error.to_string()).maybe_cure(
                (error.kind() == std::io::ErrorKind::StorageFull)
                    .then(|| "Free some space on that disk, then restore again".to_owned()),
            )
        };
        let target = self.target.clone();
        // A damaged header promises nothing.
        let piece = if self.options.allow_damaged {
            piece
        } else {
            self.promise.keep(piece).map_err(|Exceeded(size)| {
                self.broken(format!("the backup goes on after the {size} bytes that its own header promises: it is damaged, or was made to fill the disk"))
            })?
        };
        let mut file = self.file.file().try_clone().map_err(|error| cannot(&target, error))?;
        blocking(move || file.write_all(&piece).map_err(|error| cannot(&target, error))).await
    }

    async fn finish(&mut self) -> Result<(), Error> {
        let missing = self.promise.missing();
        if missing > 0 && !self.options.allow_damaged {
            return Err(self.broken(format!("the backup ends {missing} bytes too early: it was cut short")));
        }
        let file = Arc::clone(&self.file);
        let allow_damaged = self.options.allow_damaged;
        let warnings = blocking(move || {
            let what = format!("could not write {}", file.path().display());
            file.file().sync_all().map_err(|error| Error::failed(what, error))?;
            let restored = open_immutable(file.path()).map_err(|error| failed("open", file.path(), &error))?;
            integrity::check(&restored, file.path())?.warnings(file.path(), allow_damaged)
        });
        self.warnings.extend(warnings.await?);
        Ok(())
    }

    async fn count_rows(&mut self, limit: Duration) -> Counting {
        let file = Arc::clone(&self.file);
        let opened = blocking(move || open_immutable(file.path()).map_err(|error| failed("open", file.path(), &error)));
        let counted = match opened.await {
            Ok(connection) => rows::count(connection, |connection| connection, limit).await,
            Err(error) => Err(error),
        };
        match counted {
            Ok((_, Ok(rows))) => Counting::Done(Counted { rows, can_have_changed: false }),
            Ok((_, Err(not))) => not,
            Err(error) => Counting::Not(error.to_string()),
        }
    }

    async fn commit(self: Box<Self>) -> Result<Restored, Error> {
        self.guard.check().await?;
        let (guard, runtime) = (Arc::clone(&self.guard), Handle::current());
        blocking(move || self.put_in_place(&|| runtime.block_on(guard.check()))).await
    }

    async fn abort(self: Box<Self>) -> Result<(), Error> {
        // A check that is still going on keeps the file open; its name goes now.
        blocking(move || {
            fs::remove_file(self.file.path()).map_err(|error| {
                Error::failed(format!("could not remove {}", self.file.path().display()), error.to_string())
                    .cure("Remove it: nothing uses it")
            })
        })
        .await
    }
}

/// A link to nowhere is neither a database nor a free name.
fn refuse_dangling_link(target: &Path) -> Result<(), Error> {
    let is_link = fs::symlink_metadata(target).is_ok_and(|metadata| metadata.is_symlink());
    match fs::read_link(target) {
        Ok(missing) if is_link && !target.exists() => Err(Error::failed(
            format!("could not restore to {}", target.display()),
            format!("it is a symbolic link to {}, which does not exist", missing.display()),
        )
        .cure("Name the file itself, or remove the link")),
        _ => Ok(()),
    }
}

/// A journal without its database would be played into the restored one by the next process that opens it.
fn refuse_stale_journals(target: &Path) -> Result<(), Error> {
    for suffix in ["-wal", "-journal"] {
        let journal = beside(target, suffix);
        // Readers leave empty ones behind.
        if fs::symlink_metadata(&journal).is_ok_and(|journal| journal.len() > 0) {
            return Err(Error::failed(
                format!("could not restore to {}", target.display()),
                format!("{} is there without its database and would damage the restored one", journal.display()),
            )
            .cure("Move it away, then restore again"));
        }
    }
    Ok(())
}
