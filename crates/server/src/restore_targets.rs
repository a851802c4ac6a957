//! What a restore may write: nobody overwrites this server's own database; others than administrators restore only into sources
//! that are marked for it, and replace only what a job of that source backs up. Asked before a restore is queued, and again when
//! it runs.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use catalog::{PageRequest, PostgresPlace};
use domain::Engine;
use serde::{Deserialize, Serialize};
use sources::Contents;
use utoipa::ToSchema;

use crate::app::App;
use crate::failure::Failure;
use crate::host_paths::{Refusal, Use, is_companion};
use crate::settings::SourceSettings;

/// What operators may restore into a source. Administrators restore into every source, and replace any database there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RestoreTarget {
    /// Nothing.
    #[default]
    None,
    /// Databases that do not exist yet; for SQLite, new files in the folder of the source's file.
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

/// The longest name that PostgreSQL keeps, in bytes (NAMEDATALEN - 1); it cuts longer ones, and then means another database.
const MAX_NAME_BYTES: usize = 63;
/// Databases that every PostgreSQL server has, for its own purposes.
const RESERVED: [&str; 3] = ["postgres", "template0", "template1"];
/// How long the name of a host may take to be looked up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

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
    pub(crate) target: Box<dyn sources::Source>,
    /// Whether it may be replaced if there is one by then.
    pub(crate) replaces: bool,
}

impl App {
    /// Opens the database that a restore goes into, if it may.
    pub(crate) async fn restore_target(&self, asked: Asked<'_>) -> Result<Permitted, Failure> {
        let source = self.catalog.source(asked.source_id).await?.ok_or(Failure::Gone("the source"))?;
        let own = self.source_settings(&source)?;
        let settings = asked.database.map_or_else(|| own.clone(), |database| own.clone().with_database(database));
        self.refuse_own_database(&settings).await?;
        let marked = RestoreTarget::of(&source);
        if !asked.administers && marked == RestoreTarget::None {
            return Err(forbidden(format!(
                "'{}' is not marked as a restore target: an administrator can restore into it, or mark it in its settings",
                source.name
            )));
        }
        let target = self.open_settings(&source, settings.clone()).await?;
        self.refuse_own_installation(&*target).await?;
        let replaces = if asked.administers {
            true
        } else {
            let exists = match (own.database_file(), settings.database_file(), settings.database()) {
                (Some(own), Some(path), _) => self.check_file(own, path).await?,
                (_, None, Some(name)) => check_name(&*target, name).await?,
                _ => true,
            };
            if exists {
                self.check_replaced(&source, marked, &own, &settings).await?;
            }
            exists
        };
        Ok(Permitted { target, replaces })
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

    /// Refuses the database that this server keeps everything in. A file is refused with the data folder (see [`crate::host_paths`]).
    async fn refuse_own_database(&self, settings: &SourceSettings) -> Result<(), Failure> {
        if let Some(path) = settings.database_file().filter(|path| is_companion(Path::new(path))) {
            return Err(forbidden(format!(
                "{path} is the name of a file that belongs to a SQLite database: choose another name"
            )));
        }
        // Of an engine with names, only PostgreSQL keeps metadata.
        let (Engine::Postgres, Some(database)) = (settings.adapter.engine, settings.database()) else { return Ok(()) };
        let Some(own) = self.config.database.postgres_place() else { return Ok(()) };
        let values = &settings.settings;
        // A service may lead to any host and port: by the name alone, then.
        let (host, port) = match values.text("service") {
            Some(_) => (own.host.as_str(), own.port),
            None => {
                let port = values.number("port").and_then(|port| u16::try_from(port).ok());
                (values.text("host").unwrap_or_default(), port.unwrap_or(5432))
            }
        };
        if is_same_database(&own, host, port, database).await {
            return Err(Refusal::Own(format!("the database '{database}'")).into());
        }
        Ok(())
    }
}

impl App {
    /// Refuses this server's own metadata database by what it holds: another port, a pooler or a socket may lead to it, too.
    async fn refuse_own_installation(&self, target: &dyn sources::Source) -> Result<(), Failure> {
        if self.config.database.postgres_place().is_none() || target.engine() != Engine::Postgres {
            return Ok(());
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

/// Whether an operator's database exists already; some names are nobody's.
async fn check_name(target: &dyn sources::Source, name: &str) -> Result<bool, Failure> {
    if name.len() > MAX_NAME_BYTES {
        return Err(forbidden(format!(
            "PostgreSQL keeps {MAX_NAME_BYTES} bytes of a name, and cuts this one to another database's: choose a shorter name"
        )));
    }
    if RESERVED.contains(&name) || name.contains("__dbackup_restore") || target.is_template().await? {
        return Err(forbidden(format!(
            "'{name}' belongs to the server itself, or every new database is a copy of it: without the permission 'administer' it \
             is not restored into"
        )));
    }
    Ok(target.contents().await? != Contents::Absent)
}

/// Refuses to put an operator's database in another one's place than it was restored for.
pub(crate) fn check_kept(kept: &str, database: &str) -> Result<(), Failure> {
    let (name, _) = kept.rsplit_once("__dbackup_restore").unwrap_or((kept, ""));
    let was_cut = kept.len() + 4 > MAX_NAME_BYTES && database.starts_with(name);
    if name == database || was_cut {
        return Ok(());
    }
    Err(forbidden(format!("'{kept}' was not restored for '{database}': only an administrator puts it there")))
}

async fn is_same_database(own: &PostgresPlace, hosts: &str, port: u16, database: &str) -> bool {
    let cut = |name: &str| name.as_bytes()[..name.len().min(MAX_NAME_BYTES)].to_vec();
    if own.port != port || cut(&own.database) != cut(database) {
        return false;
    }
    for host in hosts.split(',') {
        if is_same_host(&own.host, host).await {
            return true;
        }
    }
    false
}

/// Whether two names are of one machine: the same, both this one, or with an address in common.
async fn is_same_host(one: &str, other: &str) -> bool {
    let plain = |host: &str| host.trim_matches(['[', ']', ' ', '.']).to_lowercase();
    let (one, other) = (plain(one), plain(other));
    if one == other {
        return true;
    }
    let (one, other) = (addresses(&one).await, addresses(&other).await);
    let is_here = |addresses: &[IpAddr]| addresses.iter().any(|address| is_of_this_machine(*address));
    one.iter().any(|address| other.contains(address)) || (is_here(&one) && is_here(&other))
}

async fn addresses(host: &str) -> Vec<IpAddr> {
    // The folder of a socket.
    if host.is_empty() || host.starts_with(['/', '@']) {
        return vec![IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)];
    }
    let found = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, 0))).await;
    match found {
        Ok(Ok(found)) => found.map(|address| address.ip().to_canonical()).collect(),
        // Whoever cannot be found cannot be restored into either.
        _ => Vec::new(),
    }
}

