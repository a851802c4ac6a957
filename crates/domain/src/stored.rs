//! What is known of stored backups: where a copy is in its life, what lies beside it, how it was verified, how a scan ended.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Defines an enum whose variants have these names, which are theirs in camel case, in JSON and in the metadata database.
macro_rules! named {
    ($(#[$doc:meta])* $kind:ident { $($(#[$of:meta])* $variant:ident = $name:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "camelCase")]
        pub enum $kind { $($(#[$of])* $variant),* }

        impl $kind {
            /// As in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }

        impl FromStr for $kind {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($name => Ok(Self::$variant),)*
                    _ => Err(format!("'{text}' is unknown")),
                }
            }
        }
    };
}
pub(crate) use named;

named! {
    /// Where a copy is in its life.
    CopyState {
        /// It was there when it was last looked for.
        Present = "present",
        /// It was there before its destination was changed, and was not seen since: the destination may be another place now.
        Unconfirmed = "unconfirmed",
        /// The last scan did not find it, and this server did not delete it.
        Missing = "missing",
        /// Its deletion has begun.
        Deleting = "deleting",
        /// It was deleted.
        Deleted = "deleted",
    }
}

named! {
    /// What is known of the sidecar beside a backup.
    SidecarKnown {
        /// It was read.
        Read = "read",
        /// It is there and was not read yet.
        Unread = "unread",
        /// It is there and cannot be read.
        Unreadable = "unreadable",
        /// There is none.
        Absent = "absent",
    }
}

named! {
    /// How a storage's copy was verified.
    VerificationMethod {
        /// The storage's own hash of what it holds was compared.
        OwnHash = "ownHash",
        /// All of the file was read back and hashed.
        ReadBack = "readBack",
        /// Only its size, and what else the storage tells of it, was compared: the content was not checked.
        SizeAndTag = "sizeAndTag",
        /// All of the file was read, decrypted, decompressed and compared.
        Deep = "deep",
    }
}

named! {
    /// Whether it is the file that was backed up.
    VerificationResult {
        /// Its content is what the sidecar describes.
        Whole = "whole",
        /// It is there, but its content could not be compared with a sidecar.
        Unknown = "unknown",
        /// It is not the file that was backed up.
        Altered = "altered",
    }
}

named! {
    /// What a list of backups is narrowed to.
    BackupStatus {
        /// The last scan did not find it.
        Missing = "missing",
        /// It is encrypted.
        Encrypted = "encrypted",
        /// It is not encrypted.
        Unencrypted = "unencrypted",
        /// It has no sidecar that can be read.
        NoSidecar = "noSidecar",
        /// It was verified, and is the file that was backed up.
        Verified = "verified",
        /// It was verified, and is not the file that was backed up.
        Altered = "altered",
        /// It was never verified, or without a result.
        Unverified = "unverified",
    }
}

named! {
    /// How far a scan is, or how it ended.
    ScanState {
        /// It is in progress.
        Running = "running",
        /// It has read all that there is.
        Complete = "complete",
        /// It could not read some folders.
        Partial = "partial",
        /// It failed, and has marked nothing as missing.
        Failed = "failed",
        /// It was cancelled, and has marked nothing as missing.
        Cancelled = "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_one_name() {
        assert_eq!("sizeAndTag".parse(), Ok(VerificationMethod::SizeAndTag));
        assert_eq!(serde_json::to_value(VerificationMethod::SizeAndTag).unwrap(), "sizeAndTag");
        assert_eq!(CopyState::Unconfirmed.as_str().parse(), Ok(CopyState::Unconfirmed));
        assert_eq!("lost".parse::<CopyState>(), Err("'lost' is unknown".to_owned()));
    }
}
