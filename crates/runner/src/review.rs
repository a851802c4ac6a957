//! Reviewing a restore: what would stand in its way, known before a byte is loaded.

use std::time::Duration;

use pipeline::Progress;
use pipeline::stream::Interrupted;
use sources::{Finding, Kind, RestoreOptions, Severity, Source};

use crate::restore::{OpenError, OpenRequest, OpenedBackup, check_format, check_name, no_dump, open};

/// Time limit of a review, download and questions to the target included.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(60);

/// Reads as much of a backup as the target's review needs, and returns what a person should know before the restore. Changes
/// nothing. A review that cannot be completed is a finding, not an error: the restore itself may work.
///
/// # Errors
/// See [`OpenError`]: the backup cannot be read, opened with the keys at hand, or restored into this engine.
pub async fn review(
    request: OpenRequest<'_>,
    target: &dyn Source,
    options: RestoreOptions,
) -> Result<Vec<Finding>, OpenError> {
    within(REVIEW_TIMEOUT, review_all(request, target, options)).await
}

async fn within(
    limit: Duration,
    reviewing: impl Future<Output = Result<Vec<Finding>, OpenError>>,
) -> Result<Vec<Finding>, OpenError> {
    match tokio::time::timeout(limit, reviewing).await {
        Ok(Err(OpenError::Source(error))) if !is_refusal(&error) => {
            Ok(vec![incomplete("review-failed", format!("The target could not be reviewed: {error}"))])
        }
        Ok(reviewed) => reviewed,
        Err(_) => {
            let message =
                format!("The review was stopped after {} s, so problems may be missing here", limit.as_secs());
            Ok(vec![incomplete("review-timeout", message)])
        }
    }
}

/// Whether the caller has to change what was asked, so that a finding would not do.
fn is_refusal(error: &sources::Error) -> bool {
    matches!(error.kind(), Kind::Invalid | Kind::HoldsData | Kind::Stopped | Kind::Kept { .. })
}

fn incomplete(code: &'static str, message: String) -> Finding {
    Finding { severity: Severity::Warns, code, message, sql: None }
}

/// What a review cannot read, a restore cannot either.
fn unusable(error: &sources::Error) -> Finding {
    Finding { severity: Severity::Blocks, code: "unusable-backup", message: error.to_string(), sql: None }
}

async fn review_all(
    request: OpenRequest<'_>,
    target: &dyn Source,
    options: RestoreOptions,
) -> Result<Vec<Finding>, OpenError> {
    let (path, adapter) = (request.path, target.adapter());
    check_name(path, adapter)?;
    let mut review = target.review(options).await?;
    let mut opened = Reading(Some(open(request, &Progress::default()).await?));
    let mut first = true;
    while let Some(piece) = opened.next().await? {
        if first {
            check_format(&piece, adapter, path)?;
            first = false;
        }
        match review.read(&piece) {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => return Ok(vec![unusable(&error)]),
        }
    }
    drop(opened);
    if first {
        return Err(no_dump(path, adapter));
    }
    Ok(review.finish().await?)
}

/// An opened backup, until it has failed.
struct Reading(Option<OpenedBackup>);

impl Reading {
    async fn next(&mut self) -> Result<Option<bytes::Bytes>, OpenError> {
        let Some(opened) = &mut self.0 else { return Ok(None) };
        match opened.pieces.receive().await {
            Ok(piece) => Ok(piece),
            Err(Interrupted) => {
                let Some(opened) = self.0.take() else { return Ok(None) };
                let cause = opened.finish().await.err();
                Err(cause.unwrap_or_else(|| OpenError::Internal(Interrupted.to_string())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_review_that_takes_too_long_is_told_and_bars_nothing() {
        let findings = within(Duration::ZERO, std::future::pending()).await.unwrap();
        assert_eq!((findings[0].code, findings[0].severity), ("review-timeout", Severity::Warns));
    }
}
