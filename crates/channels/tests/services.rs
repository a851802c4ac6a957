//! Every service that takes JSON, against a server that keeps what it is sent.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "services/cases.rs"]
mod cases;

use std::sync::Arc;
use std::time::Duration;

use adapter::channel::{Channel, Fact, Message, Severity, State};
use adapter::{Error, Kind, Manifest, Retry, Secrets};
use axum::Router;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, Uri};
use channels::Context;
use channels::egress::Egress;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use cases::{CASES, Case, SECRET};

type Taken = (Uri, HeaderMap, Value);

/// Starts a server that answers every request alike, and repeats the secret in doing so.
async fn capture(status: u16, answer: &'static str) -> (String, Receiver<Taken>) {
    let (sender, receiver) = channel(8);
    let keep = move |Shared(sender): Shared<Sender<Taken>>, uri: Uri, headers: HeaderMap, body: String| async move {
        sender.send((uri, headers, serde_json::from_str(&body).unwrap())).await.unwrap();
        (StatusCode::from_u16(status).unwrap(), [("retry-after", "7")], answer)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(keep).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (server, receiver)
}

fn manifest(id: &str) -> &'static Manifest {
    channels::registry().get(id).unwrap().manifest
}

fn open(case: &Case<'_>, server: &str) -> Result<Arc<dyn Channel>, Error> {
    let place = |value: &str| value.replace("{server}", server).replace("{secret}", SECRET);
    let given = case.settings.iter().map(|(name, value)| ((*name).to_owned(), json!(place(value)))).collect();
    let settings = manifest(case.id).validate(&given).unwrap();
    let secrets = case.secrets.iter().map(|(name, value)| ((*name).to_owned(), place(value).into()));
    let context = Context {
        egress: Egress { loopback: true, ..Egress::default() },
        clock: Arc::new(|| -> jiff::Timestamp { "2026-11-27T02:00:05Z".parse().unwrap() }),
    };
    (channels::registry().get(case.id).unwrap().open)(&settings, secrets.collect::<Secrets>(), &context)
}

fn message() -> Message {
    Message {
        id: "0190-a".to_owned(),
        event: "backup.failed".to_owned(),
        severity: Severity::Critical,
        state: State::Firing,
        dedup_key: "job-1".to_owned(),
        title: "Backup of <shop> failed\r\n@everyone".to_owned(),
        text: vec!["The disk of db_1 is full & \"slow\".".to_owned(), "Free space.".to_owned()],
        facts: vec![Fact { label: "Job".to_owned(), value: "Nightly".to_owned() }],
        link: Some("https://backup.example.com/runs/1?a=1&b=2".to_owned()),
        at: "2026-11-27T02:00:00Z".parse().unwrap(),
        server: "backup-1".to_owned(),
        ping: None,
    }
}

async fn sent(case: &Case<'_>, message: &Message) -> Taken {
    let (server, mut taken) = capture(200, "taken with secret-0123456789").await;
    let receipt = open(case, &server).unwrap().send(message).await.unwrap();
    assert_eq!(receipt.as_str(), "taken with …", "{}", case.id);
    taken.recv().await.unwrap()
}

#[tokio::test]
async fn each_service_gets_what_it_documents() {
    for case in CASES {
        let (uri, headers, body) = sent(case, &message()).await;
        assert_eq!(uri.to_string(), case.uri.replace("{secret}", SECRET), "{}", case.id);
        assert_eq!(headers["content-type"], "application/json", "{}", case.id);
        for (name, value) in case.headers {
            assert_eq!(headers[*name], value.replace("{secret}", SECRET), "{}", case.id);
        }
        let expected: Value = serde_json::from_str(&case.body.replace("{secret}", SECRET)).unwrap();
        assert_eq!(body, expected, "{}: {body:#}", case.id);
    }
}

