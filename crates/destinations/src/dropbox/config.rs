//! `dropbox:/folder`; `dropbox:` and `dropbox:/` are the root, or the app's own folder.

use std::sync::Arc;

use super::{Dropbox, GrantFault, dropbox_folder};
use crate::error::Error;
use crate::{WhenFull, path};

impl Dropbox {
    /// Creates the destination of a folder as a person typed it.
    pub(super) fn new(client: ::dropbox::Client, folder: &str, when_full: WhenFull) -> Result<Self, Error> {
        let kept = dropbox_folder(folder)
            .map_err(|wrong| Error::Usage(format!("'{folder}' is not a folder in Dropbox: it {wrong}")))?;
        Ok(Self { client, folder: kept, looked_up: Arc::default(), stops_when_full: when_full == WhenFull::Stop })
    }

    /// The whole path in Dropbox of a path of ours.
    pub(super) fn resolve(&self, relative: &str) -> Result<String, Error> {
        Ok(format!("{}/{}", self.folder, path::check(relative)?))
    }

    /// Sorts an error of Dropbox.
    pub(super) fn error(&self, what: String, error: ::dropbox::Error) -> Error {
        let destination = crate::Destination::name(self);
        if GrantFault::of(&error).is_some() || error.needs_login() {
            return Error::Unauthorized { destination, cause: Box::new(error) };
        }
        if error.is_full() {
            return Error::Full { destination, usage: None };
        }
        if error.is_session_lost() || matches!(error, ::dropbox::Error::Changed { .. }) {
            return Error::NotResumable { destination, cause: error.to_string() };
        }
        Error::failed(what, error)
    }
}
