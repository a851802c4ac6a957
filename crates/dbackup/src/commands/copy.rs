//! `dbackup copy`

mod checkpoint_file;

use std::sync::Arc;
use std::time::Instant;

use adapter::Kind;
use domain::run::RunEvent;
use domain::size::human;
use pipeline::Progress;
use runner::{Copied, CopyError, CopyEvent, CopyRequest, STALL_TIMEOUT};
use sources::Unguarded;

use self::checkpoint_file::CheckpointFile;
use crate::cli::CopyArguments;
use crate::failure::{Failure, Outcome};
use crate::output::{self, ProgressDisplay};
use crate::{environment, signals};

pub(crate) async fn run(arguments: CopyArguments) -> Result<Outcome, Failure> {
    let clock = Instant::now();
    let source = environment::transfer_destination(&arguments.source)?;
    let destination = environment::transfer_destination(&arguments.to)?;
    let cancel = signals::cancelled_by_signals()?;
    let identities = async { (source.identity().await, destination.identity().await) };
    let (from, to) = tokio::select! {
        identities = identities => identities,
        () = cancel.cancelled() => return Err(Failure::failed("cancelled")),
    };
    if from == to {
        return Err(Failure::usage(format!("{} is both ends of the copy: name another destination", source.name())));
    }
    let file = CheckpointFile::of(&source.name(), &arguments.path, &destination.name());
    let checkpoint = if arguments.resume { file.read()? } else { None };
    if arguments.resume && checkpoint.is_none() {
        output::note("Nothing to go on from: the copy starts at the beginning");
    }
    let progress = Progress::default();
    let display = ProgressDisplay::copy(&progress);
    let request = CopyRequest {
        source: &*source,
        path: &arguments.path,
        destination: &*destination,
        shown_as: (destination.name(), destination.name()),
        checkpoint,
        signer: None,
        cancel: &cancel,
        guard: Arc::new(Unguarded),
        stall_timeout: STALL_TIMEOUT,
    };
    let to_name = destination.name();
    let on_event = |event: CopyEvent<'_>| tell(&file, &to_name, &event);
    let copied = match runner::copy(request, &progress, &on_event).await {
        Err(CopyError::Destination(error)) if *error.kind() == Kind::Stopped => {
            return Err(Failure::failed("cancelled. To resume, run the same command with --resume"));
        }
        copied => copied?,
    };
    drop(display);
    file.remove();
    let path = output::printable(&arguments.path);
    match copied {
        Copied::AlreadyThere => {
            output::note(&format!("{path} is at {} already, with the same content", destination.name()));
        }
        Copied::Done { size, checks, proved, inside, .. } => {
            let seconds = clock.elapsed().as_secs_f64();
            let inside = inside.map(|storage| format!(" inside {storage}")).unwrap_or_default();
            output::note(&format!("{} copied{inside}, checked by {proved} ({seconds:.1} s). {checks}", human(size)));
        }
    }
    output::line(&format!("{} {path}", destination.name()));
    Ok(Outcome::Succeeded)
}

fn tell(file: &CheckpointFile, destination: &str, event: &CopyEvent<'_>) {
    match event {
        CopyEvent::Checkpoint(checkpoint) => file.write(checkpoint),
        CopyEvent::Settling => {
            output::event(&RunEvent::Settling { database: None, destination: destination.to_owned() });
        }
        CopyEvent::Streamed { cause } => output::event(&RunEvent::CopyStreamed { error: cause.to_string() }),
        CopyEvent::Resumed => {
            output::note("Going on with the interrupted copy: what is there already is compared, not sent");
        }
        CopyEvent::Restarted { cause } => output::note(&format!("{cause}. Starting at the beginning")),
    }
}
