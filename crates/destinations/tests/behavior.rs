//! One behaviour suite, run against every destination.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use bytes::Bytes;
use destinations::{Companion, Destination, Error, StoredHash, put};
use dropbox::{Client, Endpoints, Settings};
use dropbox_emulator::{Config, Emulator};
use pipeline::{Digested, Digester};
use tempfile::TempDir;

/// A destination, and what must live as long as it.
struct Subject {
    destination: Arc<dyn Destination>,
    _folder: Option<TempDir>,
    _emulator: Option<Emulator>,
}

async fn subjects() -> Vec<Subject> {
    let folder = tempfile::tempdir().unwrap();
    let file = destinations::parse(&format!("file://{}", folder.path().display()), |_| -> Result<Client, Error> {
        panic!("not asked for")
    })
    .unwrap();
    let mut subjects = vec![Subject { destination: file, _folder: Some(folder), _emulator: None }];
    for root in ["dropbox:", "dropbox:/", "dropbox:/Some Folder/ü😀"] {
        let emulator = Emulator::start(Config::default()).await.unwrap();
        let destination = destinations::parse(root, |_| Ok::<_, Error>(client(&emulator))).unwrap();
        subjects.push(Subject { destination, _folder: None, _emulator: Some(emulator) });
    }
    subjects
}

fn client(emulator: &Emulator) -> Client {
    let mut settings = Settings::new(Config::default().app_key);
    settings.refresh_token = Some(Config::default().refresh_token.into());
    settings.endpoints = Endpoints::parse(&emulator.api_url(), &emulator.content_url(), &emulator.web_url()).unwrap();
    Client::new(settings).unwrap()
}

fn digested(content: &[u8]) -> Digested {
    let mut digester = Digester::default();
    digester.update(content);
    digester.finish()
}

async fn paths(destination: &dyn Destination, folder: &str) -> Vec<String> {
    destination.list(folder).await.unwrap().into_iter().map(|object| object.path).collect()
}

#[tokio::test]
async fn what_is_written_can_be_listed_read_and_deleted() {
    for subject in subjects().await {
        let destination = &*subject.destination;
        assert!(paths(destination, "job").await.is_empty(), "{}", destination.name());
        let large: Vec<u8> = (0..20_000_000_u32).map(|index| (index % 251) as u8).collect();
        let contents: [(&str, &[u8]); 5] = [
            ("Job/large", &large),
            ("Job/empty", b""),
            ("other job/ü😀 -x", b"x"),
            ("-j/a/b/c", b"deep"),
            ("top", b"top"),
        ];
        for (path, content) in contents {
            put(destination, path, Bytes::copy_from_slice(content)).await.unwrap();
            assert_eq!(destination.read(path, 1 << 30).await.unwrap().unwrap(), content, "{path}");
        }
        let all = ["-j/a/b/c", "Job/empty", "Job/large", "other job/ü😀 -x", "top"];
        assert_eq!(paths(destination, "").await, all, "{}", destination.name());
        assert_eq!(paths(destination, "Job").await, ["Job/empty", "Job/large"]);
        let sizes: Vec<u64> = destination.list("Job").await.unwrap().iter().map(|object| object.size).collect();
        assert_eq!(sizes, [0, 20_000_000]);
        destination.delete("Job/large").await.unwrap();
        destination.delete("Job/large").await.unwrap();
        assert!(matches!(destination.open("Job/large").await.err(), Some(Error::NotFound(_))));
        assert_eq!(destination.read("Job/large", 10).await.unwrap(), None);
        assert!(destination.read("top", 2).await.is_err(), "a limit is a limit");
    }
}

