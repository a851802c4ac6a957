//! Names that people give, which others have to be able to tell apart.

use domain::text::is_invisible;

/// Maximum characters of a name.
const MAX_LEN: usize = 100;

/// Returns what is wrong with a name.
pub fn refuse(name: &str) -> Option<String> {
    match name.trim().chars().count() {
        0 => return Some("Enter a name".to_owned()),
        1..=MAX_LEN => {}
        _ => return Some(format!("Enter a name of at most {MAX_LEN} characters")),
    }
    if name.chars().any(char::is_control) {
        return Some("must not hold control characters".to_owned());
    }
    let deceptive = name.chars().find(|&c| is_invisible(c) || (c.is_whitespace() && c != ' '))?;
    Some(format!(
        "holds the invisible character U+{:04X}: remove it, names must look different to be different",
        u32::from(deceptive)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_deceive_are_refused() {
        for good in ["Anna", "shop nightly", "Jürgen", "e\u{301}", "データ", "пример", "🛢 db", &"x".repeat(100)]
        {
            assert_eq!(refuse(good), None, "{good}");
        }
        for (bad, word) in [
            ("", "Enter a name"),
            (" ", "Enter a name"),
            ("a\tb", "control"),
            ("\u{feff}", "U+FEFF"),
            ("An\u{200b}na", "U+200B"),
            ("\u{202e}anna", "U+202E"),
            ("a\u{2066}b", "U+2066"),
            ("a\u{a0}b", "U+00A0"),
            ("a\u{3164}", "U+3164"),
            ("a\u{e0041}", "U+E0041"),
        ] {
            assert!(refuse(bad).is_some_and(|words| words.contains(word)), "{bad:?}");
        }
        assert_eq!(refuse(&"x".repeat(101)).unwrap(), "Enter a name of at most 100 characters");
    }
}
