//! Every destination passes the suite; besides, what is only Dropbox's or only a folder's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use adapter::authorization::{Environment, Patience};
use adapter::conformance::Subject;
use adapter::destination::{Destination, Entry, Expected, How, OpenGate, Original, put};
use adapter::{Authorization, Kind, Manifest};
use bytes::Bytes;
use domain::Hashes;
use dropbox_emulator::{Config, Emulator, Fault, FaultKind};

async fn folder() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("file://{}", folder.path().display());
    let destination = destinations::parse(&address, &Environment::default(), Patience::Medium).unwrap();
    let (manifest, browsed) = (manifest("folder"), folder.path().display().to_string());
    Subject { destination, manifest, browsed, keeps: vec![Box::new(folder)] }
}

async fn in_dropbox(address: &str) -> Subject {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let destination = destinations::parse(address, &environment(&emulator), Patience::Medium).unwrap();
    let (manifest, browsed) = (manifest("dropbox"), "/Browsed".to_owned());
    Subject { destination, manifest, browsed, keeps: vec![Box::new(emulator)] }
}

fn manifest(id: &str) -> Option<&'static Manifest> {
    Some(destinations::registry().get(id).unwrap().manifest)
}

async fn root() -> Subject {
    in_dropbox("dropbox:/").await
}

async fn below() -> Subject {
    in_dropbox("dropbox:/Some Folder/ü😀").await
}

mod a_folder {
    adapter::destination_conformance!(crate::folder);
}

mod dropbox_root {
    adapter::destination_conformance!(crate::root);
}

mod dropbox_folder {
    adapter::destination_conformance!(crate::below);
}

/// The environment of a program that reaches this emulator.
fn environment(emulator: &Emulator) -> Environment {
    of_grant(emulator, &Config::default().refresh_token)
}

fn of_grant(emulator: &Emulator, refresh_token: &str) -> Environment {
    let app_key = Config::default().app_key;
    let access = [("DROPBOX_APP_KEY", app_key), ("DROPBOX_REFRESH_TOKEN", refresh_token.to_owned())];
    Environment::of(access.into_iter().chain(emulator.variables()))
}

async fn paths(destination: &dyn Destination, folder: &str) -> Vec<String> {
    destination.list(folder).await.unwrap().into_iter().map(|object| object.path).collect()
}

#[tokio::test]
async fn a_missing_base_folder_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let missing = format!("file://{}/unmounted", folder.path().display());
    let destination = destinations::parse(&missing, &Environment::default(), Patience::Medium).unwrap();
    assert!(destination.list("").await.is_err());
    let error = destination.create("job/x").await.err().unwrap().to_string();
    assert!(error.contains("mount the disk"), "{error}");
}

#[tokio::test]
async fn what_waits_in_the_memory_of_an_upload_is_not_acknowledged() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let destination = destinations::parse("dropbox:/b", &environment(&emulator), Patience::Medium).unwrap();
    emulator.control().inject(Fault::next("upload_session/append_v2", FaultKind::StalledAnswer).times(1000));
    let mut upload = destination.create("job/x").await.unwrap();
    let acknowledged = upload.acknowledged();
    // Taken by the client, which sends it meanwhile.
    upload.write(Bytes::from(vec![7; 20_000_000])).await.unwrap();
    assert_eq!(acknowledged.get(), 0, "Dropbox has answered nothing");
}

#[tokio::test]
async fn addresses_that_cannot_be_meant_are_refused() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    for address in ["dropbox:relative", "dropbox:/a/../b", "file://relative", "ftp://x", "/plain", ""] {
        let parsed = destinations::parse(address, &environment(&emulator), Patience::Medium);
        assert!(matches!(parsed.err(), Some(error) if *error.kind() == Kind::Invalid), "{address}");
    }
}

fn taken(steps: &std::sync::Mutex<Vec<domain::probe::Step>>) -> String {
    serde_json::to_string(&*steps.lock().unwrap()).unwrap()
}

#[tokio::test]
async fn a_probe_names_the_scope_that_is_missing_and_skips_the_rest() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let destination = destinations::parse("dropbox:/b", &environment(&emulator), Patience::Medium).unwrap();
    // Nothing that we do needs files.metadata.write alone.
    for missing in ["account_info.read", "files.metadata.read", "files.content.write", "files.content.read"] {
        let scopes: Vec<&str> = dropbox::oauth::SCOPES.into_iter().filter(|scope| *scope != missing).collect();
        emulator.control().set_scopes(&Config::default().refresh_token, &scopes);
        let steps = std::sync::Mutex::new(Vec::new());
        let passed = destination.probe(&|step| steps.lock().unwrap().push(step)).await;
        let taken = taken(&steps);
        assert!(!passed && taken.contains(missing) && taken.contains("App Console"), "{missing}: {taken}");
        assert_eq!(taken.matches("\"failed\"").count(), 1, "{missing}: {taken}");
    }
}

