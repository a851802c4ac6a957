//! The server over HTTP, with a Dropbox emulator and real databases behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adapter_names;
mod adapters;
mod audit;
mod authorization;
mod backups;
mod borders;
mod cancels;
mod catalog;
mod configuration;
mod copies;
mod credentials;
mod description;
mod dropbox;
mod edits;
mod idempotency;
mod interruptions;
mod limits;
mod metrics;
mod monitoring;
mod notifications;
mod outages;
mod page_data;
mod places;
mod progress;
mod providers;
mod proxies;
mod requests;
mod retention;
mod routes;
mod run_lists;
mod schedules;
mod sign_in;
mod states;
mod world;
