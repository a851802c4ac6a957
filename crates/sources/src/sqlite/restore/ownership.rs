//! Whose a restored file is.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use domain::Warning;
use pipeline::private_file::folder_of;

fn stays_private(target: &Path, user: u32) -> Warning {
    let path = target.display().to_string();
    let message = format!(
        "{path} belongs to user {user}, and only this user may open it: everybody may write to its folder, which does not tell whose \
         it should be"
    );
    let cure = format!("Give it to the application's user: chown USER '{path}'");
    Warning::new("owner-not-set", message).about(path).with_cure(cure)
}

/// Gives a new file its folder's owner, group and their rights. Returns a warning if the owner cannot be set.
///
/// A folder that everybody may write to says nothing of who uses its files: there the file stays private to this user.
pub(super) fn adopt(file: &File, target: &Path) -> Option<Warning> {
    let (folder, own) = (fs::metadata(folder_of(target)).ok()?, file.metadata().ok()?);
    if folder.mode() & 0o002 != 0 {
        // In one like /tmp everybody has files of their own.
        let is_shared = folder.mode() & 0o1000 == 0 && own.uid() != folder.uid();
        return is_shared.then(|| stays_private(target, own.uid()));
    }
    let owned = own.uid() == folder.uid() || fchown(file, Some(folder.uid()), None).is_ok();
    let grouped = own.gid() == folder.gid() || fchown(file, None, Some(folder.gid())).is_ok();
    let group_rights = if grouped { folder.mode() & 0o060 } else { 0 };
    // A file system without modes has none to set.
    let _ = file.set_permissions(Permissions::from_mode(0o600 | group_rights));
    if owned {
        return None;
    }
    let (mode, path) = (0o600 | group_rights, target.display());
    let message = format!(
        "{path} belongs to user {} with mode {mode:o}, since this user may not give it to the folder's owner, user {}",
        own.uid(),
        folder.uid()
    );
    let cure = format!("If the application cannot open it: chown {}:{} '{path}'", folder.uid(), folder.gid());
    Some(Warning::new("owner-not-set", message).about(path.to_string()).with_cure(cure))
}
