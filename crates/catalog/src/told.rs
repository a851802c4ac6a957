//! What each rule has told: open problems, and runs that the rules have not seen yet.

use domain::outcome::RunStatus;
use domain::run::FailureCode;
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::Catalog;
use crate::error::Error;
use crate::job_standings::JobFailure;
use crate::outbox::{self, NewMessage};
use crate::sql::{self, Record, Row, Transaction, record, values};
use crate::values::{Moment, json};

/// A problem that a rule has told or holds back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCause {
    /// What makes it the same.
    pub cause_key: String,
    /// What is wrong.
    pub trouble: Json,
    /// Since when.
    pub opened_at: Moment,
    /// How often it was told.
    pub told: i64,
    /// When last.
    pub told_at: Option<Moment>,
    /// When it ended, if that could not be told yet.
    pub resolved_at: Option<Moment>,
}

record!(OpenCause, "open_causes", { cause_key, trouble, opened_at, told, told_at, resolved_at });

/// What a pass changes for a rule, all of it or nothing.
#[derive(Debug, Default)]
pub struct Telling {
    /// Problems that are new or have changed.
    pub open: Vec<OpenCause>,
    /// Problems that are over and done with.
    pub closed: Vec<String>,
    /// What is told.
    pub messages: Vec<NewMessage>,
    /// Up to when digests have been sent.
    pub digest_at: Option<Timestamp>,
}

impl Telling {
    /// Returns whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.closed.is_empty() && self.messages.is_empty() && self.digest_at.is_none()
    }
}

/// A run that has started or ended.
#[derive(Debug, Clone)]
pub struct RunNews {
    /// The run.
    pub run_id: String,
    /// Whether it has ended.
    pub has_ended: bool,
    /// When.
    pub at: Moment,
    /// Where and why its job fails since.
    pub failure: Option<JobFailure>,
    /// In words.
    pub reason: Option<String>,
    /// Its state by now.
    pub state: RunStatus,
    /// Its job. `None` for restores and copies.
    pub job_id: Option<String>,
    /// The job's name when it was queued, or what is restored or copied.
    pub title: String,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// The same for programs.
    pub code: Option<FailureCode>,
}

impl Record for RunNews {
    const TABLE: &'static str = "run_news";
    const COLUMNS: &'static [&'static str] = &[
        "n.run_id",
        "n.phase",
        "n.at",
        "n.failure",
        "n.reason",
        "r.state",
        "r.job_id",
        "r.title",
        "r.error",
        "r.code",
    ];

    fn read(row: &Row) -> Result<Self, Error> {
        let phase: String = row.get(Self::TABLE, "phase")?;
        Ok(Self {
            run_id: row.get(Self::TABLE, "run_id")?,
            has_ended: phase == ENDED,
            at: row.get(Self::TABLE, "at")?,
            failure: row.get(Self::TABLE, "failure")?,
            reason: row.get(Self::TABLE, "reason")?,
            state: row.get("runs", "state")?,
            job_id: row.get("runs", "job_id")?,
            title: row.get("runs", "title")?,
            error: row.get("runs", "error")?,
            code: row.get("runs", "code")?,
        })
    }
}

const STARTED: &str = "started";
const ENDED: &str = "ended";

impl Catalog {
    /// Returns the problems that a rule has told or holds back.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn open_causes(&self, rule_id: &str) -> Result<Vec<OpenCause>, Error> {
        let text = sql::select::<OpenCause>("WHERE rule_id = $1 ORDER BY opened_at, cause_key");
        sql::all(&self.db, &text, values![rule_id]).await
    }

    /// Records what a pass has found for a rule, and writes its messages, in one transaction. Returns `false` and changes nothing if another
    /// pass came first, or the rule has changed.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn tell(&self, rule_id: &str, pass: i64, telling: &Telling, now: Timestamp) -> Result<bool, Error> {
        let mut transaction = self.db.begin().await?;
        let text = "UPDATE notification_rules SET pass = pass + 1, digest_at = COALESCE($3, digest_at) WHERE id = $1 AND pass = $2";
        if sql::run(&mut transaction, text, values![rule_id, pass, telling.digest_at]).await? == 0 {
            return Ok(false);
        }
        for cause in &telling.open {
            open(&mut transaction, rule_id, cause).await?;
        }
        for key in &telling.closed {
            let text = "DELETE FROM open_causes WHERE rule_id = $1 AND cause_key = $2";
            sql::run(&mut transaction, text, values![rule_id, key]).await?;
        }
        for message in &telling.messages {
            outbox::add(&mut transaction, message, now).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Notes that a run has started.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn note_run_started(&self, run_id: &str, at: Timestamp) -> Result<(), Error> {
        let text = "INSERT INTO run_news (run_id, phase, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        sql::run(&self.db, text, values![run_id, STARTED, at]).await.map(drop)
    }

    /// Returns the runs that the rules have not seen yet, the earliest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn run_news(&self, limit: i64) -> Result<Vec<RunNews>, Error> {
        let text = format!(
            "SELECT {} FROM run_news n JOIN runs r ON r.id = n.run_id ORDER BY n.at, n.run_id, n.phase DESC LIMIT $1",
            sql::columns::<RunNews>()
        );
        sql::all(&self.db, &text, values![limit]).await
    }

    /// Forgets runs that every rule has seen. What has changed since it was read stays.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn forget_run_news(&self, seen: &[RunNews]) -> Result<(), Error> {
        let mut transaction = self.db.begin().await?;
        for news in seen {
            let phase = if news.has_ended { ENDED } else { STARTED };
            let text = "DELETE FROM run_news WHERE run_id = $1 AND phase = $2 AND at = $3";
            sql::run(&mut transaction, text, values![&news.run_id, phase, news.at]).await?;
        }
        transaction.commit().await
    }
}

async fn open(transaction: &mut Transaction, rule_id: &str, cause: &OpenCause) -> Result<(), Error> {
    let text = "INSERT INTO open_causes (rule_id, cause_key, trouble, opened_at, told, told_at, resolved_at) \
                VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (rule_id, cause_key) DO UPDATE SET trouble = excluded.trouble, \
                opened_at = excluded.opened_at, told = excluded.told, told_at = excluded.told_at, resolved_at = excluded.resolved_at";
    let OpenCause { cause_key, trouble, opened_at, told, told_at, resolved_at } = cause;
    let values = values![rule_id, cause_key, json(trouble)?, *opened_at, *told, *told_at, *resolved_at];
    sql::run(transaction, text, values).await.map(drop)
}

/// Notes that a run has ended, with what its job's standing says about it, which has to be up to date.
pub(crate) async fn note_run_ended(transaction: &mut Transaction, run_id: &str, at: Timestamp) -> Result<(), Error> {
    let text = "INSERT INTO run_news (run_id, phase, at, failure, reason) SELECT r.id, $2, $3, s.failure, s.reason FROM runs r \
                LEFT JOIN job_standings s ON s.job_id = r.job_id AND s.ended_run_id = r.id WHERE r.id = $1 \
                ON CONFLICT (run_id, phase) DO UPDATE SET at = excluded.at, failure = excluded.failure, reason = excluded.reason";
    sql::run(transaction, text, values![run_id, ENDED, at]).await.map(drop)
}
