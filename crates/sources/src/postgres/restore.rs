//! Restoring PostgreSQL: nothing of the target changes before the whole dump has been restored.
//!
//! - Where no database of that name exists, or one is to be replaced, the dump goes into a new database under a passing name,
//!   which is renamed into place at the end (both renames in one transaction).
//! - An existing empty database keeps its owner and settings: the dump goes into it in a single transaction.

use async_trait::async_trait;
use bytes::Bytes;
use domain::Warning;
use pipeline::process::{EXIT_PATIENCE, Process};
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;

use super::Postgres;
use super::archive::ArchiveReader;
use super::likeness;
use super::probe::{self, execute, identifier, literal};
use super::tools::{Tool, cure};
use crate::error::Error;
use crate::{Contents, Restore, RestoreOptions, Restored};

/// How often sessions that come back at once may thwart the swap.
const SWAP_ATTEMPTS: u32 = 3;

/// PostgreSQL cuts longer names.
const MAX_NAME_BYTES: usize = 63;

/// A restore that waits for the table of contents, then feeds pg_restore.
pub(super) struct PostgresRestore {
    source: Postgres,
    database: String,
    options: RestoreOptions,
    contents: Contents,
    server_major: u32,
    archive: ArchiveReader,
    head: Vec<Bytes>,
    running: Option<Running>,
    /// The new database under its passing name; none before it is made, and when an empty one is filled in a transaction.
    new_database: Option<String>,
}

struct Running {
    process: Process,
    input: ChildStdin,
}

impl PostgresRestore {
    /// Looks at the target. Changes nothing.
    pub(super) async fn start(source: Postgres, options: RestoreOptions) -> Result<Self, Error> {
        let database = source.named_database()?;
        let contents = probe::contents(&source, &database).await?;
        if contents == Contents::Data && !options.overwrite {
            return Err(Error::HoldsData(format!("database '{database}'")));
        }
        let server_major = probe::any_server(&source).await?.major;
        let (archive, head) = (ArchiveReader::default(), Vec::new());
        Ok(Self { source, database, options, contents, server_major, archive, head, running: None, new_database: None })
    }

    async fn start_tool(&mut self) -> Result<Running, Error> {
        let tool = Tool::find("pg_restore", self.server_major, self.archive.oldest_reader()).await?;
        if self.contents != Contents::Empty {
            self.create_database().await?;
        }
        let target = self.new_database.as_ref().unwrap_or(&self.database);
        let mut command = tool.command(&self.source).arguments([
            "--exit-on-error",
            "--no-password",
            &format!("--dbname={}", self.source.conninfo(target)),
        ]);
        if self.options.no_owner {
            command = command.arguments(["--no-owner", "--no-privileges"]);
        }
        if self.new_database.is_none() {
            command = command.arguments(["--single-transaction"]);
        }
        match command.start().map_err(|error| Error::of_tool(self.what(), &error, cure))? {
            (process, Some(input), _) => Ok(Running { process, input }),
            _ => Err(Error::failed(self.what(), "pg_restore has no input")),
        }
    }

    async fn create_database(&mut self) -> Result<(), Error> {
        let name = passing_name(&self.database, "restore")?;
        let options = match self.contents {
            Contents::Data => likeness::options(&self.source, &self.database, self.server_major).await?,
            _ => self.archive.encoding().map(|encoding| format!("ENCODING {}", literal(encoding))).unwrap_or_default(),
        };
        // Noted before it is there, so that it is removed even if nobody waits for the answer.
        self.new_database = Some(name.clone());
        execute(&self.source, &format!("CREATE DATABASE {} TEMPLATE template0 {options}", identifier(&name))).await?;
        Ok(())
    }

    /// Puts the restored database into its place. Gives a remark if something was left.
    async fn put_in_place(&self, new: &str) -> Result<Option<String>, Error> {
        let target = identifier(&self.database);
        if self.contents == Contents::Absent {
            execute(&self.source, &format!("ALTER DATABASE {} RENAME TO {target}", identifier(new))).await?;
            return Ok(None);
        }
        likeness::carry_over(&self.source, &self.database, new).await?;
        let aside = passing_name(&self.database, "replaced")?;
        self.swap(&identifier(new), &target, &identifier(&aside)).await?;
        let dropped = execute(&self.source, &self.drop_sql(&aside)).await;
        Ok(dropped.err().map(|error| format!("the replaced database is still there as '{aside}': {error}")))
    }

