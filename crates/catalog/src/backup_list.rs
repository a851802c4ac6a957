//! Lists copies of backups, by time, page by page.
//!
//! What is filtered by job, database or words is narrowed to series first, of which there are few. The newest of each are merged; where
//! too many match, the list goes through all copies by time, since a match is never far then.

use domain::stored::{BackupStatus, CopyState, SidecarKnown, VerificationMethod, VerificationResult};
use jiff::Timestamp;

use crate::backups::Hashes;
use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, Record, Row, record, values};
use crate::values::{Moment, Value};
use crate::{Catalog, names};

/// Maximum number of series that are merged.
const MAX_MERGED: usize = 200;
/// Maximum number of names in [`BackupNames`], of each kind.
const MAX_NAMES: i64 = 1000;
/// Maximum number of words in a search; further ones are ignored.
const MAX_WORDS: usize = 8;

/// A copy of a backup, with what is known of the backup.
#[derive(Debug, Clone)]
pub struct StoredBackup {
    /// The copy's id.
    pub id: String,
    /// The backup's id, which its copies at other destinations share.
    pub backup_id: String,
    /// The destination.
    pub destination_id: String,
    /// The destination's name.
    pub destination: String,
    /// Relative to the destination's folder.
    pub path: String,
    /// The state.
    pub state: CopyState,
    /// When the state last changed.
    pub state_at: Moment,
    /// The job's name.
    pub job: String,
    /// The job's id, as the sidecar says.
    pub job_id: Option<String>,
    /// The run's id, as the sidecar says.
    pub run_id: Option<String>,
    /// The source's address, without its password.
    pub source: Option<String>,
    /// The id of the adapter that made it, as the sidecar says; empty if no sidecar was read.
    pub source_type: String,
    /// `None` for engines with one database per source.
    pub database: Option<String>,
    /// When its run started.
    pub created_at: Moment,
    /// Bytes of the dump, as the sidecar says.
    pub dumped_size: Option<i64>,
    /// Rows at the moment of the dump, as the sidecar says.
    pub row_count: Option<i64>,
    /// Tables at the moment of the dump, as the sidecar says.
    pub table_count: Option<i64>,
    /// Bytes of the file.
    pub stored_size: i64,
    /// Of the dump, as the sidecar says.
    pub dump_hashes: Hashes,
    /// Of the file, as the sidecar says.
    pub hashes: Hashes,
    /// `zst`, `gz`; `None` if it is not compressed.
    pub compression: Option<String>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The public keys that it is encrypted to, as the sidecar says.
    pub encrypted_to: Vec<String>,
    /// What it lacks, and what could not be checked.
    pub warnings: Vec<domain::Warning>,
    /// What is known of its sidecar.
    pub sidecar: SidecarKnown,
    /// `unsigned`, `wrong`, or the public key that has signed its sidecar.
    pub signature: Option<String>,
    /// When it was first seen.
    pub first_seen_at: Moment,
    /// When a scan or a run last saw it.
    pub last_seen_at: Moment,
    /// When it was last verified.
    pub verified_at: Option<Moment>,
    /// By whom.
    pub verified_by: Option<String>,
    /// How.
    pub verified_how: Option<VerificationMethod>,
    /// The result.
    pub verified_result: Option<VerificationResult>,
    /// Whether a user or its sidecar locks it.
    pub locked: bool,
    /// What users noted.
    pub note: Option<String>,
    /// When retention may delete it, if it is marked.
    pub due_at: Option<Moment>,
}

/// Returns the condition on copies, which go by the alias.
fn condition_of(status: BackupStatus, copies: &str) -> String {
    let condition = match status {
        BackupStatus::Missing => "?.state = 'missing'",
        BackupStatus::Encrypted => "?.encrypted",
        BackupStatus::Unencrypted => "NOT ?.encrypted",
        BackupStatus::NoSidecar => "?.sidecar IN ('absent', 'unreadable')",
        BackupStatus::Verified => "?.verified_result = 'whole'",
        BackupStatus::Altered => "?.verified_result = 'altered'",
        BackupStatus::Unverified => "(?.verified_result IS NULL OR ?.verified_result = 'unknown')",
    };
    condition.replace('?', copies)
}

