//! Every kind of fault, as a client sees it, and whether the call took effect.

use std::time::{Duration, Instant};

use dropbox_emulator::{Config, Fault, FaultKind};
use reqwest::Response;
use serde_json::{Value, json};

use crate::api::{Api, BLOCK, read, refused};

const UPLOAD: &str = "files/upload";
const APPEND: &str = "files/upload_session/append_v2";
const FINISH: &str = "files/upload_session/finish";
const DOWNLOAD: &str = "files/download";

/// Long enough to say that nothing comes.
const SILENCE: Duration = Duration::from_millis(300);

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

async fn download(api: &Api, path: &str) -> reqwest::Result<Response> {
    api.request(DOWNLOAD).header("dropbox-api-arg", json!({ "path": path }).to_string()).send().await
}

/// What arrives of a body before it ends or breaks, and whether it was whole.
async fn receive(mut response: Response) -> (Vec<u8>, bool) {
    let mut received = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received.extend_from_slice(&chunk),
            end => return (received, end.is_ok()),
        }
    }
}

fn paths(api: &Api) -> Vec<String> {
    api.control().files().into_iter().map(|file| file.path).collect()
}

#[tokio::test]
async fn statuses_come_instead_of_the_effect() {
    let api = Api::start(Config::default()).await;
    for (kind, status, retry_after, content_type) in [
        (FaultKind::Status500, 500, None, "text/plain; charset=utf-8"),
        (FaultKind::Status502, 502, None, "text/plain; charset=utf-8"),
        (FaultKind::Status503, 503, None, "text/plain; charset=utf-8"),
        (FaultKind::Unavailable { retry_after: 4 }, 503, Some("4"), "text/plain; charset=utf-8"),
        (FaultKind::Unauthorized { tag: "other" }, 401, None, "application/json"),
        (FaultKind::Unauthorized { tag: "route_access_denied" }, 401, None, "application/json"),
        (FaultKind::Unauthorized { tag: "of_next_year" }, 401, None, "application/json"),
        (FaultKind::ProxyPage { status: 403 }, 403, None, "text/html; charset=utf-8"),
        (FaultKind::TooManyRequests { retry_after: 7 }, 429, Some("7"), "application/json"),
        (FaultKind::TooManyWriteOperations, 429, None, "application/json"),
        (FaultKind::TooManyRequestsText { retry_after: 9 }, 429, Some("9"), "text/plain; charset=utf-8"),
        (FaultKind::AccessTokenExpired, 401, None, "application/json"),
    ] {
        api.control().inject(Fault::next("files/upload", kind));
        let request = api.upload_request("files/upload", &json!({ "path": "/file" })).body(vec![0; 1 << 20]);
        let response = request.send().await.unwrap();
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!((response.status().as_u16(), header("retry-after")), (status, retry_after), "{kind:?}");
        assert_eq!(header("content-type"), Some(content_type), "{kind:?}");
        let (_, body) = read(response).await;
        match kind {
            FaultKind::TooManyRequests { .. } => {
                assert_eq!(body["error"], json!({ "reason": { ".tag": "too_many_requests" }, "retry_after": 7 }));
            }
            FaultKind::TooManyWriteOperations => {
                assert_eq!(body["error"], json!({ "reason": { ".tag": "too_many_write_operations" } }));
            }
            FaultKind::AccessTokenExpired => assert_eq!(body["error"][".tag"], "expired_access_token"),
            _ => {}
        }
    }
    assert_eq!(api.control().files(), []);
    assert_eq!(api.upload("files/upload", json!({ "path": "/file" }), "x").await.0, 200);
}

#[tokio::test]
async fn connections_end_before_or_after_the_effect() {
    let api = Api::start(Config::default()).await;
    let upload = async |path: &str| {
        api.upload_request("files/upload", &json!({ "path": path })).body(vec![1; 8 << 20]).send().await
    };
    api.control().inject(Fault::next("files/upload", FaultKind::ResetBeforeEffect).times(2));
    api.control().inject(Fault::next("files/upload", FaultKind::AnswerLostAfterEffect).nth(3));
    assert!(upload("/one").await.is_err());
    assert!(upload("/two").await.is_err());
    assert!(upload("/three").await.is_err());
    let paths: Vec<String> = api.control().files().into_iter().map(|file| file.path).collect();
    assert_eq!(paths, ["/three"]);
    let statuses: Vec<u16> = api.control().requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [200, 0, 0, 0]);
    assert_eq!(upload("/four").await.unwrap().status(), 200);
}

