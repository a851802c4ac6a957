//! Why a run, a database or a copy failed, for programs. The words are for people.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::stored::named;

named! {
    /// Why something in a run failed. Errors of sources and destinations keep the code that their adapter gave them.
    FailureCode {
        /// An address, a setting, a path or an option cannot be meant so.
        Invalid = "invalid",
        /// The source or the destination cannot do that at all.
        Unsupported = "unsupported",
        /// What was named does not exist, or was deleted.
        NotFound = "notFound",
        /// The name is taken.
        Taken = "taken",
        /// What was named is another one than before.
        Changed = "changed",
        /// The account or role, or the user who asked, may not do that.
        PermissionDenied = "permissionDenied",
        /// The destination was never authorized.
        AuthorizationRequired = "authorizationRequired",
        /// The storage does not know the app or its secret.
        AppNotRecognized = "appNotRecognized",
        /// The authorization was revoked, has expired, or lacks a right.
        ReauthorizationRequired = "reauthorizationRequired",
        /// No space is left.
        Full = "full",
        /// It is larger than what is allowed, or than what can be kept.
        TooLarge = "tooLarge",
        /// What was read is not what was written, or breaks its own rules.
        Damaged = "damaged",
        /// No answer: no route, no name, refused, timed out, or asked to come back later.
        Unavailable = "unavailable",
        /// An interrupted upload cannot be resumed.
        NotResumable = "notResumable",
        /// The run was stopped before it changed anything.
        Stopped = "stopped",
        /// The target of a restore holds data.
        TargetHoldsData = "targetHoldsData",
        /// An object of the backup could not be restored.
        ObjectFailed = "objectFailed",
        /// The restored database is kept under a passing name.
        Kept = "kept",
        /// Whether it happened is not known.
        OutcomeUnknown = "outcomeUnknown",
        /// The database or the target did nothing for too long.
        Stalled = "stalled",
        /// It took longer than is allowed.
        TimedOut = "timedOut",
        /// A user cancelled the run.
        Cancelled = "cancelled",
        /// The server stopped during the run, or another server took it over.
        Interrupted = "interrupted",
        /// The backup is stored, its sidecar is not.
        SidecarFailed = "sidecarFailed",
        /// The backup is not encrypted, and should be.
        Unencrypted = "unencrypted",
        /// The backup is not the file that was backed up.
        Altered = "altered",
        /// The restored database has other rows than its backup.
        RowsDiffer = "rowsDiffer",
        /// No key of this server decrypts the backup.
        CannotDecrypt = "cannotDecrypt",
        /// The source has no databases.
        NoDatabases = "noDatabases",
        /// A newer version of dbackup queued the run.
        UnknownSpec = "unknownSpec",
        /// The metadata database failed, or this program.
        Internal = "internal",
        /// Any other reason.
        Failed = "failed",
    }
}
