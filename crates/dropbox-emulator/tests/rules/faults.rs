//! Every kind of fault, as a client sees it, and whether the call took effect.

use dropbox_emulator::{Config, Fault, FaultKind};
use serde_json::json;

use crate::api::{Api, read};

#[tokio::test]
async fn statuses_come_instead_of_the_effect() {
    let api = Api::start(Config::default()).await;
    for (kind, status, retry_after, content_type) in [
        (FaultKind::Status500, 500, None, "text/plain; charset=utf-8"),
        (FaultKind::Status503, 503, None, "text/plain; charset=utf-8"),
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
