//! Answers that Dropbox, or a proxy before it, may give though nothing is wrong with the grant or the file.

use dropbox::error::PathRootError;
use dropbox::files::{Companion, Metadata};
use dropbox::{Client, ContentHasher, Error, Settings, Space};
use dropbox_emulator::{Config, Emulator, Fault, FaultKind};

use crate::support::*;

const ACCOUNT: &str = "users/get_current_account";
const APPEND: &str = "files/upload_session/append_v2";
const FINISH: &str = "files/upload_session/finish";
const FINISH_PAIR: &str = "files/upload_session/finish_batch_v2";

async fn commit_pair(client: &Client, path: &str, data: &[u8]) -> Result<(), Error> {
    let mut upload = client.start_upload();
    upload.write(data.to_vec().into()).await?;
    let companion = Companion { path: format!("{path}.meta"), content: b"{}".as_slice().into() };
    upload.commit_with(path, &companion).await?.companion.map(drop)
}

#[tokio::test]
async fn one_odd_401_is_met_with_a_new_token_and_proves_nothing() {
    // M-06
    let emulator = emulator().await;
    let client = client(&emulator);
    client.account().await.unwrap();
    for tag in ["other", "of_next_year", "route_access_denied", "invalid_access_token", "expired_access_token"] {
        let (kind, before) = (FaultKind::Unauthorized { tag }, count(&emulator, "oauth2/token"));
        emulator.control().inject(Fault::next(ACCOUNT, kind));
        client.account().await.unwrap();
        assert_eq!(count(&emulator, "oauth2/token") - before, 1, "{tag}");
        // Twice in a row: a failure with words of its own, and the next call goes on.
        emulator.control().inject(Fault::next(ACCOUNT, kind).times(2));
        let error = client.account().await.unwrap_err();
        assert!(matches!(error, Error::Auth(_)) && !error.needs_login() && !error.grant_revoked(), "{tag}: {error}");
        client.account().await.unwrap();
    }
}

#[tokio::test]
async fn an_app_that_is_unknown_or_has_a_new_secret_is_told_apart_from_a_lost_grant() {
    // M-06, M-15
    let emulator = emulator().await;
    let with_secret = Settings { app_secret: Some(Config::default().app_secret.into()), ..settings(&emulator) };
    let client = Client::new(with_secret).unwrap();
    client.account().await.unwrap();
    emulator.control().reset_app_secret("another");
    emulator.control().expire_access_tokens();
    let error = client.account().await.unwrap_err();
    assert!(error.invalid_client() && !error.needs_login() && error.missing_scope().is_none(), "{error}");
    assert!(error.to_string().contains("App Console"), "{error}");
    emulator.control().reset_app_secret(&Config::default().app_secret);
    client.account().await.unwrap();
    emulator.control().delete_app();
    assert!(client.account().await.unwrap_err().invalid_client());
}

#[tokio::test]
async fn a_team_that_changes_in_the_middle_stops_the_upload_and_nothing_is_written_elsewhere() {
    let emulator = Emulator::start(Config { team_root: true, ..Config::default() }).await.unwrap();
    let in_team = Settings { space: Space::Team, ..settings(&emulator) };
    let team = Client::new(in_team.clone()).unwrap();
    let root = team.account().await.unwrap().root_info.root_namespace_id;
    // A run begins with a listing.
    team.list_folder("", false).await.unwrap();
    let mut upload = team.start_upload();
    upload.write(sample(3 * CHUNK + 5).into()).await.unwrap();
    emulator.control().change_team();
    let error = match upload.seal().await.map(drop) {
        Ok(()) => upload.commit("/backup").await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, Error::PathRoot(PathRootError::InvalidRoot)), "{error:?}");
    assert!(error.to_string().contains("Choose the folder again"), "{error}");
    // Neither now nor at the next run of this client, nor of one that was told which team.
    assert!(matches!(crate::support::upload(&team, "/next", b"x").await, Err(Error::PathRoot(_))));
    let told = Client::new(Settings { team_root: Some(root), ..in_team.clone() }).unwrap();
    assert!(matches!(crate::support::upload(&told, "/next", b"x").await, Err(Error::PathRoot(_))));
    assert_eq!(emulator.control().files(), []);
    // Chosen again.
    crate::support::upload(&Client::new(in_team).unwrap(), "/chosen", b"x").await.unwrap();
    assert_eq!(emulator.control().files()[0].path, "/Team 2/chosen");
}

#[tokio::test]
async fn a_name_is_found_in_every_form_that_it_is_asked_for() {
    // M-12
    let emulator = emulator().await;
    let client = client(&emulator);
    let (composed, decomposed) = ("caf\u{e9} \u{d55c}", "cafe\u{301} \u{1112}\u{1161}\u{11ab}");
    commit_pair(&client, &format!("/{decomposed}/backup"), b"data").await.unwrap();
    upload(&client, &format!("/{decomposed}/large"), &sample(CHUNK + 1)).await.unwrap();
    client.create_folder(&format!("/{decomposed}/folder")).await.unwrap();
    for name in [composed, decomposed] {
        assert_eq!(client.list_folder(&format!("/{name}"), true).await.unwrap().len(), 5, "{name}");
        assert!(client.metadata(&format!("/{name}/backup")).await.unwrap().is_some(), "{name}");
        assert_eq!(download(&client, &format!("/{name}/backup.meta")).await.unwrap(), b"{}", "{name}");
    }
    // What is listed is in the form that Dropbox keeps.
    let Some(Metadata::File(file)) = client.metadata(&format!("/{decomposed}/large")).await.unwrap() else {
        panic!("no file")
    };
    assert_eq!(file.path_lower, format!("/{composed}/large"));
    assert_eq!(dropbox::files::folded(&format!("/{decomposed}/LARGE")), file.path_lower);
    client.delete(&format!("/{decomposed}")).await.unwrap();
    assert_eq!(emulator.control().files(), []);
}

