//! Slack, by an incoming webhook: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>. Services with
//! compatible webhooks work as well.

pub(crate) mod manifest;

use adapter::channel::Message;
use serde_json::{Value, json};

use crate::text::{Escape, OPEN, Unit, body, fit, fit_line, link, origin};

/// Maximum length of a header: <https://docs.slack.dev/reference/block-kit/blocks/header-block>.
const MAX_HEADER: usize = 150;
/// Maximum length of a section's text: <https://docs.slack.dev/reference/block-kit/blocks/section-block>.
const MAX_SECTION: usize = 3000;
/// Maximum length in bytes of a link.
const MAX_LINK: usize = 1000;

/// Titles and texts are `plain_text`, in which Slack looks for no mentions, links or Markdown.
fn message(message: &Message) -> Value {
    let title = fit_line(&message.title, MAX_HEADER, Unit::Characters, Escape::None);
    let text = fit(&body(message), MAX_SECTION, Unit::Characters, Escape::None);
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": title, "emoji": false}}),
        json!({"type": "section", "text": {"type": "plain_text", "text": text, "emoji": false}}),
    ];
    if let Some(link) = link(message, MAX_LINK) {
        let link = link.replace('&', "&amp;").replace('|', "%7C").replace('<', "%3C").replace('>', "%3E");
        blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": format!("<{link}|{OPEN}>")}]}));
    }
    // Notifications show this text, in which mentions count.
    let fallback = format!("{} ({})", message.title, origin(message));
    json!({"text": fit_line(&fallback, MAX_SECTION, Unit::Characters, Escape::Html), "blocks": blocks})
}
