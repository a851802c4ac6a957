//! Rows of a database's tables: recorded when it is backed up, counted again when it is restored.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Maximum number of tables that a sidecar lists.
pub const MAX_TABLES: usize = 10_000;
/// Maximum size in bytes of that list, as the sidecar writes it: other programs refuse a sidecar that is too large.
pub const MAX_LIST_SIZE: usize = 96 * 1024;
/// Bytes that a line of the list takes besides the name: indentation, quotes, and the longest number.
const LINE_SIZE: usize = 32;
/// Maximum number of differences that are named.
const MAX_DIFFERENCES: usize = 5;

/// The rows of a database at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rows {
    /// Rows of all tables together.
    pub total: u64,
    /// Number of tables, empty ones included.
    pub tables: u64,
    /// Number of large objects, where the engine has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large_objects: Option<u64>,
    /// Rows by schema and table; absent if there are too many tables to list.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_table: BTreeMap<String, BTreeMap<String, u64>>,
}

/// How many rows a backup has, in how many tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RowTotals {
    /// Rows of all tables together.
    pub rows: u64,
    /// Number of tables.
    pub tables: u64,
}

/// What counting the rows of a restored database came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RowComparison {
    /// Rows that the backup recorded.
    pub rows: u64,
    /// Number of tables that were counted and compared.
    pub tables: u64,
    /// Whether the restored database has the same rows; absent if they were not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equal: Option<bool>,
    /// Which tables differ, or why the rows were not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Rows {
    /// Adds a table.
    pub fn add(&mut self, schema: &str, table: &str, rows: u64) {
        self.total = self.total.saturating_add(rows);
        self.tables += 1;
        self.by_table.entry(schema.to_owned()).or_default().insert(table.to_owned(), rows);
    }

    /// Returns what a sidecar records: the totals alone if the tables are too many to list.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let names = self.by_table.iter().flat_map(|(schema, tables)| tables.keys().chain([schema]));
        // JSON escapes a control character with six bytes.
        let size: usize = names.map(|name| name.escape_default().count() + LINE_SIZE).sum();
        if self.tables > MAX_TABLES as u64 || size > MAX_LIST_SIZE {
            self.by_table.clear();
        }
        self
    }

    /// Returns the totals.
    pub fn totals(&self) -> RowTotals {
        RowTotals { rows: self.total, tables: self.tables }
    }

    /// Compares what a backup recorded with what was counted in the restored database.
    #[must_use]
    pub fn compared_with(&self, counted: &Self) -> RowComparison {
        let differences = self.differences(counted);
        let note = (!differences.is_empty()).then(|| in_words(&differences));
        RowComparison { rows: self.total, tables: self.tables, equal: Some(note.is_none()), note }
    }

    /// Returns the comparison that could not be made.
    #[must_use]
    pub fn not_compared(&self, why: impl Into<String>) -> RowComparison {
        RowComparison { rows: self.total, tables: 0, equal: None, note: Some(why.into()) }
    }

    fn differences(&self, counted: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        if self.by_table.is_empty() {
            if (self.total, self.tables) != (counted.total, counted.tables) {
                differences.push(format!(
                    "the restored database has {} rows in {} tables, the backup has {} in {}",
                    counted.total, counted.tables, self.total, self.tables
                ));
            }
        } else {
            self.compare_tables(counted, &mut differences);
        }
        if let (Some(recorded), Some(found)) = (self.large_objects, counted.large_objects)
            && recorded != found
        {
            differences.push(format!("the restored database has {found} large objects, the backup has {recorded}"));
        }
        differences
    }

    fn compare_tables(&self, counted: &Self, differences: &mut Vec<String>) {
        let rows = |of: &Self, schema: &str, table: &str| of.by_table.get(schema)?.get(table).copied();
        for (schema, table, recorded) in self.each() {
            match rows(counted, schema, table) {
                Some(found) if found == recorded => {}
                Some(found) => differences.push(format!("table {schema}.{table} has {found}, backup has {recorded}")),
                None => differences.push(format!("table {schema}.{table} is missing, backup has {recorded}")),
            }
        }
        for (schema, table, found) in counted.each() {
            if rows(self, schema, table).is_none() {
                differences.push(format!("table {schema}.{table} has {found}, backup does not have the table"));
            }
        }
    }

    fn each(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.by_table
            .iter()
            .flat_map(|(schema, tables)| tables.iter().map(|(table, rows)| (schema.as_str(), table.as_str(), *rows)))
    }
}

