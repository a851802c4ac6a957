//! The contract between dbackup and its adapters: what a source of databases or a destination of backups has to be, and how
//! it says what went wrong.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod destination;
mod error;

pub use error::{Authorization, Error, Kind, Retry};
