//! One name (of a job, of a database) as one segment of a path, on every storage alike.
//!
//! What some storage or desktop cannot hold is percent-encoded: `/ \ : * ? " < > | %`, control characters, a leading dot or
//! space, a trailing dot or space, and the few whole names that Dropbox refuses. Everything else, emoji included, stays
//! readable. Names are in Unicode NFC, as Dropbox keeps them: two spellings of one `é` are one name on every storage. Encoding is
//! reversible but for that, unless the name had to be cut.

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// Names that Dropbox does not accept for a file or folder (rclone `backend/dropbox`, help.dropbox.com).
const REFUSED: [&str; 6] = ["desktop.ini", "thumbs.db", ".ds_store", "icon\r", ".dropbox", ".dropbox.attr"];

/// Marks a name that was cut; `%~` is no percent-encoding, so nothing else can look like it.
const CUT: &str = "%~";

/// Encodes a name into at most `max_bytes` bytes (at least 24). A longer one is cut and ends in `%~` and eight hexadecimal
/// digits of its SHA-256, so that two long names stay apart.
pub fn encode(name: &str, max_bytes: usize) -> String {
    let name: String = name.nfc().collect();
    let encoded = encode_whole(&name);
    if encoded.len() <= max_bytes {
        return encoded;
    }
    let digest = Sha256::digest(name.as_bytes());
    let suffix = format!("{CUT}{}", base16ct::lower::encode_string(&digest[..4]));
    let mut end = max_bytes - suffix.len();
    while !encoded.is_char_boundary(end) || splits_percent_code(&encoded, end) {
        end -= 1;
    }
    format!("{}{suffix}", &encoded[..end])
}

/// The name that was encoded; none if it was cut, or is not of our making.
pub fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

fn encode_whole(name: &str) -> String {
    let refused = REFUSED.contains(&name.to_lowercase().as_str());
    let last = name.chars().count().saturating_sub(1);
    let mut encoded = String::with_capacity(name.len());
    for (position, character) in name.chars().enumerate() {
        let at_edge = (position == 0 || position == last) && matches!(character, ' ' | '.');
        if at_edge || (refused && position == 0) || never_plain(character) {
            for byte in character.to_string().bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        } else {
            encoded.push(character);
        }
    }
    encoded
}

fn never_plain(character: char) -> bool {
    character.is_control() || character.is_whitespace() && character != ' ' || r#"/\:*?"<>|%"#.contains(character)
}

fn splits_percent_code(encoded: &str, end: usize) -> bool {
    encoded.as_bytes()[end.saturating_sub(2)..end].contains(&b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_letter_are_one_name() {
        for max_bytes in [100, 24] {
            let (composed, decomposed) = ("caf\u{e9} ".repeat(4), "cafe\u{301} ".repeat(4));
            assert_eq!(encode(&decomposed, max_bytes), encode(&composed, max_bytes));
        }
    }

    #[test]
    fn plain_names_stay_readable() {
        for name in ["shop", "a b", "-x", "ü😀", "Müller & Söhne (alt)", "a.b", "x'y"] {
            assert_eq!(encode(name, 100), name);
        }
    }

    #[test]
    fn every_name_comes_back() {
        for name in [
            "x\"; drop",
            "a/b",
            "..",
            ".",
            " lead",
            "trail ",
            "dot.",
            "100%",
            "%41",
            "line\nbreak",
            "tab\t",
            "desktop.ini",
            "Thumbs.DB",
            "\u{7f}",
            "a\\b",
            "c:d",
            "",
            "   ",
            "\u{2003}wide",
        ] {
            let encoded = encode(name, 200);
            assert_eq!(decode(&encoded).as_deref(), Some(name), "{encoded}");
            assert!(!encoded.contains(['/', '\\', '\n', '"']), "{encoded}");
            assert!(!encoded.starts_with(['.', ' ']) && !encoded.ends_with(['.', ' ']), "{encoded}");
            assert!(!REFUSED.contains(&encoded.to_lowercase().as_str()), "{encoded}");
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        for filler in ["x", "😀", "/", "ü"] {
            let one = encode(&(filler.repeat(300) + "1"), 100);
            let other = encode(&(filler.repeat(300) + "2"), 100);
            assert_ne!(one, other);
            assert!(one.len() <= 100, "{one}");
            assert_eq!(decode(&one), None, "a cut name must not pass for a whole one");
            assert!(!one.replace(CUT, "").split('%').skip(1).any(|code| code.len() < 2), "{one}");
        }
    }
}
