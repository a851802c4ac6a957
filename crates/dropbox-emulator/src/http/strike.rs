//! What each kind of fault does to a call, before it takes effect and after.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::named;
use super::trouble::Trouble;
use crate::app::App;
use crate::errors::{FinishError, ListContinueError, LookupError, RelocationError, SessionError};
use crate::failure::{Failure, to_value};
use crate::faults::FaultKind;
use crate::people::Person;
use crate::routes::{self, Style, path_root};

/// A call, as far as faults go.
pub(super) struct Call<'a> {
    pub(super) app: &'a App,
    pub(super) route: &'a str,
    pub(super) argument: &'a Value,
}

impl Call<'_> {
    /// Whether the body that counts is the request's.
    fn carries_data(&self) -> bool {
        routes::style(self.route) == Some(Style::Upload)
    }

    /// Strikes before the call takes effect; an answer here is in its place.
    pub(super) async fn before(&self, fault: FaultKind, body: &mut RequestBody) -> Result<Option<Answer>, Failure> {
        if let Some(failure) = refusal(fault) {
            return Err(failure);
        }
        match fault {
            FaultKind::ResetBeforeBody => return Err(Failure::Cut),
            FaultKind::ResetBeforeEffect => {
                body.skip_half().await;
                return Err(Failure::Cut);
            }
            FaultKind::ResetAfterBody => {
                body.drain().await?;
                return Err(Failure::Cut);
            }
            FaultKind::StalledBody if self.carries_data() => {
                body.skip_half().await;
                return Err(Failure::Silent);
            }
            FaultKind::SlowBody { bytes_per_second } if self.carries_data() => body.slow_down(bytes_per_second),
            FaultKind::DamagedBody if self.carries_data() => body.damage(),
            FaultKind::IncorrectOffset { correct_offset } => {
                return self.refuse(SessionError::IncorrectOffset { correct_offset });
            }
            FaultKind::ContentHashMismatch => return self.refuse(SessionError::ContentHashMismatch),
            FaultKind::QuotaReached => self.app.change(|account| account.quota = account.tree.used()),
            FaultKind::SessionLost => self.app.change(|account| {
                named::sessions(self.argument).into_iter().for_each(|id| account.sessions.remove(id));
            }),
            FaultKind::InvalidRoot => return Err(path_root::invalid(self.app, Person::default())),
            _ => {}
        }
        Ok(None)
    }

    /// Refuses the call, or each of its entries, as the route's union has it.
    fn refuse(&self, error: SessionError) -> Result<Option<Answer>, Failure> {
        let failed = |error: Value| {
            let entry = json!({ ".tag": "failure", "failure": error });
            let entries = vec![entry; named::entries(self.argument)];
            Ok(Some(answer::json(StatusCode::OK, &json!({ "entries": entries }))))
        };
        match self.route {
            "files/upload_session/finish" => Err(FinishError::from(error).into()),
            "files/upload_session/finish_batch_v2" => failed(to_value(&FinishError::from(error))),
            "files/upload_session/append_batch" if error != SessionError::ContentHashMismatch => {
                failed(to_value(&error))
            }
            _ => Err(error.into()),
        }
    }

    /// What a call that carried data takes.
    pub(super) async fn take_time(&self, body: &RequestBody) {
        let takes = self.app.weather().append;
        if takes > Duration::ZERO && self.carries_data() && body.received() > 0 {
            tokio::time::sleep(takes).await;
        }
    }

    /// What is to become of the answer of a call that took effect.
    pub(super) fn after(&self, fault: FaultKind) -> Result<Option<Trouble>, Failure> {
        Ok(match fault {
            FaultKind::AnswerLostAfterEffect => return Err(Failure::Cut),
            FaultKind::StalledAnswer => return Err(Failure::Silent),
            FaultKind::ResetMidAnswer => Some(Trouble::Cut),
            _ if self.carries_data() => None,
            FaultKind::StalledBody => Some(Trouble::Stall),
            FaultKind::SlowBody { bytes_per_second } => Some(Trouble::Slow(bytes_per_second)),
            FaultKind::DamagedBody => Some(Trouble::Damage),
            _ => None,
        })
    }
}

/// The faults that are an answer and nothing else.
fn refusal(fault: FaultKind) -> Option<Failure> {
    let text =
        |status: StatusCode| Some(Failure::Text(status, status.canonical_reason().unwrap_or_default().to_owned()));
    match fault {
        FaultKind::Status500 => text(StatusCode::INTERNAL_SERVER_ERROR),
        FaultKind::Status502 => text(StatusCode::BAD_GATEWAY),
        FaultKind::Status503 => text(StatusCode::SERVICE_UNAVAILABLE),
        FaultKind::Unavailable { retry_after } => Some(Failure::Unavailable(retry_after)),
        FaultKind::Unauthorized { tag: "missing_scope" } => {
            Some(Failure::Unauthorized(json!({ ".tag": "missing_scope", "required_scope": "files.content.write" })))
        }
        FaultKind::Unauthorized { tag } => Some(Failure::unauthorized(tag)),
        FaultKind::NotRelocated { tag: "from_lookup" } => {
            Some(RelocationError::FromLookup { from_lookup: LookupError::NotFound }.into())
        }
        FaultKind::NotRelocated { tag } => Some(Failure::Endpoint(json!({ ".tag": tag }))),
        FaultKind::ProxyPage { status } => Some(Failure::Page(StatusCode::from_u16(status).unwrap_or_default())),
        FaultKind::TooManyRequests { retry_after } => {
            Some(Failure::RateLimited { reason: "too_many_requests", retry_after: Some(retry_after) })
        }
        FaultKind::TooManyWriteOperations => {
            Some(Failure::RateLimited { reason: "too_many_write_operations", retry_after: None })
        }
        FaultKind::TooManyRequestsText { retry_after } => Some(Failure::RateLimitedText(retry_after)),
        FaultKind::AccessTokenExpired => Some(Failure::unauthorized("expired_access_token")),
        FaultKind::CursorReset => Some(ListContinueError::Reset.into()),
        _ => None,
    }
}
