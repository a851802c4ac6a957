//! The last step of a copy: its commit under a free name, with its sidecar.

use adapter::destination::{Companion, Destination, How, Sealed, Upload};
use adapter::{Error, Kind};
use domain::hashes::SHA256;
use domain::sidecar::{self, Checksum, Encryption, Sidecar};
use domain::{BackupName, Hashes, Warning};
use tokio_util::sync::CancellationToken;

use super::place::Place;
use super::report::{Failure, Stored};
use super::{BackupRequest, ProvedDump, new_run_id};
use crate::wanted::{Wanted, settled};

/// Another writer can take a name between our look and our commit; so often in a row it cannot.
const MAX_NAMES_TRIED: u32 = 100;

/// Makes a copy visible under the first name that is free, and describes it. Returns what is there, provably whole. Until all of
/// it has arrived, a cancel drops it. Then each attempt to publish it asks whether the run is still wanted; an attempt that was
/// sent is settled.
pub(super) async fn publish(
    request: &BackupRequest<'_>,
    database: &str,
    dump: &ProvedDump,
    place: &mut Place<'_>,
    mut upload: Box<dyn Upload>,
    (cancel, tell): (&CancellationToken, &(dyn Fn() + Sync)),
) -> Result<Stored, Failure> {
    let (Some(taken), Some(mut name)) = (&mut place.taken, place.begun.take()) else { return Err(Failure::NoDump) };
    let expected = dump.encoded.stored.clone().into();
    let sealed = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(Failure::Cancelled),
        sealed = upload.seal(&expected) => sealed.map_err(Failure::Destination)?,
    };
    upload.guard(Wanted::new(cancel, &request.guard));
    let destination = place.name;
    let can_rename = place.destination.capabilities().rename_at_commit;
    for _ in 0..MAX_NAMES_TRIED {
        let path = taken.path(&name.to_string());
        let mut sidecar = describe(request, database, dump, &name, &sealed);
        sidecar.warnings.extend(weakly_proved(sealed.how, destination));
        let signed = request.signer.as_ref().map(|signer| signer.sign(&mut sidecar)).transpose();
        signed.map_err(|error| Failure::Internal(error.to_string()))?;
        let json = serde_json::to_vec_pretty(&sidecar).map_err(|error| Failure::Internal(error.to_string()))?;
        let companion = Companion { path: taken.path(&name.sidecar()), content: json.into() };
        let error = match settled(upload.commit_with(&path, companion), cancel, tell).await {
            Ok(outcome) => {
                taken.take(&name.to_string());
                return match outcome {
                    Ok(()) => Ok(Stored { path, sidecar, proved: sealed.how }),
                    Err(cause) => Err(Failure::Sidecar { path, cause }),
                };
            }
            Err(error) => error,
        };
        if *error.kind() != Kind::Taken {
            return Err(Failure::Destination(error));
        }
        taken.take(&name.to_string());
        if !can_rename {
            // What has the name was left alone; the next run finds another one by looking.
            return Err(Failure::Destination(error.cure("Another writer has taken the name. Run the backup again.")));
        }
        name = taken.first_free(name);
    }
    Err(Failure::Destination(Error::taken(&taken.path(&name.to_string()))))
}

/// Returns a warning if a copy was proved by less than its content.
pub(super) fn weakly_proved(how: How, destination: &str) -> Option<Warning> {
    if how != How::SizeAndTag {
        return None;
    }
    let message =
        format!("the copy at {destination} was checked by its size only: the storage knows no hash of its content");
    let warning = Warning::new("content-not-checked", message).about(destination);
    Some(warning.with_cure("Verify the backup by reading it back"))
}

pub(super) fn first_name(request: &BackupRequest<'_>, database: &str) -> BackupName {
    let adapter = request.source.adapter();
    // Where a source is one database, its job's folder says enough.
    let database = adapter.has_databases().then_some(database);
    let encrypted = !request.recipients.is_empty();
    BackupName::new(request.started, database, adapter.dump.ending, request.compression, encrypted)
}

fn describe(
    request: &BackupRequest<'_>,
    database: &str,
    dump: &ProvedDump,
    name: &BackupName,
    sealed: &Sealed,
) -> Sidecar {
    let ProvedDump { versions, encoded, .. } = dump;
    let recipients: Vec<String> = request.recipients.iter().map(ToString::to_string).collect();
    Sidecar {
        version: sidecar::VERSION,
        id: new_run_id(request.started),
        run_id: request.run_id.clone(),
        job_id: request.job_id.clone(),
        job_name: request.job.clone(),
        source_name: request.source.name(),
        host: request.host.clone(),
        source_type: request.source.adapter().id(),
        database: database.to_owned(),
        engine_version: versions.engine.clone(),
        tool_version: versions.tool.clone(),
        timestamp: request.started,
        original_file_name: name.to_string(),
        compression: request.compression,
        encryption: (!recipients.is_empty()).then(|| Encryption { format: "age".to_owned(), recipients }),
        size: sidecar::Size { plain: encoded.plain.size, stored: encoded.stored.size },
        checksum: Checksum {
            sha256_plain: encoded.plain.sha256.clone(),
            sha256_stored: encoded.stored.sha256.clone(),
            others: other_hashes(&sealed.hashes),
        },
        trigger: request.trigger.to_owned(),
        locked: false,
        warnings: dump.warnings.clone(),
        rows: dump.rows.clone(),
        signature: None,
    }
}

/// The hashes besides the one that every sidecar has.
fn other_hashes(hashes: &Hashes) -> Hashes {
    let mut others = Hashes::default();
    hashes.iter().filter(|(algorithm, _)| *algorithm != SHA256).for_each(|(name, digest)| others.insert(name, digest));
    others
}
