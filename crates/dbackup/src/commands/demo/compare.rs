//! Two SQLite databases, compared row for row.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, Error, OpenFlags, Rows};

/// Compares schema and all rows, and gives the number of rows.
pub(super) fn row_by_row(one: &Path, other: &Path) -> rusqlite::Result<u64> {
    let (one, other) = (open(one)?, open(other)?);
    let schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
    same(&one, &other, schema)?;
    let mut rows = 0;
    for table in table_names(&one)? {
        let quoted = table.replace('"', "\"\"");
        // Every table's own order (rowid or primary key) is the same if the tables are.
        rows += same(&one, &other, &format!("SELECT * FROM \"{quoted}\""))?;
    }
    Ok(rows)
}

/// The tables' names.
pub(super) fn tables(path: &Path) -> rusqlite::Result<Vec<String>> {
    table_names(&open(path)?)
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn table_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

fn same(one: &Connection, other: &Connection, sql: &str) -> rusqlite::Result<u64> {
    let (mut one, mut other) = (one.prepare(sql)?, other.prepare(sql)?);
    let columns = one.column_count();
    let (mut one, mut other) = (one.query([])?, other.query([])?);
    let mut rows = 0;
    loop {
        match (next(&mut one, columns)?, next(&mut other, columns)?) {
            (None, None) => return Ok(rows),
            (left, right) if left == right => rows += 1,
            _ => return Err(Error::ToSqlConversionFailure(format!("row {} of {sql} differs", rows + 1).into())),
        }
    }
}

fn next(rows: &mut Rows<'_>, columns: usize) -> rusqlite::Result<Option<Vec<Value>>> {
    match rows.next()? {
        Some(row) => (0..columns).map(|column| row.get(column)).collect::<Result<Vec<_>, _>>().map(Some),
        None => Ok(None),
    }
}
