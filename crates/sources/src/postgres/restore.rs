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
mod occupants;
mod swap;
mod target;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::Warning;
use pipeline::process::{EXIT_PATIENCE, Input, KeptLines, Process, ProcessError};
use tokio::io::AsyncWriteExt;

use self::command::Role;
use self::gate::Gate;
pub(super) use self::occupants::Occupant;
pub(super) use self::target::Target;
use super::Postgres;
use super::archive::ArchiveReader;
use super::contents;
use super::cures::Operation;
use super::definition::Definition;
use super::disposal::drop_unfinished;
use super::list_file::ListFile;
use super::passing::{self, Keeper, Number, Purpose};
use super::probe;
use super::tools::Tool;
use crate::error::Error;
use crate::guard::{Guard, Unguarded};
use crate::{Activity, Contents as Found, FailedObject, OnError, Restore, RestoreOptions, Restored};

/// Lines of pg_restore's stderr that are read for failed objects: several for each.
const STDERR_LINES: usize = 20_000;

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
    warnings: Vec<Warning>,
    failed_objects: Vec<FailedObject>,
}

/// Where the dump goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A new database of this name, which gets the target's name at the end.
    Beside(String),
    /// A new database that has the target's name from the start. What was there has this name meanwhile.
    OwnName { aside: Option<String> },
    /// The target, which is empty.
    Direct { one_transaction: bool },
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
            return Err(Error::HoldsData(format!("database '{database}'")));
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

    async fn start_tool(&mut self) -> Result<Running, Error> {
        let tool = Tool::find("pg_restore", self.target.server_major, self.archive.oldest_reader()).await?;
        self.make_place().await?;
        let (source, database) = (&self.target.source, self.loaded_into());
        let mut command =
            tool.command(source).arguments(["--no-password", &format!("--dbname={}", source.conninfo(database))]);
        if self.options.on_error == OnError::Stop {
            command = command.arguments(["--exit-on-error"]);
        } else {
            // Only a talkative pg_restore names the object that an error is about.
            command = command.arguments(["--verbose"]);
            command.stderr = KeptLines { most: STDERR_LINES, wanted: failed::is_wanted };
        }
        if self.options.no_owner {
            command = command.arguments(["--no-owner", "--no-privileges"]);
        }
        let mut gate = None;
        if self.place == (Place::Direct { one_transaction: true }) {
            command = command.arguments(["--single-transaction"]);
            gate = Some(Gate::close(source, database, self.number).await?);
        }
        let addition = gate.as_ref().map(|gate| gate.addition(&self.archive));
        let tablespaces = command::missing_tablespaces(source, database, self.archive.contents()).await?;
        if tablespaces.is_some() {
            command = command.arguments(["--no-tablespaces"]);
        }
        let selected = command::selected_entries(source, database, self.role, self.archive.contents()).await?;
        let mut warnings: Vec<Warning> = tablespaces.into_iter().collect();
        let mut list = None;
        if let Some((mut entries, left_out)) = selected {
            entries.extend(addition.iter().map(|addition| format!("{};\n", addition.id)));
            let file = ListFile::of(&entries).map_err(|error| Error::failed(self.what(), error))?;
            command = command.arguments([format!("--use-list={}", file.path())]);
            warnings.extend(left_out);
            list = Some(file);
        }
        command::allow_writing(&mut command, source, database).await?;
        let started = command.start().map_err(|error| Error::of_tool(self.what(), &error, |words| self.cure(words)))?;
        self.warnings.extend(warnings);
        if let Some(addition) = addition {
            self.head = gate::add(std::mem::take(&mut self.head), &addition);
        }
        match started {
            (process, Some(input), _) => Ok(Running { process, input, gate, _list: list }),
            _ => Err(Error::failed(self.what(), "pg_restore has no input")),
        }
    }

    /// Creates the database that is loaded into, unless it is the target itself.
    async fn make_place(&mut self) -> Result<(), Error> {
        match self.place.clone() {
            Place::Direct { .. } => {
                // Without one transaction, what is loaded stays: nothing begins that is not wanted any more.
                self.guard.check().await?;
                let fits =
                    command::fits_one_transaction(&self.target.source, &self.target.database, self.archive.contents());
                let one_transaction = self.options.on_error == OnError::Stop && fits.await?;
                self.place = Place::Direct { one_transaction };
            }
            Place::Beside(name) => {
                self.keeper = Some(Keeper::hold(&self.target.source, self.number).await?);
                self.create(&name).await?;
            }
            Place::OwnName { aside } => {
                self.keeper = Some(Keeper::hold(&self.target.source, self.number).await?);
                let new = self.number.name(&self.target.database, Purpose::Restore);
                self.create(&new).await?;
                self.target.take_place(&new, aside.as_deref(), self.number, &*self.guard).await?;
            }
        }
        Ok(())
    }

    async fn create(&mut self, name: &str) -> Result<(), Error> {
        let warnings = self.target.create(name, &Definition::of(self.archive.contents())).await?;
        self.warnings.extend(warnings);
        Ok(())
    }

    fn what(&self) -> String {
        format!("could not restore database '{}'", self.target.database)
    }

    fn cure(&self, words: &str) -> Option<String> {
        self.target.source.cure(Operation::Restore, words)
    }

    /// Judges pg_restore's end. With [`OnError::Continue`], objects may have failed as long as it went through everything.
    fn judge(&mut self, ended: Result<Option<String>, ProcessError>) -> Result<(), Error> {
        match ended {
            Ok(_) => Ok(()),
            Err(ProcessError::Failed { stderr, .. })
                if self.options.on_error == OnError::Continue && failed::went_through(&stderr) =>
            {
                self.failed_objects = failed::objects(&stderr, self.archive.contents(), &|words| self.cure(words));
                Ok(())
            }
            Err(error) => Err(Error::of_restore_tool(self.what(), &error, |words| self.cure(words))),
        }
    }

    /// Gives the loaded database its place. The error comes with everything kept.
    async fn put_in_place(&mut self) -> Result<Vec<Warning>, Error> {
        let definition = Definition::of(self.archive.contents());
        let loaded = self.loaded_into().to_owned();
        let exists = self.found != Found::Absent;
        let mut warnings = self.target.dress(&loaded, &definition, self.options.no_owner, exists, &*self.guard).await;
        let place = self.place.clone();
        if !matches!(place, Place::OwnName { .. }) {
            warnings.extend(self.target.remark(&loaded, &definition, &*self.guard).await);
        }
        match place {
            Place::Direct { .. } => {
                // It is loaded, whatever this finds.
                let differences = self.target.differences(&definition).await.unwrap_or_else(|error| {
                    vec![Warning::new("locale", format!("the database's locale could not be compared: {error}"))]
                });
                warnings.extend(differences);
            }
            Place::OwnName { aside } => match self.target.keep_place(aside.as_deref(), &*self.guard).await {
                Ok(said) => {
                    warnings.extend(said);
                    warnings.extend(self.target.remark(&loaded, &definition, &*self.guard).await);
                }
                Err(error) => {
                    self.undo().await?;
                    return Err(error);
                }
            },
            Place::Beside(name) => match self.swap(&name).await {
                Ok(said) => warnings.extend(said),
                Err(Error::Stopped(why)) => {
                    self.undo().await?;
                    return Err(Error::Stopped(why));
                }
                Err(error) => return Err(self.keep(&name, &error).await),
            },
        }
        Ok(warnings)
    }

    async fn swap(&self, name: &str) -> Result<Vec<Warning>, Error> {
        // It may have been filled meanwhile.
        let found = contents::contents(&self.target.source, &self.target.database).await?;
        if found == Found::Data && !self.options.overwrite {
            return Err(Error::HoldsData(format!("database '{}'", self.target.database)));
        }
        self.target.put_in_place(name, self.number, &*self.guard).await
    }

    async fn keep(&self, name: &str, error: &Error) -> Error {
        let cause = format!("'{}' could not be replaced: {error}", self.target.database);
        match self.target.keep(name, self.number).await {
            Ok(kept) => {
                Error::Kept { cause, cure: format!("Then put it in its place, without loading it again: {kept}"), kept }
            }
            Err(unmarked) => Error::Failed {
                what: cause,
                cause: format!("the restored database is complete, but could not be marked as that: {unmarked}"),
                cure: Some(format!(
                    "Rename it before another restore removes it, as its owner or a superuser: ALTER DATABASE {} RENAME TO ...",
                    probe::identifier(name)
                )),
            },
        }
    }

    async fn undo(&self) -> Result<(), Error> {
        let (source, database) = (&self.target.source, &self.target.database);
        match &self.place {
            Place::Direct { one_transaction: true } => Ok(()),
            Place::Direct { one_transaction: false } => {
                if self.archive.contents().entries.is_empty() {
                    return Ok(());
                }
                Err(Error::Failed {
                    what: format!("database '{database}' was empty and is partly filled now"),
                    cause: "it was filled directly, and not in one transaction".to_owned(),
                    cure: Some("Empty it (DROP OWNED, or drop and create it), then restore again".to_owned()),
                })
            }
            Place::Beside(name) => drop_unfinished(source, name)
                .await
                .map_err(|error| Error::failed(format!("could not drop the unfinished database '{name}'"), error)),
            Place::OwnName { .. } => match self.target.bring_back(self.number).await? {
                true => Ok(()),
                false => Err(Error::failed(
                    format!("could not bring back '{database}'"),
                    format!(
                        "there is another '{database}' now; what it was before is '{}'",
                        self.number.name(database, Purpose::Aside)
                    ),
                )),
            },
        }
    }
}

