//! PostgreSQL, through its own tools: `pg_dump --format=custom --compress=0` out, `pg_restore` in, `psql` for questions.
//!
//! The tools' major version is matched to the server's before anything starts. A dump counts only if `pg_dump` exited with
//! success and the archive's own structure is complete ([`archive`]).

mod archive;
mod config;
mod cures;
mod dump;
mod likeness;
mod listing;
mod probe;
mod query;
mod reach;
mod restore;
mod review;
mod rights;
mod steps;
mod tools;
mod uri;

use async_trait::async_trait;
use domain::Engine;
use domain::probe::Step;

pub(crate) use config::Postgres;

use crate::error::Error;
use crate::{Contents, Databases, Dump, DumpOptions, Restore, RestoreOptions, Review, Source};

#[async_trait]
impl Source for Postgres {
    fn engine(&self) -> Engine {
        Engine::Postgres
    }

    fn name(&self) -> String {
        self.address()
    }

    async fn databases(&self) -> Result<Databases, Error> {
        match &self.database {
            Some(database) => Ok(Databases::all(vec![database.clone()])),
            None => listing::databases(self).await,
        }
    }

    async fn dump(&self, database: &str, _options: DumpOptions) -> Result<Box<dyn Dump>, Error> {
        Ok(Box::new(dump::PostgresDump::start(self, database).await?))
    }

    async fn restore(&self, options: RestoreOptions) -> Result<Box<dyn Restore>, Error> {
        Ok(Box::new(restore::PostgresRestore::start(self.clone(), options).await?))
    }

    async fn review(&self, options: RestoreOptions) -> Result<Box<dyn Review>, Error> {
        Ok(Box::new(review::PostgresReview::start(self.clone(), options)?))
    }

    async fn contents(&self) -> Result<Contents, Error> {
        probe::contents(self, &self.named_database()?).await
    }

    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        steps::take(self, on_step).await
    }
}