/// Which copies.
#[derive(Debug, Clone, Default)]
pub struct BackupFilter {
    /// Only at this destination.
    pub destination_id: Option<String>,
    /// Only of the job of this name.
    pub job: Option<String>,
    /// Only of this database.
    pub database: Option<String>,
    /// Only where job, database or destination contain each of these words, in any case; words like `shop/backup_2026` are of the path.
    pub search: Option<String>,
    /// Only these.
    pub status: Option<BackupStatus>,
    /// Only backups made at this time or later.
    pub from: Option<Timestamp>,
    /// Only backups made before this time.
    pub to: Option<Timestamp>,
    /// The oldest first.
    pub oldest_first: bool,
}

/// How much a filter lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupSummary {
    /// Copies.
    pub copies: i64,
    /// Bytes of their files.
    pub stored_size: i64,
}

record!(BackupSummary, "copies", { copies, stored_size });

/// What lists can be filtered by.
#[derive(Debug, Clone, Default)]
pub struct BackupNames {
    /// The jobs' names, in order.
    pub jobs: Vec<String>,
    /// The databases' names, in order.
    pub databases: Vec<String>,
}

record!(StoredBackup, "copies", {
    id, backup_id, destination_id, destination, path, state, state_at, job, job_id, run_id, source, source_type, database,
    created_at, dumped_size, row_count, table_count, stored_size, dump_hashes, hashes, compression, encrypted, encrypted_to, warnings, sidecar,
    signature, first_seen_at, last_seen_at, verified_at, verified_by, verified_how, verified_result,
    locked, note, due_at
});

/// Which columns of [`StoredBackup`] are the backup's.
const OF_BACKUP: [&str; 13] = [
    "job",
    "job_id",
    "run_id",
    "source",
    "source_type",
    "database",
    "dumped_size",
    "row_count",
    "table_count",
    "dump_hashes",
    "compression",
    "encrypted_to",
    "warnings",
];

