//! A Dropbox API v2 client made for moving large streams: OAuth 2 with PKCE, token refresh, files, upload sessions, ranged
//! download, content hash, typed errors. It knows nothing of backups.
//!
//! Facts about Dropbox come from its public API specification (github.com/dropbox/dropbox-api-spec) unless marked otherwise.
//!
//! Every call refreshes the access token by itself and retries what can pass (network, 429, 5xx) within [`RetryPolicy`].

mod blocks;
mod body;
mod client;
mod content_hash;
pub mod error;
pub mod files;
mod grant;
mod header_arg;
mod lenient;
pub mod oauth;
mod pace;
mod retry;
mod settings;
mod throttle;
mod token;
mod transport;
pub mod users;

pub use client::Client;
pub use content_hash::{BLOCK_SIZE, ContentHasher};
pub use error::Error;
pub use retry::RetryPolicy;
pub use settings::{Endpoints, Patience, Settings, Space, Timeouts};
