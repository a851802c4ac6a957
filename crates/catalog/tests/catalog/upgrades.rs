//! Databases of earlier versions: they open without loss, and a copy is set aside before their schema changes.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use catalog::{AuditFilter, Catalog, Error, NewApiToken, NewUser, PageRequest, Run, RunFilter, Token};
use domain::access::{Permission, Role};
use domain::outcome::{RunState, RunStatus};
use domain::run::{CopyResult, RunResult};
use domain::stored::SidecarKnown;
use secrecy::ExposeSecret;

use crate::backups::{path, record, sidecar};
use crate::on_both;
use crate::store::{Store, at, destination, job, source};

on_both!(an_older_schema_is_brought_up_to_date, an_unknown_value_is_an_error_that_says_where);

/// Every row on one page.
const ALL: PageRequest = PageRequest { after: None, limit: 100 };

/// A copy of the metadata database of version 0.1 with its key. `fixtures/catalog-0.1/README.md` lists what it holds.
fn version_0_1() -> Store {
    let store = Store::sqlite();
    for name in ["dbackup.db", "encryption.key"] {
        std::fs::copy(fixture(name), store.folder.path().join(name)).unwrap();
    }
    store
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/catalog-0.1").join(name)
}

/// The names of the copies beside the database, sorted.
fn copies(store: &Store) -> Vec<String> {
    let names = std::fs::read_dir(store.folder.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.contains(".before-"));
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_catalog_of_version_0_1_opens_with_everything_in_it() {
    let store = version_0_1();
    let catalog = store.open().await;
    people_are_all_there(&catalog).await;
    secrets_are_all_there(&catalog).await;
    jobs_and_runs_are_all_there(&catalog).await;
    catalog.close().await.unwrap();
    assert_eq!(store.sql("SELECT count(*) FROM runs WHERE kind = 'backup' AND result LIKE '%copies%'"), "0");
    let catalog = store.open().await;
    jobs_and_runs_are_all_there(&catalog).await;
    catalog.close().await.unwrap();
    assert_eq!(store.sql("SELECT max(version) FROM _sqlx_migrations"), "28");
}

async fn people_are_all_there(catalog: &Catalog) {
    let users = catalog.users(&ALL).await.unwrap().items;
    let found: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.role)).collect();
    assert_eq!(found, [("anna", Role::Administrator), ("otto", Role::Operator), ("vera", Role::Viewer)]);
    assert!(users.iter().all(|user| user.password_hash.starts_with("$argon2id$")));
    let token = Token::shown(std::fs::read_to_string(fixture("token")).unwrap().trim());
    let token = catalog.api_token_by_token(&token).await.unwrap().unwrap();
    assert_eq!((&token.user_id, token.scopes.len()), (&users[0].id, 4));
    assert_eq!(catalog.api_tokens(None).await.unwrap().len(), 1);
    catalog.audit_entries(&AuditFilter::default(), &ALL).await.unwrap();
}

async fn secrets_are_all_there(catalog: &Catalog) {
    let sources = catalog.sources(&ALL).await.unwrap().items;
    assert_eq!(sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["Server ü", "Shop"]);
    assert_eq!(sources[0].secrets_set, ["password"]);
    let secrets = catalog.source_secrets(&sources[0]).unwrap();
    assert_eq!(secrets["password"].expose_secret(), "p:a\\s s\"w");
    assert!(catalog.source_secrets(&sources[1]).unwrap().is_empty());
    // What was saved before these were kept.
    for source in &sources {
        assert_eq!(source.restore_target, "none");
        assert_eq!(source.approved_path.as_deref(), Some(catalog::APPROVED_BEFORE));
    }

    let destinations = catalog.destinations(&ALL).await.unwrap().items;
    let names: Vec<_> = destinations.iter().map(|destination| destination.name.as_str()).collect();
    assert_eq!(names, ["Disk", "Offsite"]);
    assert_eq!(destinations[0].settings["path"], "/srv/fixture/dest");
    let secrets = catalog.destination_secrets(&destinations[1]).unwrap();
    assert_eq!(secrets.settings["appKey"].expose_secret(), "fixturekey");
    assert_eq!(secrets.settings["appSecret"].expose_secret(), "fixturesecret");
    assert!(!secrets.grant.unwrap().expose_secret().is_empty());
    let authorization = destinations[1].authorization.as_ref().unwrap();
    assert_eq!((authorization.account_name.as_str(), authorization.allowed), ("Ada Lovelace", Some(2_147_483_648)));

    let profiles = catalog.profiles(&ALL).await.unwrap().items;
    assert_eq!((profiles.len(), profiles[0].name.as_str()), (1, "company"));
    let identity = catalog.profile_identity(&profiles[0]).unwrap().unwrap();
    assert!(identity.expose_secret().contains(&profiles[0].recipients[0]));
    assert!(identity.expose_secret().contains("AGE-SECRET-KEY-1"));
}

