//! Upload sessions: each rule and each refusal.

use dropbox_emulator::Config;
use serde_json::{Value, json};

use crate::api::{Api, BLOCK, refused};

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 253) as u8).collect()
}

fn lookup_failed(inner: Value) -> Value {
    json!({ ".tag": "lookup_failed", "lookup_failed": inner })
}

#[tokio::test]
async fn a_sequential_session_takes_pieces_in_order_only() {
    let api = Api::start(Config::default()).await;
    let session = api.session("sequential").await;
    assert_eq!(api.append(&session, 0, false, bytes(10)).await, (200, Value::Null));
    let wrong = json!({ ".tag": "incorrect_offset", "correct_offset": 10 });
    refused(&api.append(&session, 0, false, bytes(10)).await, wrong.clone());
    refused(&api.append(&session, 20, false, bytes(10)).await, wrong.clone());
    refused(&api.finish(&session, 5, "/a", "").await, lookup_failed(wrong));
    let not_found = json!({ ".tag": "not_found" });
    refused(&api.append("nonsense", 0, false, "").await, not_found.clone());
    refused(&api.finish("nonsense", 0, "/a", "").await, lookup_failed(not_found));

    assert_eq!(api.append(&session, 10, true, bytes(5)).await.0, 200);
    refused(&api.append(&session, 15, false, "x").await, json!({ ".tag": "closed" }));
    refused(&api.finish(&session, 15, "/a", "x").await, lookup_failed(json!({ ".tag": "closed" })));
    let (status, file) = api.finish(&session, 15, "/a", "").await;
    assert_eq!((status, &file["size"]), (200, &json!(15)), "{file}");
    assert_eq!(file[".tag"], Value::Null, "a finished file is a FileMetadata, without a tag");
    assert_eq!(api.control().read("/a").unwrap(), [bytes(10), bytes(5)].concat());
    assert_eq!(api.control().open_sessions(), 0);
}

#[tokio::test]
async fn data_that_came_with_a_refused_finish_is_kept() {
    let api = Api::start(Config::default()).await;
    api.control().write("/taken", b"taken");
    let session = api.session("sequential").await;
    api.append(&session, 0, false, "head ").await;
    let conflict = json!({ ".tag": "path", "path": { ".tag": "conflict", "conflict": { ".tag": "file" } } });
    refused(&api.finish(&session, 5, "/taken", "tail").await, conflict);
    let wrong = json!({ ".tag": "incorrect_offset", "correct_offset": 9 });
    refused(&api.finish(&session, 5, "/free", "tail").await, lookup_failed(wrong));
    assert_eq!(api.finish(&session, 9, "/free", "").await.0, 200);
    assert_eq!(api.control().read("/free").unwrap(), b"head tail");
}

#[tokio::test]
async fn a_concurrent_session_starts_open_and_empty() {
    let api = Api::start(Config::default()).await;
    let start = "files/upload_session/start";
    let concurrent = json!({ "session_type": { ".tag": "concurrent" } });
    refused(&api.upload(start, concurrent, "data").await, json!({ ".tag": "concurrent_session_data_not_allowed" }));
    let closing = json!({ "session_type": "concurrent", "close": true });
    refused(&api.upload(start, closing, "").await, json!({ ".tag": "concurrent_session_close_not_allowed" }));
    assert_eq!(api.control().open_sessions(), 0);
}

#[tokio::test]
async fn a_concurrent_session_takes_whole_blocks_in_any_order() {
    let api = Api::start(Config::default()).await;
    let session = api.session("concurrent").await;
    let block = BLOCK as u64;
    let invalid_offset = json!({ ".tag": "concurrent_session_invalid_offset" });
    refused(&api.append(&session, 7, false, bytes(BLOCK)).await, invalid_offset.clone());
    let invalid_size = json!({ ".tag": "concurrent_session_invalid_data_size" });
    refused(&api.append(&session, 0, false, bytes(BLOCK - 1)).await, invalid_size);
    assert_eq!(api.append(&session, 2 * block, false, bytes(BLOCK)).await.0, 200);
    assert_eq!(api.append(&session, 2 * block, false, bytes(BLOCK)).await.0, 200, "the same piece again is fine");
    refused(&api.append(&session, 2 * block, false, vec![1; BLOCK]).await, invalid_offset.clone());
    refused(&api.append(&session, block, false, bytes(2 * BLOCK)).await, invalid_offset.clone());
    refused(&api.append(&session, block, true, "too early an end").await, invalid_offset);
    let not_closed = json!({ ".tag": "concurrent_session_not_closed" });
    refused(&api.finish(&session, 3 * block, "/a", "").await, not_closed);

    assert_eq!(api.append(&session, 3 * block, true, "end").await.0, 200);
    refused(&api.append(&session, 0, false, bytes(BLOCK)).await, json!({ ".tag": "closed" }));
    let no_data = json!({ ".tag": "concurrent_session_data_not_allowed" });
    refused(&api.finish(&session, 3 * block + 3, "/a", "data").await, no_data);
    let missing = json!({ ".tag": "concurrent_session_missing_data" });
    refused(&api.finish(&session, 3 * block + 3, "/a", "").await, missing);
}

