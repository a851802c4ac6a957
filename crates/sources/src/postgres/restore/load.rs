//! Loading a dump with pg_restore, up to its end.

use std::sync::atomic::Ordering;

use domain::Warning;
use pipeline::process::{EXIT_PATIENCE, KeptLines, ProcessError};

use super::super::change::{self, Lost, Work};
use super::super::contents;
use super::super::cures::Operation;
use super::super::list_file::ListFile;
use super::super::query::COMMIT_TIMEOUT;
use super::super::tools::Tool;
use super::gate::{self, Gate};
use super::place::Place;
use super::swap::certain;
use super::{PostgresRestore, Running, command, failed};
use crate::error::{self, Error, Kind};
use crate::{Contents as Found, OnError};

/// Lines of pg_restore's stderr that are read for failed objects: several for each.
const STDERR_LINES: usize = 20_000;

impl PostgresRestore {
    pub(super) async fn start_tool(&mut self) -> Result<Running, Error> {
        let tool = Tool::find("pg_restore", self.target.server_major, self.archive.oldest_reader()).await?;
        // What was not answered is undone with the rest.
        self.make_place().await.map_err(certain)?;
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
        let started = command.start().map_err(|error| error::of_tool(self.what(), &error, |words| self.cure(words)))?;
        self.warnings.extend(warnings);
        if let Some(addition) = addition {
            self.head = gate::add(std::mem::take(&mut self.head), &addition);
        }
        match started {
            (process, Some(input), _) => Ok(Running { process, input, gate, _list: list }),
            _ => Err(Error::failed(self.what(), "pg_restore has no input")),
        }
    }

    /// Judges pg_restore's end. With [`OnError::Continue`], objects may have failed as long as it went through everything.
    pub(super) fn judge(&mut self, ended: Result<Option<String>, ProcessError>) -> Result<(), Error> {
        match ended {
            Ok(_) => Ok(()),
            Err(ProcessError::Failed { stderr, .. })
                if self.options.on_error == OnError::Continue && failed::went_through(&stderr) =>
            {
                self.failed_objects = failed::objects(&stderr, self.archive.contents(), &|words| self.cure(words));
                Ok(())
            }
            Err(error) => Err(error::of_restore_tool(self.what(), &error, |words| self.cure(words))),
        }
    }

    /// pg_restore has closed its input: its own words say why.
    pub(super) async fn failure_of_tool(&mut self) -> Error {
        let Some(Running { process, input, .. }) = self.running.take() else {
            return Error::failed(self.what(), "pg_restore is gone");
        };
        let failure = match process.finish(Some(EXIT_PATIENCE)).await {
            Ok(_) => Error::failed(self.what(), "pg_restore stopped reading before the dump's end"),
            Err(error) => error::of_restore_tool(self.what(), &error, |words| self.cure(words)),
        };
        drop(input);
        failure
    }

    /// Waits for the end of a pg_restore that has to pass a gate before its commit, and a guard with it. From then on the restore may be
    /// complete, whatever fails: that is found out.
    pub(super) async fn through(
        &mut self,
        gate: Gate,
        ended: impl Future<Output = Result<Option<String>, ProcessError>>,
    ) -> Result<(), Error> {
        let mut ended = std::pin::pin!(ended);
        let (gate, work) = tokio::select! {
            // It has failed before.
            ended = &mut ended => return self.judge(ended),
            reached = gate.reached() => reached?,
        };
        let transaction = change::transaction_of(&self.target.source, work).await;
        self.guard.check().await?;
        self.is_committing.store(true, Ordering::Relaxed);
        let committing = async {
            let _until_it_has_committed = gate.open().await?;
            Ok(ended.await)
        };
        let committed = match tokio::time::timeout(COMMIT_TIMEOUT, committing).await {
            Ok(Ok(ended)) => self.judge(ended),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let cause = format!("the server did not commit it within {} s", COMMIT_TIMEOUT.as_secs());
                Err(Error::failed(self.what(), cause))
            }
        };
        let settled = match committed {
            Ok(()) => Ok(()),
            Err(failure) => self.settle(work, transaction, failure).await,
        };
        self.is_committing.store(false, Ordering::Relaxed);
        settled
    }

    /// Finds out whether pg_restore has committed its transaction although it failed.
    async fn settle(&self, work: Work, transaction: Option<i64>, failure: Error) -> Result<(), Error> {
        let source = &self.target.source;
        let committed = match (Lost { words: failure.cause().to_owned(), work }).end(source).await {
            Ok(()) => self.has_committed(transaction).await,
            Err(error) => Err(error.into_error_of(source, Operation::Restore, &self.what())),
        };
        match committed {
            Ok(Some(true)) => Ok(()),
            Ok(Some(false)) => Err(failure),
            Ok(None) => Err(self.unknown(failure.cause())),
            Err(error) => Err(self.unknown(error.cause())),
        }
    }

    async fn has_committed(&self, transaction: Option<i64>) -> Result<Option<bool>, Error> {
        let (source, database) = (&self.target.source, &self.target.database);
        if let Some(transaction) = transaction {
            let committed = change::has_committed(source, transaction).await;
            return committed.map_err(|error| error.into_error_of(source, Operation::Restore, &self.what()));
        }
        // What it holds may be somebody else's, but where nothing is nothing was restored.
        Ok((contents::contents(source, database).await? != Found::Data).then_some(false))
    }

    /// Creates the error of a commit of which nothing is known.
    pub(super) fn unknown(&self, cause: &str) -> Error {
        let database = &self.target.database;
        let what = format!("it is unknown whether the restore into database '{database}' is complete");
        Error::new(Kind::Uncertain, what, cause).cure(format!(
            "Look into '{database}', which was empty before. It was filled in one transaction: if it holds anything, the restore is \
             complete; if it is empty, nothing was changed, and you can restore again"
        ))
    }
}
