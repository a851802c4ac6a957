//! The API, a file per kind of thing.

pub(crate) mod adapters;
pub(crate) mod audit;
pub(crate) mod authorizations;
pub(crate) mod backups;
pub(crate) mod configuration;
pub(crate) mod copies;
pub(crate) mod deletions;
pub(crate) mod destinations;
pub(crate) mod downloads;
pub(crate) mod events;
pub(crate) mod folders;
pub(crate) mod jobs;
pub(crate) mod overview;
pub(crate) mod profiles;
mod queue;
pub(crate) mod restores;
pub(crate) mod retention;
pub(crate) mod runs;
pub(crate) mod scans;
pub(crate) mod sessions;
pub(crate) mod setup;
pub(crate) mod sources;
pub(crate) mod steps;
pub(crate) mod stored_backups;
pub(crate) mod system;
pub(crate) mod tokens;
pub(crate) mod users;
