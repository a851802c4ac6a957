//! Lists for people: a heading, and columns that stand below each other.

use super::{is_coloured, printable, write};

/// A table that is printed as a whole. An empty one prints nothing.
pub(crate) struct Table<const COLUMNS: usize> {
    heads: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// Begins a table. A head that starts with `>` is one of numbers, which stand at the right; one that starts with `*` is one of states,
    /// which have colours on a terminal.
    pub(crate) fn new(heads: [&'static str; COLUMNS]) -> Self {
        Self { heads, rows: Vec::new() }
    }

    /// Adds a row. What would act on a terminal becomes visible.
    pub(crate) fn add(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.map(|cell| printable(&cell)));
    }

    /// Prints it to standard output.
    pub(crate) fn print(&self) {
        let text: String = self.lines(is_coloured()).into_iter().map(|line| line + "\n").collect();
        write(text.as_bytes());
    }

    fn lines(&self, coloured: bool) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let heads = self.heads.map(|head| head.trim_start_matches(['>', '*']).to_owned());
        let all = || std::iter::once(&heads).chain(&self.rows);
        let widths: [usize; COLUMNS] =
            std::array::from_fn(|column| all().map(|row| row[column].chars().count()).max().unwrap_or(0));
        let in_columns = |row: &[String; COLUMNS]| {
            let cells = (0..COLUMNS).map(|column| {
                let (cell, width) = (&row[column], widths[column]);
                // Spaces at the end of a line are seen only when it wraps.
                let width = if column + 1 == COLUMNS { 0 } else { width };
                match (self.heads[column].as_bytes().first().copied(), colour_of(cell)) {
                    (Some(b'>'), _) => format!("{cell:>0$}", widths[column]),
                    (Some(b'*'), Some(colour)) if coloured => {
                        let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
                        format!("\x1b[{colour}m{cell}\x1b[0m{padding}")
                    }
                    _ => format!("{cell:<width$}"),
                }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        all().map(in_columns).collect()
    }
}

/// Returns the colour of a state, as an SGR parameter (ECMA-48).
fn colour_of(state: &str) -> Option<u8> {
    const RED: u8 = 31;
    const GREEN: u8 = 32;
    const YELLOW: u8 = 33;
    const CYAN: u8 = 36;
    let word = state.split([' ', ',']).next().unwrap_or_default();
    Some(match word {
        "succeeded" | "present" | "authorized" | "done" | "ok" => GREEN,
        "succeededWithWarnings" | "partial" | "unconfirmed" | "paused" | "never" | "warning" => YELLOW,
        "failed" | "interrupted" | "missing" | "refused" | "authorization" | "reauthorization" | "app" => RED,
        "queued" | "running" => CYAN,
        _ => return None,
    })
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
        let lines = table.lines(false);
        let widest = lines[2].find("  ").unwrap();
        assert_eq!(lines[0], format!("{:widest$}     SIZE  STATE", "NAME"));
        assert_eq!(lines[1], format!("{:widest$}  1.0 KiB  failed", "shop"));
        assert!(
            lines[2].starts_with("audit") && lines[2].ends_with("12 B") && !lines[2].contains('\u{1b}'),
            "{lines:?}"
        );
        assert!(Table::new(["NAME"]).lines(true).is_empty());
    }

    #[test]
    fn states_have_colours_that_take_no_room() {
        let mut table = Table::new(["NAME", "*STATE", "ID"]);
        table.add(["failed".to_owned(), "failed".to_owned(), "1".to_owned()]);
        table.add(["b".to_owned(), "succeededWithWarnings".to_owned(), "2".to_owned()]);
        let plain = table.lines(false);
        assert!(plain.iter().all(|line| !line.contains('\u{1b}')), "{plain:?}");
        let coloured = table.lines(true);
        assert!(coloured[1].starts_with("failed  \u{1b}[31mfailed\u{1b}[0m "), "{coloured:?}");
        assert!(coloured[2].contains("\u{1b}[33msucceededWithWarnings\u{1b}[0m  2"), "{coloured:?}");
        let stripped = |line: &str| line.replace("\u{1b}[31m", "").replace("\u{1b}[33m", "").replace("\u{1b}[0m", "");
        assert_eq!(coloured.iter().map(|line| stripped(line)).collect::<Vec<_>>(), plain);
    }

    #[test]
    fn moments_are_told_to_the_second() {
        assert_eq!(moment(&serde_json::json!("2026-01-15T12:00:00.123Z")), "2026-01-15 12:00:00");
        assert_eq!(moment(&serde_json::Value::Null), "");
    }
}
