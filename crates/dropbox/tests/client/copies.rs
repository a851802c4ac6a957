//! Copies inside one Dropbox: whole, never over something else, from the revision that was checked, and settled when an answer is lost.

use dropbox::Error;
use dropbox::files::{FileMetadata, Metadata, Open, Original};
use dropbox::{Client, ContentHasher, Space};
use dropbox_emulator::{Config, Emulator, Fault, FaultKind};

use crate::gates::{ClosesAfter, waiting_long};
use crate::support::{client, count, emulator, sample, settings};

const COPY: &str = "files/copy_v2";
const FROM: &str = "/Shop/backup";
const TO: &str = "/Other/b\u{fc}ro/backup";
const LENGTH: usize = 5_000_000;

/// What Dropbox says of the original.
async fn original(client: &Client, path: &str) -> FileMetadata {
    let Some(Metadata::File(file)) = client.metadata(path).await.unwrap() else { panic!("no file at {path}") };
    file
}

async fn copy_as(client: &Client, file: &FileMetadata, gate: &dyn dropbox::files::Gate) -> Result<FileMetadata, Error> {
    let content_hash = file.content_hash.as_deref().unwrap();
    client.copy(&Original { path: FROM, rev: &file.rev, size: file.size, content_hash }, TO, gate).await
}

async fn copied(emulator: &Emulator) -> Result<FileMetadata, Error> {
    let client = client(emulator);
    let file = original(&client, FROM).await;
    copy_as(&client, &file, &Open).await
}

/// A Dropbox with the original only.
async fn filled() -> Emulator {
    let emulator = emulator().await;
    emulator.control().write(FROM, &sample(LENGTH));
    emulator
}

fn is_copied(emulator: &Emulator) -> bool {
    emulator.control().read(TO).is_some_and(|content| content == sample(LENGTH))
}

#[tokio::test]
async fn a_copy_has_the_content_of_the_original_and_no_byte_of_it_passes_through() {
    let emulator = filled().await;
    let copy = copied(&emulator).await.unwrap();
    assert_eq!(copy.content_hash, Some(ContentHasher::of(&sample(LENGTH))));
    assert!(is_copied(&emulator) && emulator.control().read(FROM).is_some());
    let requests = emulator.control().requests();
    assert!(requests.iter().all(|request| request.body_bytes < 1000), "{requests:?}");
    assert_eq!(count(&emulator, "files/download"), 0);
    assert!(requests.iter().all(|request| !request.route.contains("upload")), "{requests:?}");
}

