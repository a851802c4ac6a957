//! When backups of a job were last restored and verified.

use crate::Catalog;
use crate::error::Error;
use crate::runs::{Run, restored_from};
use crate::sql::{self, values};
use crate::values::Moment;

impl Catalog {
    /// Returns the last restore that read a backup of this job, by the job's name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn last_restore(&self, job: &str) -> Result<Option<Run>, Error> {
        let text = sql::select::<Run>(
            "WHERE kind <> 'backup' AND kind = 'restore' AND request LIKE $1 ESCAPE '\\' ORDER BY id DESC LIMIT 1",
        );
        sql::one(&self.db, &text, values![restored_from(job)]).await
    }

    /// Returns when a backup of this job was last verified, by the job's name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn last_verified(&self, job: &str) -> Result<Option<Moment>, Error> {
        let text = "SELECT MAX((SELECT MAX(c.verified_at) FROM copies c WHERE c.series_id = s.id AND c.verified_at IS NOT NULL)) \
                    AS verified_at FROM series s WHERE s.job = $1";
        Ok(sql::value::<Option<Moment>>(&self.db, text, values![job]).await?.flatten())
    }
}
