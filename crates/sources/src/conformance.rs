//! The suite that every source has to pass.
//!
//! A source's test file implements [`Subject`], and gets one test per check:
//!
//! ```ignore
//! async fn fresh() -> Box<dyn Subject> { ... }
//! mod my_engine {
//!     sources::source_conformance!(crate::fresh);
//! }
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

pub mod dumping;
pub mod restoring;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::rows::Rows;

use crate::{DumpOptions, Error, Guard, Restore, RestoreOptions, Restored, Source};

/// A place for databases, made for one test.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Returns the source whose own database is this one, which need not exist.
    fn source(&self, database: &str) -> Box<dyn Source>;

    /// Makes a database that holds these rows; without any, it holds nothing.
    async fn make(&self, database: &str, rows: &[String]);

    /// Returns the rows of a database; nothing if there is no such database.
    async fn rows(&self, database: &str) -> Option<Vec<String>>;

    /// Adds rows to a database, while others may read it. Returns `false`, and does nothing, if the source counts no rows.
    async fn add(&self, _database: &str, _rows: &[String]) -> bool {
        false
    }

    /// Returns the names of everything that lies there.
    async fn all(&self) -> Vec<String>;
}

/// Writes a test per check; `$fresh` is an async function that returns a boxed [`Subject`] without databases.
#[macro_export]
macro_rules! source_conformance {
    ($fresh:path) => {
        $crate::source_conformance!(@tests $fresh,
            dumping: a_database_is_found_probed_and_known_by_what_it_holds
                what_is_dumped_comes_back_as_it_was
                an_empty_database_comes_back_empty
                a_database_that_is_not_there_is_named_and_not_made
                a_dump_that_is_not_read_to_its_end_proves_nothing
                a_review_changes_nothing
                rows_are_counted_at_the_moment_of_the_dump,
            restoring: a_database_that_holds_data_is_replaced_only_when_told
                a_restore_that_is_given_up_leaves_everything_as_it_was
                a_dump_that_is_cut_short_never_gets_its_place
                a_guard_that_refuses_lets_nothing_change
                what_a_killed_restore_leaves_is_removed
                rows_are_counted_in_the_restored_database
        );
    };
    (@tests $fresh:path, $($module:ident: $($check:ident)+),+) => {
        $($(
            #[tokio::test]
            async fn $check() {
                $crate::conformance::$module::$check(&*$fresh().await).await;
            }
        )+)+
    };
}

/// No count of a test takes so long.
const COUNT_LIMIT: Duration = Duration::from_secs(60);

/// More than fits in one piece of a dump, compressed or not.
fn many_rows(name: &str) -> Vec<String> {
    (0..4000).map(|number| format!("{name} {number} {}", number.to_string().repeat(number % 17))).collect()
}

async fn dump(source: &dyn Source, database: &str) -> Result<Vec<u8>, Error> {
    dump_and_count(source, database).await.map(|(all, _)| all)
}

async fn dump_and_count(source: &dyn Source, database: &str) -> Result<(Vec<u8>, Option<Rows>), Error> {
    let mut dump = source.dump(database, DumpOptions::default()).await?;
    let mut all = Vec::new();
    while let Some(piece) = dump.next().await? {
        all.extend_from_slice(&piece);
    }
    let rows = dump.count_rows(COUNT_LIMIT).await;
    dump.finish().await?;
    Ok((all, rows))
}

/// The dump of a new database `origin`, and its rows.
async fn dump_of_rows(subject: &dyn Subject) -> (Vec<u8>, Vec<String>) {
    let rows = many_rows("origin");
    subject.make("origin", &rows).await;
    (dump(&*subject.source("origin"), "origin").await.unwrap(), rows)
}

/// Begins a restore, and writes a dump into it.
async fn write(source: &dyn Source, options: RestoreOptions, dump: &[u8]) -> Result<Box<dyn Restore>, Error> {
    let mut restore = source.restore(options).await?;
    for piece in dump.chunks(30_000) {
        if let Err(error) = restore.write(Bytes::copy_from_slice(piece)).await {
            restore.abort().await.unwrap();
            return Err(error);
        }
    }
    Ok(restore)
}

async fn restore(source: &dyn Source, options: RestoreOptions, dump: &[u8]) -> Result<Restored, Error> {
    let mut restore = write(source, options, dump).await?;
    match restore.finish().await {
        Ok(()) => restore.commit().await,
        Err(error) => {
            restore.abort().await.unwrap();
            Err(error)
        }
    }
}

fn overwrite() -> RestoreOptions {
    RestoreOptions { overwrite: true, ..RestoreOptions::default() }
}

/// Counts how often it is asked, and lets everything pass, or nothing.
struct Counting {
    asked: AtomicUsize,
    passes: bool,
}

impl Counting {
    fn new(passes: bool) -> Self {
        Self { asked: AtomicUsize::new(0), passes }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Guard for Counting {
    async fn check(&self) -> Result<(), Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.passes { Ok(()) } else { Err(Error::stopped("the run was cancelled")) }
    }
}
