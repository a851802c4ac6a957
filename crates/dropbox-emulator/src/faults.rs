//! Faults that a test puts in a call's way. Everything that makes the network or Dropbox misbehave passes through here.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::StatusCode;

use crate::failure::Failure;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// 500 with a text; nothing was done.
    Status500,
    /// 503 with a text; nothing was done.
    Status503,
    /// 429 `too_many_requests` in JSON, with the seconds to wait in body and header; nothing was done.
    TooManyRequests {
        /// Seconds.
        retry_after: u64,
    },
    /// 429 `too_many_write_operations` in JSON, without a time to wait; nothing was done.
    TooManyWriteOperations,
    /// 429 in plain text with the header `Retry-After`; nothing was done.
    TooManyRequestsText {
        /// Seconds.
        retry_after: u64,
    },
    /// The connection is reset, mid-body if there is one; nothing was done.
    ResetBeforeEffect,
    /// The call takes effect, then the connection is reset instead of an answer.
    AnswerLostAfterEffect,
    /// 401 `expired_access_token`, whatever the token's age; nothing was done.
    AccessTokenExpired,
}

/// A fault and the calls that it hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The route, such as `files/upload` or `oauth2/token`; `*` is any.
    pub route: String,
    /// What goes wrong.
    pub kind: FaultKind,
    /// The first call to the route that is hit, counted from the injection; 1 is the next.
    pub nth: u32,
    /// How many calls in a row are hit.
    pub times: u32,
}

impl Fault {
    /// Hits the next call to `route`, once.
    pub fn next(route: &str, kind: FaultKind) -> Fault {
        Fault { route: route.to_owned(), kind, nth: 1, times: 1 }
    }

    /// The same, from the `nth` call on; 1 is the next.
    #[must_use]
    pub fn nth(self, nth: u32) -> Fault {
        Fault { nth, ..self }
    }

    /// The same, for that many calls in a row.
    #[must_use]
    pub fn times(self, times: u32) -> Fault {
        Fault { times, ..self }
    }
}

/// When in a call a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

impl FaultKind {
    /// What the call comes to at that moment.
    pub(crate) fn failure(self, moment: Moment) -> Option<Failure> {
        if (moment == Moment::After) != (self == FaultKind::AnswerLostAfterEffect) {
            return None;
        }
        Some(match self {
            FaultKind::Status500 => Failure::Text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error".into()),
            FaultKind::Status503 => Failure::Text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable".into()),
            FaultKind::TooManyRequests { retry_after } => {
                Failure::RateLimited { reason: "too_many_requests", retry_after: Some(retry_after) }
            }
            FaultKind::TooManyWriteOperations => {
                Failure::RateLimited { reason: "too_many_write_operations", retry_after: None }
            }
            FaultKind::TooManyRequestsText { retry_after } => Failure::RateLimitedText(retry_after),
            FaultKind::ResetBeforeEffect | FaultKind::AnswerLostAfterEffect => Failure::Cut,
            FaultKind::AccessTokenExpired => Failure::unauthorized("expired_access_token"),
        })
    }
}

/// The faults that wait.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Mutex<Vec<Fault>>,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a fault wait for its call.
    pub(crate) fn add(&self, fault: Fault) {
        self.lock().push(fault);
    }

    /// Counts a call to `route`; the fault that hits it, if one does.
    pub(crate) fn take(&self, route: &str) -> Option<FaultKind> {
        let mut waiting = self.lock();
        let mut hit = None;
        for fault in waiting.iter_mut().filter(|fault| fault.route == route || fault.route == "*") {
            if fault.nth > 1 {
                fault.nth -= 1;
            } else if hit.is_none() && fault.times > 0 {
                fault.times -= 1;
                hit = Some(fault.kind);
            }
        }
        waiting.retain(|fault| fault.times > 0);
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_the_calls_it_names_and_no_other() {
        let faults = Faults::default();
        faults.add(Fault::next("files/upload", FaultKind::Status500).nth(2).times(2));
        let hits: Vec<bool> = (0..5).map(|_| faults.take("files/upload").is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        faults.add(Fault::next("*", FaultKind::Status503));
        assert_eq!(faults.take("oauth2/token"), Some(FaultKind::Status503));
        assert_eq!(faults.take("oauth2/token"), None);
    }
}
