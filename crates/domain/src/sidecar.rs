//! The sidecar: what is known of a backup, as JSON beside it. A convenience: losing it loses no backup.

mod checksum;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::checksum::Checksum;
use crate::adapter_id::AdapterId;
use crate::compression::Compression;
use crate::rows::Rows;
use crate::warning::Warning;

/// The version of the sidecar's layout that this code writes.
pub const VERSION: u32 = 2;

/// No sidecar is larger than this, in bytes; whatever is, is not a sidecar.
pub const MAX_SIZE: u64 = 256 * 1024;

/// What is known of one backup. docs/FORMAT.md describes it to the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sidecar {
    /// The layout's version.
    pub version: u32,
    /// The backup's own id, a UUID.
    pub id: String,
    /// The run that made it; all databases of a run share it.
    pub run_id: String,
    /// The job's id where a server knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The job's name at that time.
    pub job_name: String,
    /// Where the data came from, without secrets.
    pub source_name: String,
    /// The host name of the machine that ran the backup: two machines can have the same source address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The id of the source's adapter, which this version need not have.
    pub source_type: AdapterId,
    /// The database's name.
    pub database: String,
    /// The server's (or library's) version, as it calls itself.
    pub engine_version: String,
    /// The dump tool and its version.
    pub tool_version: String,
    /// When the run started, UTC.
    pub timestamp: Timestamp,
    /// The file's name at the time of writing.
    pub original_file_name: String,
    /// The compression, as `zstd:3`, `gzip:6` or `none`.
    pub compression: Compression,
    /// Who can read it; absent if it is not encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Sizes in bytes.
    pub size: Size,
    /// Digests, in lower-case hexadecimal.
    pub checksum: Checksum,
    /// What caused the run: `manual`, `schedule`, `api`.
    pub trigger: String,
    /// Whether retention must leave it alone.
    pub locked: bool,
    /// What the backup lacks, and what could not be checked; empty for a success without warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// The rows of its tables, at the moment of the dump; absent if they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
    /// By the server that made it; absent where the command line did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// A signature over everything else in a sidecar but `locked`; docs/FORMAT.md says over which bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signature {
    /// The public key: `ed25519:` and 64 hexadecimal digits.
    pub key: String,
    /// 128 hexadecimal digits.
    pub value: String,
}

/// How a backup is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Encryption {
    /// Always `age`: <https://age-encryption.org/v1>.
    pub format: String,
    /// The public keys it was encrypted to.
    pub recipients: Vec<String>,
}

/// Sizes in bytes, before and after the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// The dump as the tool wrote it.
    pub plain: u64,
    /// The file at the destination.
    pub stored: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_of_an_engine_that_this_version_does_not_know_is_read() {
        let json = r#"{"version":2,"id":"i","runId":"r","jobName":"shop","sourceName":"s","sourceType":"oracle","database":"d",
            "engineVersion":"23ai","toolVersion":"expdp 23","timestamp":"2024-01-15T12:00:00Z","originalFileName":"f",
            "compression":"none","size":{"plain":3,"stored":3},"checksum":{"sha256Plain":"a","sha256Stored":"a"},
            "trigger":"manual","locked":false}"#;
        let sidecar: Sidecar = serde_json::from_str(json).unwrap();
        assert_eq!(sidecar.source_type.as_str(), "oracle");
        assert!(serde_json::from_str::<Sidecar>(&json.replace("oracle", "Oracle\\n")).is_err());
    }

    #[test]
    fn is_camel_case_json_and_comes_back() {
        let json = r#"{"version":2,"id":"i","runId":"r","jobName":"shop","sourceName":"s","sourceType":"postgres","database":"d",
            "engineVersion":"17.2","toolVersion":"pg_dump 17.2","timestamp":"2024-01-15T12:00:00Z","originalFileName":"f",
            "compression":"zstd:3","encryption":{"format":"age","recipients":["age1x"]},"size":{"plain":3,"stored":2},
            "checksum":{"sha256Plain":"a","sha256Stored":"b","dropboxContentHash":"c"},"trigger":"manual","locked":false,
            "addedByALaterVersion":true}"#;
        let sidecar: Sidecar = serde_json::from_str(json).unwrap();
        assert_eq!(sidecar.compression, Compression::Zstd(3));
        let again: Sidecar = serde_json::from_str(&serde_json::to_string(&sidecar).unwrap()).unwrap();
        assert_eq!(again, sidecar);
        assert!(serde_json::to_string(&sidecar).unwrap().contains(r#""sha256Plain":"a""#));
    }
}
