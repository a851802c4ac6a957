//! The server: the HTTP API ([`http`]), the runs ([`runs`]), and what they share ([`app`]).

mod app;
mod clock;
mod config;
mod connections;
mod credentials;
mod data_folder;
mod dropbox_clients;
mod failure;
mod host_paths;
mod http;
mod limiter;
mod listen;
mod listings;
mod metrics;
mod passwords;
mod private_files;
mod readiness;
mod recovery_sheet;
mod redaction;
mod restore_targets;
mod runs;
mod serve;
mod settings;
mod setup_token;
mod space;
mod tls;

pub use clock::Clock;
pub use config::{Adapters, Config, DropboxNetwork};
pub use data_folder::DataFolder;
pub use http::API_TOKEN_PREFIX;
pub use passwords::{hash_password, refuse_password};
pub use redaction::RedactedStderr;
pub use runs::executor::LEASE;
pub use serve::{Error, STOPPING, Server};