#[tokio::test]
async fn what_is_read_after_a_look_up_is_the_revision_that_was_looked_up() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let destination = destinations::parse("dropbox:/b", &environment(&emulator), Patience::Medium).unwrap();
    emulator.control().write("/b/job/x", b"older");
    destination.stat("job/x").await.unwrap();
    emulator.control().write("/b/job/x", b"newer");
    assert_eq!(destination.read("job/x", 10).await.unwrap().unwrap(), b"older");
    // Once: what is opened without a look-up is what is there.
    assert_eq!(destination.read("job/x", 10).await.unwrap().unwrap(), b"newer");
    destination.stat("job/x").await.unwrap();
    assert_eq!(destination.read("job/other", 10).await.unwrap(), None);
    destination.delete("job/x", None).await.unwrap();
    assert_eq!(destination.read("job/x", 10).await.unwrap(), None);
}

#[tokio::test]
async fn a_folder_and_a_job_are_found_in_either_form_of_their_name() {
    // M-12
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let at = |folder: &str| {
        destinations::parse(&format!("dropbox:/{folder}"), &environment(&emulator), Patience::Medium).unwrap()
    };
    let forms = ["caf\u{e9}", "cafe\u{301}"];
    put(&*at(forms[1]), &format!("{}/backup", forms[1]), Bytes::from_static(b"x")).await.unwrap();
    for folder in forms {
        for job in forms {
            let destination = at(folder);
            assert_eq!(paths(&*destination, job).await, [format!("{}/backup", forms[0])], "{folder}, {job}");
            assert_eq!(destination.read(&format!("{job}/backup"), 10).await.unwrap().unwrap(), b"x");
        }
    }
}

#[tokio::test]
async fn every_spelling_of_a_place_has_one_identity_and_every_grant_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().display().to_string();
    let file = async |path: &str| {
        let parsed = destinations::parse(&format!("file://{path}"), &Environment::default(), Patience::Medium);
        parsed.unwrap().identity().await
    };
    assert_eq!(file(&base).await, file(&format!("{base}/./")).await);
    assert_eq!(file(&format!("{base}/missing")).await, file(&format!("{base}//missing/.")).await);
    assert_ne!(file(&base).await, file("/").await);
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let dropbox = async |folder: &str, token: &str| {
        destinations::parse(folder, &of_grant(&emulator, token), Patience::Medium).unwrap().identity().await
    };
    assert_eq!(dropbox("dropbox:/Backups", "one").await, dropbox("dropbox:/backups/", "one").await);
    assert_ne!(dropbox("dropbox:/backups", "one").await, dropbox("dropbox:/backups", "two").await, "another account");
    assert!(!dropbox("dropbox:/", "a-secret-token").await.contains("a-secret-token"));
}

#[tokio::test]
async fn folders_are_parts_of_one_storage_in_one_account_and_space_only() {
    let emulator = Emulator::start(Config { team_root: true, ..Config::default() }).await.unwrap();
    let other = Emulator::start(Config { team_root: true, ..Config::default() }).await.unwrap();
    let storage = async |address: &str, emulator: &Emulator| {
        destinations::parse(address, &environment(emulator), Patience::Medium).unwrap().storage().await
    };
    let home = storage("dropbox:/a", &emulator).await.unwrap().unwrap();
    assert_eq!(home.name, "Dropbox");
    assert_eq!(storage("dropbox:/b", &emulator).await.unwrap().unwrap(), home);
    let team = storage("dropbox-team:/a", &emulator).await.unwrap().unwrap();
    assert_ne!(team, home, "another root");
    assert_eq!(storage("dropbox-team:/b", &emulator).await.unwrap().unwrap(), team);
    assert_ne!(storage("dropbox:/a", &other).await.unwrap().unwrap(), home, "another Dropbox");
    let scopes: Vec<&str> = dropbox::oauth::SCOPES.into_iter().filter(|scope| *scope != "account_info.read").collect();
    emulator.control().set_all_scopes(&scopes);
    let unknown = storage("dropbox:/a", &emulator).await.unwrap_err();
    assert_eq!(*unknown.kind(), Kind::Unauthorized(Authorization::MissingScope("account_info.read".to_owned())));
}

