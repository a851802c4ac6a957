//! Telegram, by a bot: <https://core.telegram.org/bots/api#sendmessage>.

pub(crate) mod manifest;

use adapter::channel::Message;
use serde_json::{Value, json};

use crate::text::{Escape, OPEN, Unit, body, fit, fit_line, link};

/// Maximum length of a message. Telegram counts after it has read the markup, so that a message with less markup than this fits too:
/// <https://core.telegram.org/bots/api#sendmessage>.
const MAX_TEXT: usize = 4096;
/// Maximum length of a title.
const MAX_TITLE: usize = 250;
/// Maximum length in bytes of a link.
const MAX_LINK: usize = 1000;

fn message(message: &Message, chat: &str) -> Value {
    let title = fit_line(&message.title, MAX_TITLE, Unit::Characters, Escape::Html);
    let link = link(message, MAX_LINK).map_or_else(String::new, |link| {
        format!(
            "\n\n<a href=\"{}\">{OPEN}</a>",
            fit(&link.replace('"', "%22"), usize::MAX, Unit::Characters, Escape::Html)
        )
    });
    let head = format!("<b>{title}</b>\n\n");
    let left = MAX_TEXT.saturating_sub(head.encode_utf16().count() + link.encode_utf16().count());
    json!({
        "chat_id": chat,
        "parse_mode": "HTML",
        "text": head + &fit(&body(message), left, Unit::Characters, Escape::Html) + &link,
        "link_preview_options": {"is_disabled": true},
    })
}
