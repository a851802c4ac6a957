//! `dbackup man`

use std::path::Path;

use crate::failure::{Failure, Outcome};
use crate::output;

/// Writes a manual page per command into a folder, which is created.
pub(crate) fn run(folder: &Path) -> Result<Outcome, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(crate::command::command(), folder).map_err(failed)?;
    output::note(&format!("Wrote the manual to {0}. To read it: man -M or man {0}/dbackup.1", folder.display()));
    Ok(Outcome::Succeeded)
}
