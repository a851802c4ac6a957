//! How many runs there are in each state, from the sums of days and without counting many runs.

use std::collections::BTreeMap;

use domain::outcome::RunStatus;
use domain::run::RunKind;

use crate::Catalog;
use crate::error::Error;
use crate::job_days::{DaySums, NUMBERS};
use crate::sql::{self, record, values};

struct Count {
    state: RunStatus,
    runs: i64,
}

record!(Count, "runs", { state, runs });

impl Catalog {
    /// Returns how many runs there are in each state: of a job, or of all; of a kind, or of any.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn run_counts(
        &self,
        job_id: Option<&str>,
        kind: Option<RunKind>,
    ) -> Result<Vec<(RunStatus, i64)>, Error> {
        let mut counts: BTreeMap<&'static str, i64> = BTreeMap::new();
        let mut add = |state: RunStatus, runs: i64| *counts.entry(state.as_str()).or_default() += runs;
        if kind.is_none_or(|kind| kind == RunKind::Backup) {
            let sums = self.ended_backups(job_id).await?;
            for (state, runs) in [
                (RunStatus::Succeeded, sums.succeeded - sums.with_warnings),
                (RunStatus::SucceededWithWarnings, sums.with_warnings),
                (RunStatus::Partial, sums.partial),
                (RunStatus::Failed, sums.failed),
                (RunStatus::Interrupted, sums.interrupted),
                (RunStatus::Cancelled, sums.cancelled),
            ] {
                add(state, runs);
            }
        }
        let mut others = Vec::new();
        let active = "state IN ('queued', 'running')";
        let group = "GROUP BY state";
        let of_kind = kind.map_or_else(String::new, |kind| format!(" AND kind = '{}'", kind.as_str()));
        match job_id {
            Some(id) => {
                let text =
                    format!("SELECT state, COUNT(*) AS runs FROM runs WHERE job_id = $1 AND {active}{of_kind} {group}");
                others.extend(sql::all::<Count>(&self.db, &text, values![id]).await?);
            }
            None => {
                for which in [
                    format!("{active}{of_kind}"),
                    format!("kind <> 'backup' AND kind IN ('restore', 'copy') AND NOT {active}{of_kind}"),
                    format!("job_id IS NULL AND kind = 'backup' AND NOT {active}{of_kind}"),
                ] {
                    let text = format!("SELECT state, COUNT(*) AS runs FROM runs WHERE {which} {group}");
                    others.extend(sql::all::<Count>(&self.db, &text, []).await?);
                }
            }
        }
        for Count { state, runs } in others {
            add(state, runs);
        }
        Ok(RunStatus::ALL.into_iter().map(|state| (state, counts.get(state.as_str()).copied().unwrap_or(0))).collect())
    }

    /// Adds up the days of a job, or of all.
    async fn ended_backups(&self, job_id: Option<&str>) -> Result<DaySums, Error> {
        let sums = NUMBERS.map(|name| format!("CAST(COALESCE(SUM({name}), 0) AS BIGINT) AS {name}")).join(", ");
        let found = match job_id {
            Some(id) => {
                let text = format!("SELECT {sums} FROM job_days WHERE job_id = $1");
                sql::one(&self.db, &text, values![id]).await?
            }
            None => sql::one(&self.db, &format!("SELECT {sums} FROM total_days"), []).await?,
        };
        Ok(found.unwrap_or_default())
    }
}
