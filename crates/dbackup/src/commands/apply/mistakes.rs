//! What is wrong with a configuration, in the order in which a person reads it.

/// A place in a configuration. Places sort as a person reads: by file, line, and field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The number of the file among all of them.
    pub(super) file: usize,
    /// From 1; 0 for the file as a whole.
    pub(super) line: usize,
    /// In words: `dbackup.toml:12: jobs[0] "shop".schedule.cron`.
    pub(super) words: String,
}

impl Place {
    /// A place in none of the files.
    pub(crate) fn outside(words: impl Into<String>) -> Self {
        Self { file: usize::MAX, line: 0, words: words.into() }
    }
}

/// Something that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mistake {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// All that is wrong, as a person reads it: a line each, sorted.
pub(crate) fn in_lines(mut mistakes: Vec<Mistake>) -> String {
    mistakes.sort();
    let lines = mistakes.into_iter().map(|Mistake { place, message }| format!("{}: {message}", place.words));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_sorted_by_file_line_and_field() {
        let at = |file: usize, line: usize, field: &str| Mistake {
            place: Place { file, line, words: format!("{file}:{line}: {field}") },
            message: "wrong".to_owned(),
        };
        let mistakes = vec![
            Mistake { place: Place::outside("the server refused"), message: "wrong".to_owned() },
            at(2, 1, "a"),
            at(1, 10, "b"),
            at(1, 9, "c"),
            at(1, 10, "a"),
        ];
        let expected = "1:9: c: wrong\n1:10: a: wrong\n1:10: b: wrong\n2:1: a: wrong\nthe server refused: wrong";
        assert_eq!(in_lines(mistakes), expected);
    }
}
