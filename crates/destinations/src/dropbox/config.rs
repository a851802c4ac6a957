//! `dropbox:/folder`; `dropbox:` and `dropbox:/` are the root, or the app's own folder.

use super::Dropbox;
use crate::error::Error;
use crate::path;

impl Dropbox {
    /// Reads what follows `dropbox:`.
    pub(crate) fn parse(folder: &str, client: ::dropbox::Client) -> Result<Self, Error> {
        let folder = folder.trim_end_matches('/');
        if folder.is_empty() {
            return Ok(Self::new(client, String::new()));
        }
        match folder.strip_prefix('/').map(path::check) {
            Some(Ok(inner)) => Ok(Self::new(client, format!("/{inner}"))),
            _ => Err(Error::Usage(format!("'{folder}' is not a folder in Dropbox: write dropbox:/folder"))),
        }
    }

    /// The whole path in Dropbox of a path of ours.
    pub(super) fn resolve(&self, relative: &str) -> Result<String, Error> {
        Ok(format!("{}/{}", self.folder, path::check(relative)?))
    }

    /// Sorts an error of Dropbox.
    pub(super) fn error(&self, what: String, error: ::dropbox::Error) -> Error {
        let destination = crate::Destination::name(self);
        if error.needs_login() || error.missing_scope().is_some() || error.invalid_client() {
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
