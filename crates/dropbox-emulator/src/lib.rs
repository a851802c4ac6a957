//! The other side of the Dropbox API v2: a stateful Dropbox on the loopback, against which a client, its tests,
//! benchmarks and demos run. It shares no type with any client, so that a mistake cannot hide by being made twice.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use dropbox_emulator::{Config, Emulator, Fault, FaultKind};
//!
//! let emulator = Emulator::start(Config::default()).await?;
//! emulator.control().inject(Fault::next("files/upload", FaultKind::Status503));
//! println!("{}", emulator.api_url());
//! emulator.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Read `routes/` for what each call does, `sessions.rs` and `tree/` for the rules behind it, `oauth/` for who may call,
//! `weather.rs` and `faults/` for what gets in a call's way, `control_api.rs` for the same from outside of the process.

mod app;
mod clock;
mod config;
mod control;
mod control_api;
mod emulator;
mod errors;
mod failure;
mod faults;
mod hash;
mod http;
mod oauth;
mod people;
mod persist;
mod proxy;
mod random;
mod records;
mod routes;
mod sessions;
mod store;
mod tls;
mod tree;
mod units;
mod weather;

pub use config::{Config, SCOPES, Store};
pub use control::{Control, StoredFile};
pub use emulator::Emulator;
pub use faults::{Fault, FaultKind};
pub use records::RequestRecord;
pub use weather::Weather;
