//! `files/upload_session/{start,append_v2,finish}`: a file in pieces.

use serde::Deserialize;
use serde_json::{Value, json};

use super::commit_info::CommitInfo;
use crate::app::Account;
use crate::errors::{FinishError, SessionError, StartError};
use crate::failure::Failure;
use crate::hash::ContentHasher;
use crate::http::body::{MAX_BODY, Received, RequestBody};
use crate::routes::{Arg, Caller, strings};

/// `UploadSessionCursor`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    pub(super) session_id: String,
    pub(super) offset: u64,
}

/// `UploadSessionType`, as a word or as an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(super) enum SessionType {
    Sequential,
    Concurrent,
}

impl TryFrom<Value> for SessionType {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value.as_str().or_else(|| value[".tag"].as_str()) {
            Some("sequential") => Ok(SessionType::Sequential),
            Some("concurrent") => Ok(SessionType::Concurrent),
            _ => Err(format!("session_type: invalid session type {value}")),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StartArg {
    #[serde(default)]
    close: bool,
    session_type: Option<SessionType>,
    #[serde(default, deserialize_with = "strings::hash")]
    content_hash: Option<String>,
}

/// Starts a session, with its first piece if it is sequential.
pub(crate) async fn start(caller: &Caller, arg: &Arg, body: &mut RequestBody) -> Result<Value, Failure> {
    let start: StartArg = arg.parse()?;
    let concurrent = start.session_type == Some(SessionType::Concurrent);
    if concurrent && start.close {
        return Err(StartError::ConcurrentSessionCloseNotAllowed.into());
    }
    let piece = receive(caller, body, ContentHasher::default(), start.content_hash.as_deref()).await?;
    let piece = piece.map_err(|error| match error {
        PieceError::TooLarge => StartError::PayloadTooLarge,
        PieceError::HashMismatch => StartError::ContentHashMismatch,
    })?;
    if concurrent && piece.len > 0 {
        return Err(StartError::ConcurrentSessionDataNotAllowed.into());
    }
    let now = caller.app.clock.now();
    caller.app.change(|account| {
        let id = account.sessions.start(concurrent, now);
        if !concurrent {
            account.sessions.get(&id, now).and_then(|session| session.append(0, piece, start.close))?;
        }
        Ok(json!({ "session_id": id }))
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppendArg {
    cursor: Cursor,
    #[serde(default)]
    close: bool,
    #[serde(default, deserialize_with = "strings::hash")]
    content_hash: Option<String>,
}

/// Adds a piece; the answer is `null`.
pub(crate) async fn append(caller: &Caller, arg: &Arg, body: &mut RequestBody) -> Result<Value, Failure> {
    let AppendArg { cursor, close, content_hash } = arg.parse()?;
    let hasher = expect(caller, &cursor)?;
    let piece = receive(caller, body, hasher, content_hash.as_deref()).await?.map_err(SessionError::from)?;
    caller.app.change(|account| add(caller, account, &cursor, piece, close))?;
    Ok(Value::Null)
}

/// Whether the session takes a piece at the cursor, and the hasher for it.
pub(super) fn expect(caller: &Caller, cursor: &Cursor) -> Result<ContentHasher, SessionError> {
    let now = caller.app.clock.now();
    caller.app.account().sessions.get(&cursor.session_id, now)?.expect(cursor.offset)
}

/// Adds a received piece.
pub(super) fn add(
    caller: &Caller,
    account: &mut Account,
    cursor: &Cursor,
    piece: Received,
    close: bool,
) -> Result<(), SessionError> {
    let now = caller.app.clock.now();
    account.sessions.get(&cursor.session_id, now)?.append(cursor.offset, piece, close)
}

/// Why a piece was not taken, whatever the session.
#[derive(Debug, Clone, Copy)]
enum PieceError {
    TooLarge,
    HashMismatch,
}

impl From<PieceError> for SessionError {
    fn from(error: PieceError) -> Self {
        match error {
            PieceError::TooLarge => SessionError::PayloadTooLarge,
            PieceError::HashMismatch => SessionError::ContentHashMismatch,
        }
    }
}

/// Stores the body as one piece, and compares it with the hash that the caller claims for it.
async fn receive(
    caller: &Caller,
    body: &mut RequestBody,
    hasher: ContentHasher,
    claimed: Option<&str>,
) -> Result<Result<Received, PieceError>, Failure> {
    // A piece that begins in the middle of a block of the file has a hash of its own.
    let is_aligned = hasher.is_at_block_border();
    let is_apart = !is_aligned || body.is_lying();
    body.whole = (claimed.is_some() && is_apart).then(ContentHasher::default);
    let piece = body.store(&caller.app.store, MAX_BODY + 1, hasher).await?;
    if piece.len > MAX_BODY {
        return Ok(Err(PieceError::TooLarge));
    }
    let own = || body.whole.as_ref().unwrap_or(&piece.hasher).finish();
    match claimed {
        Some(claimed) if own() != claimed => Ok(Err(PieceError::HashMismatch)),
        _ => Ok(Ok(piece)),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FinishArg {
    pub(super) cursor: Cursor,
    pub(super) commit: CommitInfo,
    #[serde(default, deserialize_with = "strings::hash")]
    pub(super) content_hash: Option<String>,
}

/// Adds the last piece, if there is one, and names the file. If the name is refused the piece stays: the caller tries
/// again with an empty body and the offset after it.
pub(crate) async fn finish(caller: &Caller, arg: &Arg, body: &mut RequestBody) -> Result<Value, Failure> {
    let FinishArg { cursor, commit, content_hash } = arg.parse()?;
    let now = caller.app.clock.now();
    let (concurrent, closed, hasher) = {
        let mut account = caller.app.account();
        let session = account.sessions.get(&cursor.session_id, now).map_err(FinishError::from)?;
        let hasher = session.expect(cursor.offset);
        (session.is_concurrent(), session.closed, hasher)
    };
    let takes_data = !concurrent && !closed;
    let hasher = if takes_data { hasher.map_err(FinishError::from)? } else { ContentHasher::default() };
    let piece = receive(caller, body, hasher, content_hash.as_deref()).await?;
    let piece = piece.map_err(|error| FinishError::from(SessionError::from(error)))?;
    if piece.len > 0 && !takes_data {
        return Err(match concurrent {
            true => FinishError::ConcurrentSessionDataNotAllowed.into(),
            false => FinishError::from(SessionError::Closed).into(),
        });
    }
    let end = cursor.offset + piece.len;
    let _lock = caller.app.lock_namespace().await?;
    caller.app.change(|account| {
        if piece.len > 0 {
            add(caller, account, &cursor, piece, false).map_err(FinishError::from)?;
        }
        Ok(name(caller, account, arg, &Cursor { offset: end, ..cursor }, &commit)??)
    })
}

/// Makes a file of a whole session, which is then gone. The outer error is a 400.
pub(super) fn name(
    caller: &Caller,
    account: &mut Account,
    arg: &Arg,
    cursor: &Cursor,
    commit: &CommitInfo,
) -> Result<Result<Value, FinishError>, Failure> {
    let now = caller.app.clock.now();
    let session = account.sessions.get(&cursor.session_id, now).map_err(FinishError::from);
    let content = match session.and_then(|session| session.assemble(cursor.offset)) {
        Ok(content) => content,
        Err(error) => return Ok(Err(error)),
    };
    let outcome = commit.commit(caller, account, arg, &content)?;
    if outcome.is_ok() {
        account.sessions.remove(&cursor.session_id);
    }
    Ok(outcome.map_err(|path| FinishError::Path { path }))
}
