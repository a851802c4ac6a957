//! Nothing that others put into a folder destination leads out of it, or makes it wait.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use adapter::destination::{Destination, Expected, put};
use adapter::{Error, Kind};
use bytes::Bytes;
use destinations::{RootLinks, WhenFull};
use rustix::fs::{CWD, FileType, Mode, mknodat};

fn at(folder: &Path) -> Arc<dyn Destination> {
    destinations::folder(folder.to_owned(), WhenFull::Warn, RootLinks::Follow).unwrap()
}

#[track_caller]
fn names_the_link<T>(result: Result<T, Error>) {
    let error = result.err().unwrap().to_string();
    assert!(error.contains("symbolic link"), "{error}");
}

async fn reads_nothing(destination: &dyn Destination, path: &str) {
    names_the_link(destination.open(path).await.map(drop));
    names_the_link(destination.read(path, 1000).await);
    names_the_link(destination.stat(path).await);
    names_the_link(destination.prove(path, &Expected::default()).await);
}

#[tokio::test]
async fn no_link_is_followed_out_of_the_folder_or_within_it() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("backup"), "root:*").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let destination = at(folder.path());
    put(&*destination, "job/good", Bytes::from_static(b"good")).await.unwrap();
    symlink(outside.path().join("backup"), folder.path().join("job/file")).unwrap();
    symlink("good", folder.path().join("job/inner")).unwrap();
    symlink(outside.path(), folder.path().join("linked")).unwrap();
    symlink(outside.path(), folder.path().join("job/deep")).unwrap();
    for path in ["job/file", "job/inner", "linked/backup", "job/deep/backup"] {
        reads_nothing(&*destination, path).await;
    }
    let listed = destination.list("job").await.unwrap();
    assert_eq!(listed.iter().map(|object| &*object.path).collect::<Vec<_>>(), ["job/good"]);
    // Links below another link, and written through.
    for path in ["linked/new", "job/deep/new", "linked/sub/new"] {
        names_the_link(put(&*destination, path, Bytes::from_static(b"evil")).await);
    }
    names_the_link(destination.list("linked").await);
    assert!(destination.delete("linked/backup", None).await.is_err());
    // What is deleted is the link.
    destination.delete("job/file", None).await.unwrap();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    let all = destination.list_readable("").await.unwrap();
    assert_eq!((all.objects.len(), &*all.unreadable[0].path), (1, "linked"));
}

#[tokio::test]
async fn a_link_that_is_planted_after_the_listing_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("good"), "root:*").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let destination = at(folder.path());
    put(&*destination, "job/good", Bytes::from_static(b"good")).await.unwrap();
    assert_eq!(destination.list("job").await.unwrap().len(), 1);
    fs::rename(folder.path().join("job"), folder.path().join("moved")).unwrap();
    symlink(outside.path(), folder.path().join("job")).unwrap();
    reads_nothing(&*destination, "job/good").await;
    names_the_link(destination.create("job/new").await.map(drop));
    // An upload that began in the real folder is not published through a link.
    fs::remove_file(folder.path().join("job")).unwrap();
    fs::rename(folder.path().join("moved"), folder.path().join("job")).unwrap();
    let mut upload = destination.create("job/new").await.unwrap();
    upload.write(Bytes::from_static(b"x")).await.unwrap();
    let mut digester = pipeline::Digester::default();
    digester.update(b"x");
    upload.seal(&digester.finish().into()).await.unwrap();
    fs::rename(folder.path().join("job"), folder.path().join("moved")).unwrap();
    symlink(outside.path(), folder.path().join("job")).unwrap();
    names_the_link(upload.commit("job/new").await);
    drop(upload);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(folder.path().join("moved")).unwrap().count(), 1, "no partial file is left");
}

#[tokio::test]
async fn nothing_waits_for_a_fifo_and_no_device_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let destination = at(folder.path());
    fs::create_dir(folder.path().join("job")).unwrap();
    let special = |name: &str, kind: FileType, device: u64| {
        mknodat(CWD, folder.path().join(name), kind, Mode::RUSR | Mode::WUSR, device)
    };
    special("job/fifo", FileType::Fifo, 0).unwrap();
    special("job/.dbackup-partial-fifo", FileType::Fifo, 0).unwrap();
    let mut names = vec!["job/fifo"];
    // Only root may make one.
    if special("job/zero", FileType::CharacterDevice, rustix::fs::makedev(1, 5)).is_ok() {
        names.push("job/zero");
    }
    for path in names {
        assert_eq!(destination.stat(path).await.unwrap(), None, "{path}");
        for error in [
            destination.open(path).await.err().unwrap(),
            destination.read(path, 10).await.err().unwrap(),
            destination.prove(path, &Expected::default()).await.err().unwrap(),
        ] {
            // A container's file system can refuse to open devices altogether.
            let words = error.to_string();
            assert!(words.contains("no regular file") || words.contains("denied"), "{words}");
        }
    }
    assert!(destination.list("job").await.unwrap().is_empty());
    put(&*destination, "job/good", Bytes::from_static(b"good")).await.unwrap();
    let taken = put(&*destination, "job/fifo", Bytes::from_static(b"x")).await;
    assert_eq!(*taken.unwrap_err().kind(), Kind::Taken);
    fs::create_dir(folder.path().join("other")).unwrap();
    special("swapped", FileType::Fifo, 0).unwrap();
    assert!(destination.list("swapped").await.is_err());
    assert!(at(&folder.path().join("swapped")).list("").await.is_err());
    assert!(at(&folder.path().join("swapped")).create("x").await.is_err());
}

#[tokio::test]
async fn folders_below_each_other_without_end_are_told_and_bar_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let destination = at(folder.path());
    put(&*destination, "job/good", Bytes::from_static(b"good")).await.unwrap();
    fs::create_dir_all(folder.path().join("d/".repeat(100))).unwrap();
    let all = destination.list_readable("").await.unwrap();
    assert_eq!((all.objects.len(), all.unreadable.len()), (1, 1));
    assert!(all.unreadable[0].cause.contains("below each other"));
}

#[tokio::test]
async fn a_folder_that_is_not_mounted_says_nothing_of_its_files() {
    let parent = tempfile::tempdir().unwrap();
    let destination = at(&parent.path().join("unmounted"));
    for error in [
        destination.stat("job/backup").await.map(drop).unwrap_err(),
        destination.open("job/backup").await.map(drop).unwrap_err(),
        destination.read("job/backup", 1000).await.map(drop).unwrap_err(),
        destination.delete("job/backup", None).await.unwrap_err(),
        destination.prove("job/backup", &Expected::default()).await.map(drop).unwrap_err(),
        destination.list("").await.map(drop).unwrap_err(),
        destination.list_readable("").await.map(drop).unwrap_err(),
    ] {
        assert!(*error.kind() == Kind::Unavailable && error.to_string().contains("mount"), "{error}");
    }
}
