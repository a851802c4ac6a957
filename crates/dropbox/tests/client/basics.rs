//! Every call as it should go, and failures that only a person can cure.

use dropbox::Error;
use dropbox::files::Metadata;
use dropbox::{Client, ContentHasher};
use dropbox_emulator::{Config, Fault, FaultKind};

use crate::support::*;

#[tokio::test]
async fn files_of_every_size_come_back_with_the_fewest_calls() {
    // M-11
    let emulator = emulator().await;
    let client = client(&emulator);
    for (length, appends) in [(0, 0), (1, 0), (CHUNK, 0), (CHUNK + 1, 2), (3 * CHUNK, 4), (3 * CHUNK + 5, 4)] {
        let before = count(&emulator, "files/upload_session/append_v2");
        let data = sample(length);
        let path = format!("/sizes/{length}");
        let file = upload(&client, &path, &data).await.unwrap();
        assert_eq!((file.size, file.content_hash), (length as u64, Some(ContentHasher::of(&data))));
        assert_eq!(count(&emulator, "files/upload_session/append_v2") - before, appends, "{length} bytes");
        assert_eq!(emulator.control().read(&path).unwrap(), data);
        assert_eq!(download(&client, &path).await.unwrap(), data);
    }
    assert_eq!(emulator.control().open_sessions(), 0);
}

#[tokio::test]
async fn nothing_is_visible_before_the_commit_and_nothing_is_overwritten() {
    let emulator = emulator().await;
    let client = client(&emulator);
    for length in [10, 2 * CHUNK] {
        let taken = format!("/taken-{length}");
        emulator.control().write(&taken, &sample(length));
        let mut writing = client.start_upload();
        writing.write(sample(length).into()).await.unwrap();
        let free = format!("/free-{length}");
        assert!(!emulator.control().files().iter().any(|file| file.path == free));
        // Even the same content is a conflict: a backup never passes for another.
        assert!(writing.commit(&taken).await.unwrap_err().is_conflict());
        writing.commit(&free).await.unwrap();
        assert_eq!(emulator.control().read(&free).unwrap(), sample(length));
    }
}

#[tokio::test]
async fn ranges_listing_metadata_folders_and_deletion() {
    // M-12
    let emulator = emulator().await;
    let client = client(&emulator);
    let data = sample(100_000);
    for path in ["/Jobs/Shop/a ü😀.db", "/Jobs/Shop/deep/er/b", "/Jobs/-x", "/elsewhere"] {
        upload(&client, path, &data).await.unwrap();
    }
    let mut range = client.open("/jobs/shop/A Ü😀.DB", Some(1000..2000)).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = range.chunk().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(bytes, &data[1000..2000]);

    let mut files: Vec<String> =
        client.list_folder("/jobs", true).await.unwrap().into_iter().filter_map(name_of_file).collect();
    files.sort();
    assert_eq!(files, ["-x", "a ü😀.db", "b"]);
    assert_eq!(client.list_folder("", false).await.unwrap().len(), 2);
    assert!(client.list_folder("/missing", true).await.unwrap_err().is_not_found());

    client.create_folder("/made/here").await.unwrap();
    assert!(client.create_folder("/made/here").await.unwrap_err().is_conflict());
    assert!(matches!(client.metadata("/MADE/HERE").await.unwrap(), Some(Metadata::Folder(_))));
    assert!(client.metadata("/nothing").await.unwrap().is_none());

    client.delete("/elsewhere").await.unwrap();
    client.delete("/elsewhere").await.unwrap();
    assert!(client.open("/elsewhere", None).await.unwrap_err().is_not_found());
}

fn name_of_file(entry: Metadata) -> Option<String> {
    if let Metadata::File(file) = entry { Some(file.name) } else { None }
}

#[tokio::test]
async fn a_listing_of_thousands_is_whole() {
    let emulator = emulator().await;
    for index in 0..2100 {
        emulator.control().write(&format!("/many/{index}"), b"");
    }
    let entries = client(&emulator).list_folder("/many", true).await.unwrap();
    assert_eq!(entries.into_iter().filter_map(name_of_file).count(), 2100);
}

#[tokio::test]
async fn tokens_refresh_by_themselves_once_for_everybody() {
    // M-06
    let emulator = emulator().await;
    let client = client(&emulator);
    let calls = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.account().await.map(drop) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(count(&emulator, "oauth2/token"), 1);

    // In the middle of a transfer.
    let mut writing = client.start_upload();
    writing.write(sample(2 * CHUNK).into()).await.unwrap();
    emulator.control().expire_access_tokens();
    writing.write(sample(2 * CHUNK).into()).await.unwrap();
    writing.seal().await.unwrap();
    emulator.control().expire_access_tokens();
    writing.commit("/across-expiry").await.unwrap();
    assert_eq!(count(&emulator, "oauth2/token"), 3);
}

