//! Databases: how each engine is probed, dumped and restored.
//!
//! A folder per engine, the same file names in each: `manifest` (what can be set), `config` (what is made of it), `probe` (versions,
//! databases, is there data), `dump`, `restore`. A new engine is a new folder and one line in [`registry`].

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod format;
mod guard;
mod postgres;
mod registry;
mod sqlite;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::Warning;
use domain::probe::Step;
use domain::rows::Rows;
pub use domain::run::FailedObject;
use serde::Serialize;

pub use error::{Error, Kind, WayOn};
pub use format::{ByHand, DumpFormat};
pub use guard::{Guard, Unguarded};
pub use registry::{SourceAdapter, check_source, engine_of, of_ending, parse, registry};

/// A place that holds databases.
#[async_trait]
pub trait Source: Send + Sync {
    /// Returns the adapter that opened it.
    fn adapter(&self) -> SourceAdapter;

    /// What a person calls it, without secrets.
    fn name(&self) -> String;

    /// Returns the databases to back up when none are named: the one that the source's address names, or all that the server has.
    async fn databases(&self) -> Result<Databases, Error>;

    /// Starts to dump a database.
    async fn dump(&self, database: &str, options: DumpOptions) -> Result<Box<dyn Dump>, Error>;

    /// Prepares to restore into the database that the source's address names. Nothing of what is there changes before
    /// [`Restore::commit`].
    async fn restore(&self, options: RestoreOptions) -> Result<Box<dyn Restore>, Error>;

    /// Starts a review: what would stand in the way of a restore into the database that the source's address names.
    async fn review(&self, options: RestoreOptions) -> Result<Box<dyn Review>, Error>;

    /// Puts a restored database in its place that [`Kind::Kept`] left under a passing name.
    async fn put_in_place(&self, kept: &str, _guard: &dyn Guard) -> Result<Restored, Error> {
        Err(Error::invalid(format!("{} keeps no restored databases ({kept})", self.adapter().manifest.title)))
    }

    /// Removes what runs that were killed left at this source. Returns a warning per thing that is still there.
    async fn remove_leftovers(&self) -> Vec<Warning> {
        Vec::new()
    }

    /// Returns why nothing may be restored under the name that the source's address names, as a sentence without its full stop. Nothing
    /// is connected to.
    fn refuses_restores(&self) -> Option<String> {
        None
    }

    /// Returns why only administrators may restore into the database that the source's address names, which need not exist: the server
    /// needs it itself, or other databases depend on it. A sentence without its full stop.
    async fn reserved(&self) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// Returns whether the restored database that [`Kind::Kept`] left under this name was meant for the database that the source's
    /// address names, as far as the names tell.
    fn is_kept_for_it(&self, _kept: &str) -> bool {
        false
    }

    /// Returns whether the database that the source's address names is, or may be, the one at a place, by every name of its host. Nothing
    /// is connected to.
    async fn may_be_at(&self, _place: &DatabasePlace) -> bool {
        false
    }

    /// Returns whether the database that the source's address names holds the metadata of the dbackup installation with this id, or a
    /// copy of it. False if there is no such database.
    async fn holds_installation(&self, _id: &str) -> Result<bool, Error> {
        Ok(false)
    }

    /// Returns what lies where [`Self::restore`] would put its database.
    async fn contents(&self) -> Result<Contents, Error>;

    /// Tests the connection step by step, each told as soon as it is known. True if all passed.
    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool;
}

/// Where a database of a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabasePlace {
    /// The id of the adapter for such servers.
    pub adapter: &'static str,
    /// Name, address, or the folder of a socket.
    pub host: String,
    /// TCP port, or the number in the socket's name.
    pub port: u16,
    /// The database's name.
    pub database: String,
}

/// What lies at a database's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// No such database.
    Absent,
    /// A database without anything of its own.
    Empty,
    /// A database that holds something.
    Data,
}

/// The databases of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Databases {
    /// Those that can be backed up, sorted.
    pub names: Vec<String>,
    /// A warning per database that cannot: invalid, without the right to connect.
    pub left_out: Vec<Warning>,
}

impl Databases {
    /// Creates the answer of a source that leaves nothing out.
    pub fn all(names: Vec<String>) -> Self {
        Self { names, left_out: Vec::new() }
    }
}

/// How to treat what a dump finds.
#[derive(Debug, Clone, Copy, Default)]
pub struct DumpOptions {
    /// Back up a database with damaged pages nevertheless, with a warning (SQLite).
    pub allow_damaged: bool,
}

/// How to treat what is at the target of a restore.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOptions {
    /// Replace a database that holds data.
    pub overwrite: bool,
    /// Let everything belong to the restoring role, and leave privileges out (PostgreSQL).
    pub no_owner: bool,
    /// What to do about an object that cannot be restored.
    pub on_error: OnError,
    /// Load under the database's own name instead of beside it, for what only loads there (PostgreSQL's pg_cron). What was there is moved
    /// aside meanwhile, and comes back if the restore fails.
    pub in_place: bool,
    /// Restore a database with damaged pages nevertheless, with a warning (SQLite).
    pub allow_damaged: bool,
}

/// What to do about an object that cannot be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The restore fails, and the target stays as it was.
    #[default]
    Stop,
    /// Everything else is restored, and the result lists the object.
    Continue,
}

/// A restored database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Its address.
    pub target: String,
    /// What could not be restored ([`OnError::Continue`]).
    pub failed_objects: Vec<FailedObject>,
    /// What could not be carried over, and what the caller should know.
    pub warnings: Vec<Warning>,
}

