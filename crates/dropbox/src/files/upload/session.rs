//! A concurrent upload session: pieces go up in any order, several at once, each checked and tried again on its own.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::wire::{Append, Cursor, Start, Started};
use crate::body::{Flow, Payload};
use crate::client::Client;
use crate::content_hash::{self, BlockDigest};
use crate::error::{Error, RouteError, UploadSessionAppendError, UploadSessionStartError};
use crate::retry::Progress;

/// The session and what it takes to append to it.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    id: OnceCell<String>,
    pub(super) progress: Progress,
}

/// Neighbouring blocks that are sent in one request.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Where it begins in the file, in bytes.
    pub(super) offset: u64,
    pub(super) payload: Payload,
    pub(super) digests: Vec<BlockDigest>,
    /// The last one of the session, which takes no more after it. Only it may be of any length.
    pub(super) close: bool,
}

impl Session {
    /// A session that Dropbox is asked for when the first chunk is sent, or one that it has already.
    pub(super) fn new(client: Client, id: Option<String>) -> Self {
        let progress = Progress::new(client.settings().timeouts.stall);
        Self { client, id: OnceCell::new_with(id), progress }
    }

    /// Its id, once Dropbox has given it one.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.get().map(String::as_str)
    }

    /// Sends one chunk until Dropbox has it, or something final is in the way, or the whole upload stalls.
    pub(super) async fn append(&self, chunk: &Chunk) -> Result<(), Error> {
        // The source may have taken its time: patience is for what is sent now.
        self.progress.made();
        let id = self.started().await?;
        let content_hash = content_hash::join(&chunk.digests);
        let cursor = Cursor { session_id: id, offset: chunk.offset };
        let append = Append { cursor, close: chunk.close, content_hash: &content_hash };
        // An answer was lost: Dropbox may have the chunk already.
        let mut ambiguous = false;
        let mut retry = 0;
        loop {
            let error = match self.append_once(&append, &chunk.payload).await {
                Ok(()) => break,
                Err(error) if is_stored(&error, chunk, ambiguous) => break,
                Err(error) => error,
            };
            ambiguous |= error.is_ambiguous();
            let retries = self.client.settings().retry.retries;
            if !(error.is_transient() || may_pass(&error) && retry < retries) {
                return Err(error);
            }
            self.client.settings().retry.wait_in_transfer(error, retry, &self.progress).await?;
            retry += 1;
        }
        self.progress.made();
        Ok(())
    }

    async fn append_once(&self, append: &Append<'_>, payload: &Payload) -> Result<(), Error> {
        let most = self.client.settings().parallelism;
        let turn = self.client.grant().pace.turn(most).await;
        let route = "files/upload_session/append_v2";
        let result =
            self.client.upload_once::<_, (), UploadSessionAppendError>(route, append, payload, turn.flow(), None).await;
        match &result {
            Ok(()) => turn.succeeded(payload.len(), most),
            Err(error) if error.is_overloaded() => turn.refused(error.retry_after().unwrap_or_default()),
            Err(_) => {}
        }
        result
    }

    async fn started(&self) -> Result<&str, Error> {
        self.id.get_or_try_init(|| start(&self.client, &self.progress, None)).await.map(String::as_str)
    }
}

/// Opens a session: a concurrent one that is empty, or with `whole` one that holds all of a small file and is closed.
pub(super) async fn start(
    client: &Client,
    progress: &Progress,
    whole: Option<(&Payload, &str)>,
) -> Result<String, Error> {
    let session_type = if whole.is_some() { "sequential" } else { "concurrent" };
    let start = Start { close: whole.is_some(), session_type, content_hash: whole.map(|(_, hash)| hash) };
    let payload = whole.map(|(payload, _)| payload.clone()).unwrap_or_default();
    let route = "files/upload_session/start";
    let mut retry = 0;
    loop {
        let flow = Arc::new(Flow::default());
        match client.upload_once::<_, Started, UploadSessionStartError>(route, &start, &payload, &flow, None).await {
            Ok(started) => return Ok(started.session_id),
            Err(error) if error.is_transient() || error.is_damaged() && retry < client.settings().retry.retries => {
                client.settings().retry.wait_in_transfer(error, retry, progress).await?;
            }
            Err(error) => return Err(error),
        }
        retry += 1;
    }
}

/// Whether a refusal only says that Dropbox has the chunk, as the official SDKs take it. If it should not, the content hash at
/// the end tells.
fn is_stored(error: &Error, chunk: &Chunk, ambiguous: bool) -> bool {
    let Some(error) = append_error(error) else { return false };
    match error {
        UploadSessionAppendError::IncorrectOffset { correct_offset } => {
            ambiguous || *correct_offset == chunk.offset + chunk.payload.len()
        }
        UploadSessionAppendError::ConcurrentSessionInvalidOffset => ambiguous,
        UploadSessionAppendError::Closed => ambiguous && chunk.close,
        _ => false,
    }
}

/// Refusals that a further try may not meet.
fn may_pass(error: &Error) -> bool {
    error.is_damaged()
        || error.is_ambiguous()
        || matches!(append_error(error), Some(UploadSessionAppendError::IncorrectOffset { .. }))
}

fn append_error(error: &Error) -> Option<&UploadSessionAppendError> {
    if let Error::Route { error: RouteError::SessionAppend(error), .. } = error { Some(error) } else { None }
}
