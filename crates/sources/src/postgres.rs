//! PostgreSQL: `pg_dump --format=custom --compress=0` out, `pg_restore` in, and a driver for questions. The driver logs in to the place
//! that the tools log in to ([`settings`]); where it cannot, psql asks.
//!
//! The tools' major version is matched to the server's before anything starts. A dump counts only if `pg_dump` exited with
//! success and the archive's own structure is complete ([`archive`]).

mod archive;
mod change;
mod config;
mod connection;
mod contents;
mod cures;
mod definition;
mod disposal;
mod dump;
mod installation;
mod likeness;
mod list_file;
mod listing;
mod login;
pub(crate) mod manifest;
mod marks;
mod passfile;
mod passing;
mod probe;
mod psql;
mod psql_session;
mod query;
mod query_error;
mod reach;
mod reserved;
mod restore;
mod review;
mod rights;
mod same_place;
mod service;
mod session;
mod settings;
mod sql;
mod steps;
mod tablespaces;
mod tls;
mod tools;
mod uri;

use async_trait::async_trait;
use domain::Warning;
use domain::probe::Step;

pub(crate) use config::Postgres;

use crate::error::Error;
use crate::{
    Contents, DatabasePlace, Databases, Dump, DumpOptions, Guard, Restore, RestoreOptions, Restored, Review, Source,
    SourceAdapter,
};

#[async_trait]
impl Source for Postgres {
    fn adapter(&self) -> SourceAdapter {
        manifest::ADAPTER
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

    async fn put_in_place(&self, kept: &str, guard: &dyn Guard) -> Result<Restored, Error> {
        restore::put_in_place(self.clone(), kept, guard).await
    }

    async fn remove_leftovers(&self) -> Vec<Warning> {
        let swept = passing::sweep(self).await;
        swept.unwrap_or_else(|error| vec![Warning::new("leftover", error.to_string())])
    }

    async fn reserved(&self) -> Result<Option<String>, Error> {
        reserved::reserved(self, &self.named_database()?).await
    }

    fn is_kept_for_it(&self, kept: &str) -> bool {
        self.database.as_deref().is_some_and(|database| reserved::is_kept_for(kept, database))
    }

    async fn may_be_at(&self, place: &DatabasePlace) -> bool {
        same_place::may_be_at(self, place).await
    }

    async fn holds_installation(&self, id: &str) -> Result<bool, Error> {
        installation::holds_installation(self, &self.named_database()?, id).await
    }

    async fn contents(&self) -> Result<Contents, Error> {
        contents::contents(self, &self.named_database()?).await
    }

    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        steps::take(self, on_step).await
    }
}
