//! `dropbox:/folder`; `dropbox:` and `dropbox:/` are the root, or the app's own folder.

use std::sync::Arc;

use adapter::Error;
use adapter::destination::check_path;

use super::{Dropbox, dropbox_folder};
use crate::WhenFull;

impl Dropbox {
    /// Creates the destination of a folder as a person typed it.
    pub(super) fn new(client: ::dropbox::Client, folder: &str, when_full: WhenFull) -> Result<Self, Error> {
        let kept = dropbox_folder(folder)
            .map_err(|wrong| Error::invalid(format!("'{folder}' is not a folder in Dropbox: it {wrong}")))?;
        Ok(Self { client, folder: kept, looked_up: Arc::default(), stops_when_full: when_full == WhenFull::Stop })
    }

    /// The whole path in Dropbox of a path of ours.
    pub(super) fn resolve(&self, relative: &str) -> Result<String, Error> {
        Ok(format!("{}/{}", self.folder, check_path(relative)?))
    }
}