#[tokio::test]
async fn a_proxys_page_is_told_as_one_and_tried_again() {
    let emulator = emulator().await;
    let client = client(&emulator);
    for status in [401, 302, 403, 407, 200] {
        emulator.control().inject(Fault::next("files/list_folder", FaultKind::ProxyPage { status }).times(2));
        client.list_folder("", false).await.unwrap_or_else(|error| panic!("{status}: {error}"));
        emulator.control().inject(Fault::next("files/list_folder", FaultKind::ProxyPage { status }).times(100));
        let error = client.list_folder("", false).await.unwrap_err();
        assert!(error.to_string().contains("a proxy answered"), "{error}");
        emulator.control().clear_faults();
        emulator.control().inject(Fault::next("*", FaultKind::ProxyPage { status }).nth(3).times(2));
        upload(&client, &format!("/{status}"), &sample(2 * CHUNK)).await.unwrap();
    }
}

#[tokio::test]
async fn an_empty_file_is_never_asked_for_by_a_range() {
    let emulator = emulator().await;
    let client = client(&emulator);
    emulator.control().write("/empty", b"");
    emulator.control().write("/full", &sample(3 * CHUNK));
    assert_eq!(download(&client, "/empty").await.unwrap(), b"");
    let Some(Metadata::File(empty)) = client.metadata("/empty").await.unwrap() else { panic!("no file") };
    assert!(client.open_known(empty, None).chunk().await.unwrap().is_none());
    assert!(download(&client, "/full").await.unwrap() == sample(3 * CHUNK));
    let requests = emulator.control().requests();
    let downloads: Vec<_> = requests.into_iter().filter(|request| request.route == "files/download").collect();
    assert_eq!((downloads[0].status, &downloads[0].range), (200, &None));
    assert!(downloads.iter().skip(1).all(|request| request.path.as_deref() != Some("/empty")));
    assert!(downloads.iter().all(|request| request.status < 300), "{downloads:?}");
}

#[tokio::test]
async fn a_hash_that_dropbox_does_not_tell_is_unknown_and_no_reason_to_delete() {
    // M-15
    let emulator = emulator().await;
    let client = client(&emulator);
    let silent = |route: &str| emulator.control().inject(Fault::next(route, FaultKind::NoContentHash).times(9));
    for length in [0, 10, 2 * CHUNK + 7] {
        for route in ["files/upload", FINISH, FINISH_PAIR, "files/get_metadata"] {
            silent(route);
        }
        let (path, pair, data) = (format!("/{length}"), format!("/pair-{length}"), sample(length));
        let file = upload(&client, &path, &data).await.unwrap();
        assert_eq!((file.size, file.content_hash), (length as u64, None));
        commit_pair(&client, &pair, &data).await.unwrap();
        assert!(emulator.control().read(&path).unwrap() == data && emulator.control().read(&pair).unwrap() == data);
        silent("files/download");
        assert!(download(&client, &path).await.unwrap() == data);
        emulator.control().clear_faults();
    }
    // The answer to the commit is lost, too: the file that is there is read.
    for (route, lost) in [(FINISH, "/lost"), (FINISH_PAIR, "/lost-pair")] {
        silent("files/get_metadata");
        emulator.control().inject(Fault::next(route, FaultKind::AnswerLostAfterEffect));
        let data = sample(CHUNK + 3);
        if route == FINISH {
            upload(&client, lost, &data).await.map(drop)
        } else {
            commit_pair(&client, lost, &data).await
        }
        .unwrap();
        emulator.control().clear_faults();
    }
    // Damage is found by reading.
    emulator.control().inject(Fault::next(APPEND, FaultKind::DamagedBody));
    silent(FINISH);
    let error = upload(&client, "/damaged", &sample(CHUNK + 3)).await.unwrap_err();
    assert!(matches!(error, Error::ContentMismatch { .. }), "{error}");
    assert!(client.metadata("/damaged").await.unwrap().is_none());
    let data = sample(40 * MIB);
    emulator.control().write("/read", &data);
    let Some(Metadata::File(file)) = client.metadata("/read").await.unwrap() else { panic!("no file") };
    assert_eq!(client.hash_by_reading(&file).await.unwrap(), ContentHasher::of(&data));
}

#[tokio::test]
async fn a_damaged_file_whose_commit_was_not_answered_is_removed() {
    let emulator = emulator().await;
    let client = client(&emulator);
    for (route, kind) in [
        (FINISH_PAIR, FaultKind::DamagedBody),
        (FINISH_PAIR, FaultKind::AnswerLostAfterEffect),
        (FINISH, FaultKind::AnswerLostAfterEffect),
    ] {
        emulator.control().inject(Fault::next(APPEND, FaultKind::DamagedBody));
        emulator.control().inject(Fault::next(route, kind));
        let data = sample(5 * CHUNK + 17);
        let outcome = if route == FINISH {
            upload(&client, "/damaged", &data).await.map(drop)
        } else {
            commit_pair(&client, "/damaged", &data).await
        };
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::ContentMismatch { .. }), "{route}, {kind:?}: {error:?}");
        assert_eq!(emulator.control().files(), [], "{route}, {kind:?}");
        emulator.control().clear_faults();
    }
}