/// Waits for the end of a pg_restore that has to pass a gate before its commit, and a guard with it.
async fn through(
    gate: Gate,
    guard: &dyn Guard,
    ended: impl Future<Output = Result<Option<String>, ProcessError>>,
) -> Result<Result<Option<String>, ProcessError>, Error> {
    let mut ended = std::pin::pin!(ended);
    let gate = tokio::select! {
        // It has failed before.
        ended = &mut ended => return Ok(ended),
        reached = gate.reached() => reached?,
    };
    guard.check().await?;
    let _until_it_has_committed = gate.open().await?;
    Ok(ended.await)
}

fn choose_place(
    source: &Postgres,
    found: Found,
    options: RestoreOptions,
    role: Role,
    number: Number,
) -> Result<Place, Error> {
    let database = &*source.named_database()?;
    match (found, role.can_create_databases) {
        (Found::Empty, can_create) if options.in_place || !can_create || !role.owns_target => {
            Ok(Place::Direct { one_transaction: true })
        }
        (_, false) => Err(Error::Failed {
            what: format!("could not restore database '{database}'"),
            cause: "this role may not create databases, and only an empty database can be filled without that"
                .to_owned(),
            cure: Some(
                "Give the role CREATEDB (ALTER ROLE ... CREATEDB), or restore into an existing empty database"
                    .to_owned(),
            ),
        }),
        (_, true) if !role.owns_target => Err(Error::Failed {
            what: format!("could not restore database '{database}'"),
            cause: "the database belongs to another role, and only its owner can replace it".to_owned(),
            cure: Some(source.with_role(&format!(
                "Restore as its owner or a superuser, or under another name; or run as a superuser: ALTER DATABASE {} OWNER TO <role>",
                probe::identifier(database)
            ))),
        }),
        (_, true) if options.in_place => {
            let aside = (found != Found::Absent).then(|| number.name(database, Purpose::Aside));
            Ok(Place::OwnName { aside })
        }
        (_, true) => Ok(Place::Beside(number.name(database, Purpose::Restore))),
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
        Box::new(activity::Sessions { source, database })
    }

    async fn finish(&mut self) -> Result<(), Error> {
        self.archive.finish().map_err(|error| Error::failed(self.what(), error))?;
        let Some(Running { process, input, gate, _list }) = self.running.take() else {
            return Err(Error::failed(self.what(), "the dump is empty"));
        };
        drop(input);
        // Dropped with a refusal, pg_restore is killed.
        let ended = process.finish(None);
        let ended = match gate {
            Some(gate) => through(gate, &*self.guard, ended).await?,
            None => ended.await,
        };
        self.judge(ended)
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
        self.undo().await
    }
}

