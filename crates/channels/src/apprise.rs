//! Apprise, by its API server: <https://github.com/caronc/apprise-api#persistent-storage-solution>.

pub(crate) mod manifest;

use adapter::channel::Message;
use adapter::{Error, Kind, Retry};
use serde_json::{Value, json};

use crate::text::{Escape, Unit, body, fit, fit_line, link, pick};

/// Maximum length of a title. Apprise cuts it to what each service takes.
const MAX_TITLE: usize = 250;
/// Maximum length of a body. Apprise cuts it to what each service takes.
const MAX_BODY: usize = 10_000;
/// Maximum length in bytes of a link.
const MAX_LINK: usize = 2000;

fn message(message: &Message, tag: Option<&str>) -> Value {
    let link = link(message, MAX_LINK).map_or_else(String::new, |link| format!("\n\n{link}"));
    let mut fields = json!({
        "title": fit_line(&message.title, MAX_TITLE, Unit::Characters, Escape::None),
        "body": fit(&body(message), MAX_BODY, Unit::Characters, Escape::None) + &link,
        "type": pick(message, "failure", "warning", "info", "success"),
        "format": "text",
    });
    if let Some(tag) = tag {
        fields["tag"] = tag.into();
    }
    fields
}

/// Apprise answers 204, without any words, if it has no services for the key, and 424 if some of them did not take the message:
/// <https://github.com/caronc/apprise-api#api-details>.
fn judge(answer: Result<String, Error>) -> Result<String, Error> {
    match answer {
        Ok(words) if words.trim().is_empty() => {
            let cause = "it has no services for this URL";
            let error = Error::new(Kind::Failed, "could not send to Apprise", cause).retry(Retry::Never);
            Err(error.cure("Save a configuration with services under the key at the end of the URL."))
        }
        // A message that some receive twice is better than one that others never receive.
        Err(error) if error.native_code_text() == Some("424") => Err(error.retry(Retry::Later)),
        other => other,
    }
}
