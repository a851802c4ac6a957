//! Everything that a run needs beside its secrets, as it was when the run started: later changes concern the next run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Compression;

/// What a backup does, complete but for the secrets, which it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupPlan {
    /// The job's id.
    pub job_id: String,
    /// The job's name, which is the backups' folder at the destinations.
    pub job: String,
    /// What is backed up.
    pub source: PlannedSource,
    /// Which of its databases; all that there are if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub databases: Option<Vec<String>>,
    /// Where to, in order.
    pub destinations: Vec<PlannedDestination>,
    /// How it is compressed: `zstd:3`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub compression: Compression,
    /// The public keys that it is encrypted to; not encrypted if empty.
    pub recipients: Vec<String>,
    /// After how many seconds the run is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// After how many seconds without progress a dump or an upload fails.
    pub stall_timeout_seconds: u64,
    /// Warnings that do not count: codes, or `code:subject`.
    pub acknowledged_warnings: Vec<String>,
    /// Whether a database with damaged pages is backed up nevertheless.
    pub allow_damaged: bool,
}

/// What a restore does, complete but for the secrets, which it names. What the user has asked for is in the spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestorePlan {
    /// Where the backup lies.
    pub destination: PlannedDestination,
    /// What it is restored into.
    pub target: PlannedTarget,
    /// Whether a database that is there may be replaced, if that was asked for.
    pub replaces: bool,
    /// Whether the job in whose folder the backup lies encrypts its backups.
    pub job_encrypts: bool,
    /// The private keys, one of which may decrypt it.
    pub identities: Vec<ProfileSecret>,
    /// After how many seconds without progress it fails.
    pub stall_timeout_seconds: u64,
}

/// What a run does that puts a restored database in its place, complete but for the secrets, which it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutInPlacePlan {
    /// The database whose place it gets.
    pub target: PlannedTarget,
}

/// What a copy does, complete but for the secrets, which it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopyPlan {
    /// Where the backup lies.
    pub from: PlannedDestination,
    /// Where it goes.
    pub to: PlannedDestination,
    /// After how many seconds without progress it fails.
    pub stall_timeout_seconds: u64,
}

/// The database that a restore goes into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedTarget {
    /// The source that it belongs to.
    pub source: PlannedSource,
    /// Another database than the source's own: a name, or a file where databases are files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Where the path of that other database on the server's machine led when the run was permitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_path: Option<String>,
}

/// A source, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedSource {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its settings; `type` says which adapter reads them.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Value,
    /// Where its path on the server's machine led when it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_path: Option<String>,
    /// Its secrets, by the names of their fields.
    pub secrets: BTreeMap<String, SecretRef>,
}

/// A destination, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedDestination {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its settings; `type` says which adapter reads them.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Value,
    /// As in [`PlannedSource`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_path: Option<String>,
    /// Its secrets, by the names of their fields. The grant of one that is authorized is `refreshToken`.
    pub secrets: BTreeMap<String, SecretRef>,
}

/// A secret, by the place where a secret store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum SecretRef {
    /// Of a source.
    Source(SourceSecret),
    /// Of a destination.
    Destination(DestinationSecret),
}

/// The private key of an encryption profile, by the place where a secret store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileSecret {
    /// The profile's id.
    pub profile_id: String,
}

/// A secret of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceSecret {
    /// The source's id.
    pub source_id: String,
    /// The secret's field.
    pub field: String,
}

/// A secret of a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DestinationSecret {
    /// The destination's id.
    pub destination_id: String,
    /// The secret's field.
    pub field: String,
}
