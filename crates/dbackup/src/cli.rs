//! The command line's words. Scripts rely on them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use adapter::Manifest;
use adapter::authorization::Holds;
use clap::{Args, Parser, Subcommand};
use destinations::address_forms;
use domain::Compression;
use domain::access::{Permission, Role};
use domain::outcome::RunStatus;
use jiff::Timestamp;
use server::Housekeeping;
use url::Url;

/// Version, and the commit that a release was built from: see `build.rs`.
const VERSION: &str = env!("DBACKUP_VERSION");

/// Backs up databases, encrypted, in one pass, and restores them.
// `command.rs` has the groups and examples that --help shows.
#[derive(Debug, Parser)]
#[command(name = "dbackup", version = VERSION, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Back up a database (or all of a server's) to one or more destinations
    Backup(BackupArguments),
    /// List the backups at a destination
    List(ListArguments),
    /// Fetch a backup: decrypted and decompressed, or as it is stored
    Get(GetArguments),
    /// Restore a backup into a database
    Restore(RestoreArguments),
    /// Copy a stored backup, as it is, to another destination
    Copy(CopyArguments),
    /// Delete a backup and its sidecar
    Delete(DeleteArguments),
    /// Make a key pair for encrypted backups (age)
    Keygen(KeygenArguments),
    /// Start the server: jobs, schedules, HTTP API
    #[command(after_help = serve_variables())]
    Serve(Box<ServeArguments>),
    /// Check that the server is ready, for container health checks
    #[command(long_about = HEALTH)]
    Health(ListenArguments),
    /// Say whether everything is backed up; exits with 1 if something needs attention, for cron and monitoring
    Status {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// The server's sources
    Sources {
        #[command(subcommand)]
        command: ResourceCommand,
    },
    /// The server's destinations
    Destinations {
        #[command(subcommand)]
        command: DestinationCommand,
    },
    /// The backups that the server knows of
    Backups {
        #[command(subcommand)]
        command: BackupsCommand,
    },
    /// Which backups retention keeps and deletes
    Retention {
        #[command(subcommand)]
        command: RetentionCommand,
    },
    /// The server's encryption profiles
    Profiles {
        #[command(subcommand)]
        command: ResourceCommand,
    },
    /// The server's jobs
    Jobs {
        #[command(subcommand)]
        command: JobCommand,
    },
    /// The server's runs
    Runs {
        #[command(subcommand)]
        command: RunCommand,
    },
    /// Apply configuration files: create, update and, with --prune, delete; all of it or nothing
    Apply(ApplyArguments),
    /// Print a server's configuration as dbackup apply takes it; secrets become references to be filled in
    Export,
    /// Ask a server's HTTP API, which can do whatever its web UI does
    Api(ApiArguments),
    /// Manage the key that the server's secrets are encrypted under
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Manage users and API tokens on the server's machine, while the server is stopped
    Admin {
        #[command(subcommand)]
        command: AdminCommand,
    },
    /// Print what a shell needs to complete commands, options and names: source <(dbackup completions bash)
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write manual pages
    Man {
        /// Folder that they are written to; it is created
        folder: PathBuf,
    },
    /// Show the main job at work, with a sample database and an emulated storage: a server to click through, no account needed
    Demo(DemoArguments),
}

