//! Restoring PostgreSQL: nothing of the target changes before the whole dump has been restored.
//!
//! - The dump goes into a new database beside the target, which takes the target's place at the end: both renames in one
//!   transaction. What belongs to the database itself (locale, owner, settings, privileges) comes from the archive.
//! - What only loads under its own name (pg_cron) is restored in place: the target is moved aside, and back if the restore fails.
//! - An empty database is filled directly, in one transaction where the server's locks suffice, if the role may not create databases or
//!   the restore is in place: a provider has prepared it, perhaps with extensions that only the provider may create.

mod activity;
mod command;
mod create;
mod failed;
mod gate;
mod kept;
mod load;
mod occupants;
mod place;
mod rows;
mod swap;
mod target;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::Warning;
use pipeline::process::{Input, Process};
use tokio::io::AsyncWriteExt;

use self::command::Role;
use self::gate::Gate;
pub(super) use self::occupants::Occupant;
use self::place::{Place, choose_place};
pub(super) use self::target::Target;
use super::Postgres;
use super::archive::ArchiveReader;
use super::contents;
use super::cures::Operation;
use super::list_file::ListFile;
use super::passing::{self, Keeper, Number};
use super::probe;
use crate::error::{self, Error, Kind};
use crate::guard::{Guard, Unguarded};
use crate::{Activity, Contents as Found, Counting, FailedObject, Restore, RestoreOptions, Restored};

/// A restore that waits for the table of contents, then feeds pg_restore.
pub(super) struct PostgresRestore {
    target: Target,
    options: RestoreOptions,
    found: Found,
    role: Role,
    number: Number,
    archive: ArchiveReader,
    head: Vec<Bytes>,
    place: Place,
    /// Held until the restored database has its name.
    keeper: Option<Keeper>,
    guard: Arc<dyn Guard>,
    running: Option<Running>,
    /// From when the gate opens until it is known what became of the commit.
    is_committing: Arc<AtomicBool>,
    warnings: Vec<Warning>,
    failed_objects: Vec<FailedObject>,
}

struct Running {
    process: Process,
    input: Input,
    /// Before its commit, where it commits by itself.
    gate: Option<Gate>,
    _list: Option<ListFile>,
}

impl PostgresRestore {
    /// Looks at the target, and removes what crashed restores left. Changes nothing else.
    pub(super) async fn start(source: Postgres, options: RestoreOptions) -> Result<Self, Error> {
        let database = source.named_database()?;
        let found = contents::contents(&source, &database).await?;
        if found == Found::Data && !options.overwrite {
            return Err(Error::holds_data(format!("database '{database}'")));
        }
        let server_major = probe::any_server(&source).await?.major;
        let mut role = Role::ask(&source, &database).await?;
        role.owns_target |= found == Found::Absent;
        // Databases are created and renamed from another one; who may enter no other can only fill their own.
        role.can_create_databases &= found != Found::Empty || passing::lock_database(&source).await.is_ok();
        let number = Number::draw()?;
        let place = choose_place(&source, found, options, role, number)?;
        let warnings = passing::sweep(&source).await.unwrap_or_default();
        let target = Target { source, database, server_major };
        Ok(Self {
            target,
            options,
            found,
            role,
            number,
            archive: ArchiveReader::of_foreign(),
            head: Vec::new(),
            place,
            keeper: None,
            guard: Arc::new(Unguarded),
            running: None,
            is_committing: Arc::default(),
            warnings,
            failed_objects: Vec::new(),
        })
    }

    fn loaded_into(&self) -> &str {
        match &self.place {
            Place::Beside(name) => name,
            Place::OwnName { .. } | Place::Direct { .. } => &self.target.database,
        }
    }

    fn what(&self) -> String {
        format!("could not restore database '{}'", self.target.database)
    }

    fn cure(&self, words: &str) -> Option<String> {
        self.target.source.cure(Operation::Restore, words)
    }
}

#[async_trait]
impl Restore for PostgresRestore {
    fn guard(&mut self, guard: Arc<dyn Guard>) {
        self.guard = guard;
    }

    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        self.archive.read(&piece).map_err(|error| Error::failed(self.what(), error))?;
        self.head.push(piece);
        if !self.archive.contents_read() {
            return Ok(());
        }
        if self.running.is_none() {
            self.running = Some(self.start_tool().await?);
        }
        let pieces = std::mem::take(&mut self.head);
        let Some(running) = &mut self.running else { return Ok(()) };
        for piece in pieces {
            if running.input.write_all(&piece).await.is_err() {
                return Err(self.failure_of_tool().await);
            }
        }
        Ok(())
    }

    fn activity(&self) -> Box<dyn Activity> {
        let (source, database) = (self.target.source.clone(), self.loaded_into().to_owned());
        Box::new(activity::Sessions { source, database, is_committing: Arc::clone(&self.is_committing) })
    }

    async fn finish(&mut self) -> Result<(), Error> {
        self.archive.finish().map_err(|error| Error::failed(self.what(), error))?;
        let Some(Running { process, input, gate, _list }) = self.running.take() else {
            return Err(Error::failed(self.what(), "the dump is empty"));
        };
        drop(input);
        // Dropped with a refusal, pg_restore is killed.
        let ended = process.finish(None);
        match gate {
            Some(gate) => self.through(gate, ended).await,
            None => {
                let ended = ended.await;
                self.judge(ended)
            }
        }
    }

    async fn count_rows(&mut self, limit: Duration) -> Counting {
        self.count(limit).await
    }

    async fn commit(mut self: Box<Self>) -> Result<Restored, Error> {
        let placed = self.put_in_place().await?;
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.extend(placed);
        let failed_objects = std::mem::take(&mut self.failed_objects);
        drop(self.keeper.take());
        Ok(Restored { target: self.target.source.address(), failed_objects, warnings })
    }

    async fn abort(mut self: Box<Self>) -> Result<(), Error> {
        if let Some(Running { process, input, .. }) = self.running.take() {
            // pg_restore must die before its input ends, or it could take the end for a good one.
            drop(process);
            drop(input);
        }
        if self.is_committing.load(Ordering::Relaxed) {
            return Err(self.unknown("the restore was given up while the server was committing it"));
        }
        self.undo().await
    }
}

/// Puts a database that an earlier restore kept into its place.
pub(super) async fn put_in_place(source: Postgres, kept: &str, guard: &dyn Guard) -> Result<Restored, Error> {
    let database = source.named_database()?;
    let server_major = probe::any_server(&source).await?.major;
    let target = Target { source, database, server_major };
    let number = target.kept(kept).await?;
    let placed = target.put_in_place(kept, number, guard).await;
    let warnings = placed.map_err(|error| match error.kind() {
        Kind::Uncertain => error,
        _ => error::kept(&target.database, kept, &error),
    })?;
    Ok(Restored { warnings, ..Restored::whole(target.source.address()) })
}
