//! Names that people give to things.

/// What makes two names the same.
pub(crate) fn key(name: &str) -> String {
    name.trim().to_lowercase()
}
