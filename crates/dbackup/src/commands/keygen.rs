//! `dbackup keygen`

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use pipeline::keys::Identity;
use secrecy::ExposeSecret;

use crate::cli::KeygenArguments;
use crate::failure::{Failure, Outcome};
use crate::output;

pub(crate) fn run(arguments: KeygenArguments) -> Result<Outcome, Failure> {
    let identity = Identity::generate();
    let recipient = identity.recipient().to_string();
    match arguments.output {
        Some(path) => {
            write_key(&path, &identity)?;
            output::line(&recipient);
            output::note(&format!(
                "{} is the only thing that opens backups made with --recipient {recipient}: keep copies of it away from this machine.",
                path.display()
            ));
        }
        None => {
            output::line(identity.to_file(&super::now().to_string()).expose_secret().trim_end());
            output::note(&format!("Public key: {recipient}"));
        }
    }
    Ok(Outcome::Succeeded)
}

/// Writes a key file that only its owner can read, and never over another.
pub(super) fn write_key(path: &Path, identity: &Identity) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::usage(format!("{} exists already: a key is never overwritten", path.display()))
        }
        _ => Failure::failed(format!("could not write {}: {error}", path.display())),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(cannot)?;
    file.write_all(identity.to_file(&super::now().to_string()).expose_secret().as_bytes()).map_err(cannot)?;
    file.sync_all().map_err(cannot)
}
