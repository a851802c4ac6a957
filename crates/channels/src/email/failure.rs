//! What a mail server's refusal means.

use std::error::Error as _;
use std::io;

use adapter::channel::one_line;
use adapter::{Error, Kind, Retry};
use lettre::Address;
use lettre::transport::smtp::Error as SmtpError;
use secrecy::{ExposeSecret, SecretString};

/// Maximum length in characters of the server's words that are repeated.
const MAX_DETAIL: usize = 300;

/// The step of sending that failed.
pub(super) enum Step<'a> {
    Connect,
    StartTls,
    SignIn,
    Sender(&'a Address),
    Recipient(&'a Address),
    Message,
}

/// Creates the errors of one message.
pub(super) struct Failures<'a> {
    pub(super) what: &'a str,
    /// The password, which is removed from the server's words.
    pub(super) secret: Option<&'a SecretString>,
}

type Words = (Kind, String, Option<&'static str>);

impl Failures<'_> {
    pub(super) fn of(&self, step: &Step<'_>, error: &SmtpError) -> Error {
        let code = error.status().map(u16::from);
        let (kind, cause, cure) = match code {
            Some(400..500) => (Kind::Unavailable, "the mail server asks to try again later".to_owned(), None),
            Some(code) => refusal(step, code),
            None => no_answer(step, error),
        };
        let failure = Error::new(kind, self.what, cause).maybe_cure(cure).detail(self.detail(error));
        match code {
            Some(code) => failure.native_code(code.to_string()),
            None => failure,
        }
    }

    /// Returns the error of a message whose recipients were refused; `others` if other recipients have it.
    pub(super) fn of_recipients(&self, refused: Vec<(&Address, Error)>, others: bool) -> Error {
        let names = refused.iter().map(|(address, _)| address.to_string()).collect::<Vec<_>>().join(", ");
        let later = refused.iter().any(|(_, error)| error.retry_advice() == Retry::Later);
        let others = if others { "; the others were sent the message" } else { "" };
        let cause = format!("the mail server refused {names}{others}");
        let first = refused.into_iter().next().map(|(_, error)| error);
        let kind = if later { Kind::Unavailable } else { first.as_ref().map_or(Kind::Failed, |e| e.kind().clone()) };
        let mut failure = Error::new(kind, self.what, cause);
        if let Some(first) = first {
            failure = failure.maybe_cure(first.cure_text()).detail(first.detail_text().unwrap_or_default());
            failure = failure.native_code(first.native_code_text().unwrap_or_default());
        }
        failure
    }

    fn detail(&self, error: &SmtpError) -> String {
        let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let words = match self.secret.map(ExposeSecret::expose_secret) {
            Some(secret) if !secret.is_empty() => words.replace(secret, "…"),
            _ => words,
        };
        one_line(&words, MAX_DETAIL)
    }
}

/// A reply that refuses for good: <https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3>, for signing in
/// <https://www.rfc-editor.org/rfc/rfc4954#section-6>.
fn refusal(step: &Step<'_>, code: u16) -> Words {
    match (step, code) {
        (Step::SignIn, _) => (
            Kind::Denied,
            "the mail server refused the username or password".to_owned(),
            Some("Enter them again. Some providers require an app password."),
        ),
        (Step::Sender(_) | Step::Recipient(_), 530) => (
            Kind::Denied,
            "the mail server requires signing in, or encryption".to_owned(),
            Some("Enter a username and password, or choose STARTTLS or TLS."),
        ),
        (Step::Sender(address), _) => (
            Kind::Denied,
            format!("the mail server refused the sender {address}"),
            Some("Enter a sender that the account can use."),
        ),
        (Step::Recipient(address), 550 | 551 | 553) => (
            Kind::NotFound,
            format!("the mail server refused the recipient {address}"),
            Some("Check the recipient's address, and that the account can send to it."),
        ),
        (Step::Recipient(address), _) => {
            (Kind::Denied, format!("the mail server refused the recipient {address}"), None)
        }
        (Step::Message, 552) => (Kind::TooLarge, "the message is too large for the mail server".to_owned(), None),
        (Step::StartTls, _) => (Kind::Failed, "the mail server refused STARTTLS".to_owned(), None),
        (Step::Connect, _) => (Kind::Denied, "the mail server refused the connection".to_owned(), None),
        (Step::Message, _) => (Kind::Denied, "the mail server refused the message".to_owned(), None),
    }
}

fn no_answer(step: &Step<'_>, error: &SmtpError) -> Words {
    let cause = io_kind(error);
    match (step, cause) {
        (Step::StartTls, _) if error.is_client() => (
            Kind::Unsupported,
            "the mail server does not offer STARTTLS".to_owned(),
            Some("Choose TLS, or another port."),
        ),
        (Step::SignIn, _) if error.is_client() => (
            Kind::Unsupported,
            "the mail server does not offer to sign in with a password on this connection".to_owned(),
            Some("Choose STARTTLS or TLS, or leave out the username and password."),
        ),
        // A handshake that fails is reported so by rustls.
        (_, Some(io::ErrorKind::InvalidData)) => (
            Kind::Failed,
            "TLS failed: its certificate is not valid for the host, or the port expects another encryption".to_owned(),
            Some("Check host, port and encryption, and the mail server's certificate."),
        ),
        (_, Some(io::ErrorKind::ConnectionRefused)) => (
            Kind::Unavailable,
            "the connection was refused".to_owned(),
            Some("Check host and port, and that the mail server is running."),
        ),
        (_, Some(io::ErrorKind::TimedOut)) => {
            (Kind::Unavailable, "the mail server does not answer".to_owned(), Some("Check host, port and firewalls."))
        }
        _ => (Kind::Unavailable, "the connection ended".to_owned(), None),
    }
}

fn io_kind(error: &SmtpError) -> Option<io::ErrorKind> {
    let mut cause: &dyn std::error::Error = error;
    loop {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = cause.source()?;
    }
}
