//! Paths, names, arguments: what is malformed, what is refused before anything is looked at.

use dropbox_emulator::Config;
use serde_json::json;

use crate::api::{Api, bad, refused};

#[tokio::test]
async fn malformed_paths_are_told_apart_from_those_that_no_grammar_has() {
    let api = Api::start(Config::default()).await;
    let long = format!("/{}", "ü".repeat(256));
    for path in ["/", "/a/", "/a\t", "/a /b", "/a\\b", "/../a", &long] {
        let malformed = json!({ ".tag": "path", "reason": { ".tag": "malformed_path" }, "upload_session_id": "" });
        refused(&api.upload("files/upload", json!({ "path": path }), "x").await, malformed);
    }
    let answer = api.rpc("files/list_folder", json!({ "path": "/a/" })).await;
    refused(&answer, json!({ ".tag": "path", "path": { ".tag": "malformed_path" } }));
    let answer = api.upload("files/upload", json!({ "path": "a" }), "x").await;
    bad(&answer, "HTTP header \"Dropbox-API-Arg\": path: 'a' did not match pattern '(/(.|[\\r\\n])*)|");
    let answer = api.rpc("files/list_folder", json!({ "path": "/" })).await;
    bad(&answer, "request body: path: Specify the root folder as an empty string rather than as \"/\".");
    bad(&api.rpc("files/get_metadata", json!({ "path": "" })).await, "The root folder is unsupported.");
    bad(&api.rpc("files/create_folder_v2", json!({ "path": "id:x" })).await, "did not match pattern");
    bad(&api.rpc("files/get_metadata", json!({ "path": "rev:xyz" })).await, "did not match pattern");
    let answer = api.rpc("files/get_metadata", json!({ "path": "rev:0123456789" })).await;
    refused(&answer, json!({ ".tag": "path", "path": { ".tag": "not_found" } }));

    let fits = format!("/{}", "ü".repeat(255));
    assert_eq!(api.upload("files/upload", json!({ "path": fits }), "x").await.0, 200);
    assert_eq!(
        api.upload("files/upload", json!({ "path": "//doubled//slashes" }), "x").await.1["path_display"],
        "/doubled/slashes"
    );
}

#[tokio::test]
async fn case_is_kept_and_does_not_count() {
    let api = Api::start(Config::default()).await;
    api.upload("files/upload", json!({ "path": "/Ordner/ÄÖ.sql" }), "one").await;
    let (_, file) = api.upload("files/upload", json!({ "path": "/ORDNER/äö.SQL", "mode": "overwrite" }), "two").await;
    assert_eq!(file["path_display"], "/Ordner/ÄÖ.sql");
    assert_eq!(file["path_lower"], "/ordner/äö.sql");
    let (_, file) = api.upload("files/upload", json!({ "path": "/ordner/Neu" }), "three").await;
    assert_eq!(file["path_display"], "/Ordner/Neu");
}