impl PostgresRestore {
    /// pg_restore has closed its input: its own words say why.
    async fn failure_of_tool(&mut self) -> Error {
        let Some(Running { process, input, .. }) = self.running.take() else {
            return Error::failed(self.what(), "pg_restore is gone");
        };
        let failure = match process.finish(Some(EXIT_PATIENCE)).await {
            Ok(_) => Error::failed(self.what(), "pg_restore stopped reading before the dump's end"),
            Err(error) => Error::of_restore_tool(self.what(), &error, |words| self.cure(words)),
        };
        drop(input);
        failure
    }
}

/// Puts a database that an earlier restore kept into its place.
pub(super) async fn put_in_place(source: Postgres, kept: &str, guard: &dyn Guard) -> Result<Restored, Error> {
    let database = source.named_database()?;
    let server_major = probe::any_server(&source).await?.major;
    let target = Target { source, database, server_major };
    let number = target.kept(kept).await?;
    let placed = target.put_in_place(kept, number, guard).await;
    let warnings = placed.map_err(|error| Error::Kept {
        cause: format!("'{}' could not be replaced: {error}", target.database),
        kept: kept.to_owned(),
        cure: format!("Then put it in its place, without loading it again: {kept}"),
    })?;
    Ok(Restored { warnings, ..Restored::whole(target.source.address()) })
}
