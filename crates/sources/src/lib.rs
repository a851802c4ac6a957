//! Databases: how each engine is probed, dumped and restored.
//!
//! A folder per engine, the same file names in each: `config` (what a person writes), `probe` (versions, databases, is there
//! data), `dump`, `restore`. A new engine is a new folder and one line in [`parse`].

mod error;
mod postgres;
mod sqlite;

use async_trait::async_trait;
use bytes::Bytes;
use domain::Engine;
use domain::probe::Step;
use secrecy::SecretString;

pub use error::Error;

/// A place that holds databases.
#[async_trait]
pub trait Source: Send + Sync {
    /// The engine.
    fn engine(&self) -> Engine;

    /// What a person calls it, without secrets.
    fn name(&self) -> String;

    /// The databases to back up when none are named: the one that the source's address names, or all that the server has.
    async fn databases(&self) -> Result<Vec<String>, Error>;

    /// Starts to dump a database.
    async fn dump(&self, database: &str) -> Result<Box<dyn Dump>, Error>;

    /// Prepares to restore into the database that the source's address names. Nothing of what is there changes before
    /// [`Restore::commit`].
    async fn restore(&self, options: RestoreOptions) -> Result<Box<dyn Restore>, Error>;

    /// What lies where [`Self::restore`] would put its database.
    async fn contents(&self) -> Result<Contents, Error>;

    /// Tests the connection step by step, each told as soon as it is known. True if all passed.
    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool;
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

/// How to treat what is at the target of a restore.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOptions {
    /// Replace a database that holds data.
    pub overwrite: bool,
    /// Let everything belong to the restoring role (PostgreSQL).
    pub no_owner: bool,
}

/// A dump in progress: a stream that proves its end.
#[async_trait]
pub trait Dump: Send {
    /// Versions of the engine and the tool.
    fn versions(&self) -> Versions;

    /// The next bytes; none at the end of the stream, which is not yet a proof of anything.
    async fn next(&mut self) -> Result<Option<Bytes>, Error>;

    /// Answers only after the tool has exited with success and its own end-of-dump mark was seen. Gives what the tool had to
    /// say nevertheless.
    async fn finish(self: Box<Self>) -> Result<Option<String>, Error>;
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
    /// Takes the next bytes of the dump.
    async fn write(&mut self, piece: Bytes) -> Result<(), Error>;

    /// Everything was written: waits until it has been loaded and checked, which can take long. The target is as it was.
    async fn finish(&mut self) -> Result<(), Error>;

    /// Puts the finished database in its place, which is short. Says in words what was restored.
    async fn commit(self: Box<Self>) -> Result<String, Error>;

    /// Gives up before or after `finish`, and waits until nothing is left of it; what is left nevertheless is the error.
    async fn abort(self: Box<Self>) -> Result<(), Error>;
}

/// Where a source's address came from, which decides whether it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A command line, which every user of the machine can read.
    Argument,
    /// An environment variable or a settings file.
    Private,
}

/// Reads a source's address: `sqlite:///abs/path.db`, `postgres://user@host:port/database`.
///
/// # Errors
/// [`Error::Usage`] says what is wrong with it.
pub fn parse(address: &str, origin: Origin, password: Option<SecretString>) -> Result<Box<dyn Source>, Error> {
    match address.split_once("://") {
        Some(("sqlite", path)) => Ok(Box::new(sqlite::Sqlite::parse(path)?)),
        Some(("postgres" | "postgresql", _)) => Ok(Box::new(postgres::Postgres::parse(address, origin, password)?)),
        // What was meant cannot be known, so neither can be where a password stands in it.
        _ => Err(Error::Usage(
            "the source's address is not one: write sqlite:///path/to/file.db or postgres://user@host:port/database"
                .to_owned(),
        )),
    }
}
