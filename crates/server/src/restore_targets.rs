//! What a restore may write: nobody overwrites this server's own database; others than administrators restore only into sources
//! that are marked for it, and replace only what a job of that source backs up. Asked before a restore is queued, and again when
//! it runs.

use std::path::Path;

use catalog::{PageRequest, ServerPlace};
use serde::{Deserialize, Serialize};
use sources::{Contents, DatabasePlace, Source};
use utoipa::ToSchema;

use crate::app::App;
use crate::failure::Failure;
use crate::host_paths::{Refusal, Use};
use crate::settings::SourceSettings;

/// What operators may restore into a source. Administrators restore into every source, and replace any database there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RestoreTarget {
    /// Nothing.
    #[default]
    None,
    /// Databases that do not exist yet; where databases are files, new ones in the folder of the source's file.
    NewDatabases,
    /// The same, and databases that a job of the source backs up are replaced.
    OwnDatabases,
}

impl RestoreTarget {
    /// Reads what the catalog keeps. What this version does not know allows nothing.
    pub(crate) fn of(source: &catalog::Source) -> Self {
        serde_json::from_value(source.restore_target.clone().into()).unwrap_or_default()
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::NewDatabases => "newDatabases",
            Self::OwnDatabases => "ownDatabases",
        }
    }
}

/// Which database a restore goes into, and who asked for that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) source_id: &'a str,
    /// The source's own if absent.
    pub(crate) database: Option<&'a str>,
    /// Whether they have the permission `administer`.
    pub(crate) administers: bool,
}

/// A database that may be restored into.
pub(crate) struct Permitted {
    pub(crate) target: Box<dyn Source>,
    /// The source as it was when it was judged.
    pub(crate) source: catalog::Source,
    /// Whether it may be replaced if there is one by then.
    pub(crate) replaces: bool,
}

impl App {
    /// Opens the database that a restore goes into, if it may.
    pub(crate) async fn restore_target(&self, asked: Asked<'_>) -> Result<Permitted, Failure> {
        let source = self.catalog.source(asked.source_id).await?.ok_or(Failure::Gone("the source"))?;
        let own = self.source_settings(&source)?;
        let settings = asked.database.map_or_else(|| own.clone(), |database| own.clone().with_database(database));
        let marked = RestoreTarget::of(&source);
        if !asked.administers && marked == RestoreTarget::None {
            return Err(forbidden(format!(
                "'{}' is not marked as a restore target: an administrator can restore into it, or mark it in its settings",
                source.name
            )));
        }
        let target = self.open_settings(&source, settings.clone()).await?;
        self.refuse_own_database(&*target, &settings).await?;
        let replaces = if asked.administers {
            true
        } else {
            let exists = match (own.database_file(), settings.database_file(), settings.database()) {
                (Some(own), Some(path), _) => self.check_file(own, path).await?,
                (_, None, Some(_)) => check_name(&*target).await?,
                _ => true,
            };
            if exists {
                self.check_replaced(&source, marked, &own, &settings).await?;
            }
            exists
        };
        Ok(Permitted { target, source, replaces })
    }

    /// Whether an operator's file exists already: it is the source's own then. Others are new, in the same folder.
    async fn check_file(&self, own: &str, path: &str) -> Result<bool, Failure> {
        let (own, path) = (own.to_owned(), path.to_owned());
        let resolved = self.host_paths(move |paths| {
            let (own, path) = (paths.resolve(Path::new(&own), Use::File)?, paths.resolve(Path::new(&path), Use::File)?);
            let exists = path.exists();
            Ok((own, path, exists))
        });
        let (own, path, exists) = resolved.await?;
        if path == own {
            return Ok(exists);
        }
        if path.parent() != own.parent() {
            return Err(forbidden(
                "without the permission 'administer' a file is restored into the folder of its source only",
            ));
        }
        if exists {
            return Err(forbidden(format!(
                "{} exists and is not this source's: without the permission 'administer' it is not replaced",
                path.display()
            )));
        }
        Ok(false)
    }

