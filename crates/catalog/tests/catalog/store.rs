//! A database of either kind, and a key.

use std::collections::BTreeMap;

use catalog::{
    Catalog, Error, GrantChange, KeyFile, KeySource, Location, NewDestination, NewJob, NewSource, Page, PageRequest,
};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use tempfile::TempDir;
use test_support::{PostgresServer, PostgresVersion};

/// Where a catalog lies.
pub(crate) struct Store {
    pub(crate) folder: TempDir,
    pub(crate) location: Location,
    pub(crate) server: Option<PostgresServer>,
}

impl Store {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("dbackup.db"));
        Self { folder, location, server: None }
    }

    pub(crate) async fn postgres() -> Self {
        let server = tokio::task::spawn_blocking(|| PostgresServer::start(PostgresVersion::Debian)).await.unwrap();
        server.sql("postgres", "CREATE DATABASE dbackup");
        let location = Location::parse(&server.address("dbackup").into()).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), location, server: Some(server) }
    }

    pub(crate) async fn open(&self) -> Catalog {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Catalog, Error> {
        Catalog::open(&self.location, &KeySource::File(KeyFile::new(self.folder.path()))).await
    }

    /// Runs SQL behind the catalog's back; gives the first column of the first row.
    pub(crate) fn sql(&self, sql: &str) -> String {
        match (&self.server, &self.location) {
            (Some(server), _) => server.sql("dbackup", sql).trim().to_owned(),
            (None, Location::Sqlite(path)) => {
                test_support::run(std::process::Command::new("sqlite3").arg(path).arg(sql)).trim().to_owned()
            }
            _ => unreachable!(),
        }
    }
}

/// A time; later ones for larger numbers.
pub(crate) fn at(seconds: i64) -> Timestamp {
    "2026-01-15T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

pub(crate) fn secrets(pairs: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<SecretString>> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.map(SecretString::from))).collect()
}

pub(crate) fn source(name: &str, password: Option<&str>) -> NewSource {
    let settings = json!({"type": "sqlite", "path": "/x.db"});
    NewSource {
        name: name.to_owned(),
        settings,
        restore_target: "none".to_owned(),
        approved_path: None,
        secrets: secrets(&[("password", password)]),
    }
}

pub(crate) fn destination(name: &str) -> NewDestination {
    let secrets = secrets(&[("appKey", Some("key-of-an-app")), ("appSecret", Some("secret-of-an-app"))]);
    NewDestination {
        name: name.to_owned(),
        settings: json!({"type": "dropbox"}),
        approved_path: None,
        secrets,
        grant: GrantChange::Keep,
    }
}

pub(crate) fn job(name: &str, source_id: &str, destination_ids: &[&str]) -> NewJob {
    NewJob {
        name: name.to_owned(),
        source_id: source_id.to_owned(),
        databases: Some(vec!["a b".to_owned(), "ü😀".to_owned()]),
        destination_ids: destination_ids.iter().map(|&id| id.to_owned()).collect(),
        retention: BTreeMap::new(),
        compression: "zstd:5".parse().unwrap(),
        profile_id: None,
        cron: Some("0 * * * *".to_owned()),
        time_zone: "UTC".to_owned(),
        timeout_seconds: Some(60),
        enabled: true,
        acknowledged_warnings: None,
        allow_damaged: false,
        next_run_at: Some(at(60)),
    }
}

/// Every item of a list, in pages of two.
pub(crate) async fn all_pages<T>(
    list: impl AsyncFn(PageRequest) -> Result<Page<T>, Error>,
    key: impl Fn(&T) -> String,
) -> Vec<String> {
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = list(PageRequest { after: after.take(), limit: 2 }).await.unwrap();
        keys.extend(page.items.iter().map(&key));
        if !page.more {
            return keys;
        }
        after = keys.last().cloned();
    }
}
