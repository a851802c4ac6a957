//! What happened in a run, per database and destination. The rows belong to the result in `runs.result`, which keeps everything else.

use std::collections::HashMap;

use domain::rows::RowTotals;
use domain::run::{BackupResult, CopyResult, DatabaseResult, FailureCode, MissingCopy, RunResult, Stage, StoredCopy};
use domain::sidecar::{Checksum, Size};
use domain::stored::VerificationMethod;
use domain::warning::ListedWarning;

use crate::Catalog;
use crate::error::Error;
use crate::sql::{self, Pool, Transaction, record, values};
use crate::values::{Moment, Value, json};

/// Maximum number of runs whose rows are read by one statement.
const RUNS_PER_READ: usize = 200;
/// Maximum number of rows written by one statement: either database takes 32,766 values.
const ROWS_PER_WRITE: usize = 200;
/// In `meta`: whether the results of earlier versions were moved to their rows.
const MOVED: &str = "runItems";

struct Item {
    run_id: String,
    position: i64,
    database: String,
    stage: Option<Stage>,
    held_since: Option<Moment>,
    started_at: Option<Moment>,
    finished_at: Option<Moment>,
    dumped_bytes: Option<i64>,
    row_count: Option<i64>,
    table_count: Option<i64>,
    error: Option<String>,
    code: Option<FailureCode>,
    technical_details: Option<String>,
    warnings: Vec<ListedWarning>,
}

record!(Item, "run_items", {
    run_id,
    position,
    database,
    stage,
    held_since,
    started_at,
    finished_at,
    dumped_bytes,
    row_count,
    table_count,
    error,
    code,
    technical_details,
    warnings
});

struct Copy {
    run_id: String,
    item: i64,
    destination_id: String,
    destination: String,
    path: Option<String>,
    plain_size: Option<i64>,
    stored_size: Option<i64>,
    checksum: Option<Checksum>,
    verified_by: Option<VerificationMethod>,
    stored_at: Option<Moment>,
    error: Option<String>,
    code: Option<FailureCode>,
    technical_details: Option<String>,
}

record!(Copy, "run_copies", {
    run_id,
    item,
    destination_id,
    destination,
    path,
    plain_size,
    stored_size,
    checksum,
    verified_by,
    stored_at,
    error,
    code,
    technical_details
});

/// The columns that rows are written to, and how many there are.
const ITEM_COLUMNS: &str = "run_id, position, database, stage, held_since, started_at, finished_at, dumped_bytes, row_count, table_count, error, code, \
                            technical_details, warnings";
const COPY_COLUMNS: &str = "run_id, item, position, job_id, database, destination_id, destination, state, path, plain_size, \
                            stored_size, checksum, verified_by, stored_at, error, code, technical_details";

impl From<Item> for DatabaseResult {
    fn from(item: Item) -> Self {
        Self {
            database: item.database,
            stage: item.stage,
            held_since: item.held_since.map(|moment| moment.0),
            started_at: item.started_at.map(|moment| moment.0),
            finished_at: item.finished_at.map(|moment| moment.0),
            dumped_bytes: item.dumped_bytes.map(unsigned),
            rows: totals(item.row_count, item.table_count),
            error: item.error,
            code: item.code,
            technical_details: item.technical_details,
            copies: Vec::new(),
            warnings: item.warnings,
        }
    }
}

/// Returns the totals of two columns, which are known together.
fn totals(rows: Option<i64>, tables: Option<i64>) -> Option<RowTotals> {
    Some(RowTotals { rows: unsigned(rows?), tables: unsigned(tables?) })
}

impl From<Copy> for CopyResult {
    fn from(copy: Copy) -> Self {
        let Copy { destination_id, destination, .. } = copy;
        match (copy.path, copy.checksum) {
            (Some(path), Some(checksum)) => Self::Stored(StoredCopy {
                destination_id,
                destination,
                path,
                size: Size {
                    plain: copy.plain_size.map(unsigned).unwrap_or_default(),
                    stored: copy.stored_size.map(unsigned).unwrap_or_default(),
                },
                checksum,
                verified_by: copy.verified_by,
                stored_at: copy.stored_at.map(|moment| moment.0),
            }),
            _ => Self::Missing(MissingCopy {
                destination_id,
                destination,
                error: copy.error.unwrap_or_default(),
                code: copy.code,
                technical_details: copy.technical_details,
            }),
        }
    }
}

/// Returns what `runs.result` keeps of a result.
pub(crate) fn without_items(result: &RunResult) -> RunResult {
    match result {
        RunResult::Backup(result) => {
            RunResult::Backup(BackupResult { databases: Vec::new(), warnings: result.warnings.clone() })
        }
        other => other.clone(),
    }
}

