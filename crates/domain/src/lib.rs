//! What a backup is: its name, its sidecar, its compression, its outcome.
//!
//! Plain types and pure functions. No I/O, no clock, no randomness: time comes in as a parameter.

pub mod access;
mod adapter_id;
pub mod compression;
pub mod hashes;
pub mod naming;
pub mod notification;
pub mod outcome;
pub mod probe;
pub mod retention;
pub mod rows;
pub mod run;
pub mod schedule;
pub mod segment;
pub mod sidecar;
pub mod size;
pub mod stored;
pub mod text;
pub mod warning;

pub use adapter_id::AdapterId;
pub use compression::Compression;
pub use hashes::Hashes;
pub use naming::BackupName;
pub use outcome::RunState;
pub use sidecar::Sidecar;
pub use warning::Warning;
