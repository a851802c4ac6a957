//! Paths in the form in which Dropbox keeps them: Unicode NFC. A path in another form names nothing there, so everything that is
//! sent goes through [`RemotePath`], and everything that is compared through [`folded`].

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// A path on its way to Dropbox.
#[derive(Debug, Clone)]
pub(crate) struct RemotePath<'a>(Cow<'a, str>);

impl<'a> RemotePath<'a> {
    pub(crate) fn new(path: &'a str) -> Self {
        Self(normalized(path))
    }
}

impl Serialize for RemotePath<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Returns a path as Dropbox stores it.
pub fn normalized(path: &str) -> Cow<'_, str> {
    if is_nfc(path) { Cow::Borrowed(path) } else { Cow::Owned(path.nfc().collect()) }
}

/// Returns the key by which Dropbox tells paths apart: NFC, in lower case character by character. Full Unicode folding would take
/// more for equal, and the final sigma for another one.
pub fn folded(path: &str) -> String {
    normalized(path).chars().map(|character| character.to_lowercase().next().unwrap_or(character)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_is_sent_and_one_key_compared() {
        assert_eq!(normalized("/cafe\u{301}/x"), "/caf\u{e9}/x");
        assert!(matches!(normalized("/plain/\u{e9}"), Cow::Borrowed(_)));
        // Hangul, two marks, and a singleton.
        assert_eq!(normalized("\u{1112}\u{1161}\u{11ab}"), "\u{d55c}");
        assert_eq!(normalized("a\u{301}\u{323}"), normalized("a\u{323}\u{301}"));
        assert_eq!(normalized("\u{212b}"), "\u{c5}");
        assert_eq!(folded("/CAFE\u{301}"), "/caf\u{e9}");
        assert_eq!(folded("\u{3a3}\u{3a3}\u{3a3}"), "\u{3c3}\u{3c3}\u{3c3}");
        assert_eq!(folded("Stra\u{df}e"), "stra\u{df}e");
        assert_eq!(folded("\u{130}"), "i");
        // Compatibility forms stay apart.
        assert_ne!(folded("\u{fb01}"), folded("fi"));
    }
}
