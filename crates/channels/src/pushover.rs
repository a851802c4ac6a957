//! Pushover: <https://pushover.net/api>.

pub(crate) mod manifest;

use adapter::channel::Message;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::text::{Escape, OPEN, Unit, body, fit, fit_line, link, pick};

/// Maximum length of a message: <https://pushover.net/api#limits>.
const MAX_MESSAGE: usize = 1024;
/// Maximum length of a title: <https://pushover.net/api#limits>.
const MAX_TITLE: usize = 250;
/// Maximum length of a link: <https://pushover.net/api#limits>.
const MAX_LINK: usize = 512;

/// The priority 1 passes quiet hours; 2 would repeat until the message is acknowledged.
fn message(message: &Message, token: &SecretString, user: &SecretString) -> Value {
    let mut fields = json!({
        "token": token.expose_secret(),
        "user": user.expose_secret(),
        "title": fit_line(&message.title, MAX_TITLE, Unit::Characters, Escape::None),
        "message": fit(&body(message), MAX_MESSAGE, Unit::Characters, Escape::None),
        "priority": pick(message, 1, 0, -1, 0),
        "timestamp": message.at.as_second(),
    });
    if let Some(link) = link(message, MAX_LINK) {
        fields["url"] = link.into();
        fields["url_title"] = OPEN.into();
    }
    fields
}
