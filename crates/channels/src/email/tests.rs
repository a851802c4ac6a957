//! E-mail, through a mail server on this machine, read back by a mail parser.

mod server;

use std::net::IpAddr;
use std::sync::Arc;

use adapter::channel::{Channel, Fact, Message, Receipt};
use adapter::{Error, Kind, Retry, Secrets, Settings};
use async_trait::async_trait;
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use mail_parser::{MessageParser, MimeHeaders};

use self::server::{Script, Server};
use super::{Email, Security};
use crate::egress::{Egress, Resolve};
use crate::registry::Context;

const PASSWORD: &str = "secret-password";

/// Knows no host but the mail server.
struct Hosts;

#[async_trait]
impl Resolve for Hosts {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        assert!(host.ends_with(".test"));
        Ok(vec!["127.0.0.1".parse().unwrap()])
    }
}

fn context() -> Context {
    let egress = Egress { loopback: true, resolver: Arc::new(Hosts), ..Egress::default() };
    Context { egress, clock: Arc::new(|| "2026-11-27T02:00:05Z".parse().unwrap()) }
}

fn settings(server: &Server) -> Settings {
    Settings::new("email")
        .with("host", "mail.test")
        .with("port", server.port)
        .with("security", "none")
        .with("from", "Bäckups <backups@example.com>")
        .with("to", "ops@example.com, DBA <dba@example.com>")
}

fn open(settings: &Settings) -> Arc<dyn Channel> {
    (crate::registry().get("email").unwrap().open)(settings, Secrets::new(), &context()).unwrap()
}

/// Returns a channel that signs in over TLS and trusts the server's certificate.
fn encrypted(server: &Server, host: &str, implicit: bool) -> Email {
    let certificate = Certificate::from_der(server.certificate.clone()).unwrap();
    let tls = TlsParameters::builder(host.to_owned()).add_root_certificate(certificate).build().unwrap();
    Email {
        host: host.to_owned(),
        port: server.port,
        security: if implicit { Security::Tls(tls) } else { Security::StartTls(tls) },
        login: Some(("user".to_owned(), PASSWORD.into())),
        from: "backups@example.com".parse().unwrap(),
        to: vec!["ops@example.com".parse().unwrap()],
        context: context(),
    }
}

fn message() -> Message {
    Message {
        id: "0190-a".to_owned(),
        title: "Backup of “Übung” failed\r\nBcc: evil@example.com\r\n\r\n<script>".to_owned(),
        text: vec!["The disk is full.".to_owned(), ".\r\nMAIL FROM:<evil@example.com>".to_owned()],
        facts: vec![Fact { label: "Job".to_owned(), value: "A & B".to_owned() }],
        link: Some("https://backup.example.com/runs/1?a=b&c=d".to_owned()),
        server: "backup-1".to_owned(),
        ..crate::sample::message()
    }
}

async fn refused(script: Script) -> Error {
    let server = Server::start(script).await;
    open(&settings(&server)).send(&message()).await.unwrap_err()
}