#[tokio::test]
async fn nothing_is_visible_before_the_commit_and_nothing_is_overwritten() {
    for subject in subjects().await {
        let destination = &*subject.destination;
        put(destination, "job/taken", Bytes::from_static(b"older")).await.unwrap();
        let mut upload = destination.create().await.unwrap();
        upload.write(Bytes::from_static(b"newer")).await.unwrap();
        assert_eq!(paths(destination, "").await, ["job/taken"]);
        assert!(upload.commit("job/free").await.is_err(), "{}: nothing was proved yet", destination.name());
        upload.seal(&digested(b"newer").into()).await.unwrap();
        assert_eq!(paths(destination, "").await, ["job/taken"]);
        let taken = upload.commit("job/taken").await;
        assert!(matches!(taken, Err(Error::Taken(_))), "{}", destination.name());
        upload.commit("job/free").await.unwrap();
        drop(upload);
        assert_eq!(destination.read("job/taken", 10).await.unwrap().unwrap(), b"older");
        assert_eq!(destination.read("job/free", 10).await.unwrap().unwrap(), b"newer");
        let mut abandoned = destination.create().await.unwrap();
        abandoned.write(Bytes::from_static(b"never")).await.unwrap();
        drop(abandoned);
        assert_eq!(paths(destination, "").await, ["job/free", "job/taken"]);
    }
}

#[tokio::test]
async fn a_companion_comes_with_its_file_and_never_without() {
    for subject in subjects().await {
        let destination = &*subject.destination;
        for length in [5, 10_000_000] {
            let content = vec![7; length];
            let companion = |path: &str| Companion { path: path.to_owned(), content: Bytes::from_static(b"{}") };
            put(destination, &format!("{length}/taken"), Bytes::from_static(b"older")).await.unwrap();
            put(destination, &format!("{length}/c.meta"), Bytes::from_static(b"older")).await.unwrap();
            let mut upload = destination.create().await.unwrap();
            upload.write(content.clone().into()).await.unwrap();
            upload.seal(&digested(&content).into()).await.unwrap();
            let taken =
                upload.commit_with(&format!("{length}/taken"), companion(&format!("{length}/taken.meta"))).await;
            assert!(matches!(taken, Err(Error::Taken(_))), "{}", destination.name());
            assert_eq!(destination.read(&format!("{length}/taken.meta"), 9).await.unwrap(), None);
            upload.commit_with(&format!("{length}/a"), companion(&format!("{length}/a.meta"))).await.unwrap().unwrap();
            assert_eq!(destination.read(&format!("{length}/a"), 1 << 30).await.unwrap().unwrap(), content);
            assert_eq!(destination.read(&format!("{length}/a.meta"), 9).await.unwrap().unwrap(), b"{}");

            let mut other = destination.create().await.unwrap();
            other.write(content.clone().into()).await.unwrap();
            other.seal(&digested(&content).into()).await.unwrap();
            let only_file =
                other.commit_with(&format!("{length}/c"), companion(&format!("{length}/c.meta"))).await.unwrap();
            assert!(matches!(only_file, Err(Error::Taken(_))), "{}", destination.name());
            assert_eq!(destination.read(&format!("{length}/c"), 1 << 30).await.unwrap().unwrap(), content);
            assert_eq!(destination.read(&format!("{length}/c.meta"), 9).await.unwrap().unwrap(), b"older");
        }
    }
}

#[tokio::test]
async fn a_commit_proves_what_is_stored() {
    for subject in subjects().await {
        let destination = &*subject.destination;
        let mut upload = destination.create().await.unwrap();
        upload.write(Bytes::from_static(b"half of it")).await.unwrap();
        assert!(upload.seal(&digested(b"half of it, and the rest").into()).await.is_err(), "{}", destination.name());
        assert!(upload.commit("job/x").await.is_err(), "{}", destination.name());
        assert!(paths(destination, "").await.is_empty(), "{}: what is not whole was published", destination.name());
        put(destination, "job/y", Bytes::from_static(b"whole")).await.unwrap();
        match destination.stored_hash("job/y").await.unwrap() {
            StoredHash::Sha256(hash) => assert_eq!(hash, digested(b"whole").sha256),
            StoredHash::DropboxContentHash(hash) => assert_eq!(hash, dropbox::ContentHasher::of(b"whole")),
        }
        assert!(matches!(destination.stored_hash("job/z").await, Err(Error::NotFound(_))));
    }
}

