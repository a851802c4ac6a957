//! Texts that fit: every service has its own limits, in its own unit, and its own characters to escape.

use adapter::channel::{Message, Severity, State, one_line};

/// What is shown on links to dbackup.
pub(crate) const OPEN: &str = "Open in dbackup";
/// Maximum number of facts that are sent.
const MAX_FACTS: usize = 20;
/// Maximum length in characters of a fact's label.
const MAX_LABEL: usize = 100;
/// Maximum length in characters of a fact's value.
const MAX_VALUE: usize = 500;
/// Maximum length in characters of the server's name.
const MAX_SERVER: usize = 100;
/// Marks the end of a text that was cut.
const ELLIPSIS: &str = "…";

/// The unit of a limit.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// UTF-16 code units: the narrowest reading where a service counts "characters" without saying what one is.
    Characters,
    /// Bytes of UTF-8.
    Bytes,
    /// Bytes of the text within JSON.
    Json,
}

/// How characters that mean something to a service are written.
#[derive(Clone, Copy)]
pub(crate) enum Escape {
    /// As they are.
    None,
    /// As the entities of HTML, for texts and not for attributes.
    Html,
    /// With a backslash, as in Markdown.
    Markdown,
}

/// Returns a text that is no longer than `max`. It is cut between characters, never within an escape, and then ends with an ellipsis.
/// Control characters other than line breaks are removed.
pub(crate) fn fit(text: &str, max: usize, unit: Unit, escape: Escape) -> String {
    let pieces = || text.chars().filter(|c| *c == '\n' || !c.is_control()).map(|c| escape.apply(c));
    if pieces().map(|piece| unit.measure(&piece)).sum::<usize>() <= max {
        return pieces().collect();
    }
    let mut left = max.saturating_sub(unit.measure(ELLIPSIS));
    let fits = |piece: &String| {
        let rest = left.checked_sub(unit.measure(piece));
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    pieces().take_while(fits).collect::<String>() + ELLIPSIS
}

/// Returns a text as one line, otherwise as [`fit`] does.
pub(crate) fn fit_line(text: &str, max: usize, unit: Unit, escape: Escape) -> String {
    fit(&one_line(text, usize::MAX), max, unit, escape)
}

impl Unit {
    fn measure(self, piece: &str) -> usize {
        match self {
            Self::Characters => piece.encode_utf16().count(),
            Self::Bytes => piece.len(),
            Self::Json => piece.chars().map(|c| c.len_utf8() + usize::from(matches!(c, '"' | '\\' | '\n'))).sum(),
        }
    }
}

impl Escape {
    fn apply(self, character: char) -> String {
        match (self, character) {
            (Self::Html, '&') => "&amp;".to_owned(),
            (Self::Html, '<') => "&lt;".to_owned(),
            (Self::Html, '>') => "&gt;".to_owned(),
            (Self::Markdown, _) if r"\*_~`|<>[]()#-@".contains(character) => format!("\\{character}"),
            _ => character.to_string(),
        }
    }
}

/// Returns the body of a message: its paragraphs, its facts, and where and when it happened.
pub(crate) fn body(message: &Message) -> String {
    let facts: Vec<String> = facts(message).map(|(label, value)| format!("{label}: {value}")).collect();
    let parts = message.text.iter().cloned().chain([facts.join("\n"), origin(message)]);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// Returns the facts of a message as labels and values, as lines of bounded length.
pub(crate) fn facts(message: &Message) -> impl Iterator<Item = (String, String)> {
    let bounded = message.facts.iter().take(MAX_FACTS);
    bounded.map(|fact| (one_line(&fact.label, MAX_LABEL), one_line(&fact.value, MAX_VALUE)))
}

/// Returns where and when a message's event happened.
pub(crate) fn origin(message: &Message) -> String {
    format!("{} · {:.0}", one_line(&message.server, MAX_SERVER), message.at)
}

/// Returns the link of a message unless it is longer than a service takes: a link that was cut leads nowhere.
pub(crate) fn link(message: &Message, max: usize) -> Option<&str> {
    message.link.as_deref().filter(|link| link.len() <= max)
}

/// Picks what a service calls a message's severity; a cause that is gone has its own.
pub(crate) fn pick<T>(message: &Message, critical: T, warning: T, info: T, resolved: T) -> T {
    match (message.state, message.severity) {
        (State::Resolved, _) => resolved,
        (State::Firing, Severity::Critical) => critical,
        (State::Firing, Severity::Warning) => warning,
        (State::Firing, Severity::Info) => info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_never_within_an_escape() {
        for (text, max, unit, escape, expected) in [
            ("ab😀", 4, Unit::Characters, Escape::None, "ab😀"),
            ("ab😀c", 4, Unit::Characters, Escape::None, "ab…"),
            ("ab😀c", 7, Unit::Bytes, Escape::None, "ab😀c"),
            ("ab😀cd", 7, Unit::Bytes, Escape::None, "ab…"),
            ("a<b<c", 9, Unit::Characters, Escape::Html, "a&lt;b…"),
            ("a_b_c", 7, Unit::Characters, Escape::Markdown, "a\\_b\\_c"),
            ("a_b_c_", 6, Unit::Characters, Escape::Markdown, "a\\_b…"),
            ("a\"\"b", 6, Unit::Json, Escape::None, "a\"\"b"),
            ("a\"\"\"", 6, Unit::Json, Escape::None, "a\"…"),
            ("a\0\r\nb", 3, Unit::Characters, Escape::None, "a\nb"),
        ] {
            let cut = fit(text, max, unit, escape);
            assert_eq!(cut, expected, "{text:?} in {max}");
            assert!(unit.measure(&cut) <= max, "{cut:?}");
        }
    }
}
