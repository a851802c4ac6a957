//! What can go wrong with a database: [`adapter::Error`], and what is particular to sources.
//!
//! What to do with an option of a restore is worded by its faces, the command line and the server: see [`WayOn`].

pub use adapter::{Error, Kind};
use pipeline::process::ProcessError;

/// What a restore that failed can be tried again with. Each face has its own words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayOn<'a> {
    /// [`crate::RestoreOptions::overwrite`], or another target.
    Overwrite,
    /// [`crate::OnError::Continue`].
    ContinueOnError,
    /// [`crate::Source::put_in_place`] of the database under this name.
    PutInPlace(&'a str),
}

impl<'a> WayOn<'a> {
    /// Returns how to go on after an error, where an option of the restore decides that.
    pub fn after(error: &'a Error) -> Option<Self> {
        match error.kind() {
            Kind::HoldsData => Some(Self::Overwrite),
            Kind::Object => Some(Self::ContinueOnError),
            Kind::Kept { name } => Some(Self::PutInPlace(name)),
            _ => None,
        }
    }
}

/// Creates the error of a database that was loaded completely and is not in its place, because of `error`.
pub(crate) fn kept(database: &str, name: &str, error: &Error) -> Error {
    let kept = format!("The restored database is complete and kept as '{name}'");
    let cure = error.cure_text().map_or_else(|| kept.clone(), |cure| format!("{kept}. {cure}"));
    let cause = if error.cause().is_empty() { error.what() } else { error.cause() };
    let kind = Kind::Kept { name: name.to_owned() };
    with_origin(Error::new(kind, format!("'{database}' could not be replaced"), cause).cure(cure), error)
}

/// Keeps the raw words and the code of the error behind an error.
fn with_origin(mut error: Error, origin: &Error) -> Error {
    if let Some(detail) = origin.detail_text() {
        error = error.detail(detail);
    }
    if let Some(code) = origin.native_code_text() {
        error = error.native_code(code);
    }
    error
}

/// Creates the error of a tool, with the cure if its words tell.
pub(crate) fn of_tool(what: impl Into<String>, error: &ProcessError, cure: impl Fn(&str) -> Option<String>) -> Error {
    let cause = error.to_string();
    let cure = cure(&cause);
    Error::failed(what, cause).maybe_cure(cure)
}

/// Creates pg_restore's error: an object's if its words tell of a statement, the tool's own otherwise.
pub(crate) fn of_restore_tool(
    what: impl Into<String>,
    error: &ProcessError,
    cure: impl Fn(&str) -> Option<String>,
) -> Error {
    let error = of_tool(what, error, cure);
    let is_object = ["could not execute query", "COPY failed"].iter().any(|sign| error.cause().contains(sign));
    if is_object { error.with_kind(Kind::Object) } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_on_follows_from_the_kind() {
        let kept =
            kept("shop", "shop__x", &Error::failed("ALTER DATABASE failed", "it is in use").cure("End its sessions"));
        assert_eq!(WayOn::after(&kept), Some(WayOn::PutInPlace("shop__x")));
        assert_eq!(
            kept.to_string(),
            "'shop' could not be replaced: it is in use. The restored database is complete and kept as 'shop__x'. End its sessions"
        );
        assert_eq!(WayOn::after(&Error::holds_data("database 'shop'")), Some(WayOn::Overwrite));
        assert_eq!(WayOn::after(&Error::new(Kind::Object, "a", "b")), Some(WayOn::ContinueOnError));
        for error in [Error::invalid("x"), Error::stopped("x"), Error::failed("x", "y")] {
            assert_eq!(WayOn::after(&error), None);
        }
    }
}