#[tokio::test]
async fn a_revoked_grant_says_to_log_in_again() {
    // M-08
    let emulator = emulator().await;
    let client = client(&emulator);
    client.account().await.unwrap();
    emulator.control().revoke(&Config::default().refresh_token);
    for _ in 0..2 {
        let error = client.account().await.unwrap_err();
        assert!(error.needs_login() && error.grant_revoked(), "{error}");
        assert!(error.to_string().contains("Authorize again"), "{error}");
    }
    let mut without = settings(&emulator);
    without.refresh_token = None;
    assert!(matches!(Client::new(without).unwrap().account().await.unwrap_err(), Error::NotAuthorized));
}

#[tokio::test]
async fn logging_out_revokes_the_grant() {
    let emulator = emulator().await;
    let client = client(&emulator);
    client.revoke().await.unwrap();
    assert!(client.account().await.unwrap_err().needs_login());
}

#[tokio::test]
async fn failures_are_typed_and_name_their_cure() {
    // M-15
    let emulator = emulator().await;
    let client = client(&emulator);
    emulator.control().set_scopes(&Config::default().refresh_token, &["files.metadata.read", "account_info.read"]);
    let error = upload(&client, "/x", b"x").await.unwrap_err();
    assert_eq!(error.missing_scope(), Some("files.content.write"));
    // A scope that this act needs: others go on.
    assert!(!error.needs_login() && error.to_string().contains("files.content.write"), "{error}");
    client.account().await.unwrap();

    emulator.control().set_scopes(&Config::default().refresh_token, &dropbox::oauth::SCOPES);
    emulator.control().set_quota(1000);
    for length in [2000, 2 * CHUNK] {
        let error = upload(&client, "/too-large", &sample(length)).await.unwrap_err();
        assert!(error.is_full(), "{error}");
    }
    assert_eq!(client.space_usage().await.unwrap().allowed, Some(1000));
    let error = upload(&client, "/trailing/", b"x").await.unwrap_err();
    assert!(error.to_string().contains("does not accept the path"), "{error}");
}

#[tokio::test]
async fn what_can_pass_is_tried_again_and_what_cannot_is_not() {
    let emulator = emulator().await;
    let client = client(&emulator);
    let data = sample(2 * CHUNK + 7);
    let routes = [
        "oauth2/token",
        "files/upload_session/start",
        "files/upload_session/append_v2",
        "files/upload_session/finish",
        "files/download",
        "files/list_folder",
    ];
    let kinds = [
        FaultKind::Status500,
        FaultKind::Status503,
        FaultKind::TooManyRequests { retry_after: 0 },
        FaultKind::TooManyWriteOperations,
        FaultKind::TooManyRequestsText { retry_after: 0 },
        FaultKind::ResetBeforeEffect,
        FaultKind::AnswerLostAfterEffect,
    ];
    for (index, kind) in kinds.into_iter().enumerate() {
        for route in routes {
            emulator.control().inject(Fault::next(route, kind).times(2));
        }
        emulator.control().expire_access_tokens();
        let path = format!("/weather/{index}");
        upload(&client, &path, &data).await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert_eq!(download(&client, &path).await.unwrap(), data, "{kind:?}");
        assert_eq!(
            client.list_folder("/weather", true).await.unwrap().into_iter().filter_map(name_of_file).count(),
            index + 1
        );
    }
    // Small files take another route.
    for (index, kind) in kinds.into_iter().enumerate() {
        emulator.control().inject(Fault::next("files/upload", kind));
        upload(&client, &format!("/small/{index}"), b"small").await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
    }
    assert_eq!(
        client.list_folder("/small", true).await.unwrap().into_iter().filter_map(name_of_file).count(),
        kinds.len()
    );
}

#[tokio::test]
async fn patience_ends() {
    let emulator = emulator().await;
    let client = client(&emulator);
    client.account().await.unwrap();
    emulator.control().inject(Fault::next("users/get_current_account", FaultKind::Status503).times(1000));
    assert!(matches!(client.account().await.unwrap_err(), Error::Server { status: 503, .. }));
    assert_eq!(count(&emulator, "users/get_current_account"), 10);
    emulator.control().inject(Fault::next("users/get_space_usage", FaultKind::TooManyRequests { retry_after: 86_400 }));
    let error = client.space_usage().await.unwrap_err();
    assert!(matches!(error, Error::RateLimited { .. }) && error.to_string().contains("1440 minutes"), "{error}");
}

#[tokio::test]
async fn damage_at_dropbox_is_noticed() {
    let emulator = emulator().await;
    let client = client(&emulator);
    upload(&client, "/damaged", &sample(50_000)).await.unwrap();
    emulator.control().corrupt("/damaged", |bytes| bytes[30_000] ^= 1, true);
    assert!(matches!(download(&client, "/damaged").await.unwrap_err(), Error::ContentMismatch { .. }));
}