#[tokio::test]
async fn what_is_too_long_is_cut_to_the_documented_limits() {
    let long = Message {
        title: "😀".repeat(3000),
        // Odd, so that a limit comes within an emoji and within an escape.
        text: vec![format!("x{}", "😀".repeat(20_000)), format!("y{}", "&_\"".repeat(20_000))],
        facts: vec![Fact { label: "😀".repeat(500), value: "😀".repeat(5000) }; 100],
        dedup_key: "k".repeat(300),
        ..message()
    };
    let markup = Message { title: "<_&".repeat(2000), text: vec!["a<_&\"\\".repeat(20_000)], ..long.clone() };
    for case in CASES {
        for message in [&long, &markup] {
            let (_, _, body) = sent(case, message).await;
            for (pointer, max, is_cut) in case.limits {
                let text = body.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{body:#}"));
                let length = text.chars().map(char::len_utf16).sum::<usize>();
                assert!(length <= *max, "{}{pointer}: {length}", case.id);
                assert!(length + 12 >= *max || !is_cut, "{}{pointer}: {length} wastes room", case.id);
                assert!(text.contains('…') || !is_cut, "{}{pointer}: does not say that it was cut", case.id);
            }
            assert!(body.to_string().len() <= case.max_body, "{}: {}", case.id, body.to_string().len());
        }
    }
}

#[tokio::test]
async fn a_message_of_ntfy_is_cut_by_bytes() {
    let case = CASES.iter().find(|case| case.id == "ntfy").unwrap();
    let (_, _, body) = sent(case, &Message { text: vec!["😀".repeat(2000)], ..message() }).await;
    let text = body["message"].as_str().unwrap();
    assert!((4090..=4096).contains(&text.len()) && text.ends_with("😀…"), "{}", text.len());
}

#[tokio::test]
async fn an_escape_is_not_cut() {
    let telegram = CASES.iter().find(|case| case.id == "telegram").unwrap();
    for padding in 0..6 {
        let text = vec!["x".repeat(padding) + &"&".repeat(5000)];
        let (_, _, body) = sent(telegram, &Message { text, ..message() }).await;
        let text = body["text"].as_str().unwrap();
        assert!(text.contains("&amp;…\n\n<a href="), "{}", &text[text.len() - 200..]);
        assert!(text.ends_with("</a>"));
    }
}

#[tokio::test]
async fn a_refusal_says_whether_retrying_can_help_and_no_secret() {
    let after = Retry::After(Duration::from_secs(7));
    for case in CASES {
        for (status, kind, retry) in [
            (400, Kind::Failed, Retry::Never),
            (401, Kind::Denied, Retry::Never),
            (404, Kind::NotFound, Retry::Never),
            (413, Kind::TooLarge, Retry::Never),
            (429, Kind::Unavailable, after),
            (503, Kind::Unavailable, after),
        ] {
            let (server, _taken) = capture(status, "no secret-0123456789").await;
            let error = open(case, &server).unwrap().send(&message()).await.unwrap_err();
            assert_eq!((error.kind(), error.retry_advice()), (&kind, retry), "{} {status}", case.id);
            assert_eq!(error.detail_text(), Some("no …"), "{} {status}", case.id);
            assert!(!format!("{error:?} {error}").contains(SECRET), "{}: {error:?}", case.id);
            assert!(error.what().contains(manifest(case.id).title), "{error}");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_network_holds_no_secret() {
    for case in CASES {
        let error = open(case, "http://127.0.0.1:1").unwrap().send(&message()).await.unwrap_err();
        assert_eq!(error.kind(), &Kind::Unavailable, "{}", case.id);
        assert!(!format!("{error:?} {error}").contains(SECRET), "{}: {error:?}", case.id);
    }
}

#[tokio::test]
async fn a_cause_that_is_gone_is_told_as_resolved() {
    let gone = Message { state: State::Resolved, ..message() };
    for case in CASES {
        let Some((pointer, expected)) = case.resolved else { continue };
        let (_, _, body) = sent(case, &gone).await;
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(body.pointer(pointer), Some(&expected), "{}", case.id);
    }
}

#[tokio::test]
async fn long_keys_of_two_causes_stay_apart_in_pagerduty() {
    let case = CASES.iter().find(|case| case.id == "pagerduty").unwrap();
    let keyed = |end: &str| Message { dedup_key: "k".repeat(300) + end, ..message() };
    let (_, _, one) = sent(case, &keyed("1")).await;
    let (_, _, other) = sent(case, &keyed("2")).await;
    let (_, _, again) = sent(case, &keyed("1")).await;
    assert!(one["dedup_key"] != other["dedup_key"] && one["dedup_key"] == again["dedup_key"]);
}

#[tokio::test]
async fn apprise_that_told_nobody_or_not_all_is_an_error() {
    let case = CASES.iter().find(|case| case.id == "apprise").unwrap();
    for (status, answer, retry) in [(204, "", Retry::Never), (424, "one failed", Retry::Later)] {
        let (server, _taken) = capture(status, answer).await;
        let error = open(case, &server).unwrap().send(&message()).await.unwrap_err();
        assert_eq!(error.retry_advice(), retry, "{error}");
    }
}

#[test]
fn a_server_is_an_http_url_without_credentials_or_query() {
    for case in CASES.iter().filter(|case| case.settings.iter().any(|(name, _)| *name == "server")) {
        for server in ["ftp://x", "x", "https://a:b@x", "https://x/?a=b", "https://x/#a", "http://[::1"] {
            let mut given = serde_json::Map::from_iter(case.settings.iter().map(|(n, v)| ((*n).to_owned(), json!(v))));
            given.insert("server".to_owned(), json!(server));
            let errors = manifest(case.id).validate(&given).unwrap_err();
            assert_eq!(errors.first().map(|error| &*error.field), Some("server"), "{}: {server}", case.id);
        }
    }
}

#[test]
fn a_secret_that_would_leave_its_place_is_refused() {
    for (id, name, secret) in [
        ("telegram", "token", "1:a/../../x"),
        ("telegram", "token", "1:a?x=y"),
        ("ntfy", "topic", "a/b"),
        ("gotify", "token", "a\r\nx: y"),
        ("ntfy", "token", "a\nb"),
    ] {
        let case = CASES.iter().find(|case| case.id == id).unwrap();
        let secrets: Vec<_> = case.secrets.iter().map(|(n, v)| (*n, if *n == name { secret } else { *v })).collect();
        let error = open(&Case { secrets: &secrets, ..*case }, "http://127.0.0.1:1").map(|_| ()).unwrap_err();
        assert!(!format!("{error:?}").contains(secret), "{id}");
    }
}
