//! How many calls are made, and how many at once.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use dropbox::oauth::{self, Pkce};
use dropbox::{Client, Error, Settings};
use dropbox_emulator::{Fault, FaultKind};

use crate::support::*;

const TOKEN: &str = "oauth2/token";

/// Clicks Allow, and reads the code off the page.
async fn consent(settings: &Settings, pkce: &Pkce) -> String {
    let url = oauth::authorize_url(settings, pkce, None, None, false);
    let mut form = url.query().unwrap().to_owned();
    form.push_str("&decision=allow");
    let browser = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let page = browser.post(url).body(form).send().await.unwrap().text().await.unwrap();
    page.split("id=\"code\">").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_authorization_and_the_calls_after_it_take_one_token_call() {
    // M-06
    let emulator = emulator().await;
    let (settings, pkce) = (settings(&emulator), Pkce::new([3; 48]));
    let code = consent(&settings, &pkce).await;
    let grant = oauth::exchange_code(&settings, &pkce, &code, None).await.unwrap();
    let granted = Settings { refresh_token: grant.refresh_token, ..settings };
    // Two clients, the first of which is gone when the second is made.
    for _ in 0..2 {
        let client = Client::new(granted.clone()).unwrap();
        client.account().await.unwrap();
        client.space_usage().await.unwrap();
    }
    assert_eq!(count(&emulator, TOKEN), 1);
}

#[tokio::test]
async fn a_code_whose_answer_was_lost_is_told_so() {
    let emulator = emulator().await;
    let (settings, pkce) = (settings(&emulator), Pkce::new([3; 48]));
    let code = consent(&settings, &pkce).await;
    emulator.control().inject(Fault::next(TOKEN, FaultKind::AnswerLostAfterEffect));
    let error = oauth::exchange_code(&settings, &pkce, &code, None).await.unwrap_err();
    assert!(matches!(error, Error::ExchangeLost), "{error:?}");
    assert!(error.to_string().contains("Start the authorization again"), "{error}");
    // One that nobody has used is told apart.
    let error = oauth::exchange_code(&settings, &pkce, "nonsense", None).await.unwrap_err();
    assert!(error.to_string().contains("did not accept the authorization code"), "{error}");
}

#[tokio::test]
async fn a_refresh_that_fails_is_everybodys_and_is_backed_off() {
    let emulator = emulator().await;
    let mut slow = settings(&emulator);
    slow.retry.first_wait = Duration::from_millis(100);
    slow.retry.longest_wait = Duration::from_millis(400);
    let client = Client::new(slow).unwrap();
    emulator.control().inject(Fault::next(TOKEN, FaultKind::Status500).times(3));
    let calls: Vec<_> = (0..32)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.account().await.map(drop) })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(count(&emulator, TOKEN), 4, "three that failed, and one");
    // A grant that is gone is asked for once by all who wait.
    emulator.control().revoke_all();
    emulator.control().set_weather("latency=50ms".parse().unwrap());
    let before = count(&emulator, TOKEN);
    let calls: Vec<_> = (0..32)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.account().await.map(drop) })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().unwrap_err().grant_revoked());
    }
    assert!(count(&emulator, TOKEN) - before <= 2, "{}", count(&emulator, TOKEN) - before);
}

#[tokio::test]
async fn a_busy_dropbox_gets_fewer_uploads_at_once() {
    let emulator = emulator().await;
    let settings = Settings { memory: 32 * CHUNK, ..settings(&emulator) };
    emulator.control().set_weather("latency=20ms".parse().unwrap());
    let append = "files/upload_session/append_v2";
    emulator.control().inject(Fault::next(append, FaultKind::Unavailable { retry_after: 1 }).times(4));
    let (client, data, start) = (Client::new(settings).unwrap(), sample(24 * CHUNK), Instant::now());
    upload(&client, "/x", &data).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    let refused = emulator.control().requests().iter().filter(|request| request.status == 503).count();
    assert_eq!(refused, 4);
}

#[tokio::test]
async fn a_turn_that_is_waited_for_is_no_stalled_connection() {
    let emulator = emulator().await;
    // Longer together than a connection may be idle.
    emulator.control().set_weather("commit=400ms".parse().unwrap());
    let client = client(&emulator);
    let uploads: Vec<_> = (0..4)
        .map(|index| {
            let client = client.clone();
            tokio::spawn(async move { upload(&client, &format!("/{index}"), b"x").await.map(drop) })
        })
        .collect();
    for upload in uploads {
        upload.await.unwrap().unwrap();
    }
    assert_eq!(count(&emulator, "files/upload"), 4);
}

#[tokio::test]
async fn all_clients_share_the_bandwidth() {
    let emulator = emulator().await;
    let bandwidth = NonZeroU64::new(16 * MIB as u64);
    let start = Instant::now();
    let uploads: Vec<_> = (0..2)
        .map(|index| {
            let client = Client::new(Settings { bandwidth, ..settings(&emulator) }).unwrap();
            tokio::spawn(async move { upload(&client, &format!("/{index}"), &sample(2 * CHUNK)).await.map(drop) })
        })
        .collect();
    for upload in uploads {
        upload.await.unwrap().unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(950), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_small_backup_and_its_sidecar_take_two_round_trips() {
    // M-11
    let emulator = emulator().await;
    let client = client(&emulator);
    client.list_folder("", false).await.unwrap();
    emulator.control().set_weather("latency=150ms".parse().unwrap());
    let start = Instant::now();
    let mut upload = client.start_upload();
    upload.write(sample(MIB).into()).await.unwrap();
    let companion = dropbox::files::Companion { path: "/b.meta".to_owned(), content: b"{}".as_slice().into() };
    upload.commit_with("/b", &companion).await.unwrap().companion.unwrap();
    // Both starts at once, then the commit; three in a row would take 450 ms.
    assert_eq!(emulator.control().peak_in_progress("files/upload_session/start"), 2);
    assert_eq!(count(&emulator, "files/upload_session/finish_batch_v2"), 1);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_file_of_known_size_is_asked_for_at_once() {
    let emulator = emulator().await;
    let client = client(&emulator);
    let data = sample(20 * MIB);
    emulator.control().write("/x", &data);
    emulator.control().set_weather("latency=100ms".parse().unwrap());
    // What the first answer tells is enough: all the rest is asked for together.
    assert!(download(&client, "/x").await.unwrap() == data);
    assert_eq!(count(&emulator, "files/download"), 10);
    assert!(emulator.control().peak_in_progress("files/download") >= 9);
}
