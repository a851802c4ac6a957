//! `dbackup restore`

use std::time::Instant;

use domain::size::human;
use pipeline::Progress;
use runner::OpenRequest;
use sources::RestoreOptions;

use super::latest::{Wanted, latest};
use crate::cli::RestoreArguments;
use crate::failure::{Failure, Outcome};
use crate::output::{self, ProgressDisplay};
use crate::{environment, signals};

pub(crate) async fn run(arguments: RestoreArguments) -> Result<Outcome, Failure> {
    let clock = Instant::now();
    let target = environment::source(
        arguments.target.as_deref(),
        "--target",
        "DBACKUP_TARGET",
        arguments.password_file.as_deref(),
    )?;
    let identities = environment::identities(arguments.identity.as_deref())?;
    let destination = environment::destination(&arguments.destination)?;
    let path = match (&arguments.path, &arguments.job) {
        (Some(path), _) => path.clone(),
        (None, Some(job)) => {
            let database = arguments.database.as_deref();
            latest(&*destination, &Wanted { job, database, engine: target.engine() }).await?
        }
        (None, None) => return Err(Failure::usage("say which backup: its PATH, or --job NAME --latest")),
    };
    let options = RestoreOptions {
        overwrite: arguments.overwrite,
        no_owner: arguments.no_owner,
        allow_damaged: arguments.allow_damaged,
        ..RestoreOptions::default()
    };
    let cancel = signals::cancelled_by_signals()?;
    let progress = Progress::default();
    output::note(&format!("Restoring {}", output::printable(&path)));
    let display = ProgressDisplay::restore(&progress);
    let request = OpenRequest { destination: &*destination, path: &path, identities };
    let restored = runner::restore(request, &*target, options, &progress, &cancel).await;
    drop(display);
    let report = restored?;
    for warning in &report.restored.warnings {
        output::note(&format!("Warning: {warning}"));
    }
    let seconds = clock.elapsed().as_secs_f64();
    output::line(&format!(
        "Restored {} into {} ({seconds:.1} s)",
        human(report.decoded.plain.size),
        report.restored.target
    ));
    Ok(Outcome::Succeeded)
}