fn in_words(differences: &[String]) -> String {
    let named = differences[..differences.len().min(MAX_DIFFERENCES)].join("; ");
    match differences.len().saturating_sub(MAX_DIFFERENCES) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

impl fmt::Display for RowComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = self.note.as_deref().unwrap_or_default();
        match self.equal {
            Some(true) => {
                let (tables, rows) = (counted(self.tables, "table"), counted(self.rows, "row"));
                write!(f, "Same rows: {tables}, {rows}, counted in the restored database")
            }
            Some(false) => write!(f, "Restored rows differ: {note}"),
            None => write!(f, "Rows not counted: {note}"),
        }
    }
}

/// Writes a number with its noun: `48,213 rows`.
fn counted(number: u64, noun: &str) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(tables: &[(&str, u64)]) -> Rows {
        let mut rows = Rows::default();
        tables.iter().for_each(|(table, count)| rows.add("public", table, *count));
        rows
    }

    #[test]
    fn equal_rows_are_told_and_each_difference_is_named() {
        let recorded = rows(&[("a", 48_000), ("b", 213)]);
        let same = recorded.compared_with(&recorded);
        assert_eq!(same.to_string(), "Same rows: 2 tables, 48,213 rows, counted in the restored database");
        // The totals are the same.
        let moved = recorded.compared_with(&rows(&[("a", 47_999), ("b", 214)]));
        assert_eq!(
            moved.to_string(),
            "Restored rows differ: table public.a has 47999, backup has 48000; table public.b has 214, backup has 213"
        );
        for other in [rows(&[("a", 48_000)]), rows(&[("a", 48_000), ("b", 213), ("c", 0)])] {
            assert_eq!(recorded.compared_with(&other).equal, Some(false), "{other:?}");
        }
        assert_eq!(recorded.not_compared("it took too long").equal, None);
    }

    #[test]
    fn large_objects_are_compared_where_both_know_them() {
        let (mut recorded, mut counted) = (rows(&[]), rows(&[]));
        recorded.large_objects = Some(2);
        assert_eq!(recorded.compared_with(&counted).equal, Some(true));
        counted.large_objects = Some(1);
        assert_eq!(recorded.compared_with(&counted).equal, Some(false));
    }

    #[test]
    fn a_sidecar_lists_no_more_than_it_may_hold_and_totals_are_compared_then() {
        let mut many = Rows::default();
        (0..=MAX_TABLES).for_each(|number| many.add("s", &number.to_string(), 1));
        let mut long = Rows::default();
        (0..2000).for_each(|number| long.add("s", &format!("{number:063}"), 1));
        for large in [many, long] {
            let bounded = large.clone().bounded();
            assert!(bounded.by_table.is_empty());
            assert_eq!((bounded.totals(), bounded.compared_with(&large).equal), (large.totals(), Some(true)));
            assert_eq!(bounded.compared_with(&rows(&[("s", 1)])).equal, Some(false));
        }
        let mut fits = Rows::default();
        (0..1000).for_each(|number| fits.add("s", &format!("{number:063}"), u64::MAX / 2000));
        assert!(serde_json::to_vec_pretty(&fits.clone().bounded()).unwrap().len() < MAX_LIST_SIZE);
        assert!(!fits.bounded().by_table.is_empty());
    }
}