#[tokio::test]
async fn what_dropbox_refuses_to_copy_itself_is_told_from_what_an_upload_would_meet_too() {
    let subject = below().await;
    let (destination, emulator) = (&*subject.destination, subject.keeps[0].downcast_ref::<Emulator>().unwrap());
    put(destination, "job/x", Bytes::from_static(b"content")).await.unwrap();
    let entry = destination.stat("job/x").await.unwrap().unwrap();
    let original = Original { location: destination.location("job/x").unwrap(), entry };
    for (kind, expected) in [
        (FaultKind::NotRelocated { tag: "cant_transfer_ownership" }, Kind::Unsupported),
        (FaultKind::NotRelocated { tag: "of_next_year" }, Kind::Unsupported),
        (FaultKind::Unauthorized { tag: "route_access_denied" }, Kind::Unsupported),
        (FaultKind::QuotaReached, Kind::Full),
        (
            FaultKind::Unauthorized { tag: "missing_scope" },
            Kind::Unauthorized(Authorization::MissingScope("files.content.write".to_owned())),
        ),
    ] {
        emulator.control().inject(Fault::next("files/copy_v2", kind).times(2));
        let error = destination.copy_within(&original, "job/y", Arc::new(OpenGate)).await.unwrap_err();
        assert_eq!(*error.kind(), expected, "{kind:?}: {error}");
        emulator.control().clear_faults();
    }
    emulator.control().set_quota(1 << 40);
    // Without Dropbox's hash there is nothing to prove a copy by.
    let entry = Entry { hashes: Hashes::default(), ..original.entry.clone() };
    let unknown = Original { entry, ..original.clone() };
    let error = destination.copy_within(&unknown, "job/y", Arc::new(OpenGate)).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unsupported);
    assert_eq!(paths(destination, "").await, ["job/x"]);
}

#[tokio::test]
async fn a_fault_of_the_authorization_is_told_by_its_kind() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let destination = destinations::parse("dropbox:/b", &environment(&emulator), Patience::Medium).unwrap();
    let scopes: Vec<&str> =
        dropbox::oauth::SCOPES.into_iter().filter(|scope| *scope != "files.metadata.read").collect();
    emulator.control().set_scopes(&Config::default().refresh_token, &scopes);
    let error = destination.stat("job/x").await.unwrap_err();
    let missing = Authorization::MissingScope("files.metadata.read".to_owned());
    assert_eq!(*error.kind(), Kind::Unauthorized(missing));
    assert_eq!(error.kind().code(), "reauthorizationRequired");
    assert!(error.cure_text().unwrap().contains("Permissions tab"), "{error}");
}

#[tokio::test]
async fn a_listing_in_dropbox_comes_in_bounded_pages() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let destination = destinations::parse("dropbox:/b", &environment(&emulator), Patience::Medium).unwrap();
    for index in 0..2500 {
        emulator.control().write(&format!("/b/Job/{index:04}"), b"x");
    }
    let all = paths(&*destination, "Job").await;
    assert_eq!((all.len(), &*all[0], &*all[2499]), (2500, "Job/0000", "Job/2499"));
    let mut pages = destination.pages("Job").await.unwrap();
    let first = pages.next().await.unwrap().unwrap();
    assert!(first.objects.len() <= 2000, "{}", first.objects.len());
}

#[tokio::test]
async fn a_folder_lists_in_bounded_pages() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("job")).unwrap();
    for index in 0..5000 {
        std::fs::write(folder.path().join(format!("job/{index:04}")), "").unwrap();
    }
    let address = format!("file://{}", folder.path().display());
    let destination = destinations::parse(&address, &Environment::default(), Patience::Medium).unwrap();
    assert_eq!(destination.list("job").await.unwrap().len(), 5000);
    let mut pages = destination.pages("job").await.unwrap();
    let first = pages.next().await.unwrap().unwrap();
    assert!(first.objects.len() <= 1000, "{}", first.objects.len());
}

#[tokio::test]
async fn a_backup_whose_sidecar_lacks_dropbox_own_hash_is_proved_by_reading_it() {
    let subject = below().await;
    put(&*subject.destination, "job/x", Bytes::from_static(b"content")).await.unwrap();
    let mut digester = pipeline::Digester::default();
    digester.update(b"content");
    let expected = Expected::from(digester.finish());
    let proof = subject.destination.prove("job/x", &expected).await.unwrap();
    assert_eq!((proof.how, proof.against(&expected)), (How::ReadBack, Ok(true)));
}

#[tokio::test]
async fn an_address_without_a_grant_names_the_variable_that_is_missing() {
    // M-05
    let key = Environment::of([("DROPBOX_APP_KEY", "key")]);
    let error = destinations::parse("dropbox:/b", &key, Patience::Medium).err().unwrap();
    assert_eq!(*error.kind(), Kind::Unauthorized(Authorization::Missing));
    assert!(error.to_string().contains("DROPBOX_REFRESH_TOKEN"), "{error}");
    let error = destinations::parse("dropbox:/b", &Environment::default(), Patience::Medium).err().unwrap();
    assert_eq!(*error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("DROPBOX_APP_KEY"), "{error}");
    let error = destinations::parse("nowhere:/b", &key, Patience::Medium).err().unwrap().to_string();
    assert!(
        error.contains("write dropbox:/folder, dropbox-team:/folder") && error.contains("file:///folder"),
        "{error}"
    );
}
