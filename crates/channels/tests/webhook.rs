//! A webhook, against a server that keeps what it is sent.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use adapter::channel::{Channel, Message, Severity, State};
use adapter::{Kind, Retry, Secrets, Settings};
use axum::Router;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use channels::Context;
use channels::egress::Egress;
use tokio::sync::mpsc::{Receiver, Sender, channel};

type Taken = (Method, HeaderMap, String);

async fn capture(status: StatusCode, headers: [(&'static str, &'static str); 1]) -> (String, Receiver<Taken>) {
    let (sender, receiver) = channel(8);
    let keep = move |Shared(sender): Shared<Sender<Taken>>,
                     method: Method,
                     taken: HeaderMap,
                     url: Uri,
                     body: String| async move {
        sender.send((method, taken, body)).await.unwrap();
        (status, headers, format!("taken by {url}"))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(keep).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, receiver)
}

fn message() -> Message {
    Message {
        id: "0190-a".to_owned(),
        event: "backup.failed".to_owned(),
        severity: Severity::Critical,
        state: State::Firing,
        dedup_key: "job-1".to_owned(),
        title: "Backup failed\r\nX-Evil: 1".to_owned(),
        text: vec!["The disk is full.".to_owned()],
        facts: Vec::new(),
        link: None,
        at: "2026-11-27T02:00:00Z".parse().unwrap(),
        server: "backup-1".to_owned(),
        ping: None,
    }
}

fn open(server: &str, egress: Egress) -> Arc<dyn Channel> {
    open_with(&Settings::new("webhook").with("server", server), egress)
}

fn open_with(settings: &Settings, egress: Egress) -> Arc<dyn Channel> {
    let adapter = channels::registry().get("webhook").unwrap();
    let secrets = Secrets::from([
        ("path".to_owned(), "/secret-path?token=secret-query".into()),
        ("headers".to_owned(), r#"{"Authorization": "Bearer secret-header"}"#.into()),
        ("signingKey".to_owned(), "key".into()),
    ]);
    let context =
        Context { egress, clock: Arc::new(|| -> jiff::Timestamp { "2026-11-27T02:00:05Z".parse().unwrap() }) };
    (adapter.open)(settings, secrets, &context).unwrap()
}

fn local() -> Egress {
    Egress { loopback: true, ..Egress::default() }
}

#[tokio::test]
async fn a_message_is_signed_json_with_an_idempotency_key() {
    let (url, mut taken) = capture(StatusCode::OK, [("x-a", "b")]).await;
    let receipt = open(&url, local()).send(&message()).await.unwrap();
    assert!(receipt.as_str().starts_with("taken by") && !receipt.as_str().contains("secret"), "{receipt:?}");
    let (method, headers, body) = taken.recv().await.unwrap();
    assert_eq!(serde_json::from_str::<Message>(&body).unwrap(), message());
    assert_eq!((method, &headers["authorization"]), (Method::POST, &"Bearer secret-header".parse().unwrap()));
    assert!(!headers.contains_key("x-evil"));
    assert_eq!(
        (&headers["idempotency-key"], &headers["x-dbackup-timestamp"]),
        (&"0190-a".parse().unwrap(), &"1795744805".parse().unwrap())
    );
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"key");
    let tag =
        base16ct::lower::decode_vec(headers["x-dbackup-signature"].to_str().unwrap().strip_prefix("sha256=").unwrap())
            .unwrap();
    aws_lc_rs::hmac::verify(&key, format!("1795744805.{body}").as_bytes(), &tag).unwrap();
}

#[tokio::test]
async fn a_refusal_says_whether_retrying_can_help_and_no_secret() {
    let after = Retry::After(std::time::Duration::from_secs(7));
    for (status, kind, retry) in [
        (401, Kind::Denied, Retry::Never),
        (404, Kind::NotFound, Retry::Never),
        (410, Kind::NotFound, Retry::Never),
        (302, Kind::Failed, Retry::Never),
        (429, Kind::Unavailable, after),
        (500, Kind::Unavailable, after),
    ] {
        let (url, _taken) = capture(StatusCode::from_u16(status).unwrap(), [("retry-after", "7")]).await;
        let error = open(&url, local()).send(&message()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (&kind, retry), "{status}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn this_machine_is_refused_unless_it_is_allowed() {
    let (url, _taken) = capture(StatusCode::OK, [("x-a", "b")]).await;
    let error = open(&url, Egress::default()).send(&message()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (&Kind::Denied, Retry::Never));
}

#[tokio::test]
async fn method_and_template_are_settings() {
    let (url, mut taken) = capture(StatusCode::OK, [("x-a", "b")]).await;
    let settings = Settings::new("webhook").with("server", url.as_str()).with("method", "put");
    let settings = settings.with("template", r#"{"text": "{title} ({severity})"}"#);
    open_with(&settings, local()).send(&message()).await.unwrap();
    let (method, headers, body) = taken.recv().await.unwrap();
    assert_eq!((method, &headers["content-type"]), (Method::PUT, &"application/json".parse().unwrap()));
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, serde_json::json!({"text": "Backup failed\r\nX-Evil: 1 (critical)"}));
}

#[test]
fn a_template_that_is_no_json_and_a_server_with_a_path_are_refused() {
    let adapter = channels::registry().get("webhook").unwrap();
    let given = serde_json::json!({"type": "webhook", "server": "https://example.com/x", "template": "{title}"});
    let errors = adapter.manifest.validate(given.as_object().unwrap()).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["server", "template"]);
}