#[tokio::test]
async fn a_concurrent_session_may_close_with_nothing_and_finish_at_its_size_or_zero() {
    let api = Api::start(Config::default()).await;
    let block = BLOCK as u64;
    for (path, offset) in [("/size", 2 * block), ("/zero", 0)] {
        let session = api.session("concurrent").await;
        let (one, other) = tokio::join!(
            api.append(&session, block, false, vec![2; BLOCK]),
            api.append(&session, 0, false, vec![1; BLOCK])
        );
        assert_eq!((one.0, other.0), (200, 200));
        assert_eq!(api.append(&session, 2 * block, true, "").await.0, 200);
        let wrong = json!({ ".tag": "incorrect_offset", "correct_offset": 2 * block });
        refused(&api.finish(&session, block, path, "").await, lookup_failed(wrong));
        assert_eq!(api.finish(&session, offset, path, "").await.0, 200);
        assert_eq!(api.control().read(path).unwrap(), [vec![1; BLOCK], vec![2; BLOCK]].concat());
    }
}

#[tokio::test]
async fn files_and_requests_have_a_largest_size() {
    let api = Api::start(Config { store: dropbox_emulator::Store::Hash, ..Config::default() }).await;
    let concurrent = api.session("concurrent").await;
    refused(&api.append(&concurrent, 1 << 41, true, "x").await, json!({ ".tag": "too_large" }));
    let too_much = vec![0; 150 * 1024 * 1024 + 1];
    let payload = json!({ ".tag": "payload_too_large" });
    refused(&api.upload("files/upload", json!({ "path": "/a" }), too_much.clone()).await, payload.clone());
    refused(&api.append(&concurrent, 0, true, too_much.clone()).await, payload.clone());
    let session = api.session("sequential").await;
    refused(&api.finish(&session, 0, "/a", too_much.clone()).await, payload);
    assert_eq!(api.append(&session, 0, false, too_much[1..].to_vec()).await.0, 200, "150 MiB are allowed");
}

#[tokio::test]
async fn a_claimed_hash_is_of_the_request_s_own_body() {
    let api = Api::start(Config::default()).await;
    let session = api.session("sequential").await;
    api.append(&session, 0, false, "0123456789").await;
    let append = |hash: &str| {
        let cursor = json!({ "session_id": session, "offset": 10 });
        json!({ "cursor": cursor, "content_hash": hash })
    };
    let route = "files/upload_session/append_v2";
    refused(&api.upload(route, append(&"0".repeat(64)), "abc").await, json!({ ".tag": "content_hash_mismatch" }));
    // SHA-256 of the SHA-256 of "abc".
    let right = "4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358";
    assert_eq!(api.upload(route, append(right), "abc").await, (200, Value::Null));
    let cursor = json!({ "session_id": session, "offset": 13 });
    let finish = |hash: &str| json!({ "cursor": cursor, "commit": { "path": "/a" }, "content_hash": hash });
    let route = "files/upload_session/finish";
    refused(&api.upload(route, finish(right), "").await, json!({ ".tag": "content_hash_mismatch" }));
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(api.upload(route, finish(nothing), "").await.0, 200);
}

#[tokio::test]
async fn a_piece_whose_sender_goes_away_was_never_there() {
    let api = Api::start(Config::default()).await;
    let session = api.session("sequential").await;
    let arg = json!({ "cursor": { "session_id": session, "offset": 0 } });
    let pieces = futures_util::stream::iter([Ok(vec![7_u8; 100_000]), Err(std::io::Error::other("gone"))]);
    let request = api.upload_request("files/upload_session/append_v2", &arg);
    assert!(request.body(reqwest::Body::wrap_stream(pieces)).send().await.is_err());
    assert_eq!(api.append(&session, 0, false, "whole").await, (200, Value::Null));
}

#[tokio::test]
async fn a_batch_of_pieces_is_compared_with_the_hash_of_them_all() {
    let api = Api::start(Config::default()).await;
    for lengths in [[BLOCK, 5], [5, BLOCK]] {
        let body = bytes(BLOCK + 5);
        let (_, file) = api.upload("files/upload", json!({ "path": "/same" }), body.clone()).await;
        let sessions = [api.session("sequential").await, api.session("sequential").await];
        let entry = |at: usize| json!({ "cursor": { "session_id": sessions[at], "offset": 0 }, "length": lengths[at] });
        let arg = |hash: &Value| json!({ "entries": [entry(0), entry(1)], "content_hash": hash });
        let route = "files/upload_session/append_batch";
        let wrong = api.upload(route, arg(&json!("0".repeat(64))), body.clone()).await;
        refused(&wrong, json!({ ".tag": "content_hash_mismatch" }));
        let (status, answer) = api.upload(route, arg(&file["content_hash"]), body.clone()).await;
        assert_eq!((status, &answer["entries"][1][".tag"]), (200, &json!("success")), "{answer}");
        assert_eq!(api.finish(&sessions[0], lengths[0] as u64, &format!("/{}", sessions[0]), "").await.0, 200);
        assert_eq!(api.control().read(&format!("/{}", sessions[0])).unwrap(), body[..lengths[0]]);
    }
}
