//! Microsoft Teams, by a webhook of Workflows:
//! <https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook>.

pub(crate) mod manifest;

use adapter::channel::Message;
use serde_json::{Value, json};

use crate::text::{Escape, OPEN, Unit, facts, fit, fit_line, link, origin, pick};

// A message has about 28 kB, markup included: <https://learn.microsoft.com/en-us/connectors/teams/#known-issues-and-limitations-with-actions>.
// These add up to less, with room for the markup.

/// Maximum length of the title, in bytes of JSON.
const MAX_TITLE: usize = 500;
/// Maximum length of the paragraphs together, in bytes of JSON.
const MAX_TEXT: usize = 10_000;
/// Maximum length of the facts together, in bytes of JSON.
const MAX_FACTS: usize = 6000;
/// Maximum length in bytes of a link.
const MAX_LINK: usize = 2000;

/// Texts are in runs, in which Teams looks for no Markdown, unlike in a `TextBlock`:
/// <https://adaptivecards.io/explorer/TextRun.html>.
fn message(message: &Message) -> Value {
    let title = fit_line(&message.title, MAX_TITLE, Unit::Json, Escape::None);
    let color = pick(message, "attention", "warning", "accent", "good");
    let title = json!({"type": "TextRun", "text": title, "size": "large", "weight": "bolder", "color": color});
    let facts: Vec<String> = facts(message).map(|(label, value)| format!("{label}: {value}")).collect();
    let texts = [
        fit(&message.text.join("\n\n"), MAX_TEXT, Unit::Json, Escape::None),
        fit(&facts.join("\n"), MAX_FACTS, Unit::Json, Escape::None),
        origin(message),
    ];
    let texts = texts.iter().filter(|text| !text.is_empty()).map(|text| json!({"type": "TextRun", "text": text}));
    let blocks = [title].into_iter().chain(texts);
    let blocks: Vec<Value> = blocks.map(|run| json!({"type": "RichTextBlock", "inlines": [run]})).collect();
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    });
    if let Some(link) = link(message, MAX_LINK) {
        card["actions"] = json!([{"type": "Action.OpenUrl", "title": OPEN, "url": link}]);
    }
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": null,
        "content": card,
    });
    json!({"type": "message", "attachments": [attachment]})
}