/// What was asked for.
pub(crate) enum Parsed {
    Command(Box<Command>),
    /// A command of an adapter whose storage is authorized in a browser.
    Access(&'static Manifest, AccessCommand),
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum AccessCommand {
    /// Get a refresh token: open the address shown, allow the access, paste the code
    Login,
    /// Show whose account it is and how full
    Account,
    /// Revoke the access for good
    Logout,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Encrypt everything under a new key. Stop the server first. With ENCRYPTION_KEY in use, give the new one in
    /// NEW_ENCRYPTION_KEY
    Rotate(StoreArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Set a new password for a user of the server; it is read from standard input
    ResetPassword(ResetPasswordArguments),
    /// Create a user; the password is read from standard input
    CreateUser(CreateUserArguments),
    /// Create an API token for a user and print it
    CreateToken(CreateTokenArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ResourceCommand {
    /// List them
    List {
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Show one, as JSON
    Show {
        /// Its name or id
        name: String,
    },
    /// Create one
    #[command(after_help = CREATE)]
    Create {
        /// TOML or JSON, as one entry of the file that dbackup apply takes; - is standard input
        #[arg(long, short, value_name = "FILE", conflicts_with = "fields")]
        file: Option<PathBuf>,
        /// Type and fields of a source or destination
        #[arg(value_name = "TYPE [--FIELD VALUE]...", trailing_var_arg = true, allow_hyphen_values = true)]
        fields: Vec<String>,
    },
    /// Delete one
    Delete {
        /// Its name or id
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    #[command(flatten)]
    Resource(ResourceCommand),
    /// Run one now
    Run {
        /// Its name or id
        name: String,
        /// Tell what happens until it has ended, and exit with its outcome
        #[arg(long)]
        follow: bool,
    },
    /// Pause one: it does not run by its schedule until it is resumed
    Pause {
        /// Its name or id
        name: String,
    },
    /// Resume one that is paused
    Resume {
        /// Its name or id
        name: String,
    },
}

/// A shell that commands can be completed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    /// Bash
    Bash,
    /// Fish
    Fish,
    /// Zsh
    Zsh,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DestinationCommand {
    #[command(flatten)]
    Resource(ResourceCommand),
    /// Scan a destination for backups that are new or missing
    Scan {
        /// Its name or id
        name: String,
        /// Return at once instead of waiting for the result
        #[arg(long)]
        no_wait: bool,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupsCommand {
    /// List backups, newest first, as they were last seen
    List(BackupsListArguments),
    /// Lock a backup against deletion
    Lock(BackupPlace),
    /// Unlock a backup
    Unlock(BackupPlace),
    /// Keep a backup that is marked for deletion: lock it
    Keep(BackupPlace),
}

#[derive(Debug, Args)]
pub(crate) struct BackupPlace {
    /// Name or id of its destination
    pub(crate) destination: String,
    /// Its path, as dbackup backups list shows it
    pub(crate) path: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    /// Show what a retention policy keeps and deletes
    #[command(after_help = "Nothing is deleted. Exits with 3 if the plan is on hold or suspended.")]
    Preview {
        /// Name or id of the job
        job: String,
        /// Name or id of the destination
        destination: String,
        /// Try this policy instead of the job's own
        #[arg(long, value_name = "NAME")]
        policy: Option<String>,
        /// Print the plan as JSON
        #[arg(long)]
        json: bool,
    },
    /// List backups that are marked for deletion
    Marked {
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BackupsListArguments {
    /// Only at this destination: its name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) destination: Option<String>,
    /// Only of the job with this name
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) job: Option<String>,
    /// Only of this database
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) database: Option<String>,
    /// Only if job, database or destination contain these words
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) search: Option<String>,
    /// Only backups that the last scan did not find
    #[arg(long)]
    pub(crate) missing: bool,
    /// Maximum number of backups
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// One JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which runs to list.
#[derive(Debug, Args)]
pub(crate) struct RunList {
    /// Only of this job
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// Only those that read from this destination, or write to it
    #[arg(long, value_name = "NAME")]
    pub(crate) destination: Option<String>,
    /// Only in this state: failed, partial, succeeded; may be repeated
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Vec<RunStatus>,
    /// Only those queued at this time or later: 2026-01-15T03:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Only those queued before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Timestamp>,
    /// How many
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
    /// One JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// List them, the newest first
    List(RunList),
    /// Show one, as JSON
    Show {
        /// Its id
        id: String,
    },
    /// Tell what happens until it has ended, and exit with its outcome
    Follow {
        /// Its id
        id: String,
    },
    /// Stop one
    Cancel {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// TOML, or a folder of *.toml; - is standard input; may be repeated
    #[arg(long = "file", short, value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Show the changes only. Exits with 0 if there are none, with 2 if there are, with 1 on errors
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete items that were applied under the same label and are no longer in any file. Backups are kept
    #[arg(long)]
    pub(crate) prune: bool,
    /// Label of these files, where several configurations share a server
    #[arg(long, value_name = "LABEL", default_value = "dbackup apply")]
    pub(crate) managed_by: String,
}

#[derive(Debug, Args)]
pub(crate) struct ApiArguments {
    /// GET, POST, PUT, PATCH or DELETE
    pub(crate) method: String,
    /// The address, from /api/ on; the server describes all of them at /api/docs
    pub(crate) path: String,
    /// What is sent: JSON or TOML; - is standard input
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// If that begins a run, tell what happens until it has ended, and exit with its outcome
    #[arg(long)]
    pub(crate) follow: bool,
}

/// Where the server keeps what it knows.
#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// The folder of the database, the key and the setup token [default: $XDG_DATA_HOME/dbackup or ~/.local/share/dbackup]
    #[arg(long, value_name = "FOLDER", env = "DBACKUP_DATA")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ResetPasswordArguments {
    /// The user's name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CreateUserArguments {
    /// The user's name
    pub(crate) name: String,
    /// viewer, operator or administrator
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Role,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CreateTokenArguments {
    /// The user on whose behalf it acts
    pub(crate) user: String,
    /// What it is for
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// view, operate, configure, administer; may be repeated, or separated by commas
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
    pub(crate) scopes: Vec<Permission>,
    /// Days until it expires [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) expires_in: Option<u16>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

fn serve_variables() -> String {
    format!("{SERVE_VARIABLES}{}", crate::command::variables(|variable| variable.holds == Holds::Network))
}

fn source_help() -> String {
    let registry = sources::registry();
    let forms: Vec<&str> = registry.manifests().map(|manifest| manifest.addresses).collect();
    format!("{}. A source with a password goes into DBACKUP_SOURCE instead", forms.join(" or "))
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

const CREATE: &str = "\
Sources and destinations can be created from options instead of a file. The server says which there are:
  dbackup sources create TYPE --help
  dbackup sources create TYPE --name Shop ...
Secrets are references: env:NAME, file:/path, or - for a line of standard input.";

const HEALTH: &str = "\
Check that the server is ready, for container health checks

Asks the server on this machine for /readyz. Reads the same options and variables as serve, so that it finds the \
server wherever it listens, with or without TLS. Exit status: 0 ready, 1 not ready.";

/// Where a server listens.
#[derive(Debug, Args)]
pub(crate) struct ListenArguments {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", env = "DBACKUP_LISTEN", default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,
    /// Certificate chain as PEM, for HTTPS; read again when it is renewed
    #[arg(long, value_name = "FILE", env = "DBACKUP_TLS_CERT", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key as PEM
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
    /// The address that browsers use; redirect URIs start with it [default: http://localhost:<port>, https with TLS]
    #[arg(long, value_name = "URL", env = "PUBLIC_URL")]
    pub(crate) public_url: Option<Url>,
    /// Proxies whose X-Forwarded-For is believed, as networks: 10.0.0.0/8; may be repeated, or separated by commas
    #[arg(long = "trusted-proxy", value_name = "NETWORK", env = "DBACKUP_TRUSTED_PROXIES", value_delimiter = ',')]
    pub(crate) trusted_proxies: Vec<String>,
    /// A folder of this machine below which API tokens with the scope configure may use paths; without one, folders and database files
    /// are for administrators; may be repeated, or separated by colons
    #[arg(long = "allow-path", value_name = "FOLDER", env = "DBACKUP_ALLOW_PATH", value_delimiter = ':')]
    pub(crate) allowed_paths: Vec<PathBuf>,
    /// Name under which browsers may sign in besides the public URL's, localhost and addresses; repeat or separate by commas
    #[arg(long = "allowed-host", value_name = "NAME", env = "DBACKUP_ALLOWED_HOSTS", value_delimiter = ',')]
    pub(crate) allowed_hosts: Vec<String>,
    /// Runs at once
    #[arg(long, value_name = "NUMBER", env = "DBACKUP_MAX_RUNS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) max_runs: u16,
    /// Seconds that running backups may go on after the server was asked to stop
    #[arg(long, value_name = "SECONDS", env = "DBACKUP_GRACE", default_value_t = 30)]
    pub(crate) grace: u64,
    #[command(flatten)]
    pub(crate) keep: KeepArguments,
    /// How the log is written
    #[arg(long, value_name = "FORMAT", env = "DBACKUP_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or directives such as server=debug
    #[arg(long, value_name = "FILTER", env = "DBACKUP_LOG", default_value = "info")]
    pub(crate) log: String,
}

/// How long the server keeps what grows.
#[derive(Debug, Args)]
pub(crate) struct KeepArguments {
    /// Days to keep the logs of runs
    #[arg(long, value_name = "DAYS", env = "DBACKUP_KEEP_RUN_LOGS", default_value_t = Housekeeping::RUN_LOG_DAYS, value_parser = clap::value_parser!(u16).range(1..))]
    keep_run_logs: u16,
    /// Days to keep runs; the last good run of a job is always kept
    #[arg(long, value_name = "DAYS", env = "DBACKUP_KEEP_RUNS", default_value_t = Housekeeping::RUN_DAYS, value_parser = clap::value_parser!(u16).range(1..))]
    keep_runs: u16,
    /// Days to keep the audit log
    #[arg(long, value_name = "DAYS", env = "DBACKUP_KEEP_AUDIT", default_value_t = Housekeeping::AUDIT_DAYS, value_parser = clap::value_parser!(u16).range(1..))]
    keep_audit: u16,
}

impl KeepArguments {
    pub(crate) fn housekeeping(&self) -> Housekeeping {
        Housekeeping::of_days(self.keep_run_logs, self.keep_runs, self.keep_audit)
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
    /// Fail when a database or a storage has given or taken nothing for so long
    #[arg(long, value_name = "SECONDS", env = "DBACKUP_STALL_TIMEOUT", default_value_t = runner::STALL_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=86_400))]
    stall_timeout: u64,
}

impl StallArguments {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.stall_timeout)
    }
}

#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    #[arg(long, help = source_help())]
    pub(crate) source: Option<String>,
    /// A file whose first line is the source's password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    #[arg(long = "to", value_name = "DESTINATION", required = true, help = format!("{}; may be repeated", address_forms()))]
    pub(crate) to: Vec<String>,
    /// The job's name, which is the folder at the destination [default: the database's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// A database of the server; may be repeated [default: the source's, or all]
    #[arg(long = "database", value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) databases: Vec<String>,
    /// zstd, gzip or none, with a level of 1 to 9: zstd:3
    #[arg(long, value_name = "METHOD", default_value_t)]
    pub(crate) compression: Compression,
    /// Encrypt to this age public key; may be repeated
    #[arg(long = "recipient", value_name = "AGE1...")]
    pub(crate) recipients: Vec<String>,
    /// Back up a damaged database file as it is, with a warning
    #[arg(long)]
    pub(crate) allow_damaged: bool,
    #[command(flatten)]
    pub(crate) stall: StallArguments,
    /// Do not count a warning: CODE or CODE:SUBJECT; may be repeated
    #[arg(long = "acknowledge", value_name = "WARNING")]
    pub(crate) acknowledged: Vec<String>,
    /// One JSON object per line, the last one the result
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[arg(help = address_forms())]
    pub(crate) destination: String,
    /// Only the backups of this job
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) job: Option<String>,
    /// One JSON object per line, the last one the result
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    #[arg(help = address_forms())]
    pub(crate) destination: String,
    /// The backup's path as dbackup list shows it
    #[arg(allow_hyphen_values = true)]
    pub(crate) path: String,
    /// Where to put it; must not exist yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The age identity (private key) that opens it
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// As it is stored: neither decrypted nor decompressed
    #[arg(long)]
    pub(crate) raw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    #[arg(required_unless_present = "put_in_place", help = address_forms())]
    pub(crate) destination: Option<String>,
    /// The backup's path as dbackup list shows it
    #[arg(required_unless_present_any = ["job", "put_in_place"], allow_hyphen_values = true)]
    pub(crate) path: Option<String>,
    /// The job whose newest backup is restored
    #[arg(long, value_name = "NAME", requires = "latest", conflicts_with = "path", allow_hyphen_values = true)]
    pub(crate) job: Option<String>,
    /// The newest backup of the job
    #[arg(long, requires = "job", conflicts_with = "path")]
    pub(crate) latest: bool,
    /// Which of the job's databases [default: the only one]
    #[arg(long, value_name = "NAME", requires = "job", allow_hyphen_values = true)]
    pub(crate) database: Option<String>,
    /// The database to restore into, written like a source. One with a password goes into DBACKUP_TARGET instead
    #[arg(long, value_name = "SOURCE")]
    pub(crate) target: Option<String>,
    /// A file whose first line is the target's password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// The age identity (private key) that opens it
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Replace a database that holds data
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Skip ownership and privileges, where backups hold them
    #[arg(long)]
    pub(crate) no_owner: bool,
    /// Restore a damaged database file as it is, with a warning
    #[arg(long)]
    pub(crate) allow_damaged: bool,
    #[command(flatten)]
    pub(crate) stall: StallArguments,
    /// Restore an unencrypted backup although others of the job are encrypted
    #[arg(long)]
    pub(crate) allow_unencrypted: bool,
    /// What to do about an object that cannot be restored
    #[arg(long, value_name = "ACTION", default_value = "stop")]
    pub(crate) on_error: OnErrorArgument,
    /// Load under the database's own name: what is there is moved aside until the restore has ended
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Review only: print the target and what stands in the way
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Put a restored database in place that a failed swap kept
    #[arg(long, value_name = "NAME", conflicts_with_all = ["destination", "path", "job", "dry_run"])]
    pub(crate) put_in_place: Option<String>,
    /// One JSON object per line, the last one the result
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do about an object that cannot be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnErrorArgument {
    /// Fail and leave the target as it was
    Stop,
    /// Restore everything else and list the object (exit code 3)
    Continue,
}

#[derive(Debug, Args)]
pub(crate) struct CopyArguments {
    #[arg(help = format!("Where it is: {}", address_forms()))]
    pub(crate) source: String,
    /// The backup's path as dbackup list shows it
    #[arg(allow_hyphen_values = true)]
    pub(crate) path: String,
    /// Where it goes
    #[arg(long = "to", value_name = "DESTINATION")]
    pub(crate) to: String,
    /// Go on with an interrupted copy, where the destination keeps its parts
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    #[arg(help = address_forms())]
    pub(crate) destination: String,
    /// The backup's path as dbackup list shows it
    #[arg(allow_hyphen_values = true)]
    pub(crate) path: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KeygenArguments {
    /// Where to put the private key; must not exist yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Where to keep what the demo makes; must not exist yet [default: a new temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Tell it in the terminal, step by step, instead
    #[arg(long)]
    pub(crate) terminal: bool,
    /// Where the server listens [default: 127.0.0.1:3000, or a free port]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "terminal")]
    pub(crate) listen: Option<SocketAddr>,
}
