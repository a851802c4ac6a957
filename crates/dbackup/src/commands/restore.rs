//! `dbackup restore`

mod review;

use std::sync::Arc;
use std::time::Instant;

use domain::RunState;
use domain::size::human;
use pipeline::Progress;
use runner::provenance::check_encryption;
use runner::restore::state_of;
use runner::{Controls, Expected, OpenError, OpenRequest, RestoreEvent, RestoreReport};
use serde_json::{Value, json};
use sources::{OnError, RestoreOptions, Restored, Source, Unguarded, WayOn};

use super::latest::{Wanted, latest};
use crate::cli::{OnErrorArgument, RestoreArguments};
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
    if let Some(kept) = &arguments.put_in_place {
        return put_in_place(&*target, kept, arguments.json, clock).await;
    }
    let identities = environment::identities(arguments.identity.as_deref())?;
    let Some(address) = &arguments.destination else {
        return Err(Failure::usage(format!("say where the backup is: {}", destinations::address_forms())));
    };
    let destination = environment::destination(address)?;
    let path = match (&arguments.path, &arguments.job) {
        (Some(path), _) => path.clone(),
        (None, Some(job)) => {
            let database = arguments.database.as_deref();
            latest(&*destination, &Wanted { job, database, adapter: target.adapter() }).await?
        }
        (None, None) => return Err(Failure::usage("say which backup: its PATH, or --job NAME --latest")),
    };
    let request = OpenRequest { destination: &*destination, path: &path, identities };
    let options = options(&arguments);
    let known = sources::registry();
    let allow_unencrypted = arguments.allow_unencrypted;
    let expected = Expected { allow_unencrypted, sources: Some(&known), ..Expected::default() };
    if arguments.dry_run {
        return review::run(request, &*target, options, expected, arguments.json).await;
    }
    check_encryption(&*destination, &path, expected).await.map_err(unencrypted)?;
    let cancel = signals::cancelled_by_signals()?;
    let progress = Progress::default();
    if arguments.json {
        output::json(&json!({"event": "started", "path": path, "target": target.name()}));
    } else {
        output::note(&format!("Restoring {}", output::printable(&path)));
    }
    let display = ProgressDisplay::restore(&progress, arguments.json);
    let (guard, stall_timeout) = (Arc::new(Unguarded), arguments.stall.timeout());
    let on_event = |event: RestoreEvent| {
        let event = event.to_data();
        if arguments.json { output::json(&json!(event)) } else { output::event(&event) }
    };
    let controls = Controls { progress: &progress, cancel: &cancel, guard, stall_timeout, on_event: &on_event };
    let restored = runner::restore(request, &*target, options, &controls).await;
    drop(display);
    let seconds = clock.elapsed().as_secs_f64();
    let RestoreReport { restored, decoded, checks, rows } = restored.map_err(|error| {
        let kept = kept_of(error.way_on());
        failed(error.into(), kept, arguments.json, seconds)
    })?;
    let size = decoded.plain.size;
    if arguments.json {
        let mut result = result_of(&restored, seconds);
        (result["path"], result["size"]) = (json!(path), json!(size));
        (result["checked"], result["notCompared"]) = (json!(checks.passed), json!(checks.missing));
        result["rows"] = json!(rows);
        output::json(&result);
    } else {
        tell_objects(&restored);
        let (size, target) = (human(size), output::printable(&restored.target));
        output::line(&format!("Restored {size} into {target} ({seconds:.1} s)"));
        output::note(&checks.to_string());
        if let Some(rows) = rows {
            output::note(&output::printable(&rows.to_string()));
        }
    }
    Ok(state_of(&restored).into())
}

/// Names the option that confirms it.
fn unencrypted(error: OpenError) -> Failure {
    match error {
        OpenError::Unencrypted { .. } => Failure::failed(format!("{error}: --allow-unencrypted")),
        error => error.into(),
    }
}

fn options(arguments: &RestoreArguments) -> RestoreOptions {
    RestoreOptions {
        overwrite: arguments.overwrite,
        no_owner: arguments.no_owner,
        on_error: match arguments.on_error {
            OnErrorArgument::Stop => OnError::Stop,
            OnErrorArgument::Continue => OnError::Continue,
        },
        in_place: arguments.in_place,
        allow_damaged: arguments.allow_damaged,
    }
}

/// Tries a swap again that failed after everything was loaded.
async fn put_in_place(target: &dyn Source, kept: &str, as_json: bool, clock: Instant) -> Result<Outcome, Failure> {
    let placed = target.put_in_place(kept, &Unguarded).await;
    let seconds = clock.elapsed().as_secs_f64();
    let restored = placed.map_err(|error| {
        let kept = kept_of(WayOn::after(&error));
        failed(error.into(), kept, as_json, seconds)
    })?;
    if as_json {
        output::json(&result_of(&restored, seconds));
    } else {
        tell_objects(&restored);
        output::line(&format!("{} is in place ({seconds:.1} s)", output::printable(&restored.target)));
    }
    Ok(state_of(&restored).into())
}

fn kept_of(way_on: Option<WayOn<'_>>) -> Option<String> {
    match way_on {
        Some(WayOn::PutInPlace(kept)) => Some(kept.to_owned()),
        _ => None,
    }
}

/// Prints the result of a restore that failed, where a script reads it. Returns the failure for standard error.
fn failed(failure: Failure, kept: Option<String>, as_json: bool, seconds: f64) -> Failure {
    if as_json {
        let mut result = json!({
            "event": "result", "status": RunState::Failed, "error": failure.to_string(), "seconds": seconds,
        });
        if let Some(kept) = kept {
            result["kept"] = json!(kept);
        }
        output::json(&result);
    }
    failure
}

fn result_of(restored: &Restored, seconds: f64) -> Value {
    json!({
        "event": "result", "status": state_of(restored), "target": restored.target, "seconds": seconds,
        "failedObjects": restored.failed_objects, "warnings": restored.warnings,
    })
}

fn tell_objects(restored: &Restored) {
    for warning in &restored.warnings {
        output::note(&format!("Warning: {}", output::printable(&warning.to_string())));
    }
    for object in &restored.failed_objects {
        output::error(&format!("{}: {}", output::printable(&object.object), object.error.trim()));
        if let Some(cure) = &object.cure {
            output::note(&format!("  {cure}"));
        }
    }
    if let count @ 1.. = restored.failed_objects.len() {
        output::note(&format!("Partial: {count} object(s) could not be restored, see above"));
    }
}
