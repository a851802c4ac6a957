//! Files that nobody else should be able to read.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use catalog::KeySource;

use crate::config::Config;

/// Its group and others.
const GROUP_AND_OTHERS: u32 = 0o077;
/// Others: web servers often share a TLS key with a group.
const OTHERS: u32 = 0o007;

/// Warns of keys that other users of the machine can read.
pub(crate) fn warn_of_readable(config: &Config) {
    let master = match &config.keys {
        KeySource::File(file) => Some((file.path(), GROUP_AND_OTHERS)),
        KeySource::Given(_) => None,
    };
    let tls = config.tls.as_ref().map(|(_, key)| (key.clone(), OTHERS));
    for (path, whose) in master.into_iter().chain(tls) {
        if let Some(mode) = mode_for(&path, whose) {
            tracing::warn!(
                file = %path.display(),
                mode = format!("{mode:04o}"),
                "other users of this machine can read this key. Run chmod 600 on it; if they may have read it, replace the key"
            );
        }
    }
}

/// The file's mode, if it lets any of these read or write.
fn mode_for(path: &Path, whose: u32) -> Option<u32> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & whose != 0).then_some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "x").unwrap();
        for (mode, whose, told) in [
            (0o600, GROUP_AND_OTHERS, None),
            (0o400, GROUP_AND_OTHERS, None),
            (0o640, GROUP_AND_OTHERS, Some(0o640)),
            (0o644, GROUP_AND_OTHERS, Some(0o644)),
            (0o640, OTHERS, None),
            (0o644, OTHERS, Some(0o644)),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(mode_for(&path, whose), told, "{mode:o}");
        }
        assert_eq!(mode_for(&folder.path().join("none"), OTHERS), None);
    }
}
