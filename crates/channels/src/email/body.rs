//! A message as e-mail: plain text, and the same as simple HTML.

use std::time::{Duration, SystemTime};

use adapter::channel::{Message, one_line};
use jiff::Timestamp;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

/// Maximum length of a subject in characters.
const MAX_SUBJECT: usize = 200;

pub(super) fn mail(
    message: &Message,
    from: &Mailbox,
    to: &[Mailbox],
    now: Timestamp,
) -> Result<lettre::Message, lettre::error::Error> {
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let now = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or_default());
    let mut builder = lettre::Message::builder()
        .from(from.clone())
        .subject(one_line(&format!("[dbackup] {}", message.title), MAX_SUBJECT))
        .date(SystemTime::UNIX_EPOCH + now)
        .message_id(Some(format!("<{}@{}>", one_word(&message.id), from.email.domain())))
        // Keeps out-of-office answers away: https://www.rfc-editor.org/rfc/rfc3834
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
    for recipient in to {
        builder = builder.to(recipient.clone());
    }
    let parts = MultiPart::alternative().boundary(format!("dbackup-{}", one_word(&message.id)));
    builder.multipart(parts.singlepart(SinglePart::plain(plain(message))).singlepart(SinglePart::html(html(message))))
}

/// Ids are letters, digits and hyphens. Nothing else gets into a header.
fn one_word(id: &str) -> String {
    id.chars().filter(|character| character.is_ascii_alphanumeric() || *character == '-').collect()
}

fn plain(message: &Message) -> String {
    let facts = message.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value)).collect::<Vec<_>>();
    let paragraphs = [message.title.clone()].into_iter().chain(message.text.iter().cloned());
    let paragraphs = paragraphs.chain([facts.join("\n")]).chain(message.link.clone());
    let paragraphs = paragraphs.filter(|paragraph| !paragraph.is_empty()).collect::<Vec<_>>();
    // `-- ` starts a signature.
    format!("{}\n\n-- \ndbackup on {}, {}\n", paragraphs.join("\n\n"), message.server, message.at)
}

fn html(message: &Message) -> String {
    let text = message.text.iter().map(|paragraph| format!("<p>{}</p>\n", escaped(paragraph))).collect::<String>();
    let row = |label: &str, value: &str| format!("<tr><td>{}</td><td>{}</td></tr>\n", escaped(label), escaped(value));
    let facts = message.facts.iter().map(|fact| row(&fact.label, &fact.value)).collect::<String>();
    let facts = if facts.is_empty() { facts } else { format!("<table cellpadding=\"4\">\n{facts}</table>\n") };
    let link = message.link.as_deref().filter(|link| link.starts_with("https://") || link.starts_with("http://"));
    let link = link.map(escaped).map(|link| format!("<p><a href=\"{link}\">{link}</a></p>\n")).unwrap_or_default();
    format!(
        "<!DOCTYPE html>\n<html>\n<body style=\"font-family: sans-serif\">\n<h2>{}</h2>\n{text}{facts}{link}\
         <p style=\"color: #666\">dbackup on {}, {}</p>\n</body>\n</html>\n",
        escaped(&message.title),
        escaped(&message.server),
        message.at
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