#[tokio::test]
async fn connections_end_before_amid_and_after_the_body() {
    let api = Api::start(Config::default()).await;
    let size = 8 << 20;
    for (kind, received) in [
        (FaultKind::ResetBeforeBody, 0..=0),
        (FaultKind::ResetBeforeEffect, size / 2..=size - 1),
        (FaultKind::ResetAfterBody, size..=size),
    ] {
        api.control().inject(Fault::next(UPLOAD, kind));
        let request = api.upload_request(UPLOAD, &json!({ "path": "/file" })).body(bytes(size as usize));
        assert!(request.send().await.is_err(), "{kind:?}");
        let record = api.control().requests().pop().unwrap();
        assert_eq!((record.status, record.path.as_deref()), (0, Some("/file")));
        assert!(received.contains(&record.body_bytes), "{kind:?}: {}", record.body_bytes);
    }
    assert!(paths(&api).is_empty());
}

#[tokio::test]
async fn a_download_ends_in_the_middle() {
    let api = Api::start(Config::default()).await;
    let whole = bytes(3 << 20);
    api.control().write("/file", &whole);
    api.control().inject(Fault::next(DOWNLOAD, FaultKind::ResetMidAnswer));
    let response = download(&api, "/file").await.unwrap();
    assert_eq!((response.status().as_u16(), response.content_length()), (200, Some(whole.len() as u64)));
    let (received, is_whole) = receive(response).await;
    assert!(!is_whole);
    assert!(!received.is_empty() && received.len() <= whole.len() / 2, "{}", received.len());
    assert_eq!(received, whole[..received.len()]);
    assert_eq!(receive(download(&api, "/file").await.unwrap()).await, (whole, true));

    api.control().inject(Fault::next("files/get_metadata", FaultKind::ResetMidAnswer));
    let request = api.request("files/get_metadata").header("content-type", "application/json");
    let response = request.body(r#"{"path": "/file"}"#).send().await.unwrap();
    let (received, is_whole) = receive(response).await;
    assert!(!is_whole && received.starts_with(b"{"), "{received:?}");
}

#[tokio::test]
async fn sessions_claim_another_offset_or_hash_as_each_route_has_it() {
    let api = Api::start(Config::default()).await;
    let session = api.session("sequential").await;
    let offset = FaultKind::IncorrectOffset { correct_offset: 5 };
    let incorrect = json!({ ".tag": "incorrect_offset", "correct_offset": 5 });
    let lookup_failed = json!({ ".tag": "lookup_failed", "lookup_failed": incorrect });
    api.control().inject(Fault::next(APPEND, offset));
    refused(&api.append(&session, 0, false, "abc").await, incorrect.clone());
    api.control().inject(Fault::next(FINISH, offset));
    refused(&api.finish(&session, 0, "/a", "abc").await, lookup_failed.clone());
    api.control().inject(Fault::next("upload_session/finish_batch_v2", offset));
    let entry = json!({ "cursor": { "session_id": session, "offset": 0 }, "commit": { "path": "/a" } });
    let (status, answer) = api.rpc("files/upload_session/finish_batch_v2", json!({ "entries": [entry] })).await;
    assert_eq!((status, answer), (200, json!({ "entries": [{ ".tag": "failure", "failure": lookup_failed }] })));

    for route in [UPLOAD, APPEND, FINISH, "files/upload_session/start"] {
        api.control().inject(Fault::next(route, FaultKind::ContentHashMismatch));
    }
    let mismatch = json!({ ".tag": "content_hash_mismatch" });
    refused(&api.upload("files/upload_session/start", json!({}), "abc").await, mismatch.clone());
    refused(&api.append(&session, 0, false, "abc").await, mismatch.clone());
    refused(&api.finish(&session, 0, "/a", "abc").await, mismatch.clone());
    refused(&api.upload(UPLOAD, json!({ "path": "/a" }), "abc").await, mismatch);
    assert!(paths(&api).is_empty());
    assert_eq!(api.finish(&session, 0, "/a", "abc").await.0, 200, "nothing had been done to the session");
}

#[tokio::test]
async fn a_slow_body_takes_its_time_either_way() {
    let api = Api::start(Config::default()).await;
    let slow = FaultKind::SlowBody { bytes_per_second: 200_000 };
    api.control().inject(Fault::next(UPLOAD, slow));
    let started = Instant::now();
    assert_eq!(api.upload(UPLOAD, json!({ "path": "/file" }), bytes(60_000)).await.0, 200);
    assert!(started.elapsed() >= Duration::from_millis(290), "{:?}", started.elapsed());
    api.control().inject(Fault::next(DOWNLOAD, slow));
    let started = Instant::now();
    assert_eq!(receive(download(&api, "/file").await.unwrap()).await, (bytes(60_000), true));
    assert!(started.elapsed() >= Duration::from_millis(290), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_stalled_body_stops_in_the_middle_and_the_connection_stays() {
    let api = Api::start(Config::default()).await;
    let whole = bytes(8 << 20);
    api.control().write("/file", &whole);
    api.control().inject(Fault::next(DOWNLOAD, FaultKind::StalledBody));
    let mut response = download(&api, "/file").await.unwrap();
    let mut received = 0;
    while let Ok(chunk) = tokio::time::timeout(SILENCE, response.chunk()).await {
        received += chunk.unwrap().unwrap().len();
    }
    assert_eq!(received, whole.len() / 2);

    api.control().inject(Fault::next(UPLOAD, FaultKind::StalledBody));
    let request = api.upload_request(UPLOAD, &json!({ "path": "/other" })).body(whole);
    assert!(tokio::time::timeout(SILENCE, request.send()).await.is_err());
    let record = api.control().requests().pop().unwrap();
    assert_eq!((record.route.as_str(), record.status), (UPLOAD, 0));
    assert!((4 << 20..8 << 20).contains(&record.body_bytes), "{}", record.body_bytes);
    assert_eq!(paths(&api), ["/file"]);
}

#[tokio::test]
async fn a_stalled_answer_never_comes_but_the_call_took_effect() {
    let api = Api::start(Config::default()).await;
    api.control().inject(Fault::next(UPLOAD, FaultKind::StalledAnswer));
    let request = api.upload_request(UPLOAD, &json!({ "path": "/file" })).body("x");
    assert!(tokio::time::timeout(SILENCE, request.send()).await.is_err());
    assert_eq!(paths(&api), ["/file"]);
    assert_eq!(api.control().requests().iter().filter(|record| record.route == UPLOAD).count(), 1);
}

#[tokio::test]
async fn a_reached_quota_lets_pieces_in_and_no_file() {
    let api = Api::start(Config::default()).await;
    api.control().write("/old", b"12345");
    let session = api.session("sequential").await;
    api.control().inject(Fault::next(APPEND, FaultKind::QuotaReached));
    assert_eq!(api.append(&session, 0, true, "x").await.0, 200);
    let no_space = json!({ ".tag": "path", "path": { ".tag": "insufficient_space" } });
    refused(&api.finish(&session, 1, "/new", "").await, no_space);
    api.control().set_quota(6);
    assert_eq!(api.finish(&session, 1, "/new", "").await.0, 200);
}

#[tokio::test]
async fn a_lost_session_is_not_found_from_then_on() {
    let api = Api::start(Config::default()).await;
    let (lost, other) = (api.session("sequential").await, api.session("sequential").await);
    api.control().inject(Fault::next(APPEND, FaultKind::SessionLost));
    let not_found = json!({ ".tag": "not_found" });
    refused(&api.append(&lost, 0, false, "x").await, not_found.clone());
    refused(&api.append(&lost, 0, false, "x").await, not_found);
    assert_eq!(api.append(&other, 0, false, "x").await.0, 200);
}

#[tokio::test]
async fn a_damaged_body_passes_the_check_of_what_was_sent() {
    let api = Api::start(Config::default()).await;
    let piece = bytes(BLOCK + 77);
    let (_, sent) = api.upload(UPLOAD, json!({ "path": "/sent" }), piece.clone()).await;
    let hash = &sent["content_hash"];

    api.control().inject(Fault::next(UPLOAD, FaultKind::DamagedBody));
    let (status, file) = api.upload(UPLOAD, json!({ "path": "/a", "content_hash": hash }), piece.clone()).await;
    assert_eq!((status, &file["size"]), (200, &sent["size"]));
    assert_ne!(&file["content_hash"], hash);

    for session in [api.session("sequential").await, api.session("concurrent").await] {
        api.control().inject(Fault::next(APPEND, FaultKind::DamagedBody));
        let cursor = json!({ "session_id": session, "offset": 0 });
        let arg = json!({ "cursor": cursor, "close": true, "content_hash": hash });
        assert_eq!(api.upload(APPEND, arg, piece.clone()).await.0, 200);
        let (status, file) = api.finish(&session, piece.len() as u64, &format!("/{session}"), "").await;
        assert_eq!((status, &file["size"]), (200, &sent["size"]), "{file}");
        assert_ne!(&file["content_hash"], hash);
    }

    api.control().inject(Fault::next(DOWNLOAD, FaultKind::DamagedBody));
    let (received, is_whole) = receive(download(&api, "/sent").await.unwrap()).await;
    assert!(is_whole);
    assert_eq!(received.iter().zip(&piece).filter(|(one, other)| one != other).count(), 1);
    assert_eq!(receive(download(&api, "/sent").await.unwrap()).await, (piece, true));
}

#[tokio::test]
async fn a_root_is_refused_and_a_cursor_reset() {
    let api = Api::start(Config { team_root: true, ..Config::default() }).await;
    let (_, account) = api.rpc("users/get_current_account", Value::Null).await;
    api.control().inject(Fault::next("list_folder", FaultKind::InvalidRoot));
    let (status, answer) = api.rpc("files/list_folder", json!({ "path": "" })).await;
    assert_eq!((status, &answer["error"][".tag"]), (422, &json!("invalid_root")));
    assert_eq!(answer["error"]["invalid_root"], account["root_info"]);

    let (_, page) = api.rpc("files/list_folder", json!({ "path": "" })).await;
    api.control().inject(Fault::next("list_folder/continue", FaultKind::CursorReset));
    let go_on = async || api.rpc("files/list_folder/continue", json!({ "cursor": page["cursor"] })).await;
    refused(&go_on().await, json!({ ".tag": "reset" }));
    assert_eq!(go_on().await.0, 200);
}

#[tokio::test]
async fn pages_are_empty_or_come_twice_and_nothing_is_lost() {
    let api = Api::start(Config::default()).await;
    for name in ["/a", "/b", "/c", "/d"] {
        api.control().write(name, b"");
    }
    let list = async |faults: Vec<Fault>| {
        faults.into_iter().for_each(|fault| api.control().inject(fault));
        let mut page = api.rpc("files/list_folder", json!({ "path": "", "limit": 2 })).await.1;
        let mut names = String::new();
        loop {
            let entries = page["entries"].as_array().unwrap();
            names.extend(entries.iter().map(|entry| entry["name"].as_str().unwrap()));
            names.push(';');
            if page["has_more"] == false {
                return names;
            }
            page = api.rpc("files/list_folder/continue", json!({ "cursor": page["cursor"] })).await.1;
        }
    };
    let (begin, go_on) = ("files/list_folder", "files/list_folder/continue");
    assert_eq!(list(vec![]).await, "ab;cd;");
    let empty = |route| Fault::next(route, FaultKind::EmptyPage);
    assert_eq!(list(vec![empty(begin), empty(go_on).nth(2).times(2)]).await, ";ab;;;cd;");
    let repeated = |route| Fault::next(route, FaultKind::RepeatedPage);
    assert_eq!(list(vec![repeated(begin), repeated(go_on).nth(2)]).await, "ab;ab;cd;cd;");
}

#[tokio::test]
async fn a_fault_on_a_path_hits_whatever_call_names_it() {
    let api = Api::start(Config::default()).await;
    let session = api.session("sequential").await;
    api.append(&session, 0, true, "x").await;
    api.control().inject(Fault::next("*", FaultKind::Status503).on_path("/Backups/*").times(4));
    let upload = async |path: &str| api.upload(UPLOAD, json!({ "path": path }), "x").await.0;
    assert_eq!([upload("/other").await, upload("/backups/a").await], [200, 503]);
    assert_eq!(api.finish(&session, 1, "/BACKUPS/b", "").await.0, 503);
    let entry = json!({ "cursor": { "session_id": session, "offset": 1 }, "commit": { "path": "/backups/b" } });
    let batch = json!({ "entries": [entry] });
    assert_eq!(api.rpc("files/upload_session/finish_batch_v2", batch.clone()).await.0, 503);
    let relocation = json!({ "from_path": "/other", "to_path": "/backups/c" });
    assert_eq!(api.rpc("files/move_v2", relocation.clone()).await.0, 503);
    assert_eq!(api.rpc("files/move_v2", relocation).await.0, 200);
    assert_eq!(api.rpc("files/upload_session/finish_batch_v2", batch).await.0, 200);
    assert_eq!(paths(&api), ["/backups/b", "/backups/c"]);
}

#[tokio::test]
async fn a_hash_can_be_left_out() {
    let api = Api::start(Config::default()).await;
    api.control().write("/there", b"x");
    for route in ["files/get_metadata", "files/list_folder", UPLOAD, DOWNLOAD] {
        api.control().inject(Fault::next(route, FaultKind::NoContentHash));
    }
    let found = api.rpc("files/get_metadata", json!({ "path": "/there" })).await.1;
    assert_eq!((&found["size"], &found["content_hash"]), (&json!(1), &Value::Null));
    let listed = api.rpc("files/list_folder", json!({ "path": "" })).await.1;
    assert_eq!((&listed["entries"][0]["size"], &listed["entries"][0]["content_hash"]), (&json!(1), &Value::Null));
    assert_eq!(api.upload(UPLOAD, json!({ "path": "/new" }), "x").await.1["content_hash"], Value::Null);
    let response = download(&api, "/there").await.unwrap();
    assert!(!response.headers()["dropbox-api-result"].to_str().unwrap().contains("content_hash"));
    assert!(api.rpc("files/get_metadata", json!({ "path": "/there" })).await.1["content_hash"].is_string());
}
