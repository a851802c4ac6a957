//! What SQLite's check says, sorted.

/// Maximum different findings told per kind.
const MAX_TOLD: usize = 5;

/// Rows that break what their own table demands. They stand on sound pages, and no copy could be better.
const VIOLATIONS: [&str; 10] = [
    "NULL value in ",
    "NUMERIC value in ",
    "TEXT value in ",
    "non-INT value in ",
    "non-INTEGER value in ",
    "non-REAL value in ",
    "non-TEXT value in ",
    "non-BLOB value in ",
    "CHECK constraint failed in ",
    "non-unique entry in index ",
];

/// Beginnings of findings about full-text indexes, which are derived from their tables.
const FULL_TEXT: [&str; 3] =
    ["malformed inverted index for FTS", "unable to validate the inverted index for FTS", "fts5: "];

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Pages and b-trees, and everything that is not known to be harmless.
    Damage,
    /// Rows and their table's constraints.
    Violation,
    /// Indexes that can be built again from their table.
    Index,
}

impl Kind {
    fn of(finding: &str) -> Self {
        if VIOLATIONS.iter().any(|beginning| finding.starts_with(beginning)) {
            Self::Violation
        } else if is_of_index(finding) {
            Self::Index
        } else {
            Self::Damage
        }
    }
}

fn is_of_index(finding: &str) -> bool {
    let of_row = finding.strip_prefix("row ").or_else(|| finding.strip_prefix("rowid not at end-of-record for row "));
    // "row 7 missing from index i", "row 7 values differ from index i", "rowid not at end-of-record for row 7 of index i"
    let of_row = of_row.and_then(|rest| rest.split_once(' ')).is_some_and(|(number, rest)| {
        number.parse::<u64>().is_ok()
            && ["missing from index ", "values differ from index ", "of index "]
                .iter()
                .any(|words| rest.starts_with(words))
    });
    of_row
        || finding.starts_with("wrong # of entries in index ")
        || FULL_TEXT.iter().any(|beginning| finding.starts_with(beginning))
}

/// Findings, each text once, few of them kept.
#[derive(Debug, Default)]
pub(super) struct Findings {
    damage: Kept,
    violations: Kept,
    indexes: Kept,
}

#[derive(Debug, Default)]
struct Kept {
    told: Vec<String>,
    count: usize,
}

impl Findings {
    /// Adds a row of SQLite's check.
    pub(super) fn add(&mut self, row: &str) {
        let kept = match Kind::of(row) {
            Kind::Damage => &mut self.damage,
            Kind::Violation => &mut self.violations,
            Kind::Index => &mut self.indexes,
        };
        for line in row.lines().filter(|line| !line.starts_with("*** in database ")) {
            kept.count += 1;
            if kept.told.len() < MAX_TOLD && !kept.told.iter().any(|told| told == line) {
                kept.told.push(line.to_owned());
            }
        }
    }

    /// Forgets what a second check will find again.
    pub(super) fn keep_damage_only(&mut self) {
        (self.violations, self.indexes) = (Kept::default(), Kept::default());
    }

    /// Describes what was found of a kind, or returns `None` if nothing was.
    pub(super) fn describe(&self, kind: Kind) -> Option<String> {
        let kept = match kind {
            Kind::Damage => &self.damage,
            Kind::Violation => &self.violations,
            Kind::Index => &self.indexes,
        };
        let told = kept.told.join("; ");
        match kept.count.saturating_sub(kept.told.len()) {
            _ if kept.told.is_empty() => None,
            0 => Some(told),
            more => Some(format!("{told}; and {more} more")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sqlite_says_of_rows_and_indexes_is_harmless() {
        let kinds = [
            ("NULL value in t.email", Kind::Violation),
            ("non-INT value in t.a", Kind::Violation),
            ("CHECK constraint failed in t", Kind::Violation),
            ("row 12 missing from index i", Kind::Index),
            ("row 3 values differ from index i", Kind::Index),
            ("rowid not at end-of-record for row 3 of index i", Kind::Index),
            ("wrong # of entries in index i", Kind::Index),
            ("malformed inverted index for FTS5 table main.docs", Kind::Index),
            ("row not in PRIMARY KEY order for t", Kind::Damage),
            ("*** in database main ***\nTree 4 page 7 cell 2: Rowid 5 out of order", Kind::Damage),
            ("In RTree main.r:\nMapping (1 -> 2) missing from %_rowid table", Kind::Damage),
            ("database disk image is malformed", Kind::Damage),
        ];
        for (finding, kind) in kinds {
            assert_eq!(Kind::of(finding), kind, "{finding}");
        }
    }

    #[test]
    fn many_findings_are_counted_and_few_are_told() {
        let mut findings = Findings::default();
        for row in 0..1000 {
            findings.add(&format!("row {row} missing from index i"));
        }
        let described = findings.describe(Kind::Index).unwrap();
        assert!(described.starts_with("row 0 missing") && described.ends_with("and 995 more"), "{described}");
        assert_eq!(findings.describe(Kind::Damage), None);
    }
}
