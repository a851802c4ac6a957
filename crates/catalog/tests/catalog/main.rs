//! The whole catalog, on SQLite and on a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![expect(clippy::disallowed_methods, reason = "the tests look into the database by its own shell")]

mod backups;
mod full_disk;
mod housekeeping;
mod idempotency_keys;
mod jobs_and_runs;
mod opening;
mod outbox;
mod people;
mod retention;
mod revisions;
mod run_items;
mod single_use;
mod store;
mod sums;
mod things;
mod upgrades;

/// Makes a test of each body for each database.
macro_rules! on_both {
    ($($body:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $body() {
                super::$body(crate::store::Store::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $body() {
                super::$body(crate::store::Store::postgres().await).await;
            })*
        }
    };
}
pub(crate) use on_both;
