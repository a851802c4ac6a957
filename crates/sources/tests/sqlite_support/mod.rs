//! What the tests of SQLite share: dumps, restores, and this test program run as another user.
#![allow(dead_code, clippy::disallowed_methods)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use bytes::Bytes;
use domain::Warning;
use domain::probe::{Step, StepResult};
use rusqlite::Connection;
use sources::{DumpOptions, Error, Origin, RestoreOptions, Restored, Source, parse};
use tempfile::TempDir;

/// The application's user, and the backup's, in one group.
pub(crate) const APPLICATION: u32 = 1500;
pub(crate) const BACKUP: u32 = 1700;
pub(crate) const GROUP: u32 = 1600;

pub(crate) fn source(path: &Path) -> Box<dyn Source> {
    parse(&format!("sqlite://{}", path.display()), Origin::Argument, None).unwrap()
}

pub(crate) async fn dump_with(path: &Path, options: DumpOptions) -> Result<(Vec<u8>, Vec<Warning>), Error> {
    let mut dump = source(path).dump("it", options).await?;
    let mut all = Vec::new();
    while let Some(piece) = dump.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok((all, dump.finish().await?))
}

pub(crate) async fn dump(path: &Path) -> Result<(Vec<u8>, Vec<Warning>), Error> {
    dump_with(path, DumpOptions::default()).await
}

pub(crate) async fn restore_with(path: &Path, dump: &[u8], options: RestoreOptions) -> Result<Restored, Error> {
    let mut restore = source(path).restore(options).await?;
    for piece in dump.chunks(100_000) {
        restore.write(Bytes::copy_from_slice(piece)).await?;
    }
    restore.finish().await?;
    restore.commit().await
}

pub(crate) async fn restore(path: &Path, dump: &[u8], overwrite: bool) -> Result<Restored, Error> {
    restore_with(path, dump, RestoreOptions { overwrite, ..RestoreOptions::default() }).await
}

/// The steps of the connection test that failed.
pub(crate) async fn failed_steps(path: &Path) -> Vec<String> {
    let failed = std::sync::Mutex::new(Vec::new());
    let on_step = |step: Step| {
        if let StepResult::Failed { message } = step.result {
            failed.lock().unwrap().push(format!("{}: {message}", step.name));
        }
    };
    source(path).probe(&on_step).await;
    failed.into_inner().unwrap()
}

pub(crate) fn codes(warnings: &[Warning]) -> Vec<&str> {
    warnings.iter().map(|warning| warning.code.as_str()).collect()
}

pub(crate) fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a shop.db");
    (folder, path)
}

/// A database with the table `t (id, x)`.
pub(crate) fn create(path: &Path, mode: &str, rows: u32) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection.pragma_update(None, "journal_mode", mode).unwrap();
    connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT NOT NULL)").unwrap();
    add_rows(&connection, rows);
    connection
}

pub(crate) fn add_rows(connection: &Connection, rows: u32) {
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})
         INSERT INTO t (x) SELECT hex(randomblob(200)) FROM n"
    );
    connection.execute_batch(&sql).unwrap();
}

pub(crate) fn all_rows(path: &Path) -> Vec<(i64, String)> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT id, x FROM t ORDER BY id").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Overwrites the middle of a page in the middle of the file.
pub(crate) fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xff);
    fs::write(path, &bytes).unwrap();
}

/// Whether the tests may act as other users; says so if not.
pub(crate) fn is_root(test: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("{test} is skipped: it has to act as two users, for which it must be root");
    }
    is_root
}

/// A folder of the application's that its group, or nobody else, may write to.
pub(crate) fn shared_folder(mode: u32) -> (TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    fs::set_permissions(&outer, fs::Permissions::from_mode(0o755)).unwrap();
    let folder = outer.path().join("app");
    fs::create_dir(&folder).unwrap();
    give(&folder, APPLICATION, mode);
    (outer, folder)
}

pub(crate) fn give(path: &Path, user: u32, mode: u32) {
    chown(path, Some(user), Some(GROUP)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs the ignored test `as_another_user` of this program as `user`, with the action and its settings in the environment.
pub(crate) fn act_as(user: u32, action: &str, path: &Path, settings: &[(&str, &Path)]) -> Output {
    // The other user need not be able to reach the build's folder.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={GROUP}"), "--clear-groups"]);
    command.arg(&program).args(["--exact", "as_another_user", "--ignored", "--nocapture"]);
    command.env("ACTION", action).env("DATABASE", path).current_dir("/");
    command.env_remove("TMPDIR").env_remove("DBACKUP_SQLITE_COPY_FOLDER").env_remove("DBACKUP_DATA");
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    command.output().unwrap()
}

pub(crate) fn must(output: &Output) {
    assert!(output.status.success(), "{}", test_support::describe(output));
}

/// A pipe that nobody writes to: opening it waits forever.
pub(crate) fn make_fifo(path: &Path) {
    must(&Command::new("mkfifo").arg(path).output().unwrap());
}
