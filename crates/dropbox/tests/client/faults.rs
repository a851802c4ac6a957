//! Every fault at every place: a transfer ends byte-identical, or in the right typed error with nothing visible.

use dropbox::Error;
use dropbox_emulator::{Emulator, Fault, FaultKind};

use crate::support::*;

/// What passes if it is tried again, wherever it strikes.
const PASSING: [FaultKind; 14] = [
    FaultKind::Status500,
    FaultKind::Status502,
    FaultKind::Status503,
    FaultKind::TooManyRequests { retry_after: 0 },
    FaultKind::TooManyRequestsText { retry_after: 0 },
    FaultKind::TooManyWriteOperations,
    FaultKind::ResetBeforeBody,
    FaultKind::ResetBeforeEffect,
    FaultKind::ResetAfterBody,
    FaultKind::ResetMidAnswer,
    FaultKind::AnswerLostAfterEffect,
    FaultKind::SlowBody { bytes_per_second: 20 * MIB as u64 },
    FaultKind::StalledBody,
    FaultKind::StalledAnswer,
];

const START: &str = "files/upload_session/start";
const APPEND: &str = "files/upload_session/append_v2";
const FINISH: &str = "files/upload_session/finish";
const DOWNLOAD: &str = "files/download";

/// Three chunks and a rest: the fourth append closes the session.
const LARGE: usize = 3 * CHUNK + 7;
const APPENDS: u32 = 4;

async fn uploads_whole(emulator: &Emulator, name: &str, length: usize, what: &str) {
    let (client, path) = (client(emulator), format!("/{name}"));
    let data = sample(length);
    let file = upload(&client, &path, &data).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(file.size, length as u64, "{what}");
    assert!(emulator.control().read(&path).unwrap() == data, "{what}");
    emulator.control().clear_faults();
}

type IsRight = fn(&Error) -> bool;

async fn fails_invisibly(emulator: &Emulator, length: usize, fault: Fault, is_right: IsRight) {
    emulator.control().inject(fault.clone());
    let error = upload(&client(emulator), "/never", &sample(length)).await.unwrap_err();
    assert!(is_right(&error), "{fault:?}: {error:?}");
    assert_eq!(emulator.control().files(), [], "{fault:?}");
    emulator.control().clear_faults();
}

#[tokio::test]
async fn at_the_start_of_a_session() {
    let emulator = emulator().await;
    for kind in PASSING {
        emulator.control().inject(Fault::next(START, kind).times(2));
        uploads_whole(&emulator, &format!("{kind:?}"), LARGE, &format!("{kind:?}")).await;
    }
}

#[tokio::test]
async fn at_an_append() {
    let emulator = emulator().await;
    for kind in PASSING.into_iter().chain([
        FaultKind::IncorrectOffset { correct_offset: 3 },
        FaultKind::ContentHashMismatch,
        FaultKind::AccessTokenExpired,
    ]) {
        let times = if kind == FaultKind::AccessTokenExpired { 1 } else { 2 };
        emulator.control().inject(Fault::next(APPEND, kind).times(times));
        uploads_whole(&emulator, &format!("{kind:?}"), LARGE, &format!("{kind:?}")).await;
    }
}

#[tokio::test]
async fn at_the_last_append() {
    let emulator = emulator().await;
    for kind in PASSING.into_iter().chain([FaultKind::ContentHashMismatch, FaultKind::AccessTokenExpired]) {
        emulator.control().inject(Fault::next(APPEND, kind).nth(APPENDS));
        uploads_whole(&emulator, &format!("{kind:?}"), LARGE, &format!("{kind:?}")).await;
        // One that is empty.
        emulator.control().inject(Fault::next(APPEND, kind).nth(APPENDS));
        uploads_whole(&emulator, &format!("{kind:?}-empty"), 3 * CHUNK, &format!("{kind:?}, empty")).await;
    }
}

#[tokio::test]
async fn at_every_append_at_once() {
    let emulator = emulator().await;
    for kind in [FaultKind::ResetBeforeEffect, FaultKind::AnswerLostAfterEffect, FaultKind::Status503] {
        emulator.control().inject(Fault::next(APPEND, kind).times(5 * APPENDS));
        uploads_whole(&emulator, &format!("{kind:?}"), LARGE, &format!("{kind:?}")).await;
    }
}

