//! `dbackup get`

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use adapter::destination::Destination;
use bytes::Bytes;
use domain::naming::PARTIAL_PREFIX;
use domain::size::human;
use pipeline::{Digester, PrivateFile, Progress};
use runner::{Checks, OpenRequest};

use crate::cli::GetArguments;
use crate::failure::{Failure, Outcome};
use crate::output::{self, ProgressDisplay};
use crate::{environment, signals};

pub(crate) async fn run(arguments: GetArguments) -> Result<Outcome, Failure> {
    let destination = environment::destination(&arguments.destination)?;
    let identities = environment::identities(arguments.identity.as_deref())?;
    let mut target = Target::open(arguments.output.as_deref())?;
    let cancel = signals::cancelled_by_signals()?;
    let progress = Progress::default();
    let display = ProgressDisplay::restore(&progress, false);
    let fetching = async {
        if arguments.raw {
            fetch_stored(&*destination, &arguments.path, &mut target, &progress).await
        } else {
            let request = OpenRequest { destination: &*destination, path: &arguments.path, identities };
            fetch_dump(request, &mut target, &progress).await
        }
    };
    let (size, checks) = tokio::select! {
        fetched = fetching => fetched?,
        () = cancel.cancelled() => return Err(Failure::failed("cancelled: nothing was kept")),
    };
    drop(display);
    target.finish()?;
    output::note(&format!("{} fetched. {checks}", human(size)));
    Ok(Outcome::Succeeded)
}

/// Fetches the stored file, and compares it with what there is to compare it with.
async fn fetch_stored(
    destination: &dyn Destination,
    path: &str,
    target: &mut Target,
    progress: &Progress,
) -> Result<(u64, Checks), Failure> {
    let (examined, mut download) = runner::restore::open_examined(destination, path).await?;
    let mut digester = Digester::default();
    while let Some(piece) = download.next().await? {
        progress.add_read(piece.len());
        digester.update(&piece);
        target.write(&piece)?;
        progress.add_dumped(piece.len());
    }
    let found = digester.finish();
    let checks = examined.compare(path, &found.sha256)?;
    Ok((found.size, checks))
}

async fn fetch_dump(
    request: OpenRequest<'_>,
    target: &mut Target,
    progress: &Progress,
) -> Result<(u64, Checks), Failure> {
    let mut opened = runner::open(request, progress).await?;
    while let Ok(Some(piece)) = opened.pieces.receive().await {
        target.write(&piece)?;
        progress.add_dumped(piece.len());
    }
    let (decoded, checks) = opened.finish_checked().await?;
    Ok((decoded.plain.size, checks))
}

/// Where a backup is fetched to. A file gets its name only when it is whole.
enum Target {
    StandardOutput,
    File { file: PrivateFile, path: PathBuf },
}

impl Target {
    fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            if std::io::stdout().is_terminal() {
                return Err(Failure::usage(
                    "a backup would only garble the terminal: name a file with --output, or pipe it on",
                ));
            }
            return Ok(Self::StandardOutput);
        };
        let taken = || Failure::usage(format!("{} exists already, and nothing is overwritten", path.display()));
        if path.symlink_metadata().is_ok() {
            return Err(taken());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = PrivateFile::create(folder, PARTIAL_PREFIX.as_ref(), 0o600)
            .map_err(|error| Failure::usage(format!("could not write to {}: {error}", folder.display())))?;
        Ok(Self::File { file, path: path.to_owned() })
    }

    fn write(&mut self, piece: &Bytes) -> Result<(), Failure> {
        let written = match self {
            Self::StandardOutput => std::io::stdout().write_all(piece),
            Self::File { file, .. } => {
                let mut handle: &File = file.file();
                handle.write_all(piece)
            }
        };
        written.map_err(|error| Failure::failed(format!("could not write the backup: {error}")))
    }

    fn finish(self) -> Result<(), Failure> {
        let finished = match &self {
            Self::StandardOutput => std::io::stdout().flush(),
            Self::File { file, path } => file.publish(path),
        };
        finished.map_err(|error| Failure::failed(format!("could not write the backup: {error}")))
    }
}
