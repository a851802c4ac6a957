//! Reviewing a restore before a byte is loaded: what the archive needs and the target lacks, and what is in the way.

mod needs;
mod target;

use async_trait::async_trait;
use domain::Warning;

use self::needs::Needs;
use self::target::TargetFacts;
use super::Postgres;
use super::archive::ArchiveReader;
use super::contents;
use super::definition::Definition;
use super::restore::Target;
use crate::error::Error;
use crate::{Finding, RestoreOptions, Review, Severity};

/// A review that reads the archive's table of contents, then asks the target.
pub(super) struct PostgresReview {
    source: Postgres,
    database: String,
    options: RestoreOptions,
    archive: ArchiveReader,
}

impl PostgresReview {
    /// Starts a review of a restore into the database that the source's address names.
    pub(super) fn start(source: Postgres, options: RestoreOptions) -> Result<Self, Error> {
        let database = source.named_database()?;
        Ok(Self { source, database, options, archive: ArchiveReader::of_foreign() })
    }
}

#[async_trait]
impl Review for PostgresReview {
    fn read(&mut self, piece: &[u8]) -> Result<bool, Error> {
        let what = || format!("could not review the restore into '{}'", self.database);
        self.archive.read(piece).map_err(|error| Error::failed(what(), error))?;
        Ok(self.archive.contents_read())
    }

    async fn finish(self: Box<Self>) -> Result<Vec<Finding>, Error> {
        let Self { source, database, options, archive } = *self;
        if !archive.contents_read() {
            return Err(Error::failed(
                format!("could not review the restore into '{database}'"),
                "the backup ends within its table of contents",
            ));
        }
        let found = contents::contents(&source, &database).await?;
        let needs = Needs::of(archive.contents(), options);
        let facts = TargetFacts::ask(&source, &database, found, &needs).await?;
        let mut findings = needs.compare(&facts, options);
        findings.extend(target::in_the_way(&source, &database, found, &facts, options).await?);
        if facts.fills_directly(options) {
            let target = Target::of(&source, &database, facts.major);
            let differences = target.differences(&Definition::of(archive.contents())).await?;
            let warns = |warning: Warning| {
                let code = if warning.code == "encoding" { "encoding" } else { "locale" };
                finding(Severity::Warns, code, warning.message)
            };
            findings.extend(differences.into_iter().map(warns));
        }
        findings.sort_by_key(|finding| match finding.severity {
            Severity::Blocks => 0,
            Severity::Warns => 1,
            Severity::Informs => 2,
        });
        Ok(findings)
    }
}

/// Creates a finding without SQL.
fn finding(severity: Severity, code: &'static str, message: impl Into<String>) -> Finding {
    Finding { severity, code, message: message.into(), sql: None }
}

/// Adds statements to copy.
fn with_sql(finding: Finding, sql: impl Into<String>) -> Finding {
    Finding { sql: Some(sql.into()), ..finding }
}

/// Joins names as a person would read them, at most ten.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MAX_NAMED: usize = 10;
    let names: Vec<&str> = names.into_iter().collect();
    let more = names.len().saturating_sub(MAX_NAMED);
    let named = names.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}
