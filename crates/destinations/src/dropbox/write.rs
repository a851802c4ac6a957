//! Writing: an upload that becomes visible by one last call, proved by Dropbox's own hash.

use std::sync::Arc;

use adapter::destination::{Checkpoint, Companion, Destination, Expected, Gate, How, Sealed, Upload, check_sealed};
use adapter::{Error, Kind};
use async_trait::async_trait;
use bytes::Bytes;
use domain::Hashes;
use pipeline::Counter;

use super::error::full;
use super::{DROPBOX_CONTENT_HASH, Dropbox};

/// The caller's gate, as the client asks it.
pub(super) struct Asked(pub(super) Arc<dyn Gate>);

#[async_trait]
impl ::dropbox::files::Gate for Asked {
    async fn check(&self) -> Result<(), String> {
        self.0.check().await
    }

    async fn closed(&self) {
        self.0.closed().await;
    }
}

/// An upload to Dropbox.
struct DropboxUpload {
    destination: Dropbox,
    upload: ::dropbox::files::Upload,
    written: u64,
    /// Everything that was expected has been written.
    sealed: bool,
}

impl Dropbox {
    /// Starts an upload; nothing is sent yet.
    pub(super) fn start_upload(&self) -> impl Upload + use<> {
        DropboxUpload { destination: self.clone(), upload: self.client.start_upload(), written: 0, sealed: false }
    }

    /// Goes on with an upload; what Dropbox has of it is compared, not sent.
    pub(super) fn resume_upload(&self, checkpoint: &Checkpoint) -> Result<impl Upload + use<>, Error> {
        let damaged = |cause: String| Error::not_resumable(&self.name(), cause);
        let read = serde_json::from_str(&checkpoint.0).map_err(|error| error.to_string());
        let upload = read.and_then(|read| self.client.resume_upload(&read).map_err(|error| error.to_string()));
        Ok(DropboxUpload { destination: self.clone(), upload: upload.map_err(damaged)?, written: 0, sealed: false })
    }

    /// As [`Dropbox::error`]; names how much is used where Dropbox is full.
    pub(super) async fn write_error(&self, what: String, error: ::dropbox::Error) -> Error {
        let sorted = self.error(what.clone(), &error);
        if *sorted.kind() != Kind::Full {
            return sorted;
        }
        // Without the figures the message is still right.
        full(what, &self.name(), self.usage().await.ok().flatten())
    }
}

impl DropboxUpload {
    async fn commit_error(&self, full: String, error: ::dropbox::Error) -> Error {
        if error.is_conflict() {
            return Error::taken(&full);
        }
        if let ::dropbox::Error::Stopped(why) = error {
            return Error::unpublished(why);
        }
        self.destination.write_error(format!("could not upload {full}"), error).await
    }
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

    fn acknowledged(&self) -> Counter {
        self.upload.acknowledged().into()
    }

    fn checkpoint(&self) -> Option<Checkpoint> {
        let checkpoint = self.upload.checkpoint()?;
        // Plain strings and numbers always serialize.
        serde_json::to_string(&checkpoint).ok().map(Checkpoint)
    }

    fn needs_sha256(&self) -> bool {
        false
    }

    fn guard(&mut self, gate: Arc<dyn Gate>) {
        self.upload.guard(Arc::new(Asked(gate)));
    }

    async fn seal(&mut self, expected: &Expected) -> Result<Sealed, Error> {
        // The client proves that Dropbox has what was written to it; that this was everything is known here.
        if self.written != expected.size {
            let cause = format!("{} of {} bytes were written", self.written, expected.size);
            return Err(Error::failed("could not upload to Dropbox", cause));
        }
        match self.upload.seal().await {
            Ok(content_hash) => {
                self.sealed = true;
                let hashes = Hashes::of(DROPBOX_CONTENT_HASH.name, content_hash);
                Ok(Sealed { how: How::OwnHash, hashes })
            }
            Err(error) => Err(self.destination.write_error("could not upload to Dropbox".to_owned(), error).await),
        }
    }

    async fn commit(&mut self, path: &str) -> Result<(), Error> {
        let full = self.destination.resolve(path)?;
        check_sealed(self.sealed, &full)?;
        match self.upload.commit(&full).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.commit_error(full, error).await),
        }
    }

    async fn commit_with(&mut self, path: &str, companion: Companion) -> Result<Result<(), Error>, Error> {
        let (full, beside) = (self.destination.resolve(path)?, self.destination.resolve(&companion.path)?);
        check_sealed(self.sealed, &full)?;
        let companion = ::dropbox::files::Companion { path: beside.clone(), content: companion.content };
        match self.upload.commit_with(&full, &companion).await {
            Ok(committed) => Ok(match committed.companion {
                Ok(_) => Ok(()),
                Err(error) => Err(self.commit_error(beside, error).await),
            }),
            Err(error) => Err(self.commit_error(full, error).await),
        }
    }
}
