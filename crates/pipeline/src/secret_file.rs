//! Files that hold a secret and come from the operator.
//!
//! Docker and Kubernetes mount secrets that all users of the container can read, so a file that others can read is no error. One that
//! others can change is: they could have dbackup use a secret of theirs.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{FsWord, StatVfsMountFlags, fstatfs, fstatvfs};
use secrecy::SecretString;

/// The bit of a mode that lets every user write. A group may: Kubernetes sets that for `fsGroup` at each mount.
const WRITABLE_BY_OTHERS: u32 = 0o002;
/// The type of a tmpfs (statfs(2)).
const TMPFS: FsWord = 0x0102_1994;

/// Reads the beginning of a file, at most `limit` bytes.
///
/// # Errors
/// If it cannot be read, or every user can change it. The words name the file and the cure.
pub fn read(path: &Path, limit: u64) -> io::Result<SecretString> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("could not read {}: {error}", path.display()));
    let file = File::open(path).map_err(named)?;
    let found = file.metadata().map_err(named)?;
    let mode = found.permissions().mode() & 0o7777;
    // Pipes and terminals have modes of their own.
    if found.is_file() && mode & WRITABLE_BY_OTHERS != 0 && !is_read_only(&file) {
        let path = path.display();
        let words = format!(
            "other users of this machine can change {path} (mode {mode:04o}), so it is not used. Run: chmod 600 {path}"
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
    }
    let mut text = String::new();
    file.take(limit).read_to_string(&mut text).map_err(named)?;
    Ok(text.into())
}

/// Returns the mode of a file that users named by `whose` (bits of the mode) can read or write. Returns `None` if there are none, or the file
/// is on a tmpfs or a read-only mount, as secrets of containers are: nobody can change its mode there.
pub fn exposed(path: &Path, whose: u32) -> Option<u32> {
    let file = File::open(path).ok()?;
    let found = file.metadata().ok()?;
    let mode = found.permissions().mode() & 0o7777;
    let is_exposed = found.is_file() && mode & whose != 0 && !is_container_mount(&file);
    is_exposed.then_some(mode)
}

fn is_container_mount(file: &File) -> bool {
    fstatfs(file).is_ok_and(|found| found.f_type == TMPFS) || is_read_only(file)
}

fn is_read_only(file: &File) -> bool {
    fstatvfs(file).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use secrecy::ExposeSecret;

    use super::*;

    const OTHERS: u32 = 0o007;

    fn with_mode(folder: &Path, mode: u32) -> std::path::PathBuf {
        let path = folder.join("secret");
        fs::write(&path, "hunter2\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_file_that_others_can_change_is_refused_with_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o400, 0o640, 0o664, 0o444] {
            assert_eq!(read(&with_mode(folder.path(), mode), 100).unwrap().expose_secret(), "hunter2\n", "{mode:o}");
        }
        for mode in [0o602, 0o666] {
            let refusal = read(&with_mode(folder.path(), mode), 100).unwrap_err().to_string();
            assert!(refusal.contains(&format!("mode 0{mode:o}")), "{refusal}");
            assert!(refusal.contains("Run: chmod 600 /") && !refusal.contains("hunter2"), "{refusal}");
        }
        let missing = read(&folder.path().join("none"), 100).unwrap_err().to_string();
        assert!(missing.starts_with("could not read /"), "{missing}");
    }

    #[test]
    fn a_file_that_others_can_read_is_told_unless_a_container_mounts_it() {
        // The folder of temporary files can be a tmpfs.
        let built = std::env::current_exe().unwrap();
        let folder = tempfile::tempdir_in(built.parent().unwrap()).unwrap();
        assert_eq!(exposed(&with_mode(folder.path(), 0o644), OTHERS), Some(0o644));
        assert_eq!(exposed(&with_mode(folder.path(), 0o640), OTHERS), None);
        assert_eq!(exposed(&with_mode(folder.path(), 0o600), 0o077), None);
        assert_eq!(exposed(&folder.path().join("none"), OTHERS), None);
        // Linux has a tmpfs there (shm_overview(7)).
        let shared = tempfile::tempdir_in("/dev/shm").unwrap();
        assert_eq!(exposed(&with_mode(shared.path(), 0o444), OTHERS), None);
    }
}
