//! Lists for people: a heading, and columns that stand below each other.

use super::{line, printable};

/// A table that is printed as a whole. An empty one prints nothing.
pub(crate) struct Table<const COLUMNS: usize> {
    heads: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// Begins a table. A head that starts with `>` is one of numbers, which stand at the right.
    pub(crate) fn new(heads: [&'static str; COLUMNS]) -> Self {
        Self { heads, rows: Vec::new() }
    }

    /// Adds a row. What would act on a terminal becomes visible.
    pub(crate) fn add(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.map(|cell| printable(&cell)));
    }

    /// Prints it to standard output.
    pub(crate) fn print(&self) {
        self.lines().iter().for_each(|text| line(text));
    }

    fn lines(&self) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let heads = self.heads.map(|head| head.trim_start_matches('>').to_owned());
        let all = || std::iter::once(&heads).chain(&self.rows);
        let widths: [usize; COLUMNS] =
            std::array::from_fn(|column| all().map(|row| row[column].chars().count()).max().unwrap_or(0));
        let in_columns = |row: &[String; COLUMNS]| {
            let cells = (0..COLUMNS).map(|column| {
                let (cell, width) = (&row[column], widths[column]);
                if self.heads[column].starts_with('>') { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        all().map(in_columns).collect()
    }
}

/// A moment as lists show it: `2026-01-15 12:00:00`, in UTC, as the names of backups have it.
pub(crate) fn moment(time: &serde_json::Value) -> String {
    let time = time.as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
    time.map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_numbers_stand_at_the_right() {
        let mut table = Table::new(["NAME", ">SIZE", "STATE"]);
        table.add(["shop".to_owned(), "1.0 KiB".to_owned(), "failed".to_owned()]);
        table.add(["audit\u{1b}[2J".to_owned(), "12 B".to_owned(), String::new()]);
        let lines = table.lines();
        let widest = lines[2].find("  ").unwrap();
        assert_eq!(lines[0], format!("{:widest$}     SIZE  STATE", "NAME"));
        assert_eq!(lines[1], format!("{:widest$}  1.0 KiB  failed", "shop"));
        assert!(
            lines[2].starts_with("audit") && lines[2].ends_with("12 B") && !lines[2].contains('\u{1b}'),
            "{lines:?}"
        );
        assert!(Table::new(["NAME"]).lines().is_empty());
    }

    #[test]
    fn moments_are_told_to_the_second() {
        assert_eq!(moment(&serde_json::json!("2026-01-15T12:00:00.123Z")), "2026-01-15 12:00:00");
        assert_eq!(moment(&serde_json::Value::Null), "");
    }
}