#[tokio::test]
async fn at_the_finish() {
    let emulator = emulator().await;
    for kind in PASSING.into_iter().chain([FaultKind::AccessTokenExpired]) {
        let times = if kind == FaultKind::AccessTokenExpired { 1 } else { 2 };
        emulator.control().inject(Fault::next(FINISH, kind).times(times));
        uploads_whole(&emulator, &format!("{kind:?}"), LARGE, &format!("{kind:?}")).await;
    }
}

#[tokio::test]
async fn at_the_upload_of_a_small_file() {
    let emulator = emulator().await;
    for kind in PASSING.into_iter().chain([FaultKind::ContentHashMismatch]) {
        emulator.control().inject(Fault::next("files/upload", kind).times(2));
        uploads_whole(&emulator, &format!("{kind:?}"), 1_000_000, &format!("{kind:?}")).await;
    }
}

#[tokio::test]
async fn at_the_commit_of_a_pair() {
    let emulator = emulator().await;
    let client = client(&emulator);
    for kind in PASSING {
        for length in [10, LARGE] {
            let path = format!("/{kind:?}-{length}");
            emulator.control().inject(Fault::next("files/upload_session/finish_batch_v2", kind).times(2));
            let mut upload = client.start_upload();
            upload.write(sample(length).into()).await.unwrap();
            let companion =
                dropbox::files::Companion { path: format!("{path}.meta"), content: b"{}".as_slice().into() };
            let committed =
                upload.commit_with(&path, &companion).await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
            assert_eq!(committed.companion.unwrap().size, 2, "{kind:?}");
            assert!(emulator.control().read(&path).unwrap() == sample(length), "{kind:?}");
            assert_eq!(emulator.control().read(&companion.path).unwrap(), b"{}", "{kind:?}");
            emulator.control().clear_faults();
        }
    }
}

#[tokio::test]
async fn what_cannot_pass_leaves_nothing() {
    let emulator = emulator().await;
    let final_ones: [(&str, FaultKind, IsRight); 9] = [
        (APPEND, FaultKind::SessionLost, Error::is_session_lost),
        (FINISH, FaultKind::SessionLost, Error::is_session_lost),
        (FINISH, FaultKind::IncorrectOffset { correct_offset: 5 }, Error::is_session_lost),
        (START, FaultKind::InvalidRoot, |error| matches!(error, Error::PathRoot(_))),
        (APPEND, FaultKind::DamagedBody, |error| matches!(error, Error::ContentMismatch { .. })),
        (START, FaultKind::QuotaReached, Error::is_full),
        (APPEND, FaultKind::QuotaReached, Error::is_full),
        (FINISH, FaultKind::QuotaReached, Error::is_full),
        (APPEND, FaultKind::ContentHashMismatch, |error| error.to_string().contains("damaged on its way")),
    ];
    for (route, kind, is_right) in final_ones {
        let ever = Fault::next(route, kind).times(100);
        let fault = if kind == FaultKind::DamagedBody { Fault::next(route, kind) } else { ever };
        fails_invisibly(&emulator, LARGE, fault, is_right).await;
        emulator.control().set_quota(1 << 31);
    }
    let small = Fault::next("files/upload", FaultKind::DamagedBody);
    fails_invisibly(&emulator, 1000, small, |error| matches!(error, Error::ContentMismatch { .. })).await;
}

#[tokio::test]
async fn what_lasts_too_long_is_given_up_with_its_cause() {
    let emulator = emulator().await;
    for (route, kind) in [
        (START, FaultKind::Status503),
        (APPEND, FaultKind::ResetBeforeEffect),
        (FINISH, FaultKind::Status500),
        (DOWNLOAD, FaultKind::Status503),
    ] {
        let mut impatient = settings(&emulator);
        impatient.timeouts.stall = std::time::Duration::from_millis(200);
        let client = dropbox::Client::new(impatient).unwrap();
        emulator.control().write("/there", &sample(LARGE));
        emulator.control().inject(Fault::next(route, kind).times(1_000_000));
        let error = if route == DOWNLOAD {
            // The first range comes, which is progress; then nothing does.
            emulator.control().clear_faults();
            emulator.control().inject(Fault::next(route, kind).nth(2).times(1_000_000));
            download(&client, "/there").await.unwrap_err()
        } else {
            upload(&client, "/never", &sample(LARGE)).await.unwrap_err()
        };
        // An answer of 500 leaves open whether the commit takes place.
        let cause = match &error {
            Error::Unsettled { path, cause } if route == FINISH && path == "/never" => cause,
            error => error,
        };
        assert!(matches!(cause, Error::Stalled { .. }), "{route}: {error:?}");
        assert!(error.to_string().contains("given up: "), "{error}");
        emulator.control().clear_faults();
        emulator.control().remove("/there");
        assert_eq!(emulator.control().files(), []);
    }
}