fn columns() -> String {
    let of = |column: &&str| {
        match *column {
        "destination" => "d.name AS destination".to_owned(),
        "state" => "CASE WHEN c.state = 'present' AND c.scan < COALESCE(v.valid_from, 0) THEN 'unconfirmed' ELSE c.state END AS state"
            .to_owned(),
        "locked" => "(c.locked OR c.sidecar_locked) AS locked".to_owned(),
        "due_at" => "m.due_at".to_owned(),
        column if OF_BACKUP.contains(&column) => format!("b.{column}"),
        column => format!("c.{column}"),
    }
    };
    StoredBackup::COLUMNS.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// A copy's place in a list: its time and its id.
fn place_of(after: &str) -> Option<(i64, &str)> {
    let (time, id) = after.split_once(' ')?;
    Some((time.parse().ok()?, id))
}

impl StoredBackup {
    /// Returns what the next page starts after.
    pub fn place(&self) -> String {
        format!("{} {}", self.created_at.0.as_millisecond(), self.id)
    }
}

/// A text with its values, as it grows.
#[derive(Default)]
struct Statement(Vec<Value>);

impl Statement {
    /// Adds a value and returns its placeholder.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }
}

impl Catalog {
    /// Returns a page of copies that are not deleted, the newest backups first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn backups(&self, filter: &BackupFilter, page: &PageRequest) -> Result<Page<StoredBackup>, Error> {
        let series = match filter.narrows_series() {
            false => Narrowed::No,
            true => self.narrow(filter).await?,
        };
        let mut statement = Statement::default();
        let direction = if filter.oldest_first { "ASC" } else { "DESC" };
        let limit = page.probe();
        let order = |copies: &str| format!("ORDER BY {copies}.created_at {direction}, {copies}.id {direction}");
        let conditions = filter.conditions(&mut statement, page);
        let which = match series {
            Narrowed::To(series) if series.is_empty() => return Ok(Page::of(Vec::new(), page)),
            Narrowed::To(series) => {
                let limit = statement.bind(limit);
                let parts: Vec<String> = series.iter().map(|id| {
                    let id = statement.bind(id);
                    format!(
                        "SELECT * FROM (SELECT i.id, i.created_at FROM copies i WHERE i.series_id = {id} AND {conditions} {} \
                         LIMIT {limit}) part",
                        order("i")
                    )
                }).collect();
                let merged = parts.join(" UNION ALL ");
                format!("SELECT m.id, m.created_at FROM ({merged}) m {} LIMIT {limit}", order("m"))
            }
            Narrowed::TooMany => {
                let matching = filter.matching_series(&mut statement);
                let limit = statement.bind(limit);
                format!(
                    "SELECT i.id, i.created_at FROM copies i WHERE {conditions} AND i.series_id IN ({matching}) {} LIMIT {limit}",
                    order("i")
                )
            }
            Narrowed::No => {
                let destination = match &filter.destination_id {
                    Some(id) => format!("i.destination_id = {} AND ", statement.bind(id)),
                    None => String::new(),
                };
                let limit = statement.bind(limit);
                format!(
                    "SELECT i.id, i.created_at FROM copies i WHERE {destination}{conditions} {} LIMIT {limit}",
                    order("i")
                )
            }
        };
        let text = format!(
            "SELECT {} FROM ({which}) p JOIN copies c ON c.id = p.id JOIN backups b ON b.id = c.backup_id \
             JOIN destinations d ON d.id = c.destination_id LEFT JOIN scans v ON v.destination_id = c.destination_id \
             LEFT JOIN deletions m ON m.copy_id = c.id {}",
            columns(),
            order("c")
        );
        Ok(Page::of(sql::all(&self.db, &text, statement.0).await?, page))
    }

    /// Returns how much a filter lets through. Unlike a page, this takes longer the more that is.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn backup_summary(&self, filter: &BackupFilter) -> Result<BackupSummary, Error> {
        let mut statement = Statement::default();
        let page = PageRequest::default();
        let mut which = filter.conditions(&mut statement, &page);
        if filter.narrows_series() {
            let matching = filter.matching_series(&mut statement);
            which = format!("{which} AND i.series_id IN ({matching})");
        } else if let Some(id) = &filter.destination_id {
            which = format!("i.destination_id = {} AND {which}", statement.bind(id));
        }
        let text = format!(
            "SELECT COUNT(*) AS copies, CAST(COALESCE(SUM(i.stored_size), 0) AS BIGINT) AS stored_size FROM copies i WHERE {which}"
        );
        let nothing = BackupSummary { copies: 0, stored_size: 0 };
        Ok(sql::one(&self.db, &text, statement.0).await?.unwrap_or(nothing))
    }

    /// Returns the copy at a path.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn backup_at(&self, destination_id: &str, path: &str) -> Result<Option<StoredBackup>, Error> {
        let text = format!(
            "SELECT {} FROM copies c JOIN backups b ON b.id = c.backup_id JOIN destinations d ON d.id = c.destination_id \
             LEFT JOIN scans v ON v.destination_id = c.destination_id LEFT JOIN deletions m ON m.copy_id = c.id \
             WHERE c.destination_id = $1 AND c.path = $2",
            columns()
        );
        sql::one(&self.db, &text, values![destination_id, path]).await
    }

    /// Returns the names that lists can be filtered by.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn backup_names(&self) -> Result<BackupNames, Error> {
        let names = async |column: &str| {
            let text = format!(
                "SELECT DISTINCT s.{column} AS name FROM series s WHERE s.{column} <> '' AND EXISTS \
                 (SELECT 1 FROM copies c WHERE c.series_id = s.id AND c.state <> 'deleted') ORDER BY name LIMIT $1"
            );
            let found: Vec<Name> = sql::all(&self.db, &text, values![MAX_NAMES]).await?;
            Ok::<_, Error>(found.into_iter().map(|name| name.0).collect())
        };
        Ok(BackupNames { jobs: names("job").await?, databases: names("database").await? })
    }

    async fn narrow(&self, filter: &BackupFilter) -> Result<Narrowed, Error> {
        let mut statement = Statement::default();
        let matching = filter.matching_series(&mut statement);
        let limit = statement.bind(i64::try_from(MAX_MERGED + 1).unwrap_or(i64::MAX));
        let found: Vec<Name> = sql::all(&self.db, &format!("{matching} LIMIT {limit}"), statement.0).await?;
        if found.len() > MAX_MERGED {
            return Ok(Narrowed::TooMany);
        }
        Ok(Narrowed::To(found.into_iter().map(|name| name.0).collect()))
    }
}

