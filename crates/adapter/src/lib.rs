//! The contract between dbackup and its adapters: what a source of databases, a destination of backups or a channel to
//! people has to be, and how it says what went wrong.
//!
//! An adapter describes itself by a [`Manifest`]: its fields, secrets, address schemes, capabilities. From it come the validation of
//! its settings, the API's description, the form, the command line's flags and the table in the guide.

pub mod authorization;
pub mod channel;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod destination;
mod error;
mod field;
mod guide;
mod manifest;
mod registry;
mod settings;
mod tool;
mod validation;

pub use error::{Authorization, Error, Kind, MAX_DETAIL_LEN, Retry};
pub use field::{Choice, Default, Directs, Field, FieldError, Input, PathUse, Required, ShownWhen};
pub use guide::{FIELDS_END, FIELDS_START, field_table, with_field_table};
pub use manifest::{Capability, Manifest, Setup, check_manifest};
pub use registry::{Adapter, Registry};
pub use settings::{Secrets, Settings};
pub use tool::{Tool, folders_like};
