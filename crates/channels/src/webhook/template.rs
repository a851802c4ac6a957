//! Bodies that the user writes: JSON with placeholders.

use adapter::channel::Message;

/// Fills in a template in one pass: what a value contains is never taken for a placeholder. Values are escaped for JSON strings. Braces
/// around any other word stay as they are, since JSON is full of them.
pub(super) fn fill(template: &str, message: &Message) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let found = rest[1..].split_once('}').and_then(|(name, after)| Some((value(name, message)?, after)));
        match found {
            Some((value, after)) => {
                filled.push_str(&escaped(&value));
                rest = after;
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled + rest
}

fn value(placeholder: &str, message: &Message) -> Option<String> {
    Some(match placeholder {
        "id" => message.id.clone(),
        "event" => message.event.clone(),
        "title" => message.title.clone(),
        "text" => message.text.join("\n\n"),
        "severity" => message.severity.as_str().to_owned(),
        "state" => message.state.as_str().to_owned(),
        "link" => message.link.clone().unwrap_or_default(),
        "server" => message.server.clone(),
        "time" => message.at.to_string(),
        _ => return None,
    })
}

/// Escapes a text for the inside of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Whether a template becomes JSON once its placeholders are filled in.
pub(super) fn is_json(template: &str) -> bool {
    let sample = crate::sample::message();
    serde_json::from_str::<serde_json::Value>(&fill(template, &sample)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_never_filled_in_themselves() {
        let mut message = crate::sample::message();
        message.title = "Broken \"quote\" {text}\r\n\\".to_owned();
        message.text = vec!["One.".to_owned(), "Two.".to_owned()];
        let filled =
            fill(r#"{"a": {"t": "{title}"}, "b": "{text}", "c": "{unknown}", "d": "{severity}{link}"}"#, &message);
        let json: serde_json::Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(json["a"]["t"], message.title);
        assert_eq!((&json["b"], &json["c"]), (&"One.\n\nTwo.".into(), &"{unknown}".into()));
        assert_eq!(json["d"], "info");
    }

    #[test]
    fn only_templates_that_become_json_are_taken() {
        assert!(is_json(r#"{"text": "{title}"}"#));
        for template in ["{title}", r#"{"text": {title}}"#, "{", r#"{"text": "{title}"#] {
            assert!(!is_json(template), "{template}");
        }
    }
}
