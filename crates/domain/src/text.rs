//! Texts of others, shown to people.

/// Returns whether a character shows nothing, or changes how what is around it is shown: Unicode's Default_Ignorable_Code_Point, its
/// bidirectional controls, and the blank that is no space.
pub fn is_invisible(character: char) -> bool {
    matches!(u32::from(character),
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E
        | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1BCA0..=0x1BCA3
        | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// Returns whether a character acts on a terminal or on the text around it, instead of being shown.
fn is_active(character: char) -> bool {
    let joins = matches!(u32::from(character), 0x200C | 0x200D | 0xFE00..=0xFE0F);
    character.is_control() || (is_invisible(character) && !joins)
}

/// Makes a text safe for one line of a terminal or log: what would act instead of being shown (line ends, escapes, other control
/// characters, bidirectional and invisible ones) becomes visible, as JSON writes it: `\n`, `\u001b`.
pub fn one_line(text: &str) -> String {
    escaped(text, |_| false)
}

/// As [`one_line`], for a text of several lines.
pub fn lines(text: &str) -> String {
    escaped(text, |character| matches!(character, '\n' | '\t'))
}

/// Cuts a text to a number of bytes, and says so at its end.
pub fn cut(text: &str, max_len: usize) -> String {
    if text.len() <= max_len {
        return text.to_owned();
    }
    format!("{} [cut]", &text[..text.floor_char_boundary(max_len)])
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            _ if is_kept(character) || !is_active(character) => escaped.push(character),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!((cut("héé", 9).as_str(), cut("héé", 2).as_str()), ("héé", "h [cut]"));
    }

    #[test]
    fn what_acts_becomes_visible_and_stays_json() {
        let nasty = "a\nb\r\u{1b}[2Jc\u{9b}31m\u{202e}d\u{2066}\u{feff}\u{e0041}\u{7f}\u{2028}";
        let shown = one_line(nasty);
        assert_eq!(shown, "a\\nb\\r\\u001b[2Jc\\u009b31m\\u202ed\\u2066\\ufeff\\udb40\\udc41\\u007f\\u2028");
        assert_eq!(lines("a\nb\u{1b}"), "a\nb\\u001b");
        for plain in ["Jürgen", "データ", "👩‍👩‍👧 ❤️", "می‌خواهم", r"C:\x"] {
            assert_eq!(one_line(plain), plain);
        }
    }
}
