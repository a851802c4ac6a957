//! `dbackup get`

mod target;

use adapter::destination::Destination;
use domain::size::human;
use pipeline::{Digester, Progress};
use runner::{Checks, OpenRequest};

use self::target::Target;
use crate::cli::GetArguments;
use crate::failure::{Failure, Outcome};
use crate::output::{self, ProgressDisplay};
use crate::{environment, signals};

pub(crate) async fn run(arguments: GetArguments) -> Result<Outcome, Failure> {
    let destination = environment::destination(&arguments.destination)?;
    let identities = environment::identities(arguments.identity.as_deref())?;
    let progress = Progress::default();
    let mut target = Target::open(arguments.output.as_deref(), &progress)?;
    let cancel = signals::cancelled_by_signals()?;
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
        () = cancel.cancelled() => return Err(cancelled()),
    };
    drop(display);
    // The last pieces may wait for a pipe.
    tokio::select! {
        finished = target.finish() => finished?,
        () = cancel.cancelled() => return Err(cancelled()),
    }
    output::note(&format!("{} fetched. {checks}", human(size)));
    Ok(Outcome::Succeeded)
}

fn cancelled() -> Failure {
    Failure::failed("cancelled: nothing was kept")
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
        target.write(piece).await?;
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
        target.write(piece).await?;
    }
    let (decoded, checks) = opened.finish_checked().await?;
    Ok((decoded.plain.size, checks))
}