    /// Ends the old database's sessions and renames both, in one transaction: there is no moment without a database of that
    /// name. Sessions that come back at once make it fail as a whole, and it is tried again.
    async fn swap(&self, new: &str, target: &str, aside: &str) -> Result<(), Error> {
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND backend_type = 'client backend'; \
             ALTER DATABASE {target} RENAME TO {aside}; ALTER DATABASE {new} RENAME TO {target}",
            literal(&self.database)
        );
        let mut result = execute(&self.source, &sql).await;
        for _ in 1..SWAP_ATTEMPTS {
            match result {
                Err(Error::Failed { cause, .. }) if cause.contains("is being accessed by other users") => {}
                result => return result.map(drop),
            }
            result = execute(&self.source, &sql).await;
        }
        result.map(drop)
    }

    /// Drops a database of ours, even if a backend still works in it.
    fn drop_sql(&self, name: &str) -> String {
        let force = if self.server_major >= 13 { "WITH (FORCE)" } else { "" };
        format!("DROP DATABASE IF EXISTS {} {force}", identifier(name))
    }

    fn what(&self) -> String {
        format!("could not restore database '{}'", self.database)
    }
}

#[async_trait]
impl Restore for PostgresRestore {
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

    async fn finish(&mut self) -> Result<(), Error> {
        std::mem::take(&mut self.archive).finish().map_err(|error| Error::failed(self.what(), error))?;
        let Some(Running { process, input }) = self.running.take() else {
            return Err(Error::failed(self.what(), "the dump is empty"));
        };
        drop(input);
        process.finish(None).await.map(drop).map_err(|error| Error::of_restore_tool(self.what(), &error, cure))
    }

    async fn commit(mut self: Box<Self>) -> Result<Restored, Error> {
        let Some(new) = self.new_database.clone() else { return Ok(Restored::whole(self.source.address())) };
        match self.put_in_place(&new).await {
            Ok(None) => Ok(Restored::whole(self.source.address())),
            Ok(Some(remark)) => Ok(Restored {
                warnings: vec![Warning::new("leftover", remark)],
                ..Restored::whole(self.source.address())
            }),
            Err(error) => Err(match self.abort().await {
                Ok(()) => error,
                Err(leftover) => Error::failed(error.to_string(), leftover),
            }),
        }
    }

    async fn abort(mut self: Box<Self>) -> Result<(), Error> {
        if let Some(Running { process, input }) = self.running.take() {
            // pg_restore must die before its input ends, or it could take the end for a good one.
            drop(process);
            drop(input);
        }
        match self.new_database.take() {
            Some(name) => {
                let dropped = execute(&self.source, &self.drop_sql(&name)).await;
                dropped
                    .map(drop)
                    .map_err(|error| Error::failed(format!("could not drop the unfinished database '{name}'"), error))
            }
            None => Ok(()),
        }
    }
}

impl PostgresRestore {
    /// pg_restore has closed its input: its own words say why.
    async fn failure_of_tool(&mut self) -> Error {
        let Some(Running { process, input }) = self.running.take() else {
            return Error::failed(self.what(), "pg_restore is gone");
        };
        let failure = match process.finish(Some(EXIT_PATIENCE)).await {
            Ok(_) => Error::failed(self.what(), "pg_restore stopped reading before the dump's end"),
            Err(error) => Error::of_restore_tool(self.what(), &error, cure),
        };
        drop(input);
        failure
    }
}

/// `shop__dbackup_restore_1f2e3d4c`, cut so that PostgreSQL keeps it whole.
fn passing_name(database: &str, purpose: &str) -> Result<String, Error> {
    let random = getrandom::u32().map_err(|error| Error::failed("no randomness", error))?;
    let suffix = format!("__dbackup_{purpose}_{random:08x}");
    let mut end = database.len().min(MAX_NAME_BYTES - suffix.len());
    while !database.is_char_boundary(end) {
        end -= 1;
    }
    Ok(format!("{}{suffix}", &database[..end]))
}
