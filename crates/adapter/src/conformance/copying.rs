//! Copies that the storage makes by itself.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{Either, join, select};

use super::{Closed, Subject, expected, paths};
use crate::destination::{Destination, Entry, How, OpenGate, Original, Proof, put};
use crate::{Error, Kind};

/// Large enough to be copied in parts, if a storage does that.
const LARGE: usize = 20_000_000;

fn can(subject: &Subject) -> bool {
    subject.destination.capabilities().server_side_copy
}

/// A file as it is now.
async fn original(destination: &dyn Destination, path: &str) -> Original {
    let entry = destination.stat(path).await.unwrap().unwrap();
    assert!(entry.version.is_some(), "nothing tells one version from another");
    Original { location: destination.location(path).unwrap(), entry }
}

async fn copied(destination: &dyn Destination, original: &Original, path: &str) -> Result<Proof, Error> {
    destination.copy_within(original, path, Arc::new(OpenGate)).await
}

pub async fn a_copy_inside_the_storage_is_whole_and_proved(subject: &Subject) {
    let destination = &*subject.destination;
    if !can(subject) {
        return;
    }
    let storage = destination.storage().await.unwrap();
    assert!(storage.is_some() && storage == destination.storage().await.unwrap());
    let large: Vec<u8> = (0..LARGE).map(|index| (index % 251) as u8).collect();
    let contents: [(&str, &[u8]); 3] = [("a", &large), ("empty", b""), ("ü😀 -x", b"x")];
    for (name, content) in contents {
        let (from, to) = (format!("job/{name}"), format!("other job/deep/{name}"));
        put(destination, &from, Bytes::copy_from_slice(content)).await.unwrap();
        let original = original(destination, &from).await;
        let mut copying = pin!(copied(destination, &original, &to));
        let proof = loop {
            match select(copying.as_mut(), pin!(destination.stat(&to))).await {
                Either::Left((proof, _)) => break proof.unwrap(),
                Either::Right((seen, _)) => {
                    let is_whole = seen.unwrap().is_none_or(|entry| entry.size == content.len() as u64);
                    assert!(is_whole, "{to} was seen before it was whole");
                }
            }
        };
        assert_ne!(proof.how, How::SizeAndTag, "{name}");
        assert_eq!(proof.against(&expected(destination, content)), Ok(true), "{name}");
        for path in [&from, &to] {
            assert!(destination.read(path, 1 << 30).await.unwrap().unwrap() == content, "{path}");
        }
    }
    assert_eq!(paths(destination, "").await.len(), 6);
}

pub async fn a_copy_never_overwrites(subject: &Subject) {
    let destination = &*subject.destination;
    if !can(subject) {
        return;
    }
    put(destination, "job/x", Bytes::from_static(b"content")).await.unwrap();
    let original = original(destination, "job/x").await;
    // The same content is no exception: it is another file.
    for older in [&b"older"[..], b"content"] {
        put(destination, "job/taken", Bytes::from_static(older)).await.unwrap();
        let error = copied(destination, &original, "job/taken").await.unwrap_err();
        assert_eq!(*error.kind(), Kind::Taken, "{error}");
        assert_eq!(destination.read("job/taken", 10).await.unwrap().unwrap(), older);
        destination.delete("job/taken", None).await.unwrap();
    }
    let error = copied(destination, &original, "job/x").await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Taken, "onto itself: {error}");
    assert_eq!(*copied(destination, &original, "../x").await.unwrap_err().kind(), Kind::Invalid);
    assert_eq!(*destination.location("../x").unwrap_err().kind(), Kind::Invalid);
    assert_eq!(paths(destination, "").await, ["job/x"]);
}

pub async fn of_two_copies_to_one_name_one_is_refused(subject: &Subject) {
    let destination = &*subject.destination;
    if !can(subject) || !destination.capabilities().no_clobber {
        return;
    }
    put(destination, "job/one", Bytes::from_static(b"one")).await.unwrap();
    put(destination, "job/other", Bytes::from_static(b"other")).await.unwrap();
    let (one, other) = (original(destination, "job/one").await, original(destination, "job/other").await);
    let copies = (copied(destination, &one, "job/x"), copied(destination, &other, "job/x"));
    let (one, other) = join(copies.0, copies.1).await;
    let content = destination.read("job/x", 10).await.unwrap().unwrap();
    let (winner, refused) = if one.is_ok() { (&b"one"[..], other) } else { (&b"other"[..], one) };
    assert_eq!(content, winner);
    assert_eq!(*refused.unwrap_err().kind(), Kind::Taken);
}

pub async fn what_is_not_the_version_that_was_checked_is_not_copied(subject: &Subject) {
    let destination = &*subject.destination;
    if !can(subject) {
        return;
    }
    put(destination, "job/x", Bytes::from_static(b"checked")).await.unwrap();
    let original = original(destination, "job/x").await;
    destination.delete("job/x", None).await.unwrap();
    let gone = copied(destination, &original, "job/copy").await.unwrap_err();
    assert!([Kind::NotFound, Kind::Unsupported].contains(gone.kind()), "{gone}");
    put(destination, "job/x", Bytes::from_static(b"another")).await.unwrap();
    let changed = copied(destination, &original, "job/copy").await.unwrap_err();
    assert_eq!(*changed.kind(), Kind::Changed, "{changed}");
    assert_eq!(paths(destination, "").await, ["job/x"]);
}

pub async fn a_closed_gate_copies_nothing(subject: &Subject) {
    let destination = &*subject.destination;
    if !can(subject) {
        return;
    }
    put(destination, "job/x", Bytes::from_static(b"content")).await.unwrap();
    let original = original(destination, "job/x").await;
    let stopped = destination.copy_within(&original, "job/copy", Arc::new(Closed)).await.unwrap_err();
    assert_eq!(*stopped.kind(), Kind::Stopped, "{stopped}");
    assert_eq!(paths(destination, "").await, ["job/x"]);
}

pub async fn what_cannot_copy_by_itself_says_so(subject: &Subject) {
    let destination = &*subject.destination;
    if can(subject) {
        return;
    }
    assert_eq!(destination.storage().await.unwrap(), None);
    assert_eq!(*destination.location("job/x").unwrap_err().kind(), Kind::Unsupported);
    let original = Original { location: "job/x".to_owned(), entry: Entry::default() };
    assert_eq!(*copied(destination, &original, "job/y").await.unwrap_err().kind(), Kind::Unsupported);
}
