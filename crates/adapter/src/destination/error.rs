//! The errors that every destination has, in the same words.

use crate::{Error, Kind};

impl Error {
    /// A file or folder of that name exists. Nothing was changed.
    pub fn taken(path: &str) -> Self {
        Self::new(Kind::Taken, format!("could not write {path}"), "it exists already")
    }

    /// There is no such file or folder.
    pub fn missing(path: &str) -> Self {
        Self::new(Kind::NotFound, format!("could not find {path}"), "it does not exist")
    }

    /// A file has more bytes than what it should be can have.
    pub fn too_large(path: &str, limit: u64) -> Self {
        Self::new(Kind::TooLarge, format!("could not read {path}"), format!("it is larger than {limit} bytes"))
    }

    /// A file is another one than the caller looked at. Nothing was changed. `act` is what was to be done with it: `delete`.
    pub fn changed(act: &str, path: &str) -> Self {
        Self::new(Kind::Changed, format!("could not {act} {path}"), "it was changed in the meantime")
            .cure("Look at what is there now, then try again.")
    }

    /// An interrupted upload cannot be resumed and has to start again.
    pub fn not_resumable(destination: &str, cause: impl std::fmt::Display) -> Self {
        Self::new(Kind::NotResumable, format!("the interrupted upload to {destination} cannot go on"), cause)
    }

    /// The caller's gate closed before anything was published.
    pub fn unpublished(why: impl std::fmt::Display) -> Self {
        Self::new(Kind::Stopped, why.to_string(), "nothing was published")
    }
}