#[tokio::test]
async fn arguments_that_are_not_in_order_are_plain_400s() {
    let api = Api::start(Config::default()).await;
    let json_type = |route: &str| api.request(route).header("content-type", "application/json");
    let read = async |request: reqwest::RequestBuilder| crate::api::read(request.send().await.unwrap()).await;
    let answer = read(json_type("files/list_folder").body("{")).await;
    assert_eq!(
        answer.1,
        "Error in call to API function \"files/list_folder\": request body: could not decode input as JSON"
    );
    bad(&api.rpc("files/list_folder", json!({})).await, "missing field `path`");
    bad(&api.rpc("files/list_folder", json!({ "path": "", "pat": 1 })).await, "unknown field `pat`");
    bad(&api.rpc("files/list_folder", json!({ "path": "", "limit": 2001 })).await, "limit");
    bad(&api.rpc("users/get_current_account", json!({ "a": 1 })).await, "expected null");
    bad(&api.rpc("files/nonsense", json!({})).await, "Unknown API function: \"files/nonsense\".");
    let date = json!({ "path": "/a", "client_modified": "2026-05-12" });
    bad(&api.upload("files/upload", date, "").await, "does not match format");
    bad(&api.upload("files/upload", json!({ "path": "/a", "mode": "rewrite" }), "").await, "invalid write mode");

    let answer = read(api.request("files/upload").header("content-type", "application/octet-stream")).await;
    bad(&answer, "Must provide HTTP header \"Dropbox-API-Arg\" or URL parameter \"arg\".");
    let wrong = api.request("files/upload").header("content-type", "application/json");
    let expected = "Error in call to API function \"files/upload\": Bad HTTP \"Content-Type\" header: \
                    \"application/json\". Expecting one of \"application/octet-stream\", \
                    \"text/plain; charset=dropbox-cors-hack\".";
    assert_eq!(read(wrong.header("dropbox-api-arg", "{}").body("x")).await, (400, json!(expected)));
    let wrong = api.request("files/list_folder").header("content-type", "application/x-www-form-urlencoded");
    bad(&read(wrong.body("{}")).await, "Bad HTTP \"Content-Type\" header");
    let get = api.client.get(api.url("/2/files/list_folder")).bearer_auth(&api.token);
    bad(&read(get).await, "only accepts the HTTP request method \"POST\"");
}

