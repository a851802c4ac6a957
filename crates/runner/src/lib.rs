//! One backup, copy or restore from start to end.
//!
//! This is where the success contract is kept. A copy of a database counts only if the dump tool exited with success, its end
//! mark was seen, every byte that left the pipeline was committed, the destination's own hash agrees, and the sidecar was
//! written, last. Nothing is visible at any destination before the dump has proved its end.

pub mod backup;
pub mod catalog;
mod checks;
pub mod copy;
mod limited;
pub mod naming;
pub mod provenance;
pub mod restore;
pub mod review;
pub mod scan;
mod sidecars;
mod signature;
mod stall;
mod wanted;

pub use backup::{BackupRequest, Event, RunReport, back_up};
pub use catalog::{
    Backup, DeleteError, JobFolder, Listed, Listing, SidecarState, delete, delete_left, delete_listed, list,
};
pub use checks::Checks;
pub use copy::{Copied, CopyError, CopyEvent, CopyRequest, copy};
pub use limited::Limited;
pub use provenance::Expected;
pub use restore::{Controls, OpenError, OpenRequest, OpenedBackup, RestoreEvent, RestoreReport, open, restore};
pub use review::review;
pub use signature::{SignatureState, Signer, UnusableKey};
pub use stall::{STALL_TIMEOUT, Stalled, in_words};