async fn jobs_and_runs_are_all_there(catalog: &Catalog) {
    let jobs = catalog.jobs(&ALL).await.unwrap().items;
    let found: Vec<_> = jobs.iter().map(|job| (job.job.name.as_str(), job.job.destination_ids.len())).collect();
    assert_eq!(found, [("broken", 1), ("plain 😀", 1), ("shop nightly", 2)]);
    let nightly = &jobs[2].job;
    assert_eq!((nightly.cron.as_deref(), nightly.time_zone.as_str()), (Some("30 2 * * *"), "Europe/Berlin"));
    assert!(nightly.profile_id.is_some() && nightly.acknowledged_warnings.is_empty() && !nightly.allow_damaged);
    let runs = catalog.runs(&RunFilter::default(), &ALL).await.unwrap().items;
    let states: Vec<_> = runs.iter().map(|run| (run.title.as_str(), run.state)).collect();
    let good = RunStatus::Succeeded;
    let shop = ("shop nightly", good);
    assert_eq!(states, [("broken", RunStatus::Failed), ("plain 😀", good), shop, shop]);
    assert!(
        runs[0].error.is_some()
            && matches!(&runs[3].result, Some(RunResult::Backup(result)) if result.state() == RunState::Succeeded)
    );
    every_copy_is_kept(&runs);
    assert!(!catalog.log_lines(&runs[0].id, 0, 100).await.unwrap().is_empty());
    assert_eq!(catalog.job_kinds().await.unwrap().iter().map(|kind| kind.jobs).sum::<i64>(), 3);
    let days = catalog.total_days(0).await.unwrap();
    assert_eq!(days.iter().map(|day| day.sums.runs()).sum::<i64>(), 4, "what earlier versions have run is summed up");
}

/// What a run of an earlier version stored is still known.
fn every_copy_is_kept(runs: &[Run]) {
    let Some(RunResult::Backup(result)) = &runs[2].result else { panic!("{:?}", runs[2]) };
    let mut copies = result.databases.iter().flat_map(|database| &database.copies).peekable();
    assert!(copies.peek().is_some() && copies.all(CopyResult::is_stored), "{result:?}");
}

#[tokio::test]
async fn a_database_is_copied_before_its_schema_changes() {
    let store = version_0_1();
    let copy = store.folder.path().join("dbackup.db.before-0003");
    // What an earlier attempt left behind.
    std::fs::write(&copy, "old").unwrap();
    std::fs::write(store.folder.path().join("dbackup.db.before-0003.partial"), "half").unwrap();
    store.open().await.close().await.unwrap();
    assert_eq!(copies(&store), ["dbackup.db.before-0003"]);
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut old = version_0_1();
    std::fs::rename(&copy, store.folder.path().join("restored.db")).unwrap();
    old.location = catalog::Location::Sqlite(store.folder.path().join("restored.db"));
    assert_eq!(old.sql("SELECT max(version) FROM _sqlx_migrations"), "2");
    assert_eq!(old.sql("PRAGMA integrity_check"), "ok");
    people_are_all_there(&old.open().await).await;
    // Nothing changes at the next start.
    store.open().await.close().await.unwrap();
    assert!(copies(&store).iter().all(|name| name.starts_with("restored")), "{:?}", copies(&store));
}

