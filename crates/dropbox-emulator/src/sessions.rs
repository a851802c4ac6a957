//! Upload sessions: files that arrive in pieces, before they have a name.
//!
//! Rules are those of files.stone. Where it is silent, the stricter reading: a closed session takes no more pieces, even
//! a concurrent one with pieces under way; a piece that is sent again must be the same to be taken.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::errors::{FinishError, SessionError};
use crate::hash::{BLOCK, ContentHasher};
use crate::http::body::Received;
use crate::random;
use crate::store::{Content, Segment};

/// The largest file: 2^41 - 2^22 bytes.
const MAX_FILE: u64 = (1 << 41) - BLOCK;

/// How long a session can be used. Seven days since 2021-02.
const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// All open sessions by id.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Sessions {
    open: HashMap<String, Session>,
}

/// One file in pieces.
#[derive(Serialize, Deserialize)]
pub(crate) struct Session {
    started: Timestamp,
    /// No more pieces.
    pub(crate) closed: bool,
    pieces: Pieces,
}

/// How the pieces come.
#[derive(Serialize, Deserialize)]
enum Pieces {
    /// One after the other.
    Sequential { hasher: ContentHasher, segments: Vec<Segment>, len: u64 },
    /// In any order, each at a multiple of 4 MiB.
    Concurrent { pieces: BTreeMap<u64, Piece> },
}

#[derive(Serialize, Deserialize)]
struct Piece {
    hasher: ContentHasher,
    segments: Vec<Segment>,
    len: u64,
}

impl Sessions {
    /// Starts a session and answers with its id.
    pub(crate) fn start(&mut self, concurrent: bool, now: Timestamp) -> String {
        let pieces = if concurrent {
            Pieces::Concurrent { pieces: BTreeMap::new() }
        } else {
            Pieces::Sequential { hasher: ContentHasher::default(), segments: Vec::new(), len: 0 }
        };
        let id = format!("pid_upload_session:{}", random::secret());
        self.open.retain(|_, session| session.started + LIFETIME > now);
        self.open.insert(id.clone(), Session { started: now, closed: false, pieces });
        id
    }

    /// The session of that id, unless it is too old.
    pub(crate) fn get(&mut self, id: &str, now: Timestamp) -> Result<&mut Session, SessionError> {
        let session = self.open.get_mut(id).filter(|session| session.started + LIFETIME > now);
        session.ok_or(SessionError::NotFound)
    }

    /// Forgets a session that has become a file.
    pub(crate) fn remove(&mut self, id: &str) {
        self.open.remove(id);
    }

    /// How many there are.
    pub(crate) fn count(&mut self, now: Timestamp) -> usize {
        self.open.retain(|_, session| session.started + LIFETIME > now);
        self.open.len()
    }

    /// All stored pieces.
    pub(crate) fn segments_mut(&mut self) -> impl Iterator<Item = &mut Segment> {
        self.open.values_mut().flat_map(|session| -> Box<dyn Iterator<Item = &mut Segment>> {
            match &mut session.pieces {
                Pieces::Sequential { segments, .. } => Box::new(segments.iter_mut()),
                Pieces::Concurrent { pieces } => Box::new(pieces.values_mut().flat_map(|piece| &mut piece.segments)),
            }
        })
    }
}

impl Session {
    /// Whether pieces may come in any order.
    pub(crate) fn is_concurrent(&self) -> bool {
        matches!(self.pieces, Pieces::Concurrent { .. })
    }

    /// Whether a piece may come at `offset`, and the hasher to take it with.
    pub(crate) fn expect(&self, offset: u64) -> Result<ContentHasher, SessionError> {
        if self.closed {
            return Err(SessionError::Closed);
        }
        match &self.pieces {
            Pieces::Sequential { len, .. } if *len != offset => {
                Err(SessionError::IncorrectOffset { correct_offset: *len })
            }
            Pieces::Sequential { hasher, .. } => Ok(hasher.tail()),
            Pieces::Concurrent { .. } if !offset.is_multiple_of(BLOCK) => {
                Err(SessionError::ConcurrentSessionInvalidOffset)
            }
            Pieces::Concurrent { .. } => Ok(ContentHasher::default()),
        }
    }

    /// Takes a piece that [`Session::expect`] allowed; things may have changed since.
    pub(crate) fn append(&mut self, offset: u64, piece: Received, close: bool) -> Result<(), SessionError> {
        self.expect(offset)?;
        if offset.saturating_add(piece.len) > MAX_FILE {
            return Err(SessionError::TooLarge);
        }
        let end = offset + piece.len;
        match &mut self.pieces {
            Pieces::Sequential { hasher, segments, len } => {
                hasher.join(piece.hasher);
                segments.extend(piece.segments);
                *len = end;
            }
            Pieces::Concurrent { pieces } => append_concurrent(pieces, offset, piece, close)?,
        }
        self.closed = close;
        Ok(())
    }

    /// The whole file, if `offset` is where it ends and nothing is missing. Callers of concurrent sessions pass the
    /// size (the SDKs) or 0 (the Go client of offen/docker-volume-backup); both are known to work.
    pub(crate) fn assemble(&self, offset: u64) -> Result<Content, FinishError> {
        match &self.pieces {
            Pieces::Sequential { hasher, segments, len } => {
                if offset != *len {
                    return Err(SessionError::IncorrectOffset { correct_offset: *len }.into());
                }
                Ok(Content { segments: segments.clone(), size: *len, hash: hasher.finish() })
            }
            Pieces::Concurrent { .. } if !self.closed => Err(FinishError::ConcurrentSessionNotClosed),
            Pieces::Concurrent { pieces } => {
                let mut whole = Content { segments: Vec::new(), size: 0, hash: String::new() };
                let mut hasher = ContentHasher::default();
                for (start, piece) in pieces {
                    if *start != whole.size {
                        return Err(FinishError::ConcurrentSessionMissingData);
                    }
                    whole.segments.extend(piece.segments.iter().cloned());
                    whole.size += piece.len;
                    hasher.join(piece.hasher.clone());
                }
                if offset != 0 && offset != whole.size {
                    return Err(SessionError::IncorrectOffset { correct_offset: whole.size }.into());
                }
                whole.hash = hasher.finish();
                Ok(whole)
            }
        }
    }
}

fn append_concurrent(
    pieces: &mut BTreeMap<u64, Piece>,
    offset: u64,
    piece: Received,
    close: bool,
) -> Result<(), SessionError> {
    if !close && !piece.len.is_multiple_of(BLOCK) {
        return Err(SessionError::ConcurrentSessionInvalidDataSize);
    }
    let end = offset + piece.len;
    if let Some(there) = pieces.get(&offset)
        && there.len == piece.len
        && there.hasher.finish() == piece.hasher.finish()
    {
        return Ok(());
    }
    let overlaps = |(start, there): (&u64, &Piece)| *start < end && start + there.len > offset;
    let is_before_the_end = close && pieces.last_key_value().is_some_and(|(start, last)| start + last.len > end);
    if pieces.iter().any(overlaps) || is_before_the_end {
        return Err(SessionError::ConcurrentSessionInvalidOffset);
    }
    if piece.len > 0 || close {
        pieces.insert(offset, Piece { hasher: piece.hasher, segments: piece.segments, len: piece.len });
    }
    Ok(())
}