#[tokio::test]
async fn at_a_download() {
    let emulator = emulator().await;
    let (client, data) = (client(&emulator), sample(5 * 2 * CHUNK + 3));
    emulator.control().write("/there", &data);
    for kind in PASSING.into_iter().chain([FaultKind::AccessTokenExpired]) {
        for nth in [1, 2, 4] {
            let times = if kind == FaultKind::AccessTokenExpired { 1 } else { 2 };
            emulator.control().inject(Fault::next(DOWNLOAD, kind).nth(nth).times(times));
            let read = download(&client, "/there").await.unwrap_or_else(|error| panic!("{kind:?} at {nth}: {error}"));
            assert!(read == data, "{kind:?} at {nth}");
            emulator.control().clear_faults();
        }
    }
    for nth in [1, 4] {
        emulator.control().inject(Fault::next(DOWNLOAD, FaultKind::DamagedBody).nth(nth));
        let error = download(&client, "/there").await.unwrap_err();
        assert!(matches!(error, Error::ContentMismatch { .. }), "{nth}: {error:?}");
    }
}

#[tokio::test]
async fn at_a_listing() {
    let emulator = emulator().await;
    let client = client(&emulator);
    emulator.control().write_many((0..4500).map(|index| (format!("/many/{index}"), Vec::new())));
    for route in ["files/list_folder", "files/list_folder/continue"] {
        for kind in PASSING.into_iter().chain([
            FaultKind::EmptyPage,
            FaultKind::RepeatedPage,
            FaultKind::CursorReset,
            FaultKind::AccessTokenExpired,
        ]) {
            if kind == FaultKind::CursorReset && route == "files/list_folder" {
                continue;
            }
            let times = if kind == FaultKind::AccessTokenExpired { 1 } else { 2 };
            emulator.control().inject(Fault::next(route, kind).times(times));
            let entries =
                client.list_folder("/many", true).await.unwrap_or_else(|error| panic!("{route}, {kind:?}: {error}"));
            let files = entries.iter().filter(|entry| matches!(entry, dropbox::files::Metadata::File(_))).count();
            assert_eq!(files, 4500, "{route}, {kind:?}");
            emulator.control().clear_faults();
        }
    }
    // One that never settles is an error, not a part.
    emulator.control().inject(Fault::next("files/list_folder/continue", FaultKind::CursorReset).times(1000));
    assert!(client.list_folder("/many", true).await.is_err());
}

#[tokio::test]
async fn at_a_deletion() {
    let emulator = emulator().await;
    let client = client(&emulator);
    for kind in PASSING.into_iter().chain([FaultKind::AccessTokenExpired]) {
        let times = if kind == FaultKind::AccessTokenExpired { 1 } else { 2 };
        emulator.control().write("/goes", b"x");
        emulator.control().inject(Fault::next("files/delete_v2", kind).times(times));
        client.delete("/goes").await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert_eq!(emulator.control().files(), [], "{kind:?}");
        emulator.control().clear_faults();
    }
    // What could not be looked at is not gone.
    emulator.control().write("/stays", b"x");
    emulator.control().inject(Fault::next("files/delete_v2", FaultKind::Status503).times(1000));
    assert!(client.delete("/stays").await.is_err());
    assert_eq!(emulator.control().files().len(), 1);
}

#[tokio::test]
async fn at_the_token() {
    // M-06
    let emulator = emulator().await;
    let client = client(&emulator);
    for kind in PASSING {
        emulator.control().expire_access_tokens();
        emulator.control().inject(Fault::next("oauth2/token", kind).times(2));
        client.account().await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        emulator.control().clear_faults();
    }
}
