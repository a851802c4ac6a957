//! Names that people give to things.

use unicode_normalization::UnicodeNormalization;

/// What makes two names the same: case, surrounding blanks, and how an accent is encoded do not matter.
pub fn key(name: &str) -> String {
    // Lower case first: it can leave what is not composed.
    name.trim().to_lowercase().nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn what_looks_the_same_is_the_same() {
        assert_eq!(key(" Andre\u{301} "), key("andr\u{e9}"));
        assert_eq!(key("ANDR\u{c9}"), key("andre\u{301}"));
        assert_ne!(key("andre"), key("andr\u{e9}"));
    }
}
