//! Uploading a stream of unknown length: one request if it fits in a chunk, an upload session otherwise.
//!
//! Nothing is visible in Dropbox before [`Upload::commit`]. A commit never overwrites. A session that is not committed is
//! forgotten by Dropbox after seven days and counts nowhere.

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{FileMetadata, Metadata};
use crate::client::Client;
use crate::content_hash::ContentHasher;
use crate::error::{
    Error, RouteError, UploadError, UploadSessionAppendError, UploadSessionFinishError, UploadSessionStartError,
};

/// An upload in progress.
#[derive(Debug)]
pub struct Upload {
    client: Client,
    chunk: BytesMut,
    session: Option<String>,
    sent: u64,
    hasher: ContentHasher,
}

#[derive(Serialize)]
struct Commit<'a> {
    path: &'a str,
    mode: &'static str,
    autorename: bool,
    mute: bool,
    strict_conflict: bool,
}

impl<'a> Commit<'a> {
    /// Adds a file; whatever lies there already, even the same content, is a conflict.
    fn new(path: &'a str) -> Self {
        Self { path, mode: "add", autorename: false, mute: true, strict_conflict: true }
    }
}

#[derive(Serialize)]
struct UploadArg<'a> {
    #[serde(flatten)]
    commit: Commit<'a>,
    content_hash: &'a str,
}

#[derive(Serialize)]
struct Start {
    close: bool,
}

#[derive(Deserialize)]
struct Started {
    session_id: String,
}

#[derive(Serialize)]
struct Cursor<'a> {
    session_id: &'a str,
    offset: u64,
}

#[derive(Serialize)]
struct Append<'a> {
    cursor: Cursor<'a>,
    close: bool,
    content_hash: &'a str,
}

#[derive(Serialize)]
struct Finish<'a> {
    cursor: Cursor<'a>,
    commit: Commit<'a>,
}

impl Client {
    /// Starts an upload. Nothing is sent before a chunk is full. Needs `files.content.write`.
    pub fn start_upload(&self) -> Upload {
        Upload {
            client: self.clone(),
            chunk: BytesMut::new(),
            session: None,
            sent: 0,
            hasher: ContentHasher::default(),
        }
    }
}

impl Upload {
    /// Takes the next bytes, and sends a chunk when one is full.
    ///
    /// # Errors
    /// As every call.
    pub async fn write(&mut self, mut data: Bytes) -> Result<(), Error> {
        let chunk_size = self.client.settings().chunk_size;
        while !data.is_empty() {
            if self.chunk.len() == chunk_size {
                self.append().await?;
            }
            let now = data.split_to(data.len().min(chunk_size - self.chunk.len()));
            self.hasher.update(&now);
            self.chunk.extend_from_slice(&now);
        }
        Ok(())
    }

    /// Bytes that Dropbox has confirmed.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Makes the file visible at `path`, and proves that Dropbox holds what was written: its content hash must be ours, or
    /// the file is removed again.
    ///
    /// # Errors
    /// [`Error::is_conflict`] if the path is taken: nothing is lost, commit again under another. [`Error::ContentMismatch`].
    /// As every call.
    pub async fn commit(&mut self, path: &str) -> Result<FileMetadata, Error> {
        if self.session.is_some() && !self.chunk.is_empty() {
            self.append().await?;
        }
        let file = self.publish(path).await?;
        let expected = self.hasher.clone().finish();
        if file.content_hash == expected {
            return Ok(file);
        }
        let found = match self.client.delete(path).await {
            Ok(()) => file.content_hash,
            Err(error) => format!("{} (and it could not be removed: {error})", file.content_hash),
        };
        Err(Error::ContentMismatch { path: path.to_owned(), transferred: "sent", expected, found })
    }

    /// The last call. It is tried one at a time, since a lost answer leaves open whether the file is there.
    async fn publish(&self, path: &str) -> Result<FileMetadata, Error> {
        let (mut retry, mut ambiguous) = (0, false);
        loop {
            let error = match self.publish_once(path).await {
                Ok(file) => return Ok(file),
                Err(error) => error,
            };
            ambiguous |= error.is_ambiguous();
            if ambiguous && let Some(file) = self.published(path).await? {
                return Ok(file);
            }
            // Dropbox may still be at the commit whose answer was lost: the session is gone, the file not there yet.
            let policy = &self.client.settings().retry;
            if ambiguous && is_lookup_failed(&error) {
                policy.wait_anyway(error, retry).await?;
            } else {
                policy.wait_after(error, retry).await?;
            }
            retry += 1;
        }
    }

    async fn publish_once(&self, path: &str) -> Result<FileMetadata, Error> {
        let commit = Commit::new(path);
        match &self.session {
            Some(session_id) => {
                let cursor = Cursor { session_id, offset: self.sent };
                let finish = Finish { cursor, commit };
                let route = "files/upload_session/finish";
                self.client.upload_once::<_, _, UploadSessionFinishError>(route, &finish, &Bytes::new()).await
            }
            None => {
                let data = Bytes::copy_from_slice(&self.chunk);
                let upload = UploadArg { commit, content_hash: &ContentHasher::of(&data) };
                self.client.upload_once::<_, _, UploadError>("files/upload", &upload, &data).await
            }
        }
    }

    /// Settles whether an unanswered commit happened: the file is there, with our hash.
    async fn published(&self, path: &str) -> Result<Option<FileMetadata>, Error> {
        let expected = self.hasher.clone().finish();
        match self.client.metadata(path).await? {
            Some(Metadata::File(file)) if file.content_hash == expected => Ok(Some(file)),
            _ => Ok(None),
        }
    }

    async fn append(&mut self) -> Result<(), Error> {
        let data = self.chunk.split().freeze();
        let session_id = match &self.session {
            Some(session_id) => session_id,
            None => self.session.insert(start(&self.client).await?),
        };
        let offset = self.sent;
        let end = offset + data.len() as u64;
        let cursor = Cursor { session_id, offset };
        let append = Append { cursor, close: false, content_hash: &ContentHasher::of(&data) };
        let route = "files/upload_session/append_v2";
        match self.client.upload::<_, (), UploadSessionAppendError>(route, &append, &data).await {
            Ok(()) => {}
            // The answer to an earlier try was lost, its effect was not.
            Err(error) if is_at(&error, end) => {}
            Err(error) => return Err(error),
        }
        self.sent = end;
        Ok(())
    }
}

async fn start(client: &Client) -> Result<String, Error> {
    let route = "files/upload_session/start";
    let started: Started =
        client.upload::<_, _, UploadSessionStartError>(route, &Start { close: false }, &Bytes::new()).await?;
    Ok(started.session_id)
}

fn is_lookup_failed(error: &Error) -> bool {
    matches!(
        error,
        Error::Route { error: RouteError::SessionFinish(UploadSessionFinishError::LookupFailed { .. }), .. }
    )
}

fn is_at(error: &Error, offset: u64) -> bool {
    matches!(
        error,
        Error::Route { error: RouteError::SessionAppend(UploadSessionAppendError::IncorrectOffset { correct_offset }), .. }
            if *correct_offset == offset
    )
}
