//! ntfy, by its JSON publishing: <https://docs.ntfy.sh/publish/#publish-as-json>.

pub(crate) mod manifest;

use adapter::channel::Message;
use serde_json::{Value, json};

use crate::text::{Escape, Unit, body, fit, fit_line, link, pick};

/// Maximum length in bytes of a message; a longer one becomes an attachment: <https://docs.ntfy.sh/publish/#limitations>.
const MAX_MESSAGE: usize = 4096;
/// Maximum length of a title. ntfy documents none; phones show about this much.
const MAX_TITLE: usize = 250;
/// Maximum length in bytes of a link.
const MAX_LINK: usize = 2000;

fn message(message: &Message, topic: &str) -> Value {
    let mut fields = json!({
        "topic": topic,
        "title": fit_line(&message.title, MAX_TITLE, Unit::Characters, Escape::None),
        "message": fit(&body(message), MAX_MESSAGE, Unit::Bytes, Escape::None),
        "priority": pick(message, 5, 4, 3, 3),
        "tags": [pick(message, "rotating_light", "warning", "information_source", "white_check_mark")],
    });
    if let Some(link) = link(message, MAX_LINK) {
        fields["click"] = link.into();
    }
    fields
}
