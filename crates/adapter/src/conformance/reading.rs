//! Looking, listing, reading, proving.

use std::collections::BTreeSet;
use std::sync::Mutex;

use bytes::Bytes;
use domain::Hashes;
use domain::probe::Step;

use super::{Subject, expected, paths};
use crate::Kind;
use crate::destination::{Expected, How, put};

/// More files than a small page holds.
const MANY: usize = 25;

pub async fn a_proof_says_what_is_there_and_how_that_is_known(subject: &Subject) {
    let destination = &*subject.destination;
    put(destination, "job/y", Bytes::from_static(b"whole")).await.unwrap();
    let right = expected(destination, b"whole");
    let proof = destination.prove("job/y", &right).await.unwrap();
    let is_proved = proof.against(&right).unwrap();
    match destination.capabilities().own_hash {
        Some(own) => {
            assert_eq!(proof.how, How::OwnHash);
            assert_eq!(proof.hashes.get(own.name), right.hashes.get(own.name));
        }
        None => assert_ne!(proof.how, How::OwnHash),
    }
    assert_eq!(is_proved, proof.how != How::SizeAndTag, "what is not compared is not proved");
    // If the expected value of the storage's own hash is unknown, the proof uses another method or reports that there is none.
    let sha256 =
        Expected { size: 5, hashes: right.hashes.get("sha256").map(|hash| Hashes::of("sha256", hash)).unwrap() };
    let proof = destination.prove("job/y", &sha256).await.unwrap();
    assert_eq!(proof.against(&sha256).unwrap(), proof.how != How::SizeAndTag);
    if proof.how != How::SizeAndTag {
        let other = Expected { size: 5, hashes: expected(destination, b"other").hashes };
        let proof = destination.prove("job/y", &other).await.unwrap();
        assert!(proof.against(&other).is_err(), "another content of the same size");
    }
    let longer = expected(destination, b"whole, and more");
    let proof = destination.prove("job/y", &longer).await.unwrap();
    assert_eq!(proof.against(&longer).unwrap_err().what, "size in bytes");
    assert_eq!(*destination.prove("job/z", &right).await.unwrap_err().kind(), Kind::NotFound);
}

pub async fn whether_a_file_is_there_is_known_without_reading_it(subject: &Subject) {
    let destination = &*subject.destination;
    assert_eq!(destination.stat("job/x").await.unwrap(), None);
    put(destination, "job/x", Bytes::from_static(b"content")).await.unwrap();
    let entry = destination.stat("job/x").await.unwrap().unwrap();
    let capabilities = destination.capabilities();
    assert_eq!(entry.size, 7);
    assert_eq!(entry.version.is_some(), capabilities.versions);
    match capabilities.own_hash {
        Some(own) => assert_eq!(entry.hashes.get(own.name), expected(destination, b"content").hashes.get(own.name)),
        None => assert!(entry.hashes.is_empty(), "it would have to read the file"),
    }
    assert_eq!(destination.stat("JOB/X").await.unwrap().is_some(), capabilities.ignores_case);
    assert_eq!(destination.stat("job").await.unwrap(), None, "a folder is no file");
    assert_eq!(destination.stat("job/x/y").await.unwrap(), None);
    assert_eq!(destination.list("job").await.unwrap()[0].modified, entry.modified);
    let download = destination.open("job/x").await.unwrap();
    assert_eq!(download.entry().version, entry.version);
    assert_eq!(*destination.stat("../x").await.unwrap_err().kind(), Kind::Invalid);
}

pub async fn a_listing_comes_in_pages_that_are_all_there_is(subject: &Subject) {
    let destination = &*subject.destination;
    let written: BTreeSet<String> = (0..MANY).map(|index| format!("job/{index}")).collect();
    for path in &written {
        put(destination, path, Bytes::from_static(b"x")).await.unwrap();
    }
    put(destination, "jobs/x", Bytes::from_static(b"x")).await.unwrap();
    let mut found = BTreeSet::new();
    let mut pages = destination.pages("job").await.unwrap();
    while let Some(page) = pages.next().await.unwrap() {
        assert!(page.unreadable.is_empty());
        found.extend(page.objects.into_iter().map(|object| object.path));
    }
    assert!(pages.next().await.unwrap().is_none(), "an end is an end");
    assert_eq!(found, written);
    assert_eq!(paths(destination, "job").await, written.into_iter().collect::<Vec<_>>());
    let readable = destination.list_readable("").await.unwrap();
    assert_eq!((readable.objects.len(), readable.unreadable.len()), (MANY + 1, 0));
    assert!(paths(destination, "none").await.is_empty());
}