    async fn check_replaced(
        &self,
        source: &catalog::Source,
        marked: RestoreTarget,
        own: &SourceSettings,
        settings: &SourceSettings,
    ) -> Result<(), Failure> {
        if marked != RestoreTarget::OwnDatabases {
            return Err(forbidden(format!(
                "only new databases are restored into '{}': choose a name that does not exist, or ask an administrator",
                source.name
            )));
        }
        if self.is_backed_up(&source.id, own, settings.database()).await? {
            return Ok(());
        }
        Err(forbidden(format!(
            "no job of '{}' backs up this database: without the permission 'administer' only those are replaced",
            source.name
        )))
    }

    /// Whether a job backs the database up: any of the source's, where that is one file.
    async fn is_backed_up(&self, source_id: &str, own: &SourceSettings, name: Option<&str>) -> Result<bool, Failure> {
        let mut page = PageRequest { after: None, limit: 200 };
        loop {
            let jobs = self.catalog.jobs(&page).await?;
            let is_file = own.manifest().has_database_files();
            let backs_up = |job: &catalog::Job| match (&job.databases, own.database(), name) {
                _ if job.source_id != source_id => false,
                _ if is_file => true,
                (Some(databases), _, Some(name)) => databases.iter().any(|database| database == name),
                (None, Some(only), Some(name)) => only == name,
                (None, None, Some(_)) => true,
                (_, _, None) => false,
            };
            if jobs.items.iter().any(|job| backs_up(&job.job)) {
                return Ok(true);
            }
            match jobs.items.last().filter(|_| jobs.more) {
                Some(last) => page.after = Some(last.job.name.clone()),
                None => return Ok(false),
            }
        }
    }

    /// Refuses the database that this server keeps everything in: by its address, and by what it holds, since another port, a pooler or a
    /// socket may lead to it, too. A file is refused with the data folder (see [`crate::host_paths`]).
    async fn refuse_own_database(&self, target: &dyn Source, settings: &SourceSettings) -> Result<(), Failure> {
        if let Some(reason) = target.refuses_restores() {
            return Err(forbidden(reason));
        }
        let Some(place) = self.config.database.place() else { return Ok(()) };
        let ServerPlace { adapter, host, port, database } = place;
        if target.may_be_at(&DatabasePlace { adapter, host, port, database }).await {
            return Err(Refusal::Own(format!("the database '{}'", settings.database().unwrap_or_default())).into());
        }
        if target.holds_installation(&self.catalog.installation_id().await?).await? {
            return Err(forbidden(format!(
                "{} holds this server's own metadata, or a copy of it, and is never replaced. Choose another database name, or drop \
                 the copy first",
                target.name()
            )));
        }
        Ok(())
    }
}

fn forbidden(words: impl Into<String>) -> Failure {
    Failure::Forbidden(words.into())
}

/// Whether an operator's database exists already; some are for administrators only.
async fn check_name(target: &dyn Source) -> Result<bool, Failure> {
    match target.reserved().await? {
        Some(reason) => Err(forbidden(reason)),
        None => Ok(target.contents().await? != Contents::Absent),
    }
}

/// Refuses to put an operator's database in another one's place than it was restored for.
pub(crate) fn check_kept(target: &dyn Source, kept: &str) -> Result<(), Failure> {
    if target.is_kept_for_it(kept) {
        return Ok(());
    }
    Err(forbidden(format!("'{kept}' was not restored for {}: only an administrator puts it there", target.name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marking_that_is_not_known_allows_nothing() {
        for target in [RestoreTarget::None, RestoreTarget::NewDatabases, RestoreTarget::OwnDatabases] {
            assert_eq!(serde_json::to_value(target).unwrap(), target.as_str());
        }
        assert!(serde_json::from_value::<RestoreTarget>("everything".into()).is_err());
    }
}
