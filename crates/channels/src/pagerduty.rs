//! PagerDuty, by its Events API v2: <https://developer.pagerduty.com/docs/send-alert-event>.

pub(crate) mod manifest;

use adapter::channel::{Message, State};
use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::text::{Escape, OPEN, Unit, facts, fit, fit_line, link};

/// Maximum length of a summary: <https://developer.pagerduty.com/docs/send-alert-event>.
const MAX_SUMMARY: usize = 1024;
/// Maximum length of a dedup key: <https://developer.pagerduty.com/docs/send-alert-event>.
const MAX_DEDUP_KEY: usize = 255;
/// Maximum length of the text. An event has at most 512 KB: <https://developer.pagerduty.com/docs/events-api-v2-overview>.
const MAX_TEXT: usize = 10_000;
/// Maximum length of the server's name. PagerDuty documents none.
const MAX_SOURCE: usize = 255;
/// Maximum length in bytes of a link.
const MAX_LINK: usize = 2000;

/// A cause that is gone resolves the alert that its key opened.
fn message(message: &Message, key: &SecretString) -> Value {
    let mut event = json!({
        "routing_key": key.expose_secret(),
        "event_action": match message.state {
            State::Firing => "trigger",
            State::Resolved => "resolve",
        },
        "dedup_key": dedup_key(&message.dedup_key),
        "client": "dbackup",
        "payload": {
            "summary": fit_line(&message.title, MAX_SUMMARY, Unit::Characters, Escape::None),
            "source": fit_line(&message.server, MAX_SOURCE, Unit::Characters, Escape::None),
            "severity": message.severity.as_str(),
            "timestamp": message.at.to_string(),
            "class": message.event,
            "custom_details": details(message),
        },
    });
    if let Some(link) = link(message, MAX_LINK) {
        event["client_url"] = link.into();
        event["links"] = json!([{"href": link, "text": OPEN}]);
    }
    event
}

fn details(message: &Message) -> Map<String, Value> {
    let text = fit(&message.text.join("\n\n"), MAX_TEXT, Unit::Characters, Escape::None);
    facts(message).map(|(label, value)| (label, value.into())).chain([("text".to_owned(), text.into())]).collect()
}

/// Returns the key, or its digest if it is too long: two keys that were cut could become one.
fn dedup_key(key: &str) -> String {
    if key.encode_utf16().count() <= MAX_DEDUP_KEY {
        return key.to_owned();
    }
    base16ct::lower::encode_string(digest(&SHA256, key.as_bytes()).as_ref())
}
