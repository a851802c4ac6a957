//! Commands that work without a server: they talk to databases and storages themselves.

use std::path::PathBuf;

use clap::Args;
use destinations::address_forms;
use domain::Compression;

use super::operator::StallArguments;

fn source_help() -> String {
    let registry = sources::registry();
    let forms: Vec<&str> = registry.manifests().map(|manifest| manifest.addresses).collect();
    format!("Source database: {}. With a password, use DBACKUP_SOURCE instead", forms.join(" or "))
}

#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    #[arg(long, help = source_help())]
    pub(crate) source: Option<String>,
    /// File whose first line is the source's password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    #[arg(long = "to", value_name = "DESTINATION", required = true, help = format!("{}; may be repeated", address_forms()))]
    pub(crate) to: Vec<String>,
    /// Job name, used as the folder at the destination [default: database name]
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// Database to back up; repeatable [default: the source's, or all]
    #[arg(long = "database", value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) databases: Vec<String>,
    /// Compression: zstd, gzip or none, with a level of 1 to 9: zstd:3
    #[arg(long, value_name = "METHOD", default_value_t)]
    pub(crate) compression: Compression,
    /// age public key to encrypt to; repeatable
    #[arg(long = "recipient", value_name = "AGE1...")]
    pub(crate) recipients: Vec<String>,
    /// Back up a damaged database file anyway, with a warning
    #[arg(long)]
    pub(crate) allow_damaged: bool,
    #[command(flatten)]
    pub(crate) stall: StallArguments,
    /// Warning to ignore: CODE or CODE:SUBJECT; repeatable
    #[arg(long = "acknowledge", value_name = "WARNING")]
    pub(crate) acknowledged: Vec<String>,
    /// Print one JSON object per line, ending with the result
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[arg(help = address_forms())]
    pub(crate) destination: String,
    /// Show backups of this job only
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) job: Option<String>,
    /// Print one JSON object per line, ending with the result
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    #[arg(help = address_forms())]
    pub(crate) destination: String,
    /// Path of the backup, as printed by dbackup list
    #[arg(allow_hyphen_values = true)]
    pub(crate) path: String,
    /// Output file; must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// File with the age identity (private key) to decrypt with
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Download the file as stored, still encrypted and compressed
    #[arg(long)]
    pub(crate) raw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    #[arg(required_unless_present = "put_in_place", help = address_forms())]
    pub(crate) destination: Option<String>,
    /// Path of the backup, as printed by dbackup list
    #[arg(required_unless_present_any = ["job", "put_in_place"], allow_hyphen_values = true)]
    pub(crate) path: Option<String>,
    /// Job whose latest backup to restore
    #[arg(long, value_name = "NAME", requires = "latest", conflicts_with = "path", allow_hyphen_values = true)]
    pub(crate) job: Option<String>,
    /// Restore the job's latest backup
    #[arg(long, requires = "job", conflicts_with = "path")]
    pub(crate) latest: bool,
    /// Database of the job to restore [default: the only one]
    #[arg(long, value_name = "NAME", requires = "job", allow_hyphen_values = true)]
    pub(crate) database: Option<String>,
    /// Target database, as an address. With a password, use DBACKUP_TARGET instead
    #[arg(long, value_name = "SOURCE")]
    pub(crate) target: Option<String>,
    /// File whose first line is the target's password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// File with the age identity (private key) to decrypt with
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Replace a database that contains data
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Skip ownership and privileges
    #[arg(long)]
    pub(crate) no_owner: bool,
    /// Restore a damaged database file anyway, with a warning
    #[arg(long)]
    pub(crate) allow_damaged: bool,
    #[command(flatten)]
    pub(crate) stall: StallArguments,
    /// Restore an unencrypted backup of a job that encrypts
    #[arg(long)]
    pub(crate) allow_unencrypted: bool,
    /// What to do if an object cannot be restored
    #[arg(long, value_name = "ACTION", default_value = "stop")]
    pub(crate) on_error: OnErrorArgument,
    /// Restore under the database's own name; move the current one aside until done
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Review only: print the target and what blocks the restore
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Put a database in place that a failed swap kept
    #[arg(long, value_name = "NAME", conflicts_with_all = ["destination", "path", "job", "dry_run"])]
    pub(crate) put_in_place: Option<String>,
    /// Print one JSON object per line, ending with the result
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
    #[arg(help = format!("Destination that has the backup: {}", address_forms()))]
    pub(crate) source: String,
    /// Path of the backup, as printed by dbackup list
    #[arg(allow_hyphen_values = true)]
    pub(crate) path: String,
    /// Destination to copy to
    #[arg(long = "to", value_name = "DESTINATION")]
    pub(crate) to: String,
    /// Resume an interrupted copy
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    #[arg(help = address_forms())]
    pub(crate) destination: String,
    /// Path of the backup, as printed by dbackup list
    #[arg(allow_hyphen_values = true)]
    pub(crate) path: String,
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KeygenArguments {
    /// Output file for the private key; must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
