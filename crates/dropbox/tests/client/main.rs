//! The client against the emulator, which Dropbox's own SDK has proved.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod basics;
mod calls;
mod copies;
mod faults;
mod gates;
mod odd_answers;
mod soak;
mod support;
mod transfers;
