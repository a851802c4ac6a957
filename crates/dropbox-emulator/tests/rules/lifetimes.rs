//! What ends by itself: access tokens, sessions, links, old revisions.

use std::time::Duration;

use dropbox_emulator::Config;
use serde_json::{Value, json};

use crate::api::{Api, read, refused};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_access_token_lives_for_four_hours() {
    let mut api = Api::start(Config::default()).await;
    api.control().advance_clock(4 * HOUR - Duration::from_secs(60));
    assert_eq!(api.rpc("check/user", json!({ "query": "still" })).await.1["result"], "still");
    api.control().advance_clock(Duration::from_secs(61));
    let (status, answer) = api.rpc("check/user", json!({})).await;
    assert_eq!((status, &answer["error"]), (401, &json!({ ".tag": "expired_access_token" })));
    api.renew().await;
    assert_eq!(api.rpc("check/user", json!({})).await.0, 200);
    api.control().expire_access_tokens();
    assert_eq!(api.rpc("check/user", json!({})).await.1["error"][".tag"], "expired_access_token");
}

#[tokio::test]
async fn a_session_lives_for_seven_days() {
    let mut api = Api::start(Config::default()).await;
    let session = api.session("sequential").await;
    api.append(&session, 0, false, "early ").await;
    api.control().advance_clock(7 * 24 * HOUR - HOUR);
    api.renew().await;
    assert_eq!(api.append(&session, 6, false, "late").await, (200, Value::Null));
    api.control().advance_clock(HOUR);
    assert_eq!(api.control().open_sessions(), 0);
    refused(&api.append(&session, 10, false, "too late").await, json!({ ".tag": "not_found" }));
    let gone = json!({ ".tag": "lookup_failed", "lookup_failed": { ".tag": "not_found" } });
    refused(&api.finish(&session, 10, "/a", "").await, gone);
}

#[tokio::test]
async fn a_link_lives_for_four_hours_and_an_old_revision_for_thirty_days() {
    let mut api = Api::start(Config::default()).await;
    let (_, old) = api.upload("files/upload", json!({ "path": "/file" }), "old").await;
    let (_, link) = api.rpc("files/get_temporary_link", json!({ "path": "/file" })).await;
    let link = link["link"].as_str().unwrap();
    api.rpc("files/delete_v2", json!({ "path": "/file" })).await;
    assert_eq!(api.client.get(link).send().await.unwrap().text().await.unwrap(), "old");
    api.control().advance_clock(4 * HOUR);
    assert_eq!(read(api.client.get(link).send().await.unwrap()).await.0, 410);

    let pinned = json!({ "path": format!("rev:{}", old["rev"].as_str().unwrap()) });
    for (days, expected) in [(29, 200), (2, 409)] {
        api.control().advance_clock(days * 24 * HOUR);
        api.renew().await;
        api.upload("files/upload", json!({ "path": "/another", "mode": "overwrite" }), days.to_string()).await;
        assert_eq!(api.rpc("files/get_metadata", pinned.clone()).await.0, expected);
    }
}
