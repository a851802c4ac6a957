//! Whether the restored database has the rows that its backup recorded: asked before it gets its place.

use std::time::Duration;

use domain::Warning;
use domain::rows::{RowComparison, Rows};
use sources::{Counting, Restore};
use tokio_util::sync::CancellationToken;

use super::OpenError;

/// Maximum time for counting the rows of a restored database.
const COUNT_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Counts the rows again and compares them. A backup that recorded none proves nothing, and nothing is counted.
///
/// # Errors
/// [`OpenError::RowsDiffer`] where nobody but the restore can have changed them.
pub(super) async fn compare(
    restoring: &mut dyn Restore,
    recorded: Option<&Rows>,
    cancel: &CancellationToken,
) -> Result<Option<RowComparison>, OpenError> {
    let Some(recorded) = recorded else { return Ok(None) };
    let counting = tokio::select! {
        biased;
        // The commit that follows asks whether the restore is still wanted, and knows what it may undo.
        () = cancel.cancelled() => Counting::Not("the run was cancelled".to_owned()),
        counting = restoring.count_rows(COUNT_LIMIT) => counting,
    };
    let counted = match counting {
        Counting::Done(counted) => counted,
        Counting::Not(why) => return Ok(Some(recorded.not_compared(why))),
    };
    let comparison = recorded.compared_with(&counted.rows);
    if comparison.equal == Some(false) && !counted.can_have_changed {
        return Err(OpenError::RowsDiffer(comparison));
    }
    Ok(Some(comparison))
}

/// Returns a warning about rows that differ where others can have changed them.
pub(super) fn warning(rows: &RowComparison) -> Option<Warning> {
    (rows.equal == Some(false)).then(|| {
        Warning::new("rows-differ", rows.to_string())
            .with_cure("Check whether something wrote to the database during the restore, such as an application or a cron job in it")
    })
}
