//! What a backup is: its name, its sidecar, its compression, its outcome.
//!
//! Plain types and pure functions. No I/O, no clock, no randomness: time comes in as a parameter.

pub mod access;
pub mod compression;
pub mod format;
pub mod hashes;
pub mod naming;
pub mod outcome;
pub mod probe;
pub mod retention;
pub mod run;
pub mod schedule;
pub mod segment;
pub mod sidecar;
pub mod size;
pub mod stored;
pub mod text;
pub mod warning;

pub use compression::Compression;
pub use format::{DumpFormat, Engine};
pub use hashes::Hashes;
pub use naming::BackupName;
pub use outcome::RunState;
pub use sidecar::Sidecar;
pub use warning::Warning;