pub async fn a_file_larger_than_it_may_be_is_told_from_one_that_cannot_be_read(subject: &Subject) {
    let destination = &*subject.destination;
    put(destination, "job/x", Bytes::from_static(b"content")).await.unwrap();
    assert_eq!(*destination.read("job/x", 3).await.unwrap_err().kind(), Kind::TooLarge);
    assert_eq!(destination.read("job/x", 7).await.unwrap().unwrap(), b"content");
    assert_eq!(destination.read("job/y", 7).await.unwrap(), None);
}

pub async fn no_path_leads_outside(subject: &Subject) {
    let destination = &*subject.destination;
    for path in ["../x", "/etc/passwd", "a/../../b", ""] {
        assert_eq!(*destination.delete(path, None).await.unwrap_err().kind(), Kind::Invalid, "{path}");
        assert_eq!(*destination.open(path).await.err().unwrap().kind(), Kind::Invalid, "{path}");
        assert_eq!(*destination.create(path).await.err().unwrap().kind(), Kind::Invalid, "{path}");
        let proof = destination.prove(path, &Expected::default()).await;
        assert_eq!(*proof.unwrap_err().kind(), Kind::Invalid, "{path}");
    }
}

pub async fn the_manifest_lists_what_it_can_do(subject: &Subject) {
    if let Some(manifest) = subject.manifest {
        assert_eq!(manifest.capabilities, subject.destination.capabilities().listed(), "{}", manifest.id);
    }
}

pub async fn room_is_told_where_it_can_be(subject: &Subject) {
    let destination = &*subject.destination;
    assert_eq!(destination.usage().await.unwrap().is_some(), destination.capabilities().quota);
}

pub async fn a_probe_takes_every_step_and_leaves_nothing(subject: &Subject) {
    let destination = &*subject.destination;
    let steps: Mutex<Vec<Step>> = Mutex::new(Vec::new());
    let passed = destination.probe(&|step| steps.lock().unwrap().push(step)).await;
    let taken = format!("{:?}", steps.lock().unwrap());
    assert!(passed, "{taken}");
    for step in ["write", "readBack", "delete", "space"] {
        assert!(taken.contains(step), "{step}: {taken}");
    }
    assert!(destination.list("").await.unwrap().is_empty());
}

pub async fn folders_are_found_by_their_absolute_path(subject: &Subject) {
    let destination = &*subject.destination;
    let base = &subject.browsed;
    if !destination.capabilities().browse {
        assert_eq!(*destination.folders("/").await.unwrap_err().kind(), Kind::Unsupported);
        assert_eq!(*destination.create_folder("/x").await.unwrap_err().kind(), Kind::Unsupported);
        return;
    }
    if destination.folders(base).await.is_err() {
        destination.create_folder(base).await.unwrap();
    }
    for name in ["b", "A", "ü 😀"] {
        let made = destination.create_folder(&format!("{base}/{name}")).await.unwrap();
        assert_eq!((made.name.as_str(), made.path), (name, format!("{base}/{name}")));
    }
    assert_eq!(*destination.create_folder(&format!("{base}/b")).await.unwrap_err().kind(), Kind::Taken);
    let found = destination.folders(base).await.unwrap();
    assert_eq!(found.iter().map(|folder| folder.name.as_str()).collect::<Vec<_>>(), ["A", "b", "ü 😀"]);
    assert!(destination.folders(&format!("{base}/b")).await.unwrap().is_empty());
    assert_eq!(*destination.folders(&format!("{base}/none")).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(*destination.folders("/a/../b").await.unwrap_err().kind(), Kind::Invalid);
}
