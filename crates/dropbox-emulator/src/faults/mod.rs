//! Faults that a test puts in a call's way. Everything that makes the network or Dropbox misbehave at one call passes
//! through here; `http/strike.rs` has what each does.

mod syntax;
mod tags;
mod waiting;

pub(crate) use waiting::Faults;

use crate::tree::path::fold;

/// What goes wrong. In brackets: its name on the command line and in the control API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// 500 with a text; nothing was done (`500`).
    Status500,
    /// 502 with a text; nothing was done (`502`).
    Status502,
    /// 503 with a text; nothing was done (`503`).
    Status503,
    /// The same with the header `Retry-After` (`503` with `retry-after`).
    Unavailable {
        /// Seconds.
        retry_after: u64,
    },
    /// 401 with that tag; nothing was done (`401` with `tag`).
    Unauthorized {
        /// The tag: one of the specification's, or `of_next_year`.
        tag: &'static str,
    },
    /// 409 with that tag of `RelocationError`, for calls that copy or move; nothing was done (`409` with `tag`).
    NotRelocated {
        /// The tag: one of the specification's that carries nothing, `from_lookup` (nothing is there), or `of_next_year`.
        tag: &'static str,
    },
    /// A web page with that status, as a proxy or a network's sign-in page has it; nothing was done (`proxy-page`).
    ProxyPage {
        /// The HTTP status.
        status: u16,
    },
    /// File metadata in the answer lacks `content_hash`, which the specification calls optional (`no-hash`).
    NoContentHash,
    /// 429 `too_many_requests` in JSON, with the seconds to wait in body and header; nothing was done (`429`).
    TooManyRequests {
        /// Seconds.
        retry_after: u64,
    },
    /// 429 `too_many_write_operations` in JSON, without a time to wait; nothing was done (`429-writes`).
    TooManyWriteOperations,
    /// 429 in plain text with the header `Retry-After`; nothing was done (`429-text`).
    TooManyRequestsText {
        /// Seconds.
        retry_after: u64,
    },
    /// The connection is reset before the body of the request is read; nothing was done (`reset-before-body`).
    ResetBeforeBody,
    /// The connection is reset amid the body of the request, or at once if there is none; nothing was done
    /// (`reset-mid-body`, of uploads).
    ResetBeforeEffect,
    /// The connection is reset after the body of the request; nothing was done (`reset-after-body`).
    ResetAfterBody,
    /// The call takes effect, then the connection is reset instead of an answer (`answer-lost`).
    AnswerLostAfterEffect,
    /// The call takes effect, and the connection is reset amid the body of the answer (`reset-mid-answer`, and
    /// `reset-mid-body` of downloads).
    ResetMidAnswer,
    /// 401 `expired_access_token`, whatever the token's age; nothing was done (`token-expired`).
    AccessTokenExpired,
    /// 409 `incorrect_offset`, as the route has it; nothing was done (`incorrect-offset`).
    IncorrectOffset {
        /// What the answer claims that the session expects.
        correct_offset: u64,
    },
    /// 409 `content_hash_mismatch`; nothing was done (`hash-mismatch`).
    ContentHashMismatch,
    /// The call's body flows at that speed: the request's of an upload, the answer's of any other (`slow-body`).
    SlowBody {
        /// More than 0.
        bytes_per_second: u64,
    },
    /// The call's body stops in the middle, and the connection stays open: the request's body of an upload, of which
    /// nothing is done, the answer's of any other (`stalled-body`).
    StalledBody,
    /// The call takes effect, but no answer ever comes, and the connection stays open (`stalled-answer`).
    StalledAnswer,
    /// From this call on, the account's allowance is what is in use; the call goes on (`quota-reached`).
    QuotaReached,
    /// The upload sessions that the call names are forgotten before it goes on (`session-lost`).
    SessionLost,
    /// A byte is changed on the way: after the claimed hash of an upload was checked, before it is stored; or of what
    /// any other call answers (`damaged-body`).
    DamagedBody,
    /// 422 `invalid_root`, with the root that is right; nothing was done (`invalid-root`).
    InvalidRoot,
    /// 409 `reset` (`cursor-reset`).
    CursorReset,
    /// A page of `list_folder` or its `continue` without entries, and with more to come; none is lost (`empty-page`).
    EmptyPage,
    /// A page of `list_folder` or its `continue` whose entries come again on the next (`repeated-page`).
    RepeatedPage,
}

/// A fault and the calls that it hits.
///
/// On the command line and in the control API: `route=files/upload,kind=503,path=/a*,nth=3,every=20,times=2`, of which
/// only route and kind must be there; `retry-after=`, `speed=`, `offset=`, `tag=` and `status=` belong to kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The route, such as `files/upload` or `oauth2/token`, with or without `files/`; a `*` at its end is any ending.
    pub route: String,
    /// What goes wrong.
    pub kind: FaultKind,
    /// Only calls whose argument names this path, in any capitals; a `*` at its end is any ending.
    pub path: Option<String>,
    /// The first of these calls that is hit, or with `every` counted; 1 is the next.
    pub nth: u32,
    /// Hit only every such call from there on.
    pub every: Option<u32>,
    /// How many calls are hit. `None` is one, or with `every` any number.
    pub times: Option<u32>,
}

impl Fault {
    /// Hits the next call to `route`, once.
    pub fn next(route: &str, kind: FaultKind) -> Fault {
        Fault { route: route.to_owned(), kind, path: None, nth: 1, every: None, times: None }
    }

    /// The same, from the `nth` call on; 1 is the next.
    #[must_use]
    pub fn nth(self, nth: u32) -> Fault {
        Fault { nth, ..self }
    }

    /// The same, for that many calls: in a row, or those that `every` leaves.
    #[must_use]
    pub fn times(self, times: u32) -> Fault {
        Fault { times: Some(times), ..self }
    }

    /// The same, only for calls whose argument names this path; a `*` at its end is any ending.
    #[must_use]
    pub fn on_path(self, path: &str) -> Fault {
        Fault { path: Some(path.to_owned()), ..self }
    }

    /// The same, for the `every`th call, the second `every`th, and so on, for ever unless `times` bounds it.
    #[must_use]
    pub fn every(self, every: u32) -> Fault {
        Fault { every: Some(every), ..self }
    }

    /// Whether such a call is one of those that it counts.
    fn matches(&self, route: &str, paths: &[String]) -> bool {
        let is_path = |pattern: &String| paths.iter().any(|path| fits(&fold(pattern), &fold(path)));
        names_route(&self.route, route) && self.path.as_ref().is_none_or(is_path)
    }
}

/// Whether the pattern of a fault names that route.
fn names_route(pattern: &str, route: &str) -> bool {
    fits(pattern, route) || route.strip_prefix("files/").is_some_and(|route| fits(pattern, route))
}

fn fits(pattern: &str, text: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == text, |start| text.starts_with(start))
}