#[tokio::test]
async fn a_wrong_key_changes_nothing_in_a_database_of_an_earlier_version() {
    let store = version_0_1();
    let key = store.folder.path().join("encryption.key");
    std::fs::write(&key, format!("{}\n", "7".repeat(64))).unwrap();
    let schema = "SELECT count(*) || ' ' || max(version) FROM _sqlx_migrations";
    let before = store.sql(schema);
    let refused = store.try_open().await.unwrap_err();
    assert!(matches!(refused, Error::WrongKey { .. }), "{refused}");
    assert_eq!(store.sql(schema), before);
    assert!(copies(&store).is_empty());
    std::fs::copy(fixture("encryption.key"), &key).unwrap();
    store.open().await;
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_stops_the_start() {
    let store = version_0_1();
    let in_the_way = store.folder.path().join("dbackup.db.before-0003");
    std::fs::create_dir(&in_the_way).unwrap();
    let refused = store.try_open().await.unwrap_err().to_string();
    for words in ["dbackup.db.before-0003", "Nothing was changed", "free space"] {
        assert!(refused.contains(words), "{refused}");
    }
    assert_eq!(store.sql("SELECT max(version) FROM _sqlx_migrations"), "2");
    assert_eq!(copies(&store), ["dbackup.db.before-0003"], "half a copy is left");
    std::fs::remove_dir(&in_the_way).unwrap();
    store.open().await;
}

#[tokio::test]
async fn a_migration_that_fails_names_the_copy_and_removes_none() {
    let store = version_0_1();
    store.sql("ALTER TABLE jobs ADD COLUMN allow_damaged BOOLEAN");
    for name in ["0001", "0002"] {
        std::fs::write(store.folder.path().join(format!("dbackup.db.before-{name}")), "x").unwrap();
    }
    // Migration 3 is applied by the first start, so the second one makes a copy of its own; the third replaces it.
    for copy in ["0003", "0004", "0004"].map(|number| format!("dbackup.db.before-{number}")) {
        let refused = store.try_open().await.unwrap_err().to_string();
        assert!(refused.contains("could not be brought up to date") && refused.contains(&copy), "{refused}");
    }
    assert_eq!(store.sql("SELECT max(version) FROM _sqlx_migrations"), "3");
    assert_eq!(copies(&store), ["0001", "0002", "0003", "0004"].map(|name| format!("dbackup.db.before-{name}")));
}

#[tokio::test]
async fn the_copies_of_the_three_newest_schemas_are_kept() {
    let store = version_0_1();
    for name in ["0001", "0002", "0010", "lunch"] {
        std::fs::write(store.folder.path().join(format!("dbackup.db.before-{name}")), "x").unwrap();
    }
    store.open().await;
    let kept = ["0002", "0003", "0010", "lunch"].map(|name| format!("dbackup.db.before-{name}"));
    assert_eq!(copies(&store), kept);
}

async fn an_older_schema_is_brought_up_to_date(store: Store) {
    let catalog = store.open().await;
    let made = catalog.create_source(&source("shop", Some("hunter2-hunter2")), at(0)).await.unwrap();
    let one = catalog.create_destination(&destination("One"), at(0)).await.unwrap().id;
    let stored = path("shop", 12, "orders");
    record(&catalog, &one, &stored, &sidecar("b", "shop", "orders", at(0)), at(1)).await;
    catalog.close().await.unwrap();
    for text in [
        "DROP TABLE deletions",
        "DROP INDEX copies_arrival",
        "DROP INDEX backups_job",
        "ALTER TABLE copies DROP COLUMN locked",
        "ALTER TABLE copies DROP COLUMN sidecar_locked",
        "ALTER TABLE copies DROP COLUMN note",
        "ALTER TABLE copies DROP COLUMN arrival",
        "ALTER TABLE backups RENAME COLUMN source_type TO engine",
        "UPDATE backups SET engine = 'PostgreSQL'",
        "DELETE FROM _sqlx_migrations WHERE version IN (16, 17)",
    ] {
        store.sql(text);
    }
    assert!(copies(&store).is_empty(), "a new database was copied");
    let catalog = store.open().await;
    let found = catalog.source(&made.id).await.unwrap().unwrap();
    assert_eq!(catalog.source_secrets(&found).unwrap()["password"].expose_secret(), "hunter2-hunter2");
    // Whether its sidecar locks it was not kept before.
    let copy = catalog.backup_at(&one, &stored).await.unwrap().unwrap();
    assert_eq!((copy.sidecar, copy.source_type.as_str()), (SidecarKnown::Unread, "postgres"));
    let expected: &[&str] = if store.server.is_some() { &[] } else { &["dbackup.db.before-0016"] };
    assert_eq!(copies(&store), expected);
}

async fn an_unknown_value_is_an_error_that_says_where(store: Store) {
    let catalog = store.open().await;
    let source = catalog.create_source(&source("s", None), at(0)).await.unwrap();
    let destination = catalog.create_destination(&destination("d"), at(0)).await.unwrap();
    let job = catalog.create_job(&job("j", &source.id, &[&destination.id]), at(0)).await.unwrap();
    catalog.fire_slot(&job.id, "j", at(60), None, at(61)).await.unwrap();
    let user = NewUser { name: "anna".to_owned(), role: Role::Viewer, password_hash: String::new() };
    let user = catalog.create_user(&user, at(0)).await.unwrap();
    let token = Token::new("").unwrap();
    let scopes = [Permission::View];
    let new = NewApiToken { user_id: &user.id, name: "t", token: &token, scopes: &scopes, expires_at: None };
    catalog.create_api_token(&new, at(0)).await.unwrap();
    for (table, column, value) in [
        ("runs", "state", "paused"),
        ("users", "role", "owner"),
        ("jobs", "compression", "brotli:5"),
        ("api_tokens", "scopes", "[\"view\", \"everything\"]"),
    ] {
        store.sql(&format!("UPDATE {table} SET {column} = '{value}'"));
        let refused = match table {
            "runs" => catalog.runs(&RunFilter::default(), &ALL).await.map(drop),
            "users" => catalog.users(&ALL).await.map(drop),
            "jobs" => catalog.jobs(&ALL).await.map(drop),
            _ => catalog.api_tokens(None).await.map(drop),
        };
        assert!(matches!(refused, Err(Error::Unreadable { .. })), "{refused:?}");
        let words = refused.unwrap_err().to_string();
        let named = if column == "scopes" { "everything" } else { value };
        assert!(words.contains(&format!("{table}.{column}")) && words.contains(named), "{words}");
    }
    // The list of states by job is no exception.
    store.sql("UPDATE jobs SET compression = 'zstd:5'");
    let refused = catalog.jobs(&ALL).await.map(drop);
    assert!(matches!(refused, Err(Error::Unreadable { .. })), "{refused:?}");
}
