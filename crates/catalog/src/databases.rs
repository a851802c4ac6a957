//! The databases that are backed up: by job and name, with the newest copy at each destination.

use domain::stored::VerificationResult;

use crate::Catalog;
use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, record};
use crate::values::{Moment, Value};

/// A database that copies exist of.
#[derive(Debug, Clone)]
pub struct StoredDatabase {
    /// The job, as the folder of its backups says.
    pub job: String,
    /// The id of the job of this name. `None` if it was deleted, or was another server's.
    pub job_id: Option<String>,
    /// The source of that job.
    pub source_id: Option<String>,
    /// Its name. Empty for engines with one database per source.
    pub database: String,
    /// The newest copy that is present at each destination.
    pub copies: Vec<NewestCopy>,
}

/// The newest copy of a database that is present at a destination.
#[derive(Debug, Clone)]
pub struct NewestCopy {
    job: String,
    database: String,
    /// The destination.
    pub destination_id: String,
    /// The file, in the destination's folder.
    pub path: String,
    /// When its backup was made.
    pub created_at: Moment,
    /// Bytes.
    pub stored_size: i64,
    /// When it was last verified.
    pub verified_at: Option<Moment>,
    /// What that came to.
    pub verified_result: Option<VerificationResult>,
}

record!(NewestCopy, "copies", {
    job,
    database,
    destination_id,
    path,
    created_at,
    stored_size,
    verified_at,
    verified_result
});

/// Which databases.
#[derive(Debug, Clone, Default)]
pub struct DatabaseFilter {
    /// Only of this job, by its name.
    pub job: Option<String>,
    /// Only of this name.
    pub database: Option<String>,
    /// Only of the jobs of this source.
    pub source_id: Option<String>,
}

struct Found {
    job: String,
    database: String,
    job_id: Option<String>,
    source_id: Option<String>,
}

record!(Found, "series", { job, database, job_id, source_id });

/// Separates job and database in a cursor; neither can hold it.
const SEPARATOR: char = '\u{1f}';

impl StoredDatabase {
    /// Returns the key after which the next page begins.
    pub fn place(&self) -> String {
        format!("{}{SEPARATOR}{}", self.job, self.database)
    }
}

impl Catalog {
    /// Returns a page of databases, by job and name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn databases(&self, filter: &DatabaseFilter, page: &PageRequest) -> Result<Page<StoredDatabase>, Error> {
        let has_copies = "EXISTS (SELECT 1 FROM copies c WHERE c.series_id = s.id AND c.state <> 'deleted')".to_owned();
        let (mut conditions, mut values): (Vec<String>, Vec<Value>) = (vec![has_copies], Vec::new());
        let mut bind = |value: &str| {
            values.push(value.into());
            format!("${}", values.len())
        };
        if let Some(after) = &page.after {
            let (job, database) = after.split_once(SEPARATOR).unwrap_or((after, ""));
            conditions.push(format!("(s.job, s.database) > ({}, {})", bind(job), bind(database)));
        }
        for (column, value) in
            [("s.job", &filter.job), ("s.database", &filter.database), ("j.source_id", &filter.source_id)]
        {
            if let Some(value) = value {
                conditions.push(format!("{column} = {}", bind(value)));
            }
        }
        let which = format!("WHERE {}", conditions.join(" AND "));
        values.push(page.probe().into());
        let text = format!(
            "SELECT DISTINCT s.job, s.database, j.id AS job_id, j.source_id FROM series s LEFT JOIN jobs j ON j.name = s.job \
             {which} ORDER BY s.job, s.database LIMIT ${}",
            values.len()
        );
        let found: Page<Found> = Page::of(sql::all(&self.db, &text, values).await?, page);
        let mut copies = self.newest_copies(&found.items).await?;
        Ok(found.map(|Found { job, database, job_id, source_id }| {
            let (own, others) = copies.drain(..).partition(|copy| copy.job == job && copy.database == database);
            copies = others;
            StoredDatabase { job, job_id, source_id, database, copies: own }
        }))
    }

    async fn newest_copies(&self, databases: &[Found]) -> Result<Vec<NewestCopy>, Error> {
        if databases.is_empty() {
            return Ok(Vec::new());
        }
        let which: Vec<String> = (0..databases.len())
            .map(|place| format!("(s.job = ${} AND s.database = ${})", place * 2 + 1, place * 2 + 2))
            .collect();
        let text = format!(
            "SELECT s.job, s.database, s.destination_id, c.path, c.created_at, c.stored_size, c.verified_at, c.verified_result \
             FROM series s JOIN copies c ON c.id = (SELECT n.id FROM copies n WHERE n.series_id = s.id AND n.state <> 'deleted' \
             AND n.state = 'present' ORDER BY n.created_at DESC, n.id DESC LIMIT 1) WHERE {} ORDER BY s.destination_id",
            which.join(" OR ")
        );
        let values = databases.iter().flat_map(|found| [Value::from(&found.job), Value::from(&found.database)]);
        sql::all(&self.db, &text, values).await
    }
}
