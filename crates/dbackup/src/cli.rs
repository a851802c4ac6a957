//! The command line's words. Scripts rely on them.

mod local;
mod operator;
mod remote;

use std::path::PathBuf;

use adapter::Manifest;
use clap::{Parser, Subcommand};

pub(crate) use local::*;
pub(crate) use operator::*;
pub(crate) use remote::*;

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
    /// Back up databases to one or more destinations
    Backup(BackupArguments),
    /// List the backups at a destination
    List(ListArguments),
    /// Download a backup, decrypted and decompressed
    Get(GetArguments),
    /// Restore a backup into a database
    Restore(RestoreArguments),
    /// Copy a backup to another destination
    Copy(CopyArguments),
    /// Delete a backup and its sidecar
    Delete(DeleteArguments),
    /// Generate an age key pair for encrypted backups
    Keygen(KeygenArguments),
    /// Start the server: scheduled jobs, web UI, HTTP API
    #[command(after_help = operator::serve_variables())]
    Serve(Box<ServeArguments>),
    /// Check this machine and the server for problems
    #[command(after_help = "Exit status: 0 no problems, 1 problems. Warnings do not count.")]
    Doctor(DoctorArguments),
    /// Check that the server is ready (for containers)
    #[command(long_about = operator::HEALTH)]
    Health(ListenArguments),
    /// Store an API token for the server
    #[command(
        after_help = "The token is kept in ~/.config/dbackup, readable by you only, and used when DBACKUP_TOKEN is not set."
    )]
    Login,
    /// Remove the stored API token of the server
    Logout,
    /// Open the web UI in a browser
    Open,
    /// Show whether everything is backed up
    #[command(
        after_help = "Exit status, for cron and monitoring: 0 everything is backed up, 1 something needs attention."
    )]
    Status {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Manage sources
    Sources {
        #[command(subcommand)]
        command: ResourceCommand,
    },
    /// Manage destinations
    Destinations {
        #[command(subcommand)]
        command: DestinationCommand,
    },
    /// List, lock and unlock backups
    Backups {
        #[command(subcommand)]
        command: BackupsCommand,
    },
    /// Show what retention keeps and deletes
    Retention {
        #[command(subcommand)]
        command: RetentionCommand,
    },
    /// Manage encryption profiles
    Profiles {
        #[command(subcommand)]
        command: ResourceCommand,
    },
    /// Manage and run jobs
    Jobs {
        #[command(subcommand)]
        command: JobCommand,
    },
    /// Manage and test channels, which tell people
    Channels {
        #[command(subcommand)]
        command: ChannelCommand,
    },
    /// Manage notification rules, and list what was told
    Notifications {
        #[command(subcommand)]
        command: NotificationCommand,
    },
    /// List, follow and cancel runs
    Runs {
        #[command(subcommand)]
        command: RunCommand,
    },
    /// Search and export the audit log
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Apply configuration files, all or nothing
    Apply(ApplyArguments),
    /// Print the configuration as a file for dbackup apply
    #[command(after_help = "Secrets become references, to be set before the file is applied.")]
    Export,
    /// Send a request to the HTTP API
    Api(ApiArguments),
    /// Manage the server's encryption key
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Manage users and tokens while the server is stopped
    Admin {
        #[command(subcommand)]
        command: AdminCommand,
    },
    /// Print shell completions: source <(dbackup completions bash)
    Completions {
        /// Shell
        shell: Shell,
    },
    /// Write manual pages
    Man {
        /// Folder to write to; created if missing
        folder: PathBuf,
    },
    /// Try dbackup with a sample database and emulated storage
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
