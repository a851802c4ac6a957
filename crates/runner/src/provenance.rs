//! What speaks against a backup before it is restored: whoever can write to a destination can lay files there.

use adapter::destination::Destination;
use adapter::{Error, Registry};
use domain::BackupName;
use domain::naming::{job_folder, job_of_folder};
use domain::sidecar::Sidecar;
use sources::{Finding, Severity, SourceAdapter, of_ending};

use crate::catalog::recognize;
use crate::restore::{Examined, OpenError};
use crate::sidecars::{SidecarState, read_sidecar};
use crate::signature::SignatureState;

/// What is known of where a backup should come from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'a> {
    /// Whether the job encrypts its backups now; its folder tells whether it ever did.
    pub encrypted: bool,
    /// Whether an unencrypted one was confirmed.
    pub allow_unencrypted: bool,
    /// The public key of this installation; none on the command line, which knows none.
    pub signed_by: Option<&'a str>,
    /// Whether its folder is that of a job of this server, which signs what it makes.
    pub is_own_job: bool,
    /// The sources whose dumps are known.
    pub sources: Option<&'a Registry<SourceAdapter>>,
}

/// Maximum number of other sidecars that are read to see whether this installation signs what lies in a folder.
const MAX_OTHERS: usize = 8;

/// Whether a backup is not encrypted although its job encrypts, or other backups in its folder are encrypted.
///
/// # Errors
/// As [`Destination::list`].
pub async fn is_unexpectedly_plain(
    destination: &dyn Destination,
    path: &str,
    expected: Expected<'_>,
) -> Result<bool, Error> {
    let Some((folder, file_name)) = path.rsplit_once('/') else { return Ok(false) };
    // A file of another name is no job's; only the command line restores it, whose user names it.
    if BackupName::parse(file_name).is_none_or(|name| name.encrypted) {
        return Ok(false);
    }
    if expected.encrypted {
        return Ok(true);
    }
    let objects = destination.list(folder).await?;
    Ok(recognize(destination, &objects, expected.sources).iter().any(|backup| backup.name.encrypted))
}

/// Refuses an unencrypted backup among encrypted ones, unless that was confirmed.
///
/// # Errors
/// [`OpenError::Unencrypted`]; as [`is_unexpectedly_plain`].
pub async fn check_encryption(
    destination: &dyn Destination,
    path: &str,
    expected: Expected<'_>,
) -> Result<(), OpenError> {
    if !expected.allow_unencrypted
        && is_unexpectedly_plain(destination, path, expected).await.map_err(OpenError::Destination)?
    {
        return Err(OpenError::Unencrypted { path: path.to_owned() });
    }
    Ok(())
}

/// What a person should know of a backup's origin before it is restored.
///
/// # Errors
/// As [`is_unexpectedly_plain`].
pub async fn findings(
    destination: &dyn Destination,
    path: &str,
    examined: &Examined,
    expected: Expected<'_>,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    let mut find = |severity, code, message: String| findings.push(Finding { severity, code, message, sql: None });
    if is_unexpectedly_plain(destination, path, expected).await? {
        let severity = if expected.allow_unencrypted { Severity::Warns } else { Severity::Blocks };
        let message = "This backup is not encrypted, but its job encrypts its backups, or other backups of the job are \
                       encrypted. Somebody else may have put it there";
        find(severity, "unencrypted", message.to_owned());
    }
    match &examined.sidecar {
        SidecarState::Read(sidecar, signature) => {
            let contradictions = contradictions(path, sidecar, expected.sources);
            if !contradictions.is_empty() {
                let message = format!("Its sidecar contradicts it: {}", contradictions.join("; "));
                find(Severity::Warns, "sidecar-contradicts", message);
            }
            if let Some((severity, code, message)) = doubt(signature, expected.signed_by) {
                find(severity, code, message);
            }
            if let (SignatureState::Unsigned, Some(ours)) = (signature, expected.signed_by) {
                let (severity, message) = unsigned(destination, path, sidecar, ours, expected).await?;
                find(severity, "unsigned", message);
            }
        }
        SidecarState::Missing => {
            let message = "There is nothing to compare this backup with: it has no sidecar. Whether it is what was backed up \
                           cannot be told";
            find(Severity::Warns, "no-sidecar", message.to_owned());
        }
        SidecarState::Unreadable(cause) => {
            let message = format!(
                "There is nothing to compare this backup with: its sidecar cannot be read ({cause}). Whether it is what was \
                 backed up cannot be told"
            );
            find(Severity::Warns, "unreadable-sidecar", message);
        }
    }
    Ok(findings)
}