impl Restored {
    /// Creates the result of a restore that kept everything.
    pub fn whole(target: impl Into<String>) -> Self {
        Self { target: target.into(), failed_objects: Vec::new(), warnings: Vec::new() }
    }
}

/// A review in progress: any number of `read`, then `finish`. Changes nothing at the target.
#[async_trait]
pub trait Review: Send {
    /// Reads the next bytes of the dump. Returns whether it has read enough.
    fn read(&mut self, piece: &[u8]) -> Result<bool, Error>;

    /// Compares what the dump needs with what the target has.
    async fn finish(self: Box<Self>) -> Result<Vec<Finding>, Error>;
}

/// Something that a person should know before a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Whether the restore would fail.
    pub severity: Severity,
    /// Stable identifier of the kind: `missing-role`, `sessions`.
    pub code: &'static str,
    /// What it is, as one sentence without its full stop.
    pub message: String,
    /// Statements to copy that cure it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The restore would fail, or fail for this object.
    Blocks,
    /// The restored database would differ, or a choice has to be made.
    Warns,
    /// Good to know.
    Informs,
}

/// A dump in progress: a stream that proves its end.
#[async_trait]
pub trait Dump: Send {
    /// Versions of the engine and the tool.
    fn versions(&self) -> Versions;

    /// The next bytes; none at the end of the stream, which is not yet a proof of anything.
    async fn next(&mut self) -> Result<Option<Bytes>, Error>;

    /// Counts the rows of its tables, at the moment of the dump, within a time limit. After the end of the stream. `None` if they are not
    /// known.
    async fn count_rows(&mut self, _limit: Duration) -> Option<Rows> {
        None
    }

    /// Completes once the dump tool has exited successfully and the end-of-dump marker was read. Returns what the dump lacks or
    /// what could not be checked.
    async fn finish(self: Box<Self>) -> Result<Vec<Warning>, Error>;
}

/// Versions as their makers write them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// The server's, or the library's.
    pub engine: String,
    /// The dump tool with its version.
    pub tool: String,
}

/// A restore in progress: any number of `write`, one `finish`, then `commit` or at any time `abort`. Dropping it leaves the target
/// as it was, but perhaps a passing database beside it.
#[async_trait]
pub trait Restore: Send {
    /// Has this asked right before the target changes. Before the first [`Self::write`].
    fn guard(&mut self, guard: Arc<dyn Guard>);

    /// Lets damage pass that the backup was made with, knowingly ([`DumpOptions::allow_damaged`]). Before [`Self::finish`].
    fn accept_damage(&mut self) {}

    /// Takes the next bytes of the dump.
    async fn write(&mut self, piece: Bytes) -> Result<(), Error>;

    /// Everything was written: waits until it has been loaded and checked, which can take long. The target is as it was, unless it
    /// commits by itself ([`Activity::is_committing`]).
    async fn finish(&mut self) -> Result<(), Error>;

    /// Returns how to look whether a [`Self::finish`] that takes long gets on. Where that cannot be told, it does.
    fn activity(&self) -> Box<dyn Activity> {
        Box::new(AlwaysActive)
    }

    /// Counts the rows of the restored database within a time limit, by asking it. Between [`Self::finish`] and [`Self::commit`].
    async fn count_rows(&mut self, _limit: Duration) -> Counting {
        Counting::Not("this kind of database counts no rows".to_owned())
    }

    /// Puts the finished database in its place, which is short. [`Kind::Kept`] if that fails after everything was loaded;
    /// [`Kind::Uncertain`] if the target does not tell any more whether it happened.
    async fn commit(self: Box<Self>) -> Result<Restored, Error>;

    /// Gives up before or after `finish`, and waits until nothing is left of it; what is left nevertheless is the error.
    async fn abort(self: Box<Self>) -> Result<(), Error>;
}

/// What counting the rows of a restored database came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counting {
    /// They were counted.
    Done(Counted),
    /// They were not, for this reason.
    Not(String),
}

impl Counting {
    /// Creates the result of counting that was given up after its time limit.
    pub fn too_long(limit: Duration) -> Self {
        Self::Not(format!("counting took longer than {} s", limit.as_secs()))
    }
}

/// The rows of a restored database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Its rows.
    pub rows: Rows,
    /// Whether others could change the database before it was counted, because it has its own name already.
    pub can_have_changed: bool,
}

/// Looks at what works on a restore. Its silence alone is no sign: an index can take hours.
#[async_trait]
pub trait Activity: Send + Sync {
    /// Returns whether something works, rather than waits for a lock, or is gone.
    async fn is_active(&self) -> bool;

    /// Returns whether [`Restore::finish`] has let the target commit, so that the restore may be complete already. It is not given up any
    /// more then: it completes within a limit of its own, and knows what became of the restore.
    fn is_committing(&self) -> bool {
        false
    }
}

struct AlwaysActive;

#[async_trait]
impl Activity for AlwaysActive {
    async fn is_active(&self) -> bool {
        true
    }
}

/// Tells where a server keeps its data: private copies of SQLite databases may lie there if they cannot lie beside the database. It
/// holds for the rest of the process; the first call counts.
pub fn set_data_folder(folder: PathBuf) {
    sqlite::private_copy::set_data_folder(folder);
}

/// Where a source's address came from, which decides whether it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A command line, which every user of the machine can read.
    Argument,
    /// An environment variable or a settings file.
    Private,
}
