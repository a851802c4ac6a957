//! Opening with the right key, changing it, and what lies on the disk.

use std::os::unix::fs::PermissionsExt;

use catalog::{Catalog, Error, KeyFile, KeySource, Location, MasterKey, NewProfile, NewSource};
use futures_util::future::join_all;
use secrecy::ExposeSecret;

use crate::on_both;
use crate::store::{Store, at, destination, secrets, source};

on_both!(
    everything_opens_under_the_new_key_or_nothing_changes,
    nothing_is_sealed_under_a_key_that_was_replaced,
    of_changes_at_once_one_is_made_and_the_others_are_refused,
    a_newer_schema_is_refused,
);

async fn nothing_is_sealed_under_a_key_that_was_replaced(store: Store) {
    // As a second server that still runs while the key is changed.
    let catalog = store.open().await;
    let shop = catalog.create_source(&source("shop", Some("hunter2-hunter2")), at(0)).await.unwrap();
    catalog.rotate_key(&MasterKey::generate().unwrap()).await.unwrap();
    let refused = [
        catalog.create_source(&source("other", Some("x")), at(1)).await.map(drop),
        catalog.update_source(&shop.id, 1, &source("shop", Some("x")), at(1)).await.map(drop),
        catalog.create_destination(&destination("d"), at(1)).await.map(drop),
        catalog.rotate_key(&MasterKey::generate().unwrap()).await.map(drop),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(Error::KeyChanged)), "{refused:?}");
    }
}

async fn of_changes_at_once_one_is_made_and_the_others_are_refused(store: Store) {
    let catalog = store.open().await;
    let id = catalog.create_source(&source("shop", None), at(0)).await.unwrap().id;
    let names = ["one", "two", "three", "four"];
    let change = |name: &'static str| NewSource { secrets: secrets(&[(name, Some("secret"))]), ..source("shop", None) };
    let changes = names.map(change);
    let done = join_all(changes.iter().map(|new| catalog.update_source(&id, 1, new, at(1)))).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
    assert!(done.iter().flat_map(|done| done.as_ref().err()).all(|error| matches!(error, Error::Outdated)));
    // Made again of what there is now, one after the other, they lose none of each other's secrets.
    for new in &changes {
        let revision = catalog.source(&id).await.unwrap().unwrap().revision;
        catalog.update_source(&id, revision, new, at(1)).await.unwrap().unwrap();
    }
    assert_eq!(catalog.source(&id).await.unwrap().unwrap().secrets_set.len(), names.len());
}

async fn everything_opens_under_the_new_key_or_nothing_changes(store: Store) {
    // M-07
    let catalog = store.open().await;
    let shop = catalog.create_source(&source("shop", Some("hunter2-hunter2")), at(0)).await.unwrap();
    let other = catalog.create_source(&source("other", Some("x-password-x")), at(0)).await.unwrap();
    catalog.create_destination(&destination("d"), at(0)).await.unwrap();
    let new = NewProfile { name: "p".to_owned(), recipients: Vec::new(), identity: Some("AGE-SECRET-KEY-1X".into()) };
    catalog.create_profile(&new, at(0)).await.unwrap();
    let signing = catalog.signing_key(|| Ok("the installation's".into())).await.unwrap();
    let key = MasterKey::generate().unwrap();
    let id = key.id().to_owned();
    // A value that was tampered with stops it all.
    let good = store.sql(&format!("SELECT secret_settings FROM sources WHERE id = '{}'", other.id));
    store.sql(&format!("UPDATE sources SET secret_settings = '{{\"password\":\"x:y\"}}' WHERE id = '{}'", other.id));
    let refused = catalog.rotate_key(&key).await;
    assert!(matches!(refused, Err(Error::Sealed { .. })), "{refused:?}");
    let opened = catalog.source_secrets(&catalog.source(&shop.id).await.unwrap().unwrap()).unwrap();
    assert_eq!(opened["password"].expose_secret(), "hunter2-hunter2");
    store.sql(&format!("UPDATE sources SET secret_settings = '{good}' WHERE id = '{}'", other.id));
    assert_eq!(catalog.rotate_key(&key).await.unwrap(), 6);
    catalog.close().await.unwrap();
    let refused = store.try_open().await.unwrap_err().to_string();
    assert!(refused.contains(&id) && refused.contains("ENCRYPTION_KEY"), "{refused}");
    let catalog = Catalog::open(&store.location, &KeySource::Given(key)).await.unwrap();
    let opened = catalog.source_secrets(&catalog.source(&shop.id).await.unwrap().unwrap()).unwrap();
    assert_eq!(opened["password"].expose_secret(), "hunter2-hunter2");
    assert_eq!(catalog.all_identities().await.unwrap()[0].expose_secret(), "AGE-SECRET-KEY-1X");
    // What it signed before stays its own.
    let kept = catalog.signing_key(|| Ok("another".into())).await.unwrap();
    assert_eq!(kept.expose_secret(), signing.expose_secret());
}

async fn a_newer_schema_is_refused(store: Store) {
    store.open().await.close().await.unwrap();
    let checksum = if store.server.is_some() { "'\\x00'" } else { "x'00'" };
    store.sql(&format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, {checksum}, 0)"
    ));
    let refused = store.try_open().await.unwrap_err().to_string();
    assert!(refused.contains("newer than this program"), "{refused}");
}

#[tokio::test]
async fn the_file_is_private_and_holds_no_secret() {
    // M-07
    let store = Store::sqlite();
    let catalog = store.open().await;
    catalog.create_source(&source("visible", Some("hunter2-hunter2")), at(0)).await.unwrap();
    catalog.create_destination(&destination("d"), at(0)).await.unwrap();
    let key = std::fs::read_to_string(KeyFile::new(store.folder.path()).path()).unwrap();
    let mut bytes = Vec::new();
    for name in ["dbackup.db", "dbackup.db-wal", "dbackup.db-shm"] {
        let path = store.folder.path().join(name);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        bytes.extend(std::fs::read(path).unwrap());
    }
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("visible"));
    for secret in ["hunter2-hunter2", "key-of-an-app", "secret-of-an-app", key.trim()] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(store.sql("PRAGMA journal_mode"), "wal");
}

#[test]
fn addresses_are_read_and_never_shown_with_their_password() {
    let parse = |url: &str| Location::parse(&url.to_owned().into());
    let postgres = parse("postgres://u:hunter2@db:5433/meta").unwrap();
    assert_eq!(postgres.describe(), "postgres://db/meta");
    assert_eq!(parse("sqlite:///data/x.db").unwrap().describe(), "/data/x.db");
    for bad in ["mysql://u:hunter2@db/x", "hunter2", "sqlite://relative"] {
        assert!(!parse(bad).unwrap_err().to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn one_process_at_a_time_uses_a_file_whatever_it_is_called() {
    let store = Store::sqlite();
    let catalog = store.open().await;
    let link = store.folder.path().join("link.db");
    std::os::unix::fs::symlink(store.folder.path().join("dbackup.db"), &link).unwrap();
    let keys = || KeySource::File(KeyFile::new(store.folder.path()));
    let refused = Catalog::open(&Location::Sqlite(link), &keys()).await.unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }) && refused.to_string().contains("another dbackup"), "{refused}");
    catalog.close().await.unwrap();
    store.open().await;
}