#[tokio::test]
async fn an_argument_comes_raw_or_escaped_and_nothing_can_be_nothing_or_null() {
    let api = Api::start(Config::default()).await;
    let request = api.request("files/upload").header("content-type", "application/octet-stream");
    let request = request.header("dropbox-api-arg", r#"{"path": "/\ud83e\udd80 \u00fc"}"#).body("x");
    assert_eq!(crate::api::read(request.send().await.unwrap()).await.1["path_display"], "/🦀 ü");
    let (_, file) = api.upload("files/upload", json!({ "path": "/🦀 Ü", "mode": { ".tag": "overwrite" } }), "y").await;
    assert_eq!(file["path_display"], "/🦀 ü");
    for body in ["", "null"] {
        let request = api.request("users/get_space_usage");
        let request =
            if body.is_empty() { request } else { request.header("content-type", "application/json").body(body) };
        assert_eq!(crate::api::read(request.send().await.unwrap()).await.0, 200);
    }
}

#[tokio::test]
async fn write_modes_conflict_as_documented() {
    let api = Api::start(Config::default()).await;
    let upload = async |arg, body: &'static str| api.upload("files/upload", arg, body).await;
    let (_, first) = upload(json!({ "path": "/a.tar.gz" }), "1").await;
    let update = |rev: &str| json!({ "path": "/a.tar.gz", "mode": { ".tag": "update", "update": rev } });
    let (_, second) = upload(update(first["rev"].as_str().unwrap()), "2").await;
    assert_eq!(second["id"], first["id"]);
    let stale = upload(update(first["rev"].as_str().unwrap()), "3").await;
    let conflict = json!({ ".tag": "conflict", "conflict": { ".tag": "file" } });
    assert_eq!((stale.0, &stale.1["error"]["reason"]), (409, &conflict));
    assert!(stale.1["error_summary"].as_str().unwrap().starts_with("path/conflict/file/"));
    let deleted = json!({ "path": "/deleted", "mode": { ".tag": "update", "update": "0123456789" } });
    let strict = json!({ "path": "/deleted", "mode": deleted["mode"], "strict_conflict": true });
    assert_eq!(upload(strict, "3").await.1["error"]["reason"], conflict);
    assert_eq!(upload(deleted, "3").await.0, 200);
    for expected in ["/a.tar (1).gz", "/a.tar (2).gz"] {
        let (_, renamed) =
            upload(json!({ "path": "/a.tar.gz", "autorename": true, "strict_conflict": true }), "4").await;
        assert_eq!(renamed["path_display"], expected);
    }
}

#[tokio::test]
async fn the_forms_of_a_name_are_one_name() {
    let api = Api::start(Config::default()).await;
    let (composed, decomposed) = ("/caf\u{e9}/\u{d55c}", "/Cafe\u{301}/\u{1112}\u{1161}\u{11ab}");
    let (status, file) = api.upload("files/upload", json!({ "path": decomposed }), "one").await;
    assert_eq!((status, &file["path_display"]), (200, &json!("/Caf\u{e9}/\u{d55c}")));
    assert_eq!((&file["name"], &file["path_lower"]), (&json!("\u{d55c}"), &json!(composed)));
    for path in [composed, decomposed] {
        assert_eq!(api.rpc("files/get_metadata", json!({ "path": path })).await.1["id"], file["id"]);
        let conflict = api.upload("files/upload", json!({ "path": path, "strict_conflict": true }), "two").await;
        assert_eq!(conflict.0, 409);
    }
    let listed = api.rpc("files/list_folder", json!({ "path": "/cafe\u{301}" })).await.1;
    assert_eq!(listed["entries"][0]["id"], file["id"]);
    assert_eq!(api.control().read(decomposed).unwrap(), b"one");

    // Lower case is each character's own.
    let (_, sigma) = api.upload("files/upload", json!({ "path": "/\u{3a3}\u{3a3}" }), "x").await;
    assert_eq!(sigma["path_lower"], "/\u{3c3}\u{3c3}");
    let final_sigma = api.rpc("files/get_metadata", json!({ "path": "/\u{3c3}\u{3c2}" })).await;
    refused(&final_sigma, json!({ ".tag": "path", "path": { ".tag": "not_found" } }));
    let (_, dotted) = api.upload("files/upload", json!({ "path": "/\u{130}" }), "x").await;
    assert_eq!(dotted["path_lower"], "/i");
    for (one, other) in [("/stra\u{df}e", "/STRASSE"), ("/\u{fb01}x", "/fix")] {
        assert_eq!(api.upload("files/upload", json!({ "path": one }), "1").await.0, 200);
        assert_eq!(api.upload("files/upload", json!({ "path": other, "strict_conflict": true }), "2").await.0, 200);
    }
}

#[tokio::test]
async fn what_breaks_a_pattern_or_a_length_of_the_specification_is_a_400() {
    let api = Api::start(Config::default()).await;
    let path = json!({ "path": "/a" });
    let with = |field: &str, value: serde_json::Value| {
        let mut argument = path.clone();
        argument[field] = value;
        argument
    };
    for (hash, words) in [("zz", "at least 64"), ("", "at least 64"), (&"a".repeat(65), "at most 64")] {
        bad(&api.upload("files/upload", with("content_hash", json!(hash)), "x").await, words);
        bad(&api.upload("files/upload_session/start", json!({ "content_hash": hash }), "x").await, words);
    }
    // As long as a hash, and another one.
    let answer = api.upload("files/upload", with("content_hash", json!("z".repeat(64))), "x").await;
    refused(&answer, json!({ ".tag": "content_hash_mismatch" }));
    for (rev, words) in
        [("xx", "at least 9"), ("0123456789X", "did not match pattern"), ("ABCDEF0123", "did not match")]
    {
        bad(&api.upload("files/upload", with("mode", json!({ ".tag": "update", "update": rev })), "x").await, words);
        bad(&api.rpc("files/delete_v2", with("parent_rev", json!(rev))).await, words);
    }
    bad(&api.rpc("files/list_folder/continue", json!({ "cursor": "" })).await, "at least 1");
    bad(&api.rpc("files/create_folder_v2", json!({ "path": "ns:x/a" })).await, "(ns:[0-9]+(/(.|[\\r\\n])*)?)");
    for name in ["/desktop.ini", "/.dropbox", "/a/Thumbs.db"] {
        let answer = api.rpc("files/get_metadata", json!({ "path": name })).await;
        refused(&answer, json!({ ".tag": "path", "path": { ".tag": "not_found" } }));
        let (_, answer) = api.upload("files/upload", json!({ "path": name }), "x").await;
        assert_eq!(answer["error"]["reason"][".tag"], "disallowed_name");
    }
}
