//! How full the destinations were, day by day.

use jiff::Timestamp;

use crate::Catalog;
use crate::error::Error;
use crate::sql::{self, record, values};
use crate::values::Moment;

const MILLISECONDS_PER_DAY: i64 = 24 * 3600 * 1000;
/// Older days are forgotten.
const DAYS_KEPT: i64 = 400;

/// How full a destination was on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceOfDay {
    /// The destination.
    pub destination_id: String,
    /// Days since 1970-01-01 (UTC).
    pub day: i64,
    /// Bytes in use.
    pub used: i64,
    /// Bytes allowed; none without a limit.
    pub allowed: Option<i64>,
}

record!(SpaceOfDay, "destination_space", { destination_id, day, used, allowed });

impl Catalog {
    /// Notes how full a destination is. The last word of a day counts.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Referenced`] if the destination is gone.
    pub async fn note_space(
        &self,
        destination_id: &str,
        used: u64,
        allowed: Option<u64>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let day = day_of(now);
        let text = "INSERT INTO destination_space (destination_id, day, used, allowed) VALUES ($1, $2, $3, $4) \
                    ON CONFLICT (destination_id, day) DO UPDATE SET used = excluded.used, allowed = excluded.allowed";
        sql::run(&self.db, text, values![destination_id, day, bytes(used), allowed.map(bytes)]).await?;
        let old = "DELETE FROM destination_space WHERE destination_id = $1 AND day < $2";
        sql::run(&self.db, old, values![destination_id, day - DAYS_KEPT]).await.map(drop)
    }

    /// How full the destinations were since a time, by destination and day.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn space_since(&self, since: Moment) -> Result<Vec<SpaceOfDay>, Error> {
        let text = sql::select::<SpaceOfDay>("WHERE day >= $1 ORDER BY destination_id, day");
        sql::all(&self.db, &text, values![day_of(since.0)]).await
    }

    /// Returns how full a destination was since a time, the oldest day first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn space_of(&self, destination_id: &str, since: Moment) -> Result<Vec<SpaceOfDay>, Error> {
        let text = sql::select::<SpaceOfDay>("WHERE destination_id = $1 AND day >= $2 ORDER BY day");
        sql::all(&self.db, &text, values![destination_id, day_of(since.0)]).await
    }
}

fn day_of(time: Timestamp) -> i64 {
    time.as_millisecond().div_euclid(MILLISECONDS_PER_DAY)
}
