//! Commands that run a server, or work on its data.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use adapter::authorization::Holds;
use clap::{Args, Subcommand};
use domain::access::{Permission, Role};
use server::Housekeeping;
use url::Url;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Re-encrypt all secrets under a new key
    #[command(
        after_help = "Stop the server first. If ENCRYPTION_KEY is in use, set the new key in NEW_ENCRYPTION_KEY."
    )]
    Rotate(StoreArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Set a user's password, read from standard input
    ResetPassword(ResetPasswordArguments),
    /// Create a user; reads the password from standard input
    CreateUser(CreateUserArguments),
    /// Create an API token for a user and print it
    CreateToken(CreateTokenArguments),
}

/// Where the server keeps what it knows.
#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// Data folder [default: $XDG_DATA_HOME/dbackup or ~/.local/share/dbackup]
    #[arg(long, value_name = "FOLDER", env = "DBACKUP_DATA")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ResetPasswordArguments {
    /// Username
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CreateUserArguments {
    /// Username
    pub(crate) name: String,
    /// Role: viewer, operator or administrator
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Role,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CreateTokenArguments {
    /// User that the token acts for
    pub(crate) user: String,
    /// Token name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// Scope: view, operate, configure or administer; repeat or separate by commas
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
    pub(crate) scopes: Vec<Permission>,
    /// Days until it expires [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) expires_in: Option<u16>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

pub(super) fn serve_variables() -> String {
    format!("{SERVE_VARIABLES}{}", crate::command::variables(|variable| variable.holds == Holds::Network))
}

/// What `serve --help` says of variables that have no option.
const SERVE_VARIABLES: &str = "\
Environment variables without an option:
  ENCRYPTION_KEY       Key that stored secrets are encrypted under: 64 hexadecimal digits
                       [default: a key file in the data folder, created at the first start]
  DATABASE_URL         Metadata database, as a URL [default: a file in the data folder]
  ENCRYPTION_KEY_FILE, DATABASE_URL_FILE
                       Files whose first line is the value, instead of the variable
  DBACKUP_ADMIN_NAME, DBACKUP_ADMIN_PASSWORD_FILE
                       First administrator, created on a server without users
  DBACKUP_BOOTSTRAP_TOKEN_FILE
                       API token of that administrator with every scope: dbk_ and 32 or more random
                       letters or digits";

pub(super) const HEALTH: &str = "\
Check that the server is ready, for container health checks

Asks the server on this machine for /readyz. Reads the same options and variables as serve, so that it finds the \
server wherever it listens, with or without TLS. Exit status: 0 ready, 1 not ready.";

/// Where a server listens.
#[derive(Debug, Args)]
pub(crate) struct ListenArguments {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", env = "DBACKUP_LISTEN", default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,
    /// PEM certificate chain, for HTTPS; reloaded on renewal
    #[arg(long, value_name = "FILE", env = "DBACKUP_TLS_CERT", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM private key of the certificate
    #[arg(long, value_name = "FILE", env = "DBACKUP_TLS_KEY", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) stall: StallArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    #[command(flatten)]
    pub(crate) listen: ListenArguments,
    /// Address that browsers use [default: http(s)://localhost:<port>]
    #[arg(long, value_name = "URL", env = "PUBLIC_URL")]
    pub(crate) public_url: Option<Url>,
    /// Network of proxies to trust (X-Forwarded-For); repeat or separate by commas
    #[arg(long = "trusted-proxy", value_name = "NETWORK", env = "DBACKUP_TRUSTED_PROXIES", value_delimiter = ',')]
    pub(crate) trusted_proxies: Vec<String>,
    /// Folder that non-administrators may use paths in; repeat or separate by colons
    #[arg(long = "allow-path", value_name = "FOLDER", env = "DBACKUP_ALLOW_PATH", value_delimiter = ':')]
    pub(crate) allowed_paths: Vec<PathBuf>,
    /// Additional host name that browsers may sign in at; repeat or separate by commas
    #[arg(long = "allowed-host", value_name = "NAME", env = "DBACKUP_ALLOWED_HOSTS", value_delimiter = ',')]
    pub(crate) allowed_hosts: Vec<String>,
    /// Let channels of notifications connect to this machine
    #[arg(long, env = "DBACKUP_NOTIFY_LOOPBACK")]
    pub(crate) notify_loopback: bool,
    /// Keep channels of notifications out of private networks
    #[arg(long, env = "DBACKUP_NOTIFY_PUBLIC_ONLY")]
    pub(crate) notify_public_only: bool,
    /// Maximum number of concurrent runs
    #[arg(long, value_name = "NUMBER", env = "DBACKUP_MAX_RUNS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) max_runs: u16,
    /// Seconds to let running backups finish on shutdown
    #[arg(long, value_name = "SECONDS", env = "DBACKUP_GRACE", default_value_t = 30)]
    pub(crate) grace: u64,
    /// Configuration file to apply at start, as dbackup apply takes it; repeat or separate by colons
    #[arg(long = "config", value_name = "FILE", env = "DBACKUP_CONFIG", value_delimiter = ':')]
    pub(crate) config: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) keep: KeepArguments,
    /// Hours between scans of a destination
    #[arg(long, value_name = "HOURS", env = "DBACKUP_SCAN_INTERVAL", default_value_t = server::SCAN_HOURS, value_parser = clap::value_parser!(u16).range(1..=720))]
    pub(crate) scan_interval: u16,
    /// Log format
    #[arg(long, value_name = "FORMAT", env = "DBACKUP_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// Log level (error, warn, info, debug, trace) or directives: server=debug
    #[arg(long, value_name = "FILTER", env = "DBACKUP_LOG", default_value = "info")]
    pub(crate) log: String,
}

/// How long the server keeps what grows.
#[derive(Debug, Args)]
pub(crate) struct KeepArguments {
    /// Days to keep run logs
    #[arg(long, value_name = "DAYS", env = "DBACKUP_KEEP_RUN_LOGS", default_value_t = Housekeeping::RUN_LOG_DAYS, value_parser = clap::value_parser!(u16).range(1..))]
    keep_run_logs: u16,
    /// Days to keep runs; each job's last good run is always kept
    #[arg(long, value_name = "DAYS", env = "DBACKUP_KEEP_RUNS", default_value_t = Housekeeping::RUN_DAYS, value_parser = clap::value_parser!(u16).range(1..))]
    keep_runs: u16,
    /// Days to keep the audit log
    #[arg(long, value_name = "DAYS", env = "DBACKUP_KEEP_AUDIT", default_value_t = Housekeeping::AUDIT_DAYS, value_parser = clap::value_parser!(u16).range(1..))]
    keep_audit: u16,
    /// Days after which a session ends that is not used
    #[arg(long, value_name = "DAYS", env = "DBACKUP_SESSION_IDLE", default_value_t = Housekeeping::SESSION_IDLE_DAYS, value_parser = clap::value_parser!(u16).range(1..=365))]
    session_idle: u16,
    /// Days after which every session ends
    #[arg(long, value_name = "DAYS", env = "DBACKUP_SESSION_AGE", default_value_t = Housekeeping::SESSION_DAYS, value_parser = clap::value_parser!(u16).range(1..=365))]
    session_age: u16,
}

impl KeepArguments {
    pub(crate) fn housekeeping(&self) -> Housekeeping {
        Housekeeping::of_days(self.keep_run_logs, self.keep_runs, self.keep_audit)
            .with_sessions(self.session_idle, self.session_age)
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// For programs, one object per line
    Json,
}

/// How long nothing may move.
#[derive(Debug, Args)]
pub(crate) struct StallArguments {
    /// Fail after this many seconds without any data transferred
    #[arg(long, value_name = "SECONDS", env = "DBACKUP_STALL_TIMEOUT", default_value_t = runner::STALL_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=86_400))]
    stall_timeout: u64,
}

impl StallArguments {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.stall_timeout)
    }
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Folder for the demo's data; must not exist [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Run in the terminal, step by step, without a server
    #[arg(long)]
    pub(crate) terminal: bool,
    /// Address to listen on [default: 127.0.0.1:3000, or a free port]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "terminal")]
    pub(crate) listen: Option<SocketAddr>,
}
