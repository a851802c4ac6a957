//! Gotify: <https://gotify.net/docs/pushmsg>.

pub(crate) mod manifest;

use adapter::channel::Message;
use serde_json::{Value, json};

use crate::text::{Escape, Unit, body, fit, fit_line, link, pick};

/// Maximum length of a message. Gotify documents none.
const MAX_MESSAGE: usize = 10_000;
/// Maximum length of a title. Gotify documents none.
const MAX_TITLE: usize = 250;
/// Maximum length in bytes of a link.
const MAX_LINK: usize = 2000;

/// The extras are those of <https://gotify.net/docs/msgextras>.
fn message(message: &Message) -> Value {
    let mut fields = json!({
        "title": fit_line(&message.title, MAX_TITLE, Unit::Characters, Escape::None),
        "message": fit(&body(message), MAX_MESSAGE, Unit::Characters, Escape::None),
        "priority": pick(message, 8, 5, 2, 5),
        "extras": {"client::display": {"contentType": "text/plain"}},
    });
    if let Some(link) = link(message, MAX_LINK) {
        fields["extras"]["client::notification"] = json!({"click": {"url": link}});
    }
    fields
}
