//! `dbackup demo`: the main job at work, with nothing of one's own needed.
//!
//! The Dropbox is an emulator in this process, everything else is the real thing.

mod compare;
mod sample;
mod terminal;
mod web;

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::cli::DemoArguments;
use crate::failure::{Failure, Outcome};
use crate::{output, signals};

pub(crate) async fn run(arguments: DemoArguments) -> Result<Outcome, Failure> {
    let folder = make_folder(arguments.folder)?;
    let stop: CancellationToken = signals::cancelled_by_signals()?;
    if !arguments.terminal {
        web::show(&folder, arguments.listen, &stop).await?;
        return Ok(Outcome::Succeeded);
    }
    tokio::select! {
        told = terminal::tell(&folder) => told.map(|()| Outcome::Succeeded),
        () = stop.cancelled() => Err(Failure::failed("cancelled")),
    }
}

fn make_folder(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let Some(folder) = named else {
        let folder = tempfile::Builder::new().prefix("dbackup-demo-").tempdir()?;
        return Ok(folder.keep());
    };
    std::fs::create_dir(&folder)
        .map_err(|error| Failure::usage(format!("could not make {}: {error}", folder.display())))?;
    Ok(folder.canonicalize()?)
}

async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| Failure::failed(error.to_string())),
        Err(error) => Err(Failure::failed(error.to_string())),
    }
}

fn say(text: &str) {
    output::line(text);
}