#[tokio::test]
async fn what_passes_is_tried_again_until_the_copy_is_there() {
    for kind in [
        FaultKind::Status500,
        FaultKind::Status502,
        FaultKind::Status503,
        FaultKind::Unavailable { retry_after: 0 },
        FaultKind::TooManyRequests { retry_after: 0 },
        FaultKind::TooManyRequestsText { retry_after: 0 },
        FaultKind::TooManyWriteOperations,
        FaultKind::NotRelocated { tag: "internal_error" },
        FaultKind::NotRelocated { tag: "too_many_write_operations" },
        FaultKind::NotRelocated { tag: "from_lookup" },
        FaultKind::ResetBeforeEffect,
        FaultKind::AnswerLostAfterEffect,
        FaultKind::ResetMidAnswer,
        FaultKind::StalledAnswer,
        FaultKind::ProxyPage { status: 502 },
    ] {
        let emulator = filled().await;
        emulator.control().inject(Fault::next(COPY, kind).times(2));
        let copy = copied(&emulator).await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert_eq!(copy.size, LENGTH as u64, "{kind:?}");
        assert!(is_copied(&emulator), "{kind:?}");
        assert_eq!(emulator.control().files().len(), 2, "{kind:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_and_the_copy_is_not_made_twice() {
    let emulator = filled().await;
    emulator.control().inject(Fault::next(COPY, FaultKind::AnswerLostAfterEffect));
    copied(&emulator).await.unwrap();
    assert_eq!(count(&emulator, COPY), 1);
    // Asked for behind a closed gate, too: the file is there, whoever still wants it.
    emulator.control().remove(TO);
    emulator.control().inject(Fault::next(COPY, FaultKind::AnswerLostAfterEffect));
    let client = waiting_long(&emulator);
    let file = original(&client, FROM).await;
    copy_as(&client, &file, &*ClosesAfter::new(2)).await.unwrap();
    assert!(is_copied(&emulator));
}

#[tokio::test]
async fn a_taken_name_is_a_conflict_and_what_has_it_stays() {
    let emulator = filled().await;
    emulator.control().write(TO, b"older");
    let error = copied(&emulator).await.unwrap_err();
    assert!(error.is_conflict() && !error.refuses_copy(), "{error:?}");
    // Also if somebody took it while an answer was lost.
    emulator.control().inject(Fault::next(COPY, FaultKind::ResetBeforeEffect));
    let error = copied(&emulator).await.unwrap_err();
    assert!(error.is_conflict(), "{error:?}");
    assert_eq!(emulator.control().read(TO).unwrap(), b"older");
    // The same content is no exception: it is somebody else's file.
    emulator.control().write(TO, &sample(LENGTH));
    assert!(copied(&emulator).await.unwrap_err().is_conflict());
}

#[tokio::test]
async fn another_revision_than_the_checked_one_is_not_copied() {
    let emulator = filled().await;
    let client = client(&emulator);
    let file = original(&client, FROM).await;
    emulator.control().write(FROM, b"newer");
    let error = copy_as(&client, &file, &Open).await.unwrap_err();
    assert!(matches!(error, Error::OriginalChanged { .. }), "{error:?}");
    assert_eq!(count(&emulator, COPY), 0, "nothing was visible for a moment");
    emulator.control().remove(FROM);
    let error = copy_as(&client, &file, &Open).await.unwrap_err();
    assert!(error.is_not_found() && error.refuses_copy(), "{error:?}");
    assert!(emulator.control().read(TO).is_none());
}

#[tokio::test]
async fn an_original_that_changes_between_the_check_and_the_copy_leaves_no_copy() {
    let emulator = filled().await;
    let client = client(&emulator);
    let file = original(&client, FROM).await;
    // The hash of what was checked, the revision of what is there now: as if it changed right after the check.
    emulator.control().write(FROM, b"newer");
    let rev = original(&client, FROM).await.rev;
    let error = copy_as(&client, &FileMetadata { rev, ..file }, &Open).await.unwrap_err();
    assert!(matches!(error, Error::ContentMismatch { .. }), "{error:?}");
    assert!(error.to_string().contains("not the content to be copied"), "{error}");
    assert_eq!(count(&emulator, COPY), 1);
    assert!(emulator.control().read(TO).is_none(), "a copy of something else stayed");
}

#[tokio::test]
async fn a_hash_that_dropbox_does_not_tell_is_found_by_reading_the_copy() {
    let emulator = filled().await;
    emulator.control().inject(Fault::next(COPY, FaultKind::NoContentHash));
    assert_eq!(copied(&emulator).await.unwrap().content_hash, None);
    assert!(count(&emulator, "files/download") > 0);
}

#[tokio::test]
async fn every_refusal_says_what_to_do_and_whether_an_upload_would_pass() {
    let emulator = filled().await;
    emulator.control().inject(Fault::next(COPY, FaultKind::NotRelocated { tag: "from_lookup" }).times(100));
    let error = copied(&emulator).await.unwrap_err();
    assert!(error.refuses_copy() && error.is_not_found(), "{error}");
    emulator.control().clear_faults();
    for (tag, words) in [
        ("cant_copy_shared_folder", "one by one"),
        ("cant_nest_shared_folder", "not shared"),
        ("cant_move_folder_into_itself", "another folder"),
        ("too_many_files", "10,000"),
        ("duplicated_or_nested_paths", "another folder"),
        ("cant_transfer_ownership", "same owner"),
        ("cant_move_shared_folder", "another folder"),
        ("of_next_year", "does not name"),
    ] {
        emulator.control().inject(Fault::next(COPY, FaultKind::NotRelocated { tag }));
        let error = copied(&emulator).await.unwrap_err();
        assert!(error.refuses_copy() && error.to_string().contains(words), "{tag}: {error}");
    }
    emulator.control().inject(Fault::next(COPY, FaultKind::Unauthorized { tag: "route_access_denied" }).times(2));
    assert!(copied(&emulator).await.unwrap_err().refuses_copy());
    emulator.control().inject(Fault::next(COPY, FaultKind::QuotaReached));
    let error = copied(&emulator).await.unwrap_err();
    assert!(error.is_full() && !error.refuses_copy() && error.to_string().contains("free space"), "{error}");
    emulator.control().set_quota(1 << 40);
    let scopes: Vec<&str> =
        dropbox::oauth::SCOPES.into_iter().filter(|scope| *scope != "files.content.write").collect();
    emulator.control().set_all_scopes(&scopes);
    let error = copied(&emulator).await.unwrap_err();
    assert!(error.missing_scope() == Some("files.content.write") && !error.refuses_copy(), "{error}");
    assert_eq!(emulator.control().files().len(), 1);
}

#[tokio::test]
async fn a_closed_gate_copies_nothing_and_ends_the_wait_for_another_attempt() {
    let emulator = filled().await;
    let client = waiting_long(&emulator);
    let file = original(&client, FROM).await;
    for passes in [0, 1] {
        let error = copy_as(&client, &file, &*ClosesAfter::new(passes)).await.unwrap_err();
        assert!(matches!(error, Error::Stopped(_)), "{passes}: {error:?}");
        assert_eq!(count(&emulator, COPY), 0);
    }
    emulator.control().inject(Fault::next(COPY, FaultKind::TooManyRequests { retry_after: 600 }));
    let error = copy_as(&client, &file, &*ClosesAfter::new(2)).await.unwrap_err();
    assert!(matches!(error, Error::Stopped(_)), "{error:?}");
    assert!(emulator.control().read(TO).is_none());
}

#[tokio::test]
async fn a_copy_is_made_in_the_space_of_its_client() {
    let emulator = Emulator::start(Config { team_root: true, ..Config::default() }).await.unwrap();
    for (space, prefix) in [(Space::Home, "/Ada Lovelace"), (Space::Team, "")] {
        emulator.control().write(&format!("{prefix}{FROM}"), b"content");
        let mut settings = settings(&emulator);
        settings.space = space;
        let client = Client::new(settings).unwrap();
        let file = original(&client, FROM).await;
        copy_as(&client, &file, &Open).await.unwrap();
        assert_eq!(emulator.control().read(&format!("{prefix}{TO}")).unwrap(), b"content", "{space:?}");
    }
}