#[tokio::test]
async fn no_path_leads_outside() {
    for subject in subjects().await {
        for path in ["../x", "/etc/passwd", "a/../../b", ""] {
            let destination = &*subject.destination;
            assert!(matches!(destination.delete(path).await, Err(Error::Usage(_))), "{path}");
            assert!(matches!(destination.open(path).await.err(), Some(Error::Usage(_))), "{path}");
        }
    }
}

#[tokio::test]
async fn a_missing_base_folder_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let missing = format!("file://{}/unmounted", folder.path().display());
    let destination = destinations::parse(&missing, |_| -> Result<Client, Error> { panic!("not asked for") }).unwrap();
    assert!(destination.list("").await.is_err());
    let error = destination.create().await.err().unwrap().to_string();
    assert!(error.contains("mount the disk"), "{error}");
}

#[tokio::test]
async fn addresses_that_cannot_be_meant_are_refused() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    for address in ["dropbox:relative", "dropbox:/a/../b", "file://relative", "ftp://x", "/plain", ""] {
        let parsed = destinations::parse(address, |_| Ok::<_, Error>(client(&emulator)));
        assert!(matches!(parsed.err(), Some(Error::Usage(_))), "{address}");
    }
}

fn taken(steps: &std::sync::Mutex<Vec<domain::probe::Step>>) -> String {
    serde_json::to_string(&*steps.lock().unwrap()).unwrap()
}

#[tokio::test]
async fn a_probe_takes_every_step_and_leaves_nothing() {
    for subject in subjects().await {
        let destination = &*subject.destination;
        let steps = std::sync::Mutex::new(Vec::new());
        let passed = destination.probe(&|step| steps.lock().unwrap().push(step)).await;
        let taken = taken(&steps);
        assert!(passed && !taken.contains("failed") && !taken.contains("skipped"), "{}: {taken}", destination.name());
        for step in ["folder", "write", "readBack", "delete", "space"] {
            assert!(taken.contains(step), "{}: {taken}", destination.name());
        }
        assert!(destination.list("").await.unwrap().is_empty(), "{}", destination.name());
    }
}

#[tokio::test]
async fn a_probe_names_the_scope_that_is_missing_and_skips_the_rest() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let destination = destinations::parse("dropbox:/b", |_| Ok::<_, Error>(client(&emulator))).unwrap();
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
async fn folders_are_found_by_their_absolute_path() {
    for subject in subjects().await {
        let destination = &*subject.destination;
        let base = match &subject._folder {
            Some(folder) => folder.path().display().to_string(),
            None => "/Browsed".to_owned(),
        };
        if subject._folder.is_none() {
            destination.create_folder(&base).await.unwrap();
        }
        for name in ["b", "A", "ü 😀"] {
            let made = destination.create_folder(&format!("{base}/{name}")).await.unwrap();
            assert_eq!((made.name.as_str(), made.path), (name, format!("{base}/{name}")));
        }
        assert!(matches!(destination.create_folder(&format!("{base}/b")).await, Err(Error::Taken(_))));
        let found = destination.folders(&base).await.unwrap();
        assert_eq!(found.iter().map(|folder| folder.name.as_str()).collect::<Vec<_>>(), ["A", "b", "ü 😀"]);
        assert!(destination.folders(&format!("{base}/b")).await.unwrap().is_empty());
        assert!(matches!(destination.folders(&format!("{base}/none")).await, Err(Error::NotFound(_))));
        assert!(matches!(destination.folders("/a/../b").await, Err(Error::Usage(_))));
    }
}

