//! Restoring PostgreSQL: nothing of the target changes before the whole dump has been restored.
//!
//! - Where no database of that name exists, or one is to be replaced, the dump goes into a new database under a passing name,
//!   which is renamed into place at the end (both renames in one transaction).
//! - An existing empty database keeps its owner and settings: the dump goes into it in a single transaction.

use async_trait::async_trait;
use bytes::Bytes;
use pipeline::process::{EXIT_PATIENCE, Process};
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;

use super::Postgres;
use super::archive::ArchiveReader;
use super::probe::{self, Contents, execute, identifier, literal};
use super::tools::{Tool, cure};
use crate::error::Error;
use crate::{Restore, RestoreOptions};

/// PostgreSQL cuts longer names.
const MAX_NAME_BYTES: usize = 63;

/// A restore that waits for the table of contents, then feeds pg_restore.
pub(super) struct PostgresRestore {
    source: Postgres,
    database: String,
    options: RestoreOptions,
    contents: Contents,
    tool: Tool,
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
    /// Looks at the target and finds pg_restore. Changes nothing.
    pub(super) async fn start(source: Postgres, options: RestoreOptions) -> Result<Self, Error> {
        let Some(database) = source.database.clone() else {
            return Err(Error::Usage(
                "name the database to restore into: postgres://user@host:port/database".to_owned(),
            ));
        };
        let contents = probe::contents(&source, &database).await?;
        if contents == Contents::Data && !options.overwrite {
            return Err(Error::HoldsData(format!("database '{database}'")));
        }
        let server_major = probe::any_server(&source).await?.major;
        let tool = Tool::find("pg_restore", server_major).await?;
        let (archive, head) = (ArchiveReader::default(), Vec::new());
        Ok(Self {
            source,
            database,
            options,
            contents,
            tool,
            server_major,
            archive,
            head,
            running: None,
            new_database: None,
        })
    }

    async fn start_tool(&mut self) -> Result<Running, Error> {
        self.new_database = match self.contents {
            Contents::Empty => None,
            Contents::Absent | Contents::Data => Some(self.create_database().await?),
        };
        let target = self.new_database.as_ref().unwrap_or(&self.database);
        let mut command = self.tool.command(&self.source).arguments([
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

    async fn create_database(&self) -> Result<String, Error> {
        let name = passing_name(&self.database, "restore")?;
        let likeness = match self.contents {
            Contents::Data => like(&self.source, &self.database, self.server_major).await?,
            _ => self.archive.encoding().map(|encoding| format!("ENCODING {}", literal(encoding))).unwrap_or_default(),
        };
        execute(&self.source, &format!("CREATE DATABASE {} TEMPLATE template0 {likeness}", identifier(&name))).await?;
        Ok(name)
    }

    /// Puts the restored database into its place.
    async fn put_in_place(&self, new: &str) -> Result<(), Error> {
        let (new, target) = (identifier(new), identifier(&self.database));
        if self.contents == Contents::Absent {
            execute(&self.source, &format!("ALTER DATABASE {new} RENAME TO {target}")).await?;
            return Ok(());
        }
        let aside = identifier(&passing_name(&self.database, "replaced")?);
        execute(&self.source, &format!("ALTER DATABASE {target} ALLOW_CONNECTIONS false")).await?;
        let swapped = self.swap(&new, &target, &aside).await;
        if swapped.is_err() {
            execute(&self.source, &format!("ALTER DATABASE {target} ALLOW_CONNECTIONS true")).await?;
            return swapped;
        }
        execute(&self.source, &format!("DROP DATABASE {aside}")).await?;
        Ok(())
    }

    async fn swap(&self, new: &str, target: &str, aside: &str) -> Result<(), Error> {
        let sessions = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}",
            literal(&self.database)
        );
        execute(&self.source, &sessions).await?;
        // psql sends both in one transaction: there is no moment without a database of that name.
        let renames = format!("ALTER DATABASE {target} RENAME TO {aside}; ALTER DATABASE {new} RENAME TO {target}");
        execute(&self.source, &renames).await?;
        Ok(())
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
        process.finish(None).await.map(drop).map_err(|error| Error::of_tool(self.what(), &error, cure))
    }

    async fn commit(mut self: Box<Self>) -> Result<String, Error> {
        let placed = match self.new_database.as_deref() {
            Some(new) => self.put_in_place(new).await,
            None => Ok(()),
        };
        match placed {
            Ok(()) => Ok(self.source.address()),
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    async fn abort(mut self: Box<Self>) {
        if let Some(Running { process, input }) = self.running.take() {
            // pg_restore must die before its input ends, or it could take the end for a good one.
            drop(process);
            drop(input);
        }
        if let Some(name) = self.new_database.take() {
            // What remains bears a name that says what it is; the failure that led here is the one to report.
            let _ = execute(&self.source, &format!("DROP DATABASE IF EXISTS {}", identifier(&name))).await;
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
            Err(error) => Error::of_tool(self.what(), &error, cure),
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

/// Owner, encoding and locale of an existing database, as CREATE DATABASE takes them.
async fn like(source: &Postgres, database: &str, server_major: u32) -> Result<String, Error> {
    let provider = match server_major {
        ..15 => "''",
        15..17 => {
            "CASE datlocprovider WHEN 'i' THEN ' LOCALE_PROVIDER icu ICU_LOCALE ' || quote_literal(daticulocale) ELSE '' END"
        }
        17.. => {
            "CASE datlocprovider WHEN 'i' THEN ' LOCALE_PROVIDER icu ICU_LOCALE ' || quote_literal(datlocale) \
             WHEN 'b' THEN ' LOCALE_PROVIDER builtin BUILTIN_LOCALE ' || quote_literal(datlocale) ELSE '' END"
        }
    };
    let sql = format!(
        "SELECT 'OWNER ' || quote_ident(pg_get_userbyid(datdba)) || ' ENCODING ' || quote_literal(pg_encoding_to_char(encoding)) \
         || ' LC_COLLATE ' || quote_literal(datcollate) || ' LC_CTYPE ' || quote_literal(datctype) || {provider} \
         FROM pg_catalog.pg_database WHERE datname = {}",
        literal(database)
    );
    let rows = execute(source, &sql).await?;
    rows.into_iter().flatten().next().ok_or_else(|| Error::failed("looking at the database", "it is gone"))
}
