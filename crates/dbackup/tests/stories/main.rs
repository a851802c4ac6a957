//! Stories of what a person does with the command line, and of what breaks meanwhile. Everything is real but Dropbox, which is
//! the emulator that Dropbox's own SDK has proved.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![expect(clippy::disallowed_methods, reason = "the tests run programs as a person does")]

mod altered;
#[path = "../common/browser.rs"]
mod browser;
mod command_line;
mod configuration;
mod copies;
mod demo;
mod dropbox_account;
mod failing_destinations;
mod failing_dumps;
mod foreign_adapters;
mod generated_clients;
mod headless;
mod interrupted;
mod listings;
mod main_job;
mod memory;
mod names;
mod nasty;
mod readme;
mod recovery;
mod restores;
mod schema;
mod secrets;
mod server;
mod server_keys;
mod server_operation;
mod server_secrets;
mod server_sources;
mod server_survives;
#[path = "../common/serving.rs"]
#[expect(dead_code, reason = "shared with the chaos stories")]
mod serving;
mod usage;
#[path = "../common/world.rs"]
mod world;
