//! A ping URL, against a server that keeps what it is sent.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use adapter::channel::{Channel, MAX_LOG_END, Message, Ping, Severity, Signal, State};
use adapter::{Capability, Kind, Retry, Secrets, Settings};
use axum::Router;
use axum::extract::State as Shared;
use axum::http::Uri;
use channels::Context;
use channels::egress::Egress;
use tokio::sync::mpsc::{Receiver, Sender, channel};

const RUN: &str = "0190c2a4-7d5e-7c3a-9f1b-2b8f6c1d4e5f";

async fn capture(answer: &'static str) -> (Arc<dyn Channel>, Receiver<(Uri, String)>) {
    let (sender, receiver) = channel(8);
    let keep = move |Shared(sender): Shared<Sender<(Uri, String)>>, url: Uri, body: String| async move {
        sender.send((url, body)).await.unwrap();
        answer
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(keep).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let context = Context {
        egress: Egress { loopback: true, ..Egress::default() },
        clock: Arc::new(|| jiff::Timestamp::UNIX_EPOCH),
    };
    let secrets = Secrets::from([("path".to_owned(), "/secret-key/nightly?create=1".into())]);
    let adapter = channels::registry().get("ping").unwrap();
    ((adapter.open)(&Settings::new("ping").with("server", server), secrets, &context).unwrap(), receiver)
}

fn message(signal: Option<Signal>, log: &str) -> Message {
    Message {
        id: "0190-a".to_owned(),
        event: "run.ended".to_owned(),
        severity: Severity::Info,
        state: State::Firing,
        dedup_key: "job-1".to_owned(),
        title: "Test message".to_owned(),
        text: Vec::new(),
        facts: Vec::new(),
        link: None,
        at: jiff::Timestamp::UNIX_EPOCH,
        server: "backup-1".to_owned(),
        ping: signal.map(|signal| Ping { signal, run: RUN.to_owned(), log_end: log.to_owned() }),
    }
}

#[tokio::test]
async fn start_success_and_failure_have_their_addresses_and_the_run_as_rid() {
    let (ping, mut taken) = capture("OK").await;
    let log = "x".repeat(MAX_LOG_END) + "the end";
    let end = &log[log.len() - MAX_LOG_END..];
    for (signal, path, body) in [(Signal::Start, "/start", ""), (Signal::Success, "", ""), (Signal::Fail, "/fail", end)]
    {
        assert_eq!(ping.send(&message(Some(signal), &log)).await.unwrap().as_str(), "OK");
        let expected = format!("/secret-key/nightly{path}?create=1&rid={RUN}");
        assert_eq!(taken.recv().await.unwrap(), (expected.parse().unwrap(), body.to_owned()));
    }
}

#[tokio::test]
async fn a_test_message_changes_no_state() {
    let (ping, mut taken) = capture("OK").await;
    ping.send(&message(None, "")).await.unwrap();
    let (url, body) = taken.recv().await.unwrap();
    assert_eq!((url.to_string().as_str(), body.as_str()), ("/secret-key/nightly/log?create=1", "Test message"));
}

#[tokio::test]
async fn a_ping_that_was_ignored_is_an_error() {
    for (answer, kind, retry) in
        [("OK (not found)", Kind::NotFound, Retry::Never), ("OK (rate limited)", Kind::Unavailable, Retry::Later)]
    {
        let (ping, _taken) = capture(answer).await;
        let error = ping.send(&message(Some(Signal::Success), "")).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (&kind, retry));
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[test]
fn its_manifest_says_that_it_takes_pings() {
    assert!(channels::registry().get("ping").unwrap().manifest.can(Capability::Pings));
}
