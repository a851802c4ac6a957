//! Accounts with many files: what is kept up with each change says the same as a look at everything.

use std::time::{Duration, Instant};

use dropbox_emulator::{Config, Control, Store};
use serde_json::{Value, json};

use crate::api::Api;

const FILES: usize = 50_000;

async fn used(api: &Api) -> u64 {
    api.rpc("users/get_space_usage", Value::Null).await.1["used"].as_u64().unwrap()
}

fn sizes(control: &Control) -> u64 {
    control.files().iter().map(|file| file.size).sum()
}

#[tokio::test]
async fn fifty_thousand_files_are_written_and_listed_in_seconds() {
    let api = Api::start(Config { store: Store::Hash, ..Config::default() }).await;
    let started = Instant::now();
    api.control().write_many((0..FILES).map(|at| (format!("/{}/{at}", at % 1000), vec![b'x'])));
    let (_, mut page) = api.rpc("files/list_folder", json!({ "path": "", "recursive": true, "limit": 2000 })).await;
    let mut seen = 0;
    loop {
        seen += page["entries"].as_array().unwrap().len();
        if page["has_more"] == false {
            break;
        }
        page = api.rpc("files/list_folder/continue", json!({ "cursor": page["cursor"] })).await.1;
    }
    assert_eq!(seen, FILES + 1000);
    assert_eq!(used(&api).await, FILES as u64);
    // It takes some three seconds unoptimized. If a page or a change cost as much as a look at everything, minutes.
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_space_in_use_is_the_sum_of_the_files_whatever_happens_to_them() {
    let state = tempfile::tempdir().unwrap();
    let config = || Config { state: Some(state.path().to_owned()), ..Config::default() };
    let api = Api::start(config()).await;
    let upload = async |path: &str, mode: &str, bytes: usize| {
        api.upload("files/upload", json!({ "path": path, "mode": mode }), vec![7; bytes]).await.0
    };
    let r#move =
        async |route: &str, from: &str, to: &str| api.rpc(route, json!({ "from_path": from, "to_path": to })).await.0;
    let steps = [
        (upload("/f/a", "add", 1000).await, 1000),
        (upload("/f/b", "add", 10).await, 1010),
        (upload("/f/a", "overwrite", 500).await, 510),
        (r#move("files/copy_v2", "/f", "/g").await, 1020),
        (r#move("files/move_v2", "/g/a", "/a").await, 1020),
        (api.rpc("files/delete_v2", json!({ "path": "/f" })).await.0, 510),
        (upload("/f/a", "add", 1).await, 511),
        (upload("/f/a", "add", 2).await, 511),
    ];
    let statuses: Vec<u16> = steps.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 409]);
    assert_eq!((used(&api).await, sizes(api.control())), (511, 511));
    api.control().corrupt("/a", |bytes| bytes.truncate(100), false);
    assert_eq!((used(&api).await, sizes(api.control())), (111, 111));
    api.emulator.unwrap().stop().await;

    let api = Api::start(config()).await;
    assert_eq!((used(&api).await, sizes(api.control())), (111, 111));
    api.control().set_quota(120);
    let upload = async |bytes: usize| api.upload("files/upload", json!({ "path": "/x" }), vec![8; bytes]).await.0;
    assert_eq!(upload(10).await, 409);
    assert_eq!(upload(9).await, 200);
}

#[tokio::test]
async fn a_listing_s_changes_come_in_their_order_once_and_only_from_its_folder() {
    let api = Api::start(Config::default()).await;
    api.control().write("/in/a", b"1");
    api.control().write("/in/b", b"1");
    let (_, page) = api.rpc("files/list_folder", json!({ "path": "/in", "limit": 2 })).await;
    api.control().write("/in/c", b"1");
    api.control().write("/inner/x", b"1");
    api.control().write("/in/a", b"2");
    api.control().write("/in/deep/x", b"1");
    api.control().remove("/in/b");
    let go_on = async |cursor: &Value| api.rpc("files/list_folder/continue", json!({ "cursor": cursor })).await.1;
    let names = |page: &Value| -> Vec<String> {
        let entries = page["entries"].as_array().unwrap().iter();
        entries
            .map(|entry| format!("{} {}", entry[".tag"].as_str().unwrap(), entry["name"].as_str().unwrap()))
            .collect()
    };
    let first = go_on(&page["cursor"]).await;
    assert_eq!((names(&first), &first["has_more"]), (vec!["file c".to_owned(), "file a".to_owned()], &json!(true)));
    let second = go_on(&first["cursor"]).await;
    assert_eq!(names(&second), ["folder deep", "deleted b"]);
    assert_eq!(second["has_more"], false);
    assert!(names(&go_on(&second["cursor"]).await).is_empty());
}