/// Only an address of this machine can be listened on.
fn is_of_this_machine(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified() || std::net::UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_metadata_database_is_known_by_every_name_of_its_host() {
        let own = |host: &str| PostgresPlace { host: host.to_owned(), port: 5432, database: "meta".to_owned() };
        for (one, other) in [
            ("localhost", "127.0.0.1"),
            ("127.0.0.1", "LOCALHOST"),
            ("localhost", "::1"),
            ("localhost", "[::1]"),
            ("/run/postgresql", "localhost"),
            ("127.0.0.1", "/tmp"),
            ("127.0.0.1", "127.0.0.2"),
            ("127.0.0.1", "::ffff:127.0.0.1"),
            ("127.0.0.1", "other.invalid,localhost"),
            ("db.example", "DB.example."),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            assert!(is_same_database(&own(one), other, 5432, "meta").await, "{one}, {other}");
        }
        assert!(!is_same_database(&own("localhost"), "localhost", 5433, "meta").await);
        assert!(!is_same_database(&own("localhost"), "localhost", 5432, "shop").await);
        assert!(!is_same_database(&own("192.0.2.1"), "192.0.2.2", 5432, "meta").await);
        let long = PostgresPlace { database: "x".repeat(63), ..own("localhost") };
        assert!(is_same_database(&long, "localhost", 5432, &"x".repeat(70)).await, "PostgreSQL cuts it");
    }

    #[test]
    fn a_kept_database_goes_only_where_it_was_meant_to_go() {
        assert!(check_kept("shop__dbackup_restored_1f2e3d4c", "shop").is_ok());
        assert!(check_kept("hr__dbackup_restored_1f2e3d4c", "shop").is_err());
        assert!(check_kept("sho__dbackup_restored_1f2e3d4c", "shop").is_err());
        assert!(check_kept("shop", "shop2").is_err());
        let long = "l".repeat(60);
        assert!(check_kept(&format!("{}__dbackup_restored_1f2e3d4c", &long[..36]), &long).is_ok());
    }

    #[test]
    fn a_marking_that_is_not_known_allows_nothing() {
        for target in [RestoreTarget::None, RestoreTarget::NewDatabases, RestoreTarget::OwnDatabases] {
            assert_eq!(serde_json::to_value(target).unwrap(), target.as_str());
        }
        assert!(serde_json::from_value::<RestoreTarget>("everything".into()).is_err());
    }
}
