//! Paths that people give, kept inside the destination's folder.

use crate::Error;

/// Checks a path relative to a destination: segments between single slashes, none of them `.` or `..`.
///
/// # Errors
/// [`crate::Kind::Invalid`] if it is not one.
pub fn check_path(path: &str) -> Result<&str, Error> {
    let sound = |segment: &str| !segment.is_empty() && segment != "." && segment != ".." && !segment.contains('\0');
    if path.split('/').all(sound) {
        return Ok(path);
    }
    Err(Error::invalid(format!(
        "'{path}' is not a path below the destination's folder: give it as dbackup list shows it"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_outside() {
        for good in ["job/backup_x.db", "a b/-x", "..a/b..", "ü😀/x"] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a/\0"] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }
}