#[tokio::test]
async fn what_is_read_after_a_look_up_is_the_revision_that_was_looked_up() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let destination = destinations::parse("dropbox:/b", |_| Ok::<_, Error>(client(&emulator))).unwrap();
    emulator.control().write("/b/job/x", b"older");
    destination.stored_hash("job/x").await.unwrap();
    emulator.control().write("/b/job/x", b"newer");
    assert_eq!(destination.read("job/x", 10).await.unwrap().unwrap(), b"older");
    // Once: what is opened without a look-up is what is there.
    assert_eq!(destination.read("job/x", 10).await.unwrap().unwrap(), b"newer");
    destination.stored_hash("job/x").await.unwrap();
    assert_eq!(destination.read("job/other", 10).await.unwrap(), None);
    destination.delete("job/x").await.unwrap();
    assert_eq!(destination.read("job/x", 10).await.unwrap(), None);
}

#[tokio::test]
async fn a_folder_and_a_job_are_found_in_either_form_of_their_name() {
    // M-12
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let at = |folder: &str| {
        destinations::parse(&format!("dropbox:/{folder}"), |_| Ok::<_, Error>(client(&emulator))).unwrap()
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
async fn whether_a_file_is_there_is_known_without_reading_it() {
    for subject in subjects().await {
        let destination = &*subject.destination;
        assert_eq!(destination.stat("job/x").await.unwrap(), None, "{}", destination.name());
        put(destination, "job/x", Bytes::from_static(b"content")).await.unwrap();
        let entry = destination.stat("job/x").await.unwrap().unwrap();
        assert_eq!(entry.size, 7);
        assert!(entry.modified.is_some());
        match (&subject._emulator, entry.hash) {
            // A folder would have to read the file.
            (None, hash) => assert_eq!(hash, None),
            (Some(_), hash) => {
                assert_eq!(hash, Some(StoredHash::DropboxContentHash(dropbox::ContentHasher::of(b"content"))));
            }
        }
        assert_eq!(destination.stat("job").await.unwrap(), None, "a folder is no file");
        assert_eq!(destination.stat("job/x/y").await.unwrap(), None);
        assert_eq!(destination.list("job").await.unwrap()[0].modified, entry.modified);
        assert!(matches!(destination.stat("../x").await, Err(Error::Usage(_))));
    }
}

#[tokio::test]
async fn a_file_larger_than_it_may_be_is_told_from_one_that_cannot_be_read() {
    for subject in subjects().await {
        let destination = &*subject.destination;
        put(destination, "job/x", Bytes::from_static(b"content")).await.unwrap();
        assert!(matches!(destination.read("job/x", 3).await, Err(Error::TooLarge { limit: 3, .. })));
    }
}

#[tokio::test]
async fn every_spelling_of_a_place_has_one_identity_and_every_grant_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().display().to_string();
    let file = async |path: &str| {
        let parsed =
            destinations::parse(&format!("file://{path}"), |_| -> Result<Client, Error> { panic!("not asked for") });
        parsed.unwrap().identity().await
    };
    assert_eq!(file(&base).await, file(&format!("{base}/./")).await);
    assert_eq!(file(&format!("{base}/missing")).await, file(&format!("{base}//missing/.")).await);
    assert_ne!(file(&base).await, file("/").await);
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let dropbox = async |folder: &str, token: &str| {
        let mut settings = Settings::new(Config::default().app_key);
        settings.refresh_token = Some(token.to_owned().into());
        settings.endpoints =
            Endpoints::parse(&emulator.api_url(), &emulator.content_url(), &emulator.web_url()).unwrap();
        let client = Client::new(settings).unwrap();
        destinations::parse(folder, |_| Ok::<_, Error>(client)).unwrap().identity().await
    };
    assert_eq!(dropbox("dropbox:/Backups", "one").await, dropbox("dropbox:/backups/", "one").await);
    assert_ne!(dropbox("dropbox:/backups", "one").await, dropbox("dropbox:/backups", "two").await, "another account");
    assert!(!dropbox("dropbox:/", "a-secret-token").await.contains("a-secret-token"));
}
