//! What every story needs: a Dropbox, folders, databases, and the program itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use dropbox_emulator::{Config, Control, Emulator};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A Dropbox and a private folder for one story.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    emulator: Option<Emulator>,
    runtime: Runtime,
}

impl World {
    /// With a Dropbox that speaks TLS, as the real one.
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "tmp", "tls", "cwd"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let runtime = Runtime::new().unwrap();
        let config = Config { tls_dir: Some(folder.path().join("tls")), ..config };
        let emulator = Some(runtime.block_on(Emulator::start(config)).unwrap());
        Self { folder, emulator, runtime }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn dropbox(&self) -> &Control {
        self.emulator.as_ref().unwrap().control()
    }

    /// What lies in Dropbox.
    pub(crate) fn stored(&self) -> Vec<String> {
        self.dropbox().files().into_iter().map(|file| file.path).collect()
    }

    /// What the program wrote outside of where it was told to: must be nothing.
    pub(crate) fn strays(&self) -> Vec<PathBuf> {
        ["home", "tmp", "cwd"]
            .iter()
            .flat_map(|name| fs::read_dir(self.path(name)).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect()
    }

    /// The program, with an environment of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let emulator = self.emulator.as_ref().unwrap();
        let standard = Config::default();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dbackup"));
        command.args(arguments).env_clear().current_dir(self.path("cwd")).stdin(Stdio::null());
        command
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"));
        command.env("DROPBOX_APP_KEY", standard.app_key).env("DROPBOX_REFRESH_TOKEN", standard.refresh_token);
        command.env("DROPBOX_API_URL", emulator.api_url()).env("DROPBOX_CONTENT_URL", emulator.content_url());
        command.env("DROPBOX_WEB_URL", emulator.web_url()).env("DROPBOX_CA_FILE", emulator.ca_file().unwrap());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// A key pair: the file's path, and the recipient.
    pub(crate) fn key(&self, name: &str) -> (String, String) {
        let path = self.path(name).display().to_string();
        let recipient = self.run(&["keygen", "--output", &path]).succeeded().stdout.trim().to_owned();
        (path, recipient)
    }

    /// A SQLite database with rows that do not compress, about 250 bytes each.
    pub(crate) fn sqlite(&self, name: &str, rows: u32) -> (PathBuf, String) {
        let path = self.path(name);
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        let sql = format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB);
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})
             INSERT INTO t (x) SELECT randomblob(250) FROM n;"
        );
        connection.execute_batch(&sql).unwrap();
        let address = format!("sqlite://{}", path.display());
        (path, address)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(emulator) = self.emulator.take() {
            self.runtime.block_on(emulator.stop());
        }
    }
}

/// All rows of the sample table.
pub(crate) fn rows(path: &Path) -> Vec<(i64, Vec<u8>)> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT id, x FROM t ORDER BY id").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

/// How a program ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        self.ended_with(0)
    }

    /// Fails the story unless it failed with a message that holds all of these.
    #[track_caller]
    pub(crate) fn failed_saying(self, words: &[&str]) -> Self {
        let ran = self.ended_with(1);
        for word in words {
            assert!(ran.stderr.contains(word), "'{word}' is missing in: {}{}", ran.stdout, ran.stderr);
        }
        ran
    }

    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// The objects of `--json` output.
    pub(crate) fn objects(&self) -> Vec<serde_json::Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
            .collect()
    }

    /// The last object.
    pub(crate) fn result(&self) -> serde_json::Value {
        self.objects().pop().unwrap()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}
