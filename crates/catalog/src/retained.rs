//! The input of a retention plan: a job's backups at a destination, and whether the last scan can be trusted.

use domain::Warning;
use domain::stored::{ScanState, SidecarKnown, VerificationResult};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::Catalog;
use crate::error::Error;
use crate::sql::{self, record, values};
use crate::values::Moment;

/// Maximum age of the scan that has seen a copy which makes another one dispensable.
const MAX_SCAN_AGE: SignedDuration = SignedDuration::from_hours(48);
/// By how much a clock may be wrong.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(1);

/// A copy of a backup that a plan decides on. The last scan has seen it.
#[derive(Debug, Clone)]
pub struct RetainedCopy {
    /// The copy's id.
    pub id: String,
    /// Relative to the destination's folder.
    pub path: String,
    /// The job's id, as the sidecar says.
    pub job_id: Option<String>,
    /// `None` for engines with one database per source.
    pub database: Option<String>,
    /// The source's address, as the sidecar says.
    pub source: Option<String>,
    /// The time that was recorded at the dump.
    pub created_at: Moment,
    /// Bytes of the file.
    pub stored_size: i64,
    /// Grows with each copy that arrives at the destination.
    pub arrival: i64,
    /// What it lacks, and what could not be checked.
    pub warnings: Vec<Warning>,
    /// What is known of its sidecar.
    pub sidecar: SidecarKnown,
    /// `unsigned`, `wrong`, or the public key that has signed its sidecar.
    pub signature: Option<String>,
    /// Who verified it last: `user anna`, `run <id>`.
    pub verified_by: Option<String>,
    /// The result of its last verification.
    pub verified_result: Option<VerificationResult>,
    /// Whether a user or a sidecar locks it, or another copy of the same backup.
    pub locked: bool,
    /// Whether another copy of it is known that is not to be deleted.
    pub has_other: bool,
    /// Whether one of those was verified and found complete, and a complete scan of its destination has seen it lately.
    pub has_confirmed: bool,
    /// When it is due for deletion, if it is marked.
    pub due_at: Option<Moment>,
}

record!(RetainedCopy, "copies", {
    id, path, job_id, database, source, created_at, stored_size, arrival, warnings, sidecar, signature, verified_by,
    verified_result, locked, has_other, has_confirmed, due_at
});

/// What is known of a job's backups at a destination.
#[derive(Debug, Clone)]
pub struct Retained {
    /// The newest first.
    pub copies: Vec<RetainedCopy>,
    /// How the destination's last scan ended. `None` if it was never scanned, or not since it was changed.
    pub scan: Option<ScanState>,
    /// Backups of the job that the last scan has seen.
    pub found: i64,
    /// Those, and the ones that are missing or unconfirmed.
    pub expected: i64,
    /// Backups at the destination that the last scan has seen.
    pub found_in_all: i64,
    /// Those, and the ones that are missing or unconfirmed.
    pub expected_in_all: i64,
    /// The newest backup that a run of this server has published at the destination.
    pub published: Option<Published>,
    /// The name of another destination that can have the same files, as the last scans of both have found.
    pub shared_with: Option<String>,
    /// The name of a destination of which no scan has found out where its files are, so that it can have the same: this one, or another
    /// one of its kind that has backups.
    pub place_unknown: Option<String>,
}

/// A destination, and which folders its last scan has found it in: its own first, then those around that one.
struct KnownPlace {
    id: String,
    name: String,
    settings: Value,
    place: Option<Vec<String>>,
    has_copies: bool,
}

record!(KnownPlace, "destinations", { id, name, settings, place, has_copies });

impl KnownPlace {
    fn is_like(&self, other: &Self) -> bool {
        self.settings["type"] == other.settings["type"]
    }

    fn overlaps(&self, other: &Self) -> bool {
        let is_around = |one: &Self, other: &Self| match (&one.place, &other.place) {
            (Some(one), Some(other)) => one.first().is_some_and(|own| other.contains(own)),
            _ => false,
        };
        is_around(self, other) || is_around(other, self)
    }
}

/// When a backup was published. The storage took it between the other two times, if the clocks agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// When its run started, by the server's clock.
    pub started_at: Moment,
    /// When the storage took it, by the storage's clock.
    pub stored_at: Moment,
    /// When it was recorded, by the server's clock.
    pub recorded_at: Moment,
}

struct Census {
    found: Option<i64>,
    expected: i64,
}

record!(Census, "copies", { found, expected });

record!(Published, "copies", { started_at, stored_at, recorded_at });

/// Copies of the job, and what lies in the folder of its name. Seen from `$1`, the destination, `$2`, the job's id, and `$3`, its name.
const OF_JOB: &str = "SELECT c.id FROM backups b JOIN copies c ON c.backup_id = b.id WHERE b.job_id = $2 AND c.destination_id = $1 \
                      UNION SELECT c.id FROM series s JOIN copies c ON c.series_id = s.id WHERE s.destination_id = $1 AND s.job = $3";
/// Which copies, by the alias `c`, their destination's last scan has seen. `v` is the row in `scans`.
const SEEN: &str = "c.state = 'present' AND c.scan >= COALESCE(v.valid_from, 0)";

