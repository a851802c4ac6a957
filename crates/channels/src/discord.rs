//! Discord, by a webhook: <https://docs.discord.com/developers/resources/webhook#execute-webhook>.

pub(crate) mod manifest;

use adapter::channel::Message;
use serde_json::{Value, json};

use crate::text::{Escape, Unit, body, fit, fit_line, link, pick};

/// Maximum length of an embed's title. An embed has at most 6000 characters, which these two stay below:
/// <https://docs.discord.com/developers/resources/message#embed-object-embed-limits>.
const MAX_TITLE: usize = 256;
/// Maximum length of an embed's description.
const MAX_DESCRIPTION: usize = 4096;
/// Maximum length in bytes of a link.
const MAX_LINK: usize = 2000;

/// Disables mentions: a text may contain `@everyone`.
fn message(message: &Message) -> Value {
    let mut embed = json!({
        "title": fit_line(&message.title, MAX_TITLE, Unit::Characters, Escape::Markdown),
        "description": fit(&body(message), MAX_DESCRIPTION, Unit::Characters, Escape::Markdown),
        "color": pick(message, 0xD9_2D20, 0xF7_9009, 0x15_70EF, 0x12_B76A),
        "timestamp": format!("{:.0}", message.at),
    });
    if let Some(link) = link(message, MAX_LINK) {
        embed["url"] = link.into();
    }
    json!({"allowed_mentions": {"parse": []}, "embeds": [embed]})
}
