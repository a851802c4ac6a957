//! Downloads by header and by URL, and what answers look like.

use dropbox_emulator::Config;
use serde_json::{Value, json};

use crate::api::{Api, bad, form, read, refused};

#[tokio::test]
async fn a_download_can_be_a_get_with_its_argument_in_the_url() {
    let api = Api::start(Config::default()).await;
    api.control().write("/Büro 🦀.sql", b"0123456789");
    let query = form(&[("arg", r#"{"path": "/Büro 🦀.sql"}"#), ("authorization", &format!("Bearer {}", api.token))]);
    let response = api.client.get(api.url(&format!("/2/files/download?{query}"))).send().await.unwrap();
    let header = response.headers()["dropbox-api-result"].to_str().unwrap().to_owned();
    assert!(header.contains(r"B\u00fcro \ud83e\udd80.sql"), "{header}");
    let metadata: Value = serde_json::from_str(&header).unwrap();
    assert_eq!(metadata["path_display"], "/Büro 🦀.sql");
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    assert_eq!(response.headers()["accept-ranges"], "bytes");
    assert_eq!(response.bytes().await.unwrap(), "0123456789");
    let both = api.client.get(api.url(&format!("/2/files/download?{query}"))).header("dropbox-api-arg", "{}");
    bad(&read(both.send().await.unwrap()).await, "both");
}

#[tokio::test]
async fn ranges_are_partial_and_those_outside_are_refused() {
    let api = Api::start(Config::default()).await;
    api.control().write("/file", b"0123456789");
    api.control().write("/empty", b"");
    let get = async |path: &str, range: &str| {
        let request = api.request("files/download").header("dropbox-api-arg", json!({ "path": path }).to_string());
        request.header("range", range).send().await.unwrap()
    };
    let response = get("/file", "bytes=2-4").await;
    assert_eq!(response.status(), 206);
    assert_eq!(response.headers()["content-range"], "bytes 2-4/10");
    assert_eq!(response.headers()["content-length"], "3");
    assert_eq!(response.bytes().await.unwrap(), "234");
    assert_eq!(get("/file", "bytes=-4").await.bytes().await.unwrap(), "6789");
    assert_eq!(get("/file", "bytes=8-").await.bytes().await.unwrap(), "89");
    assert_eq!(get("/file", "bytes=0-1,4-5").await.status(), 200);
    let outside = json!({ ".tag": "range", "range": { ".tag": "not_satisfiable" } });
    for (path, range) in [("/file", "bytes=10-"), ("/empty", "bytes=0-0")] {
        let answer = read(get(path, range).await).await;
        refused(&answer, outside.clone());
        assert!(answer.1["error_summary"].as_str().unwrap().starts_with("range/not_satisfiable"));
    }
}

#[tokio::test]
async fn a_download_goes_on_with_its_revision_while_the_file_changes() {
    let api = Api::start(Config::default()).await;
    let (_, old) = api.upload("files/upload", json!({ "path": "/file" }), "old").await;
    api.upload("files/upload", json!({ "path": "/file", "mode": "overwrite" }), "new").await;
    api.rpc("files/delete_v2", json!({ "path": "/file" })).await;
    let pinned = json!({ "path": format!("rev:{}", old["rev"].as_str().unwrap()) });
    let request = api.request("files/download").header("dropbox-api-arg", pinned.to_string());
    assert_eq!(request.send().await.unwrap().text().await.unwrap(), "old");
}

#[tokio::test]
async fn tokens_are_missing_malformed_unknown_or_short_of_a_scope() {
    let api = Api::start(Config::default()).await;
    let post = || api.client.post(api.url("/2/check/user")).header("content-type", "application/json").body("{}");
    bad(&read(post().send().await.unwrap()).await, "Must provide HTTP header \"Authorization\"");
    bad(&read(post().header("authorization", "Basic eA==").send().await.unwrap()).await, "Invalid authorization value");
    let response = post().bearer_auth("forged").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let (status, answer) = read(response).await;
    assert_eq!((status, &answer["error"]), (401, &json!({ ".tag": "invalid_access_token" })));
    api.control().set_scopes("emulator-refresh-token", &["files.metadata.read"]);
    let (status, answer) = api.upload("files/upload", json!({ "path": "/a" }), "x").await;
    let missing = json!({ ".tag": "missing_scope", "required_scope": "files.content.write" });
    assert_eq!((status, &answer["error"]), (401, &missing));
    assert_eq!(api.rpc("files/list_folder", json!({ "path": "" })).await.0, 200);
}

#[tokio::test]
async fn by_dropbox_s_own_host_names_each_route_has_one_home() {
    let api = Api::start(Config::default()).await;
    let request = api.request("users/get_space_usage").header("host", "content.dropboxapi.com");
    let answer = read(request.send().await.unwrap()).await;
    bad(&answer, "operates at a different base URL: https://api.dropboxapi.com/2/users/get_space_usage");
}

#[tokio::test]
async fn without_a_team_the_root_is_the_home() {
    let api = Api::start(Config::default()).await;
    let (_, account) = api.rpc("users/get_current_account", Value::Null).await;
    let root = &account["root_info"]["root_namespace_id"];
    let with = async |header: Value| {
        let request = api.request("files/list_folder").header("content-type", "application/json");
        let request = request.header("dropbox-api-path-root", header.to_string()).body(r#"{"path": ""}"#);
        read(request.send().await.unwrap()).await
    };
    assert_eq!(with(json!({ ".tag": "root", "root": root })).await.0, 200);
    assert_eq!(with(json!({ ".tag": "namespace_id", "namespace_id": root })).await.0, 200);
    let (status, answer) = with(json!({ ".tag": "root", "root": "1" })).await;
    assert_eq!((status, &answer["error"]["invalid_root"]), (422, &account["root_info"]));
    let (status, answer) = with(json!({ ".tag": "namespace_id", "namespace_id": "1" })).await;
    assert_eq!((status, &answer["error"]), (422, &json!({ ".tag": "no_permission" })));
    bad(&with(json!("nonsense")).await, "Dropbox-API-Path-Root");
}