/// What an unsigned sidecar means. It warns as much as a wrong signature where a signature is to be expected: otherwise, removing the
/// signature would be the better forgery. What the sidecar itself says, its version or time, cannot excuse it, since whoever lays a
/// file there writes that, too.
async fn unsigned(
    destination: &dyn Destination,
    path: &str,
    sidecar: &Sidecar,
    ours: &str,
    expected: Expected<'_>,
) -> Result<(Severity, String), Error> {
    let reason = if expected.is_own_job {
        "its folder is that of a job of this server, which signs its backups"
    } else if sidecar.job_id.is_some() {
        "it names the job of a server, and servers sign their backups"
    } else if has_signed_neighbour(destination, path, ours, expected).await? {
        "other backups in its folder are signed by this server"
    } else {
        let message =
            "Its sidecar is not signed: it was made by the command line or an earlier version, or by somebody else";
        return Ok((Severity::Informs, message.to_owned()));
    };
    let message = format!(
        "Its sidecar is not signed, although {reason}. Unless the command line or a version without signatures made it, somebody \
         else has put it there or changed it"
    );
    Ok((Severity::Warns, message))
}

/// Whether this installation has signed another backup in the folder. Looks at some, spread over the whole time.
async fn has_signed_neighbour(
    destination: &dyn Destination,
    path: &str,
    ours: &str,
    expected: Expected<'_>,
) -> Result<bool, Error> {
    let Some((folder, _)) = path.rsplit_once('/') else { return Ok(false) };
    let objects = destination.list(folder).await?;
    let mut others = recognize(destination, &objects, expected.sources);
    others.retain(|other| other.has_sidecar && other.path != path);
    for other in others.iter().step_by(others.len().div_ceil(MAX_OTHERS).max(1)) {
        let state = read_sidecar(destination, &other.path).await?;
        if matches!(state.signature(), Some(SignatureState::SignedBy(key)) if key == ours) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn doubt(signature: &SignatureState, ours: Option<&str>) -> Option<(Severity, &'static str, String)> {
    let (severity, code, message) = match (signature, ours) {
        (SignatureState::SignedBy(key), None) => {
            let message = format!(
                "Its sidecar is signed by {key}. The command line knows no server's key: compare it with the recovery sheet"
            );
            return Some((Severity::Informs, "signed", message));
        }
        (SignatureState::Wrong, _) => (
            Severity::Warns,
            "signature-wrong",
            "The signature of its sidecar is wrong: the sidecar was changed since it was signed",
        ),
        (SignatureState::SignedBy(key), Some(ours)) if key != ours => (
            Severity::Warns,
            "signed-elsewhere",
            "Its sidecar is signed by another installation of dbackup, not by this server",
        ),
        _ => return None,
    };
    Some((severity, code, message.to_owned()))
}

/// Returns the engine that a sidecar names, if it is known to be another one than the backup's name tells.
fn other_engine(sources: &Registry<SourceAdapter>, name: &BackupName, sidecar: &Sidecar) -> Option<String> {
    let said = sidecar.source_type.as_str();
    match (of_ending(sources, &name.ending), sources.get(said)) {
        (None, None) => None,
        (Some(named), Some(said)) if named.manifest.id == said.manifest.id => None,
        (_, Some(said)) => Some(said.manifest.title.to_owned()),
        (Some(_), None) => Some(said.to_owned()),
    }
}

/// What a sidecar says that the backup's name and folder do not.
fn contradictions(path: &str, sidecar: &Sidecar, sources: Option<&Registry<SourceAdapter>>) -> Vec<String> {
    let mut found = Vec::new();
    let Some((folder, file_name)) = path.rsplit_once('/') else { return found };
    let folder = folder.rsplit('/').next().unwrap_or_default();
    if job_folder(&sidecar.job_name).to_lowercase() != folder.to_lowercase() {
        found.push(format!("it is of the job '{}', not '{}'", sidecar.job_name, job_of_folder(folder)));
    }
    if sidecar.original_file_name != file_name {
        found.push(format!("it is of the file {}", sidecar.original_file_name));
    }
    let Some(name) = BackupName::parse(file_name) else { return found };
    if let Some(other) = sources.and_then(|sources| other_engine(sources, &name, sidecar)) {
        found.push(format!("it is of a {other} database"));
    }
    if sidecar.compression.extension() != name.compression {
        found.push(format!("it says that the compression is {}", sidecar.compression));
    }
    if sidecar.encryption.is_some() != name.encrypted {
        found.push(
            if name.encrypted { "it says that it is not encrypted" } else { "it says that it is encrypted" }.to_owned(),
        );
    }
    if name.database_name().is_some_and(|database| database != sidecar.database) {
        found.push(format!("it is of the database '{}'", sidecar.database));
    }
    if name.time.as_second() != sidecar.timestamp.as_second() {
        found.push(format!("it is of {}", sidecar.timestamp));
    }
    found
}
