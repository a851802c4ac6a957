//! A psql that stays: what its session holds, it holds until this is dropped, or this process ends in whatever way.

use pipeline::process::{EXIT_PATIENCE, Input, Output, Process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::Postgres;
use super::cures::Operation;
use super::tools::Tool;
use crate::error::{self, Error};

/// A session that is asked several times.
#[derive(Debug)]
pub(super) struct Session {
    source: Postgres,
    what: String,
    process: Process,
    input: Input,
    output: BufReader<Output>,
}

impl Session {
    /// Opens a session; `what` fails with it.
    pub(super) async fn open(source: &Postgres, database: &str, what: String) -> Result<Self, Error> {
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
        let (process, input, output) = command.start().map_err(|error| error::of_tool(&what, &error, cure))?;
        let (Some(mut input), Some(output)) = (input, output) else {
            return Err(Error::failed(what, "psql has no pipes"));
        };
        // The parameter is unknown before PostgreSQL 14; its failure must not end psql. What ends psql shows with the first question.
        let settings = "\\set ON_ERROR_STOP 0\nSET idle_session_timeout = 0;\n\\set ON_ERROR_STOP 1\n";
        let _ = input.write_all(settings.as_bytes()).await;
        Ok(Self { source: source.clone(), what, process, input, output: BufReader::new(output) })
    }

    /// Asks for one row of one field.
    pub(super) async fn ask(mut self, sql: &str) -> Result<(Self, String), Error> {
        let mut line = String::new();
        let asked = self.input.write_all(format!("{sql};\n").as_bytes()).await;
        let read = self.output.read_line(&mut line).await;
        if asked.is_ok() && read.is_ok_and(|bytes| bytes > 0) {
            return Ok((self, line.trim().to_owned()));
        }
        let Self { source, what, process, input, .. } = self;
        drop(input);
        Err(match process.finish(Some(EXIT_PATIENCE)).await {
            Ok(_) => Error::failed(what, "psql ended without an answer"),
            Err(error) => error::of_tool(what, &error, |words| source.cure(Operation::Restore, words)),
        })
    }
}
