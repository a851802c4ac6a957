//! `files/upload`: a file in one request.

use serde_json::Value;

use super::commit_info::CommitInfo;
use crate::errors::{UploadError, UploadWriteFailed, WriteError};
use crate::failure::Failure;
use crate::hash::ContentHasher;
use crate::http::body::{MAX_BODY, Received, RequestBody};
use crate::routes::{Arg, Caller};
use crate::store::Content;

/// Stores the body and names it. A file that cannot be named waits in a session, ready for `finish` with no more data.
pub(crate) async fn upload(caller: &Caller, arg: &Arg, body: &mut RequestBody) -> Result<Value, Failure> {
    let info: CommitInfo = arg.parse()?;
    body.whole = body.is_lying().then(ContentHasher::default);
    let received = body.store(&caller.app.store, MAX_BODY + 1, ContentHasher::default()).await?;
    if received.len > MAX_BODY {
        return Err(UploadError::PayloadTooLarge.into());
    }
    let hash = received.hasher.finish();
    let sent = body.whole.take().map(|whole| whole.finish());
    if info.content_hash.as_ref().is_some_and(|claimed| claimed != sent.as_ref().unwrap_or(&hash)) {
        return Err(UploadError::ContentHashMismatch.into());
    }
    let _lock = caller.app.lock_namespace().await?;
    let content = Content { segments: received.segments.clone(), size: received.len, hash };
    caller.app.change(|account| match info.commit(caller, account, arg, &content)? {
        Ok(metadata) => Ok(metadata),
        Err(reason) => {
            let upload_session_id = match reason {
                // Never to be written anywhere: Dropbox was seen to answer with an empty id (frappe#4296).
                WriteError::MalformedPath => String::new(),
                _ => keep(caller, &mut account.sessions, received),
            };
            Err(UploadError::Path(UploadWriteFailed { reason, upload_session_id }).into())
        }
    })
}

/// Puts the bytes into a new session; a fresh one takes any first piece that one request can carry.
fn keep(caller: &Caller, sessions: &mut crate::sessions::Sessions, received: Received) -> String {
    let now = caller.app.clock.now();
    let id = sessions.start(false, now);
    let kept = sessions.get(&id, now).and_then(|session| session.append(0, received, false));
    if kept.is_ok() { id } else { String::new() }
}
