//! Small file systems.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{describe, run};

/// More than fits into any of them.
const FILLER_LEN: usize = 256 << 20;

/// A small file system of its own, until it is dropped.
pub struct Mount(PathBuf);

impl Mount {
    /// `None`, with a printed reason, where this user may not mount.
    pub fn tmpfs(folder: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=0777");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).output().unwrap();
        if !mounted.status.success() {
            println!("skipped: may not mount a tmpfs: {}", describe(&mounted));
            return None;
        }
        Some(Self(folder.to_owned()))
    }

    /// Refuses writes from now on.
    pub fn make_read_only(&self) {
        run(Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0));
    }

    /// Leaves no room.
    pub fn fill(&self) {
        let filled = fs::write(self.0.join("filler"), vec![1; FILLER_LEN]);
        assert!(filled.is_err(), "the file system is not full");
    }

    /// Gives back the room that [`Self::fill`] took.
    pub fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(&self.0));
    }
}
