//! The rules that official clients never run into, in raw HTTP: every refusal, every way to say the same thing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]
#![expect(clippy::needless_pass_by_value, reason = "an expected answer is a literal, written without a reference")]

mod api;
mod control;
mod faults;
mod hash_store;
mod http;
mod lifetimes;
mod many_files;
mod oauth;
mod paths;
mod program;
mod restart;
mod sessions;
mod silent_damage;
mod weather;
