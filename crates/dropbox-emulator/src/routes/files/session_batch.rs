//! `files/upload_session/{start_batch,append_batch,finish_batch_v2}`: many files in one call each.

use serde::Deserialize;
use serde_json::{Value, json};

use super::session::{self, Cursor, FinishArg, SessionType};
use crate::errors::{AppendBatchError, FinishError, SessionError};
use crate::failure::{Failure, to_value};
use crate::hash::{BLOCK, ContentHasher};
use crate::http::body::{MAX_BODY, Received, RequestBody};
use crate::routes::{Arg, Caller, strings};

/// The most entries of any of these calls.
const MAX_ENTRIES: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StartBatchArg {
    session_type: Option<SessionType>,
    num_sessions: usize,
}

/// Starts several empty sessions.
pub(crate) fn start(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    let StartBatchArg { session_type, num_sessions } = arg.parse()?;
    if !(1..=MAX_ENTRIES).contains(&num_sessions) {
        return Err(arg.refuse(&format!("num_sessions: {num_sessions} is not within 1 to {MAX_ENTRIES}")));
    }
    let concurrent = session_type == Some(SessionType::Concurrent);
    let now = caller.app.clock.now();
    let ids: Vec<String> =
        caller.app.change(|account| (0..num_sessions).map(|_| account.sessions.start(concurrent, now)).collect());
    Ok(json!({ "session_ids": ids }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppendBatchArg {
    entries: Vec<AppendEntry>,
    #[serde(default, deserialize_with = "strings::hash")]
    content_hash: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppendEntry {
    cursor: Cursor,
    length: u64,
    #[serde(default)]
    close: bool,
}

/// Adds one piece to each of several sessions; the body is the pieces, one behind the other.
pub(crate) async fn append(caller: &Caller, arg: &Arg, body: &mut RequestBody) -> Result<Value, Failure> {
    let AppendBatchArg { entries, content_hash } = arg.parse()?;
    check_count(arg, entries.len())?;
    let total = entries.iter().fold(0_u64, |total, entry| total.saturating_add(entry.length));
    if total > MAX_BODY {
        return Err(AppendBatchError::PayloadTooLarge.into());
    }
    // A session that takes no piece is told so below; its bytes must be read all the same.
    let hashers = entries.iter().map(|entry| session::expect(caller, &entry.cursor).unwrap_or_default());
    let hashers: Vec<ContentHasher> = hashers.collect();
    let can_join = !body.is_lying() && are_whole_blocks(&entries, &hashers);
    body.whole = (content_hash.is_some() && !can_join).then(ContentHasher::default);
    let mut pieces = Vec::new();
    for (entry, hasher) in entries.iter().zip(hashers) {
        let piece = body.store(&caller.app.store, entry.length, hasher).await?;
        if piece.len < entry.length {
            return Err(AppendBatchError::LengthMismatch.into());
        }
        pieces.push(piece);
    }
    if !body.is_at_end().await? {
        return Err(AppendBatchError::LengthMismatch.into());
    }
    if content_hash.is_some_and(|claimed| claimed != body.whole.take().unwrap_or_else(|| join(&pieces)).finish()) {
        return Err(AppendBatchError::ContentHashMismatch.into());
    }
    let results: Vec<Value> = caller.app.change(|account| {
        let add = |(entry, piece): (&AppendEntry, _)| {
            result(session::add(caller, account, &entry.cursor, piece, entry.close).map(|()| json!({})))
        };
        entries.iter().zip(pieces).map(add).collect()
    });
    Ok(json!({ "entries": results }))
}

/// Whether the pieces' own hashes make up the hash of the body: if each begins and, but for the last, ends a block.
fn are_whole_blocks(entries: &[AppendEntry], hashers: &[ContentHasher]) -> bool {
    let all_but_last = entries.split_last().map_or(entries, |(_, rest)| rest);
    all_but_last.iter().all(|entry| entry.length.is_multiple_of(BLOCK))
        && hashers.iter().all(ContentHasher::is_at_block_border)
}

fn join(pieces: &[Received]) -> ContentHasher {
    pieces.iter().fold(ContentHasher::default(), |mut whole, piece| {
        whole.join(piece.hasher.clone());
        whole
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FinishBatchArg {
    entries: Vec<FinishArg>,
}

/// Names several closed sessions, each for itself, and answers when all are done.
pub(crate) fn finish(caller: &Caller, arg: &Arg) -> Result<Value, Failure> {
    let FinishBatchArg { entries } = arg.parse()?;
    check_count(arg, entries.len())?;
    let now = caller.app.clock.now();
    let results: Result<Vec<Value>, Failure> = caller.app.change(|account| {
        let finish = |entry: &FinishArg| {
            let session = account.sessions.get(&entry.cursor.session_id, now);
            let outcome = match session.map_err(FinishError::from) {
                Err(error) => Err(error),
                Ok(session) if !session.closed => Err(FinishError::from(SessionError::NotClosed)),
                Ok(_) => session::name(caller, account, arg, &entry.cursor, &entry.commit)?,
            };
            Ok(result(outcome))
        };
        entries.iter().map(finish).collect()
    });
    Ok(json!({ "entries": results? }))
}

fn check_count(arg: &Arg, entries: usize) -> Result<(), Failure> {
    if entries > MAX_ENTRIES {
        return Err(arg.refuse(&format!("entries: more than {MAX_ENTRIES}")));
    }
    Ok(())
}

/// An entry's outcome: the fields of a success, or the error under `failure`.
fn result(outcome: Result<Value, impl serde::Serialize>) -> Value {
    match outcome {
        Ok(mut success) => {
            success[".tag"] = "success".into();
            success
        }
        Err(error) => json!({ ".tag": "failure", "failure": to_value(&error) }),
    }
}
