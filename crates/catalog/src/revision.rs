//! Revisions: a change names the revision that it was made of, and is refused if there is a newer one.
//!
//! Every UPDATE and DELETE that a user asks for compares the revision itself, so that nothing can come between the comparison and the
//! change.

use crate::error::Error;

/// Returns what a change left, if it changed a row. If it changed none but there is one, that has another revision.
pub(crate) fn found<T>(changed: u64, left: Option<T>) -> Result<Option<T>, Error> {
    if changed == 0 && left.is_some() { Err(Error::Outdated) } else { Ok(left) }
}

/// Returns whether a row was removed. If none was but there is one, that has another revision.
pub(crate) fn gone<T>(deleted: u64, left: Option<&T>) -> Result<bool, Error> {
    if deleted == 0 && left.is_some() { Err(Error::Outdated) } else { Ok(deleted > 0) }
}
