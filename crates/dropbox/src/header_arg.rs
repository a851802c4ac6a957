//! JSON for the `Dropbox-API-Arg` header: an HTTP header holds ASCII only, so everything else is written as `\uXXXX`, pairs of
//! surrogates for what lies beyond the basic plane (DOC: HTTP endpoints, "Dropbox-API-Arg").

use std::fmt::Write;

use reqwest::header::HeaderValue;
use serde::Serialize;

/// Serializes an argument for the header. None only if the type cannot be JSON at all.
pub(crate) fn header_arg(argument: &impl Serialize) -> Option<HeaderValue> {
    HeaderValue::from_str(&ascii_json(&serde_json::to_string(argument).ok()?)).ok()
}

fn ascii_json(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, ' '..='~') {
            ascii.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing into a String cannot fail.
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_header_cannot_hold() {
        let argument = serde_json::json!({ "path": "/ü😀\u{7f}\n\"-x" });
        let header = header_arg(&argument).unwrap();
        let text = header.to_str().unwrap();
        assert_eq!(text, r#"{"path":"/\u00fc\ud83d\ude00\u007f\n\"-x"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).unwrap(), argument);
    }
}