#[tokio::test]
async fn a_mail_reads_back_as_it_was_meant() {
    let mut server = Server::start(Script::default()).await;
    let receipt = open(&settings(&server)).send(&message()).await.unwrap();
    assert_eq!(receipt, Receipt::new("queued as 7"));
    let taken = server.taken.recv().await.unwrap();
    let commands = ["EHLO example.com", "MAIL FROM:<backups@example.com>", "RCPT TO:<ops@example.com>"];
    assert_eq!(taken.commands, [&commands[..], &["RCPT TO:<dba@example.com>", "DATA"]].concat());
    let mail = MessageParser::default().parse(&taken.mail).unwrap();
    assert_eq!(mail.subject(), Some("[dbackup] Backup of “Übung” failed Bcc: evil@example.com <script>"));
    assert_eq!(mail.message_id(), Some("0190-a@example.com"));
    assert_eq!(mail.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    assert_eq!(mail.date().unwrap().to_rfc3339(), "2026-11-27T02:00:05Z");
    assert!(mail.bcc().is_none());
    let from = mail.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Bäckups"), Some("backups@example.com")));
    let to: Vec<_> = mail.to().unwrap().iter().filter_map(|to| to.address()).collect();
    assert_eq!(to, ["ops@example.com", "dba@example.com"]);
    let text = mail.body_text(0).unwrap();
    for part in ["The disk is full.", "MAIL FROM:<evil@example.com>", "Job: A & B", "runs/1?a=b&c=d", "backup-1"] {
        assert!(text.contains(part), "{text}");
    }
    let html = mail.body_html(0).unwrap();
    assert!(html.contains("&lt;script&gt;") && html.contains("A &amp; B") && !html.contains("<script>"), "{html}");
    let html = mail.html_part(0).unwrap();
    assert_eq!(html.content_type().and_then(|kind| kind.subtype()), Some("html"));
}

#[tokio::test]
async fn a_message_that_is_sent_again_has_the_same_id() {
    let mut server = Server::start(Script::default()).await;
    let email = open(&settings(&server));
    email.send(&message()).await.unwrap();
    email.send(&message()).await.unwrap();
    assert_eq!(server.taken.recv().await.unwrap().mail, server.taken.recv().await.unwrap().mail);
}

#[tokio::test]
async fn signing_in_waits_for_tls() {
    for implicit in [false, true] {
        let mut server = Server::start(Script { implicit, ..Script::default() }).await;
        encrypted(&server, "mail.test", implicit).send(&message()).await.unwrap();
        let commands = server.taken.recv().await.unwrap().commands;
        let clear: Vec<_> = commands.iter().filter(|command| !command.starts_with("tls ")).collect();
        let expected: &[&str] = if implicit { &[] } else { &["EHLO example.com", "STARTTLS"] };
        assert_eq!(clear, expected);
        assert!(commands.iter().any(|command| command.starts_with("tls AUTH PLAIN ")), "{commands:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_host_and_an_unknown_one_are_refused() {
    for implicit in [false, true] {
        let mut server = Server::start(Script { implicit, ..Script::default() }).await;
        let error = encrypted(&server, "other.test", implicit).send(&message()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (&Kind::Failed, Retry::Never), "{error}");
        assert!(error.cause().contains("certificate"), "{error}");
        let settings = settings(&server).with("security", if implicit { "tls" } else { "starttls" });
        let error = open(&settings).send(&message()).await.unwrap_err();
        assert!(error.cause().contains("certificate"), "{error}");
        assert!(server.taken.try_recv().is_err());
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_in_clear() {
    let mut server = Server::start(Script { no_starttls: true, ..Script::default() }).await;
    let error = encrypted(&server, "mail.test", false).send(&message()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (&Kind::Unsupported, Retry::Never), "{error}");
    assert!(server.taken.try_recv().is_err());
}

#[tokio::test]
async fn a_refused_password_is_named_and_not_repeated() {
    let replies = vec![("AUTH", "535 5.7.8 secret-password is wrong")];
    let server = Server::start(Script { replies, ..Script::default() }).await;
    let error = encrypted(&server, "mail.test", false).send(&message()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (&Kind::Denied, Retry::Never));
    assert_eq!(error.native_code_text(), Some("535"));
    assert!(error.cure_text().unwrap().contains("app password"));
    assert!(!format!("{error:?}").contains(PASSWORD), "{error:?}");
}

#[tokio::test]
async fn refusals_say_what_was_refused_and_whether_retrying_can_help() {
    for (command, reply, kind, retry, words) in [
        ("MAIL", "550 no", Kind::Denied, Retry::Never, "sender backups@example.com"),
        ("MAIL", "530 sign in", Kind::Denied, Retry::Never, "signing in"),
        ("RCPT", "550 no", Kind::NotFound, Retry::Never, "ops@example.com, dba@example.com"),
        ("RCPT", "450 later", Kind::Unavailable, Retry::Later, "ops@example.com, dba@example.com"),
        ("DATA", "451 later", Kind::Unavailable, Retry::Later, "later"),
        (".", "552 large", Kind::TooLarge, Retry::Never, "too large"),
        (".", "554 spam", Kind::Denied, Retry::Never, "message"),
        ("EHLO", "421 busy", Kind::Unavailable, Retry::Later, "later"),
    ] {
        let error = refused(Script { replies: vec![(command, reply)], ..Script::default() }).await;
        assert_eq!((error.kind(), error.retry_advice()), (&kind, retry), "{command} {reply}: {error}");
        assert!(error.cause().contains(words), "{command} {reply}: {error}");
        assert!(error.what().starts_with("could not send e-mail to ops@example.com and 1 more"), "{error}");
        assert_eq!(error.native_code_text(), Some(&reply[..3]));
    }
}

#[tokio::test]
async fn a_refused_recipient_does_not_keep_the_message_from_the_others() {
    let replies = vec![("RCPT TO:<ops@", "550 5.1.1 unknown")];
    let mut server = Server::start(Script { replies, ..Script::default() }).await;
    let error = open(&settings(&server)).send(&message()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (&Kind::NotFound, Retry::Never));
    assert!(error.cause().contains("ops@example.com") && !error.cause().contains("dba@"), "{error}");
    assert!(server.taken.recv().await.is_some());
}

#[tokio::test]
async fn a_server_that_is_down_is_tried_again() {
    let server = Server::start(Script::default()).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap().port();
    drop(listener);
    let error = open(&settings(&server).with("port", closed)).send(&message()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (&Kind::Unavailable, Retry::Later));
    assert!(error.cause().contains("refused") && error.cure_text().is_some(), "{error}");
}

#[test]
fn addresses_are_checked_before_they_are_saved() {
    let manifest = crate::registry().get("email").unwrap().manifest;
    for (from, to, field) in [
        ("backups", "a@example.com", "from"),
        ("b@example.com", "a@example.com, nobody", "to"),
        ("b@example.com", "ä@example.com", "to"),
        ("b@example.com, c@example.com", "a@example.com", "from"),
        ("b@example.com", "a@example.com\r\nBcc: c@example.com", "to"),
    ] {
        let given = serde_json::json!({"type": "email", "host": "mail.test", "from": from, "to": to});
        let errors = manifest.validate(given.as_object().unwrap()).unwrap_err();
        assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), [field], "{from} {to}");
    }
}