/// Copies `p`, of backups `b`, that runs of this server have published at the destination `$1`, and whose time there is known.
pub(crate) const PUBLISHED: &str = "copies p JOIN backups b ON b.id = p.backup_id WHERE p.destination_id = $1 \
                                    AND p.state = 'present' AND p.stored_at IS NOT NULL AND p.verified_by = 'run ' || b.run_id";

impl Catalog {
    /// Returns what a retention plan for a job at a destination is made from.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn retained(
        &self,
        destination_id: &str,
        (job_id, job): (&str, &str),
        now: Timestamp,
    ) -> Result<Retained, Error> {
        let of_job = || values![destination_id, job_id, job];
        let others = "FROM copies o LEFT JOIN scans w ON w.destination_id = o.destination_id \
                      WHERE o.backup_id = c.backup_id AND o.destination_id <> c.destination_id AND o.state <> 'deleted' \
                      AND NOT EXISTS (SELECT 1 FROM deletions p WHERE p.copy_id = o.id)";
        let text = format!(
            "SELECT c.id, c.path, b.job_id, b.database, b.source, c.created_at, c.stored_size, c.arrival, b.warnings, \
             c.sidecar, c.signature, c.verified_by, c.verified_result, \
             EXISTS (SELECT 1 FROM copies o WHERE o.backup_id = c.backup_id AND (o.locked OR o.sidecar_locked)) AS locked, \
             EXISTS (SELECT 1 {others}) AS has_other, \
             EXISTS (SELECT 1 {others} AND o.state = 'present' AND o.scan >= COALESCE(w.valid_from, 0) \
             AND o.verified_result = 'whole' AND w.state IN ('complete', 'running') AND w.complete_at BETWEEN $4 AND $5 \
             AND o.last_seen_at BETWEEN $4 AND $5) AS has_confirmed, m.due_at \
             FROM copies c JOIN backups b ON b.id = c.backup_id LEFT JOIN scans v ON v.destination_id = c.destination_id \
             LEFT JOIN deletions m ON m.copy_id = c.id WHERE c.id IN ({OF_JOB}) AND {SEEN} \
             ORDER BY c.created_at DESC, c.id DESC"
        );
        let times = values![
            now.checked_sub(MAX_SCAN_AGE).unwrap_or(Timestamp::MIN),
            now.checked_add(CLOCK_TOLERANCE).unwrap_or(Timestamp::MAX)
        ];
        let copies: Vec<RetainedCopy> = sql::all(&self.db, &text, of_job().into_iter().chain(times)).await?;
        let census = |which: &str| {
            format!(
                "SELECT CAST(SUM(CASE WHEN {SEEN} THEN 1 ELSE 0 END) AS BIGINT) AS found, COUNT(*) AS expected FROM copies c \
                 LEFT JOIN scans v ON v.destination_id = c.destination_id WHERE {which} AND c.state IN ('present', 'missing')"
            )
        };
        let of_this = census(&format!("c.id IN ({OF_JOB})"));
        let job: Option<Census> = sql::one(&self.db, &of_this, of_job()).await?;
        let all: Option<Census> = sql::one(&self.db, &census("c.destination_id = $1"), values![destination_id]).await?;
        let counts = |census: Option<Census>| {
            census.map_or((0, 0), |Census { found, expected }| (found.unwrap_or_default(), expected))
        };
        let ((found, expected), (found_in_all, expected_in_all)) = (counts(job), counts(all));
        let published = format!(
            "SELECT b.created_at AS started_at, p.stored_at, p.first_seen_at AS recorded_at FROM {PUBLISHED} \
             ORDER BY p.arrival DESC LIMIT 1"
        );
        let published: Option<Published> = sql::one(&self.db, &published, values![destination_id]).await?;
        let [shared_with, place_unknown] = self.doubtful_places(destination_id).await?;
        Ok(Retained {
            copies,
            scan: self.scan(destination_id).await?.filter(|scan| scan.complete_at.is_some()).map(|scan| scan.state),
            found,
            expected,
            found_in_all,
            expected_in_all,
            published,
            shared_with,
            place_unknown,
        })
    }

    /// Returns the names of a destination that shares files with this one, and of one that may.
    async fn doubtful_places(&self, destination_id: &str) -> Result<[Option<String>; 2], Error> {
        let text = "SELECT d.id, d.name, d.settings, s.place, \
                    EXISTS (SELECT 1 FROM copies c WHERE c.destination_id = d.id AND c.state <> 'deleted') AS has_copies \
                    FROM destinations d LEFT JOIN scans s ON s.destination_id = d.id ORDER BY d.name";
        let all: Vec<KnownPlace> = sql::all(&self.db, text, values![]).await?;
        let (this, others): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.id == destination_id);
        let Some(this) = this.first() else { return Ok([None, None]) };
        let like: Vec<_> = others.iter().filter(|other| other.has_copies && other.is_like(this)).collect();
        let shared = others.iter().find(|other| other.overlaps(this));
        let unknown = match &this.place {
            None => like.first().map(|_| *this),
            Some(_) => like.iter().find(|other| other.place.is_none()).map(|other| **other),
        };
        Ok([shared.map(|other| other.name.clone()), unknown.map(|one| one.name.clone())])
    }
}