/// Replaces everything that is recorded of a run's databases. Results without databases have none.
pub(crate) async fn replace(transaction: &mut Transaction, run_id: &str, result: &RunResult) -> Result<(), Error> {
    for text in ["DELETE FROM run_copies WHERE run_id = $1", "DELETE FROM run_items WHERE run_id = $1"] {
        sql::run(&mut *transaction, text, values![run_id]).await?;
    }
    let RunResult::Backup(result) = result else { return Ok(()) };
    let items: Vec<(usize, &DatabaseResult)> = result.databases.iter().enumerate().collect();
    insert(transaction, run_id, &items).await
}

/// Replaces what is recorded of some of a run's databases, which are given with their positions.
async fn update(transaction: &mut Transaction, run_id: &str, items: &[(usize, DatabaseResult)]) -> Result<(), Error> {
    for some in items.chunks(ROWS_PER_WRITE) {
        let places = sql::placeholders(2, some.len());
        let values = || std::iter::once(Value::from(run_id)).chain(some.iter().map(|(place, _)| signed(*place).into()));
        for (table, column) in [("run_copies", "item"), ("run_items", "position")] {
            let text = format!("DELETE FROM {table} WHERE run_id = $1 AND {column} IN ({places})");
            sql::run(&mut *transaction, &text, values()).await?;
        }
    }
    let items: Vec<(usize, &DatabaseResult)> = items.iter().map(|(position, item)| (*position, item)).collect();
    insert(transaction, run_id, &items).await
}

async fn insert(transaction: &mut Transaction, run_id: &str, items: &[(usize, &DatabaseResult)]) -> Result<(), Error> {
    let text = "SELECT job_id FROM runs WHERE id = $1";
    let job_id = sql::value::<Option<String>>(&mut *transaction, text, values![run_id]).await?.flatten();
    let (mut rows, mut copies) = (Vec::new(), Vec::new());
    for (position, item) in items {
        rows.push(item_row(run_id, *position, item)?);
        for (number, copy) in item.copies.iter().enumerate() {
            copies.push(copy_row(run_id, *position, number, job_id.as_ref(), &item.database, copy)?);
        }
    }
    insert_rows(transaction, "run_items", ITEM_COLUMNS, rows).await?;
    insert_rows(transaction, "run_copies", COPY_COLUMNS, copies).await
}

async fn insert_rows<const N: usize>(
    transaction: &mut Transaction,
    table: &str,
    columns: &str,
    rows: Vec<[Value; N]>,
) -> Result<(), Error> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let values: Vec<Value> = rows.by_ref().take(ROWS_PER_WRITE).flatten().collect();
        let places = (0..values.len() / N).map(|row| format!("({})", sql::placeholders(row * N + 1, N)));
        let places = places.collect::<Vec<_>>().join(", ");
        sql::run(&mut *transaction, &format!("INSERT INTO {table} ({columns}) VALUES {places}"), values).await?;
    }
    Ok(())
}

fn item_row(run_id: &str, position: usize, item: &DatabaseResult) -> Result<[Value; 14], Error> {
    Ok(values![
        run_id,
        signed(position),
        &item.database,
        item.stage.map(Stage::as_str),
        item.held_since,
        item.started_at,
        item.finished_at,
        item.dumped_bytes.map(signed_bytes),
        item.rows.map(|totals| signed_bytes(totals.rows)),
        item.rows.map(|totals| signed_bytes(totals.tables)),
        &item.error,
        item.code.map(FailureCode::as_str),
        &item.technical_details,
        json(&item.warnings)?
    ])
}

fn copy_row(
    run_id: &str,
    item: usize,
    position: usize,
    job_id: Option<&String>,
    database: &str,
    copy: &CopyResult,
) -> Result<[Value; 17], Error> {
    let (stored, missing) = match copy {
        CopyResult::Stored(stored) => (Some(stored), None),
        CopyResult::Missing(missing) => (None, Some(missing)),
    };
    Ok(values![
        run_id,
        signed(item),
        signed(position),
        job_id,
        database,
        copy.destination_id(),
        copy.destination(),
        if copy.is_stored() { "stored" } else { "missing" },
        stored.map(|copy| &copy.path),
        stored.map(|copy| signed_bytes(copy.size.plain)),
        stored.map(|copy| signed_bytes(copy.size.stored)),
        stored.map(|copy| json(&copy.checksum)).transpose()?,
        stored.and_then(|copy| copy.verified_by).map(VerificationMethod::as_str),
        stored.and_then(|copy| copy.stored_at),
        missing.map(|copy| &copy.error),
        missing.and_then(|copy| copy.code).map(FailureCode::as_str),
        missing.and_then(|copy| copy.technical_details.as_ref())
    ])
}

/// Adds the databases to results that were read from `runs.result`, each with its run's id. One that lists databases itself was written
/// so, and is complete.
pub(crate) async fn fill(db: &Pool, results: Vec<(&str, &mut RunResult)>) -> Result<(), Error> {
    let mut wanted: HashMap<&str, Vec<&mut BackupResult>> = HashMap::new();
    for (id, result) in results {
        if let RunResult::Backup(result) = result
            && result.databases.is_empty()
        {
            wanted.entry(id).or_default().push(result);
        }
    }
    let ids: Vec<&str> = wanted.keys().copied().collect();
    for ids in ids.chunks(RUNS_PER_READ) {
        let mut found = read(db, ids).await?;
        for id in ids {
            for result in wanted.get_mut(id).into_iter().flatten() {
                result.databases = found.get(*id).cloned().unwrap_or_default();
            }
            found.remove(*id);
        }
    }
    Ok(())
}

