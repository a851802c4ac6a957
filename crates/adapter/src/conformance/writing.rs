//! Uploads.

use std::sync::Arc;

use bytes::Bytes;

use super::{Closed, Subject, digested, paths, sealed};
use crate::Kind;
use crate::destination::{Checkpoint, Companion, put};

/// More than any storage sends in one piece.
const LARGE: usize = 20_000_000;

fn large() -> Vec<u8> {
    (0..LARGE).map(|index| (index % 251) as u8).collect()
}

pub async fn what_is_written_can_be_listed_read_and_deleted(subject: &Subject) {
    let destination = &*subject.destination;
    assert!(paths(destination, "job").await.is_empty());
    let large = large();
    let contents: [(&str, &[u8]); 5] =
        [("Job/large", &large), ("Job/empty", b""), ("other job/ü😀 -x", b"x"), ("-j/a/b/c", b"deep"), ("top", b"top")];
    for (path, content) in contents {
        put(destination, path, Bytes::copy_from_slice(content)).await.unwrap();
        assert_eq!(destination.read(path, 1 << 30).await.unwrap().unwrap(), content, "{path}");
    }
    let all = ["-j/a/b/c", "Job/empty", "Job/large", "other job/ü😀 -x", "top"];
    assert_eq!(paths(destination, "").await, all);
    assert_eq!(paths(destination, "Job").await, ["Job/empty", "Job/large"]);
    let sizes: Vec<u64> = destination.list("Job").await.unwrap().iter().map(|object| object.size).collect();
    assert_eq!(sizes, [0, LARGE as u64]);
    destination.delete("Job/large", None).await.unwrap();
    assert_eq!(*destination.open("Job/large").await.err().unwrap().kind(), Kind::NotFound);
    assert_eq!(destination.read("Job/large", 10).await.unwrap(), None);
}

