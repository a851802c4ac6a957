//! What a backup was checked with while it was read: only this is ever called checked.

use std::fmt;

/// The checks that passed, and why others could not be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checks {
    /// What agreed, in words.
    pub passed: Vec<String>,
    /// What could not be compared, and why.
    pub missing: Option<String>,
}

impl Checks {
    pub(crate) fn passed(&mut self, check: impl Into<String>) {
        self.passed.push(check.into());
    }
}

/// `Checked: Dropbox's content hash, age, zstd. Not compared with its sidecar: it has no sidecar.`
impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.passed.is_empty() {
            f.write_str("Not checked")?;
        } else {
            write!(f, "Checked: {}", self.passed.join(", "))?;
        }
        match &self.missing {
            Some(cause) if self.passed.is_empty() => write!(f, ": {cause}"),
            Some(cause) => write!(f, ". Not compared with its sidecar: {cause}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_checked_is_called_checked() {
        let mut checks = Checks { passed: Vec::new(), missing: Some("it has no sidecar".to_owned()) };
        assert_eq!(checks.to_string(), "Not checked: it has no sidecar");
        checks.passed("age");
        assert_eq!(checks.to_string(), "Checked: age. Not compared with its sidecar: it has no sidecar");
        checks.missing = None;
        assert_eq!(checks.to_string(), "Checked: age");
    }
}