/// Reads what is recorded of the databases of these runs.
async fn read(db: &Pool, ids: &[&str]) -> Result<HashMap<String, Vec<DatabaseResult>>, Error> {
    let which = format!("WHERE run_id IN ({})", sql::placeholders(1, ids.len()));
    let values = || ids.iter().map(|id| Value::from(*id));
    let text = sql::select::<Item>(&format!("{which} ORDER BY run_id, position"));
    let items: Vec<Item> = sql::all(db, &text, values()).await?;
    let text = sql::select::<Copy>(&format!("{which} ORDER BY run_id, item, position"));
    Ok(assembled(items, sql::all(db, &text, values()).await?))
}

/// Returns what is recorded of the databases of a run.
pub(crate) async fn of_run(transaction: &mut Transaction, run_id: &str) -> Result<Vec<DatabaseResult>, Error> {
    let text = sql::select::<Item>("WHERE run_id = $1 ORDER BY position");
    let items: Vec<Item> = sql::all(&mut *transaction, &text, values![run_id]).await?;
    let text = sql::select::<Copy>("WHERE run_id = $1 ORDER BY item, position");
    let copies: Vec<Copy> = sql::all(transaction, &text, values![run_id]).await?;
    Ok(assembled(items, copies).remove(run_id).unwrap_or_default())
}

/// Puts items and their copies together, by run. Both are in order.
fn assembled(items: Vec<Item>, rows: Vec<Copy>) -> HashMap<String, Vec<DatabaseResult>> {
    let mut copies: HashMap<(String, i64), Vec<CopyResult>> = HashMap::new();
    for copy in rows {
        copies.entry((copy.run_id.clone(), copy.item)).or_default().push(copy.into());
    }
    let mut found: HashMap<String, Vec<DatabaseResult>> = HashMap::new();
    for item in items {
        let (run_id, position) = (item.run_id.clone(), item.position);
        let copies = copies.remove(&(run_id.clone(), position)).unwrap_or_default();
        found.entry(run_id).or_default().push(DatabaseResult { copies, ..item.into() });
    }
    found
}

impl Catalog {
    /// Records how far some databases of a run are, which are given with their positions, and what concerns none of them. Returns
    /// `false` if another worker owns the run.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn record_items(
        &self,
        run_id: &str,
        fence: i64,
        result: &RunResult,
        items: &[(usize, DatabaseResult)],
    ) -> Result<bool, Error> {
        let mut transaction = self.db.begin().await?;
        // Locks the row: nothing is written once the run has ended, or is another worker's.
        let text = "UPDATE runs SET result = $3 WHERE id = $1 AND fence = $2 AND state = 'running'";
        let is_ours =
            sql::run(&mut transaction, text, values![run_id, fence, json(&without_items(result))?]).await? > 0;
        if is_ours {
            update(&mut transaction, run_id, items).await?;
        }
        transaction.commit().await?;
        Ok(is_ours)
    }
}

/// Moves the databases in the results of earlier versions to their rows.
///
/// # Errors
/// [`Error::Database`]. What was moved until then stays so.
pub(crate) async fn move_old(db: &Pool) -> Result<(), Error> {
    struct Old {
        id: String,
        result: String,
    }
    record!(Old, "runs", { id, result });
    if crate::meta::get(db, MOVED).await?.is_some() {
        return Ok(());
    }
    let mut after = String::new();
    loop {
        let which = "WHERE id > $1 AND kind = 'backup' AND result IS NOT NULL ORDER BY id LIMIT $2";
        let old: Vec<Old> = sql::all(db, &sql::select::<Old>(which), values![&after, signed(RUNS_PER_READ)]).await?;
        let Some(last) = old.last() else { break };
        after.clone_from(&last.id);
        let mut transaction = db.begin().await?;
        for Old { id, result: text } in old {
            // What cannot be read is an error for those who ask for that run, as before.
            let Ok(result @ RunResult::Backup(_)) = serde_json::from_str(&text) else { continue };
            if matches!(&result, RunResult::Backup(result) if result.databases.is_empty()) {
                continue;
            }
            let moved = "UPDATE runs SET result = $2 WHERE id = $1 AND result = $3";
            let values = values![&id, json(&without_items(&result))?, text];
            if sql::run(&mut transaction, moved, values).await? > 0 {
                replace(&mut transaction, &id, &result).await?;
            }
        }
        transaction.commit().await?;
    }
    crate::meta::set_first(db, MOVED, "moved").await
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn signed_bytes(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn unsigned(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or_default()
}
