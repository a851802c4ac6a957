//! Deleting.

use bytes::Bytes;

use super::{Subject, paths};
use crate::Kind;
use crate::destination::put;

pub async fn a_file_that_is_another_one_by_now_is_not_deleted(subject: &Subject) {
    let destination = &*subject.destination;
    if !destination.capabilities().versions {
        return;
    }
    put(destination, "job/x", Bytes::from_static(b"looked at")).await.unwrap();
    let version = destination.stat("job/x").await.unwrap().unwrap().version;
    destination.delete("job/x", None).await.unwrap();
    put(destination, "job/x", Bytes::from_static(b"in its place")).await.unwrap();
    let refused = destination.delete("job/x", version.as_ref()).await.unwrap_err();
    assert_eq!(*refused.kind(), Kind::Changed);
    assert_eq!(destination.read("job/x", 100).await.unwrap().unwrap(), b"in its place");
    let version = destination.stat("job/x").await.unwrap().unwrap().version;
    destination.delete("job/x", version.as_ref()).await.unwrap();
    assert!(paths(destination, "").await.is_empty());
}

pub async fn what_is_gone_is_deleted(subject: &Subject) {
    let destination = &*subject.destination;
    put(destination, "job/x", Bytes::from_static(b"x")).await.unwrap();
    let version = destination.stat("job/x").await.unwrap().unwrap().version;
    for version in [None, None, version.as_ref()] {
        destination.delete("job/x", version).await.unwrap();
    }
    assert!(paths(destination, "").await.is_empty());
}
