//! Where the state of an unfinished copy lies: `$XDG_STATE_HOME/dbackup` (`~/.local/state/dbackup`), one file per copy, readable
//! for its owner only.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use adapter::destination::Checkpoint;
use pipeline::Digester;

use crate::failure::Failure;
use crate::output;

pub(super) struct CheckpointFile {
    /// None if this user has no place for it.
    path: Option<PathBuf>,
    warned: AtomicBool,
}

impl CheckpointFile {
    /// The file of one copy.
    pub(super) fn of(source: &str, path: &str, destination: &str) -> Self {
        let mut digester = Digester::default();
        digester.update([source, path, destination].join("\n").as_bytes());
        let name = format!("copy-{}.json", &digester.finish().sha256[..32]);
        Self { path: folder().map(|folder| folder.join(name)), warned: AtomicBool::new(false) }
    }

    /// The last state; none if there is none.
    pub(super) fn read(&self) -> Result<Option<Checkpoint>, Failure> {
        let Some(path) = &self.path else { return Ok(None) };
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(Checkpoint(text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::failed(format!("could not read {}: {error}", path.display()))),
        }
    }

    /// Keeps a state in place of the last one. A copy goes on without, but says once that it could not be resumed.
    pub(super) fn write(&self, checkpoint: &Checkpoint) {
        let written = match &self.path {
            Some(path) => replace(path, &checkpoint.0),
            None => Err(io::Error::other("neither XDG_STATE_HOME nor HOME is set")),
        };
        if let Err(error) = written
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            output::note(&format!(
                "This copy cannot be resumed if it is interrupted: its state could not be kept ({error})"
            ));
        }
    }

    /// The copy is done.
    pub(super) fn remove(&self) {
        // One that stays is compared with what is there, and then ignored.
        let _ = self.path.as_ref().map(fs::remove_file);
    }
}

fn folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("dbackup"))
}

/// Written aside, then renamed: a crash leaves the old state or the new one.
fn replace(path: &std::path::Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
