//! Opening with the right key, changing it, and what lies on the disk.

use std::os::unix::fs::PermissionsExt;

use catalog::{Catalog, Error, KeyFile, KeySource, Location, MasterKey, NewProfile};
use secrecy::ExposeSecret;

use crate::on_both;
use crate::store::{Store, at, destination, source};

on_both!(everything_opens_under_the_new_key_or_nothing_changes, a_newer_schema_is_refused);

async fn everything_opens_under_the_new_key_or_nothing_changes(store: Store) {
    // M-07
    let catalog = store.open().await;
    let shop = catalog.create_source(&source("shop", Some("hunter2-hunter2")), at(0)).await.unwrap();
    let other = catalog.create_source(&source("other", Some("x-password-x")), at(0)).await.unwrap();
    catalog.create_destination(&destination("d"), at(0)).await.unwrap();
    let new = NewProfile { name: "p".to_owned(), recipients: Vec::new(), identity: Some("AGE-SECRET-KEY-1X".into()) };
    catalog.create_profile(&new, at(0)).await.unwrap();
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
    assert_eq!(catalog.rotate_key(&key).await.unwrap(), 5);
    catalog.close().await.unwrap();
    let refused = store.try_open().await.unwrap_err().to_string();
    assert!(refused.contains(&id) && refused.contains("ENCRYPTION_KEY"), "{refused}");
    let catalog = Catalog::open(&store.location, &KeySource::Given(key)).await.unwrap();
    let opened = catalog.source_secrets(&catalog.source(&shop.id).await.unwrap().unwrap()).unwrap();
    assert_eq!(opened["password"].expose_secret(), "hunter2-hunter2");
    assert_eq!(catalog.all_identities().await.unwrap()[0].expose_secret(), "AGE-SECRET-KEY-1X");
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
