//! The HTTP API: a file per kind of thing in [`api`], and beside it what they share.

mod access;
#[expect(unused_qualifications, reason = "utoipa's macros write them")]
pub(crate) mod api;
pub(crate) mod audit_words;
mod bounds;
pub(crate) mod caller;
mod class;
mod client_address;
mod description;
mod documentation;
mod edit;
mod export;
pub(crate) mod extract;
mod headers;
mod idempotency;
mod lists;
pub(crate) mod names;
mod own_address;
pub(crate) mod pages;
pub(crate) mod problem;
mod query;
mod refusal;
mod request_log;
mod revision;
mod routes;
mod same_origin;
mod saved_path;
pub(crate) mod secret_field;
mod strict_json;
mod time;

pub(crate) use bounds::Gates;
pub use caller::TOKEN_PREFIX as API_TOKEN_PREFIX;
pub(crate) use extract::MAX_BODIES;
pub(crate) use routes::router;
