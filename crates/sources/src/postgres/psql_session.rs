//! A psql that stays: [`super::session`] without the driver.

use pipeline::process::{EXIT_PATIENCE, Input, Output, Process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::Postgres;
use super::cures::Operation;
use super::tools::Tool;
use crate::error::{self, Error};

/// A psql that is asked several times, until it fails.
#[derive(Debug)]
pub(super) struct PsqlSession {
    running: Option<(Process, Input)>,
    output: BufReader<Output>,
}

impl PsqlSession {
    /// Starts psql; `what` fails with it.
    pub(super) async fn open(source: &Postgres, database: &str, what: &str) -> Result<Self, Error> {
        let command = Tool::find_any("psql").await?.command(source).arguments([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--no-password",
            "--set=ON_ERROR_STOP=1",
            &format!("--dbname={}", source.conninfo(database)),
        ]);
        let cure = |words: &str| source.cure(Operation::Restore, words);
        let (process, input, output) = command.start().map_err(|error| error::of_tool(what, &error, cure))?;
        let (Some(mut input), Some(output)) = (input, output) else {
            return Err(Error::failed(what, "psql has no pipes"));
        };
        // The parameter is unknown before PostgreSQL 14; its failure must not end psql. What ends psql shows with the first question.
        let settings = "\\set ON_ERROR_STOP 0\nSET idle_session_timeout = 0;\n\\set ON_ERROR_STOP 1\n";
        let _ = input.write_all(settings.as_bytes()).await;
        Ok(Self { running: Some((process, input)), output: BufReader::new(output) })
    }

    /// Asks for one row of one field.
    pub(super) async fn ask(&mut self, source: &Postgres, what: &str, sql: &str) -> Result<String, Error> {
        let Some((_, input)) = &mut self.running else { return Err(Error::failed(what, "psql has ended")) };
        let mut line = String::new();
        let asked = input.write_all(format!("{sql};\n").as_bytes()).await;
        let read = self.output.read_line(&mut line).await;
        if asked.is_ok() && read.is_ok_and(|bytes| bytes > 0) {
            return Ok(line.trim().to_owned());
        }
        let Some((process, input)) = self.running.take() else { return Err(Error::failed(what, "psql has ended")) };
        drop(input);
        Err(match process.finish(Some(EXIT_PATIENCE)).await {
            Ok(_) => Error::failed(what, "psql ended without an answer"),
            Err(error) => error::of_tool(what, &error, |words| source.cure(Operation::Restore, words)),
        })
    }
}