pub async fn nothing_is_visible_before_the_commit_and_nothing_is_overwritten(subject: &Subject) {
    let destination = &*subject.destination;
    put(destination, "job/taken", Bytes::from_static(b"older")).await.unwrap();
    let mut upload = destination.create("job/free").await.unwrap();
    upload.write(Bytes::from_static(b"newer")).await.unwrap();
    assert_eq!(paths(destination, "").await, ["job/taken"]);
    upload.seal(&digested(b"newer").into()).await.unwrap();
    assert_eq!(paths(destination, "").await, ["job/taken"]);
    if destination.capabilities().rename_at_commit {
        assert_eq!(*upload.commit("job/taken").await.unwrap_err().kind(), Kind::Taken);
    } else {
        assert_eq!(*upload.commit("job/other").await.unwrap_err().kind(), Kind::Unsupported);
    }
    upload.commit("job/free").await.unwrap();
    drop(upload);
    // A taken name is found at the latest at the commit.
    let taken = match sealed(destination, "job/taken", b"newer").await {
        Ok(mut upload) => upload.commit("job/taken").await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(*taken.kind(), Kind::Taken);
    assert_eq!(destination.read("job/taken", 10).await.unwrap().unwrap(), b"older");
    assert_eq!(destination.read("job/free", 10).await.unwrap().unwrap(), b"newer");
    let mut abandoned = destination.create("job/abandoned").await.unwrap();
    abandoned.write(Bytes::from_static(b"never")).await.unwrap();
    drop(abandoned);
    assert_eq!(paths(destination, "").await, ["job/free", "job/taken"]);
}

pub async fn of_two_writers_of_one_name_one_is_refused(subject: &Subject) {
    let destination = &*subject.destination;
    if !destination.capabilities().no_clobber {
        return;
    }
    let mut one = sealed(destination, "job/x", b"one").await.unwrap();
    let mut other = sealed(destination, "job/x", b"other").await.unwrap();
    let (one, other) = futures_util::future::join(one.commit("job/x"), other.commit("job/x")).await;
    let content = destination.read("job/x", 10).await.unwrap().unwrap();
    let (winner, refused) = if one.is_ok() { (&b"one"[..], other) } else { (&b"other"[..], one) };
    assert_eq!(content, winner);
    assert_eq!(*refused.unwrap_err().kind(), Kind::Taken);
}

pub async fn a_companion_comes_with_its_file_and_never_without(subject: &Subject) {
    let destination = &*subject.destination;
    for length in [5, 10_000_000] {
        let content = vec![7; length];
        let path = |name: &str| format!("{length}/{name}");
        let companion = |name: &str| Companion { path: path(name), content: Bytes::from_static(b"{}") };
        put(destination, &path("taken"), Bytes::from_static(b"older")).await.unwrap();
        put(destination, &path("c.meta"), Bytes::from_static(b"older")).await.unwrap();
        let taken = match sealed(destination, &path("taken"), &content).await {
            Ok(mut upload) => upload.commit_with(&path("taken"), companion("taken.meta")).await.map(drop),
            Err(error) => Err(error),
        };
        assert_eq!(*taken.unwrap_err().kind(), Kind::Taken);
        assert_eq!(destination.read(&path("taken.meta"), 9).await.unwrap(), None);

        let mut upload = sealed(destination, &path("a"), &content).await.unwrap();
        upload.commit_with(&path("a"), companion("a.meta")).await.unwrap().unwrap();
        assert_eq!(destination.read(&path("a"), 1 << 30).await.unwrap().unwrap(), content);
        assert_eq!(destination.read(&path("a.meta"), 9).await.unwrap().unwrap(), b"{}");

        let mut upload = sealed(destination, &path("c"), &content).await.unwrap();
        let only_file = upload.commit_with(&path("c"), companion("c.meta")).await.unwrap();
        assert_eq!(*only_file.unwrap_err().kind(), Kind::Taken);
        assert_eq!(destination.read(&path("c"), 1 << 30).await.unwrap().unwrap(), content);
        assert_eq!(destination.read(&path("c.meta"), 9).await.unwrap().unwrap(), b"older");
    }
}

pub async fn only_what_arrived_is_sealed_and_only_what_was_sealed_is_published(subject: &Subject) {
    let destination = &*subject.destination;
    let mut upload = destination.create("job/x").await.unwrap();
    upload.write(Bytes::from_static(b"half of it")).await.unwrap();
    assert!(upload.commit("job/x").await.is_err(), "nothing was proved yet");
    assert!(upload.seal(&digested(b"half of it, and the rest").into()).await.is_err());
    assert!(upload.commit("job/x").await.is_err());
    assert!(paths(destination, "").await.is_empty(), "what is not whole was published");
}

pub async fn a_closed_gate_publishes_nothing(subject: &Subject) {
    let destination = &*subject.destination;
    let mut upload = sealed(destination, "job/x", b"content").await.unwrap();
    upload.guard(Arc::new(Closed));
    let companion = Companion { path: "job/x.meta".to_owned(), content: Bytes::from_static(b"{}") };
    assert_eq!(*upload.commit_with("job/x", companion).await.unwrap_err().kind(), Kind::Stopped);
    assert_eq!(*upload.commit("job/x").await.unwrap_err().kind(), Kind::Stopped);
    assert!(paths(destination, "").await.is_empty());
}

pub async fn what_is_acknowledged_is_never_more_than_was_written_and_all_of_it_once_published(subject: &Subject) {
    let destination = &*subject.destination;
    for (path, length) in [("job/none", 0), ("job/small", 5), ("job/large", LARGE)] {
        let (content, size) = (vec![7; length], length as u64);
        let mut upload = destination.create(path).await.unwrap();
        // Shown by others while the upload is busy, so it is asked for once.
        let acknowledged = upload.acknowledged();
        assert_eq!(acknowledged.get(), 0, "{path}");
        let mut last = 0;
        for (number, piece) in content.chunks(1_000_000).enumerate() {
            upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
            let now = acknowledged.get();
            let written = (number * 1_000_000 + piece.len()) as u64;
            assert!((last..=written).contains(&now), "{path}: {now} of {written} are acknowledged, {last} were before");
            last = now;
        }
        upload.seal(&digested(&content).into()).await.unwrap();
        let sealed = acknowledged.get();
        assert!((last..=size).contains(&sealed), "{path}: {sealed} of {size}");
        upload.commit(path).await.unwrap();
        assert_eq!(acknowledged.get(), size, "{path}");
    }
}

pub async fn an_interrupted_upload_goes_on_or_says_that_it_cannot(subject: &Subject) {
    let destination = &*subject.destination;
    if !destination.capabilities().resume {
        let resumed = destination.resume("job/x", &Checkpoint("{}".to_owned())).await;
        assert_eq!(*resumed.err().unwrap().kind(), Kind::NotResumable);
        return;
    }
    let content = large();
    let upload = sealed(destination, "job/x", &content).await.unwrap();
    let checkpoint = upload.checkpoint().expect("all of it was sent");
    drop(upload);
    let mut resumed = destination.resume("job/x", &checkpoint).await.unwrap();
    let acknowledged = resumed.acknowledged();
    resumed.write(content.clone().into()).await.unwrap();
    resumed.seal(&digested(&content).into()).await.unwrap();
    resumed.commit("job/x").await.unwrap();
    assert_eq!(acknowledged.get(), LARGE as u64);
    assert_eq!(destination.read("job/x", 1 << 30).await.unwrap().unwrap(), content);
    let damaged = destination.resume("job/y", &Checkpoint("no checkpoint".to_owned())).await;
    assert_eq!(*damaged.err().unwrap().kind(), Kind::NotResumable);
}