/// Which series a list is narrowed to.
enum Narrowed {
    No,
    To(Vec<String>),
    TooMany,
}

struct Name(String);

impl Record for Name {
    const TABLE: &'static str = "series";
    const COLUMNS: &'static [&'static str] = &["name"];

    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self(row.get(Self::TABLE, "name")?))
    }
}

impl BackupFilter {
    fn narrows_series(&self) -> bool {
        self.job.is_some() || self.database.is_some() || self.words().any(|word| !is_of_path(&word))
    }

    fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.search.iter().flat_map(|search| search.split_whitespace()).take(MAX_WORDS).map(names::key)
    }

    /// Returns a statement for the series that match.
    fn matching_series(&self, statement: &mut Statement) -> String {
        let mut conditions = vec!["TRUE".to_owned()];
        let exact = [("destination_id", &self.destination_id), ("job", &self.job), ("database", &self.database)];
        for (column, value) in exact {
            conditions.extend(value.as_ref().map(|value| format!("s.{column} = {}", statement.bind(value))));
        }
        for word in self.words().filter(|word| !is_of_path(word)) {
            let pattern = statement.bind(containing(&word));
            conditions
                .push(format!("(s.search_key LIKE {pattern} ESCAPE '\\' OR w.name_key LIKE {pattern} ESCAPE '\\')"));
        }
        format!(
            "SELECT s.id AS name FROM series s JOIN destinations w ON w.id = s.destination_id WHERE {}",
            conditions.join(" AND ")
        )
    }

    /// Returns the conditions on the copies themselves, which go by `i`.
    fn conditions(&self, statement: &mut Statement, page: &PageRequest) -> String {
        let mut conditions = vec!["i.state <> 'deleted'".to_owned()];
        conditions.extend(self.status.map(|status| condition_of(status, "i")));
        for word in self.words().filter(|word| is_of_path(word)) {
            conditions.push(format!("LOWER(i.path) LIKE {} ESCAPE '\\'", statement.bind(containing(&word))));
        }
        conditions.extend(self.from.map(|from| format!("i.created_at >= {}", statement.bind(from))));
        conditions.extend(self.to.map(|to| format!("i.created_at < {}", statement.bind(to))));
        if let Some((time, id)) = page.after.as_deref().and_then(place_of) {
            let (time, id) = (statement.bind(time), statement.bind(id));
            let comparison = if self.oldest_first { ">" } else { "<" };
            conditions.push(format!("(i.created_at, i.id) {comparison} ({time}, {id})"));
        }
        conditions.join(" AND ")
    }
}

/// Whether a word of a search looks like a part of a path, which no job or database contains.
fn is_of_path(word: &str) -> bool {
    word.contains('/') || word.contains("backup_")
}

/// Returns a pattern for LIKE.
fn containing(word: &str) -> String {
    format!("%{}%", word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}
