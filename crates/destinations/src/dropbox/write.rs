//! Writing: an upload that becomes visible by one last call, proved by Dropbox's own hash.

use async_trait::async_trait;
use bytes::Bytes;
use pipeline::Digested;

use super::Dropbox;
use crate::error::Error;
use crate::{Committed, Upload};

/// An upload to Dropbox.
struct DropboxUpload {
    destination: Dropbox,
    upload: ::dropbox::files::Upload,
    written: u64,
}

impl Dropbox {
    /// Starts an upload; nothing is sent yet.
    pub(super) fn start_upload(&self) -> impl Upload + use<> {
        DropboxUpload { destination: self.clone(), upload: self.client.start_upload(), written: 0 }
    }

    /// As [`Dropbox::error`]; names how much is used where Dropbox is full.
    async fn write_error(&self, what: String, error: ::dropbox::Error) -> Error {
        match self.error(what, error) {
            Error::Full { destination, .. } => {
                // Without the figures the message is still right.
                let usage = self.client.space_usage().await.map(describe).unwrap_or_default();
                Error::Full { destination, usage }
            }
            error => error,
        }
    }
}

fn describe(usage: ::dropbox::users::SpaceUsage) -> String {
    let used = domain::size::human(usage.used);
    usage.allowed.map_or_else(
        || format!(" ({used} used)"),
        |allowed| format!(" ({used} of {} used)", domain::size::human(allowed)),
    )
}

#[async_trait]
impl Upload for DropboxUpload {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        let length = piece.len() as u64;
        match self.upload.write(piece).await {
            Ok(()) => {
                self.written += length;
                Ok(())
            }
            Err(error) => Err(self.destination.write_error("could not upload to Dropbox".to_owned(), error).await),
        }
    }

    async fn commit(&mut self, path: &str, expected: &Digested) -> Result<Committed, Error> {
        let full = self.destination.resolve(path)?;
        // The client proves that Dropbox has what was written to it; that this was everything is known here.
        if self.written != expected.size {
            let cause = format!("{} of {} bytes were written", self.written, expected.size);
            return Err(Error::failed(format!("could not upload {full}"), cause));
        }
        match self.upload.commit(&full).await {
            Ok(file) => Ok(Committed { dropbox_content_hash: Some(file.content_hash) }),
            Err(error) if error.is_conflict() => Err(Error::Taken(full)),
            Err(error) => Err(self.destination.write_error(format!("could not upload {full}"), error).await),
        }
    }
}
