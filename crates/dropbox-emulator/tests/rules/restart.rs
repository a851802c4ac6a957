//! An emulator with a state folder comes back as it was.

use std::path::Path;

use dropbox_emulator::{Config, Store};
use serde_json::json;

use crate::api::Api;

fn config(state: &Path, store: Store) -> Config {
    Config { state: Some(state.to_owned()), store, ..Config::default() }
}

#[tokio::test]
async fn files_sessions_cursors_and_tokens_survive_a_restart() {
    for store in [Store::Bytes, Store::Hash] {
        let folder = tempfile::tempdir().unwrap();
        let api = Api::start(config(folder.path(), store)).await;
        api.upload("files/upload", json!({ "path": "/Ordner/a" }), "kept").await;
        api.rpc("files/copy_v2", json!({ "from_path": "/Ordner/a", "to_path": "/b" })).await;
        let session = api.session("sequential").await;
        api.append(&session, 0, false, "half ").await;
        let (_, page) = api.rpc("files/list_folder", json!({ "path": "", "recursive": true })).await;
        let before = api.control().files();
        let token = api.token.clone();
        api.emulator.unwrap().stop().await;
        std::fs::write(folder.path().join("blobs/leftover"), "of a killed emulator").unwrap();

        let mut api = Api::start(config(folder.path(), store)).await;
        api.token = token;
        assert_eq!(api.control().files(), before);
        let (status, file) = api.finish(&session, 5, "/c", "whole").await;
        assert_eq!((status, &file["size"]), (200, &json!(10)), "{file}");
        let (_, changes) = api.rpc("files/list_folder/continue", json!({ "cursor": page["cursor"] })).await;
        assert_eq!(changes["entries"][0]["path_display"], "/c");
        api.rpc("files/delete_v2", json!({ "path": "/Ordner" })).await;
        if store == Store::Bytes {
            assert_eq!(api.control().read("/c").unwrap(), b"half whole");
            assert_eq!(api.control().read("/b").unwrap(), b"kept");
        }
        assert!(!folder.path().join("blobs/leftover").exists());
    }
}

#[tokio::test]
async fn another_account_s_cursor_is_reset() {
    let api = Api::start(Config::default()).await;
    let (_, page) = api.rpc("files/list_folder", json!({ "path": "" })).await;
    let other = Api::start(Config::default()).await;
    let answer = other.rpc("files/list_folder/continue", json!({ "cursor": page["cursor"] })).await;
    crate::api::refused(&answer, json!({ ".tag": "reset" }));
}
