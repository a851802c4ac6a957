//! Commands that use a server.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::outcome::RunStatus;
use jiff::Timestamp;

/// How a list is printed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ListOptions {
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
    /// Refresh the list every SECONDS until interrupted [default: 2]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2", conflicts_with = "json", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) watch: Option<u16>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ResourceCommand {
    /// List all of them
    List(ListOptions),
    /// Show one as JSON
    Show {
        /// Name or ID
        name: String,
    },
    /// Create one
    #[command(after_help = CREATE)]
    Create {
        /// TOML or JSON file with one entry, as in dbackup apply; - for standard input
        #[arg(long, short, value_name = "FILE", conflicts_with = "fields")]
        file: Option<PathBuf>,
        /// Type and fields of the source, destination or channel
        #[arg(value_name = "TYPE [--FIELD VALUE]...", trailing_var_arg = true, allow_hyphen_values = true)]
        fields: Vec<String>,
    },
    /// Delete one
    Delete {
        /// Name or ID
        name: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    #[command(flatten)]
    Resource(ResourceCommand),
    /// Run a job now
    Run {
        /// Name or ID
        name: String,
        /// Stream progress until the run finishes, then exit with its status
        #[arg(long)]
        follow: bool,
    },
    /// Edit a job as text in $EDITOR
    Edit {
        /// Name or ID
        name: String,
    },
    /// Pause a job's schedule
    Pause {
        /// Name or ID
        name: String,
    },
    /// Resume a paused job
    Resume {
        /// Name or ID
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DestinationCommand {
    #[command(flatten)]
    Resource(ResourceCommand),
    /// Authorize a destination with a code from the browser
    Authorize {
        /// Name or ID
        name: String,
    },
    /// Scan a destination for new and missing backups
    Scan {
        /// Name or ID
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
pub(crate) enum ChannelCommand {
    #[command(flatten)]
    Resource(ResourceCommand),
    /// Send a test message
    Test {
        /// Name or ID
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum NotificationCommand {
    #[command(flatten)]
    Resource(ResourceCommand),
    /// List messages, newest first
    Outbox {
        /// Show messages of this channel only: name or ID
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        /// Show messages in this state only
        #[arg(long, value_parser = ["waiting", "sent", "failed", "dropped"])]
        state: Option<String>,
        /// Maximum number of messages
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupsCommand {
    /// List backups, newest first
    List(BackupsListArguments),
    /// Verify a backup
    #[command(after_help = "Exits with 1 if the backup is not what was backed up, and with 3 if that cannot be told.")]
    Verify {
        #[command(flatten)]
        place: BackupPlace,
        /// Check everything: read, decrypt and decompress the backup
        #[arg(long)]
        deep: bool,
    },
    /// Lock a backup against deletion
    Lock(BackupPlace),
    /// Unlock a backup
    Unlock(BackupPlace),
    /// Keep a backup that is marked for deletion, by locking it
    Keep(BackupPlace),
}

#[derive(Debug, Args)]
pub(crate) struct BackupPlace {
    /// Name or ID of the destination
    pub(crate) destination: String,
    /// Path, as printed by dbackup backups list
    pub(crate) path: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    /// Show what a retention policy would keep and delete
    #[command(after_help = "Nothing is deleted. Exits with 3 if the plan is on hold or suspended.")]
    Preview {
        /// Name or ID of the job
        job: String,
        /// Name or ID of the destination
        destination: String,
        /// Policy to try instead of the job's own
        #[arg(long, value_name = "NAME")]
        policy: Option<String>,
        /// Print the plan as JSON
        #[arg(long)]
        json: bool,
    },
    /// List backups that are marked for deletion
    Marked(ListOptions),
}

#[derive(Debug, Args)]
pub(crate) struct BackupsListArguments {
    /// Show backups at this destination only: name or ID
    #[arg(long, value_name = "NAME")]
    pub(crate) destination: Option<String>,
    /// Show backups of this job only
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) job: Option<String>,
    /// Show backups of this database only
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) database: Option<String>,
    /// Show backups whose job, database or destination contain these words
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) search: Option<String>,
    /// Show only backups that the last scan did not find
    #[arg(long)]
    pub(crate) missing: bool,
    /// Maximum number of backups
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Print all that match as CSV
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    pub(crate) csv: bool,
    #[command(flatten)]
    pub(crate) options: ListOptions,
}

/// Which runs to list.
#[derive(Debug, Args)]
pub(crate) struct RunList {
    /// Show runs of this job only: name or ID
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// Show runs that use this destination only: name or ID
    #[arg(long, value_name = "NAME")]
    pub(crate) destination: Option<String>,
    /// Show runs in this state only: failed, partial, succeeded...; repeatable
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Vec<RunStatus>,
    /// Show runs queued at or after this time: 2026-01-15T03:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Show runs queued before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Timestamp>,
    /// Maximum number of runs
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
    /// Print all that match as CSV
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    pub(crate) csv: bool,
    #[command(flatten)]
    pub(crate) options: ListOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List entries, newest first
    List(AuditList),
}

/// Which entries of the audit log to list.
#[derive(Debug, Args)]
pub(crate) struct AuditList {
    /// Show what this user did, also by API tokens
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Show what API tokens of this name did
    #[arg(long, value_name = "NAME")]
    pub(crate) token: Option<String>,
    /// Show this event only: job.run, or job for all that begin with it
    #[arg(long, value_name = "EVENT")]
    pub(crate) event: Option<String>,
    /// Show what was done to this object: name or ID
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) object: Option<String>,
    /// Show entries at or after this time: 2026-01-15T03:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Show entries before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Timestamp>,
    /// Show only what was done, or only what was refused
    #[arg(long, value_name = "OUTCOME", value_parser = ["done", "refused"])]
    pub(crate) outcome: Option<String>,
    /// Maximum number of entries
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
    /// Print all that match as CSV
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    pub(crate) csv: bool,
    #[command(flatten)]
    pub(crate) options: ListOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// List runs, newest first
    List(RunList),
    /// Show a run as JSON
    Show {
        /// ID of the run
        id: String,
    },
    /// Stream progress until a run finishes, then exit with its status
    Follow {
        /// ID of the run
        id: String,
    },
    /// Cancel a run
    Cancel {
        /// ID of the run
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// TOML file, or folder of *.toml files; - for standard input; repeatable
    #[arg(long = "file", short, value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Show the changes only. Exit status: 0 no changes, 2 changes, 1 errors
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete items applied under the same label that are in no file; keep backups
    #[arg(long)]
    pub(crate) prune: bool,
    /// Label of these files, if several configurations share a server
    #[arg(long, value_name = "LABEL", default_value = "dbackup apply")]
    pub(crate) managed_by: String,
}

#[derive(Debug, Args)]
pub(crate) struct ApiArguments {
    /// HTTP method: GET, POST, PUT, PATCH or DELETE
    pub(crate) method: String,
    /// Path, starting with /api/; the server documents them at /api/docs
    pub(crate) path: String,
    /// JSON or TOML file to send; - for standard input
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// If it starts a run, stream progress, then exit with the run's status
    #[arg(long)]
    pub(crate) follow: bool,
}

const CREATE: &str = "\
Sources, destinations and channels can be created from options instead of a file. The server says which there are:
  dbackup sources create TYPE --help
  dbackup sources create TYPE --name Shop ...
Secrets are references: env:NAME, file:/path, or - for a line of standard input.";
