//! One file per command.

pub(crate) mod admin;
pub(crate) mod api;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod authorization;
pub(crate) mod backup;
pub(crate) mod backups;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod destinations;
pub(crate) mod doctor;
mod edit;
pub(crate) mod export;
mod fields;
pub(crate) mod get;
pub(crate) mod health;
pub(crate) mod key;
pub(crate) mod keygen;
mod latest;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod man;
pub(crate) mod notifications;
pub(crate) mod resources;
pub(crate) mod restore;
pub(crate) mod retention;
pub(crate) mod runs;
pub(crate) mod serve;
pub(crate) mod status;
mod store;
mod watch;

use jiff::Timestamp;

/// The only look at the clock.
fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "commands start the runs whose time is passed on as a value")]
    Timestamp::now()
}
