//! Ways of telling people: e-mail, chats, pushes, webhooks, pings. What a channel has to be is [`adapter::channel`].
//!
//! A folder per channel, the same file names in each: `manifest` (what can be set), `body` (what is sent), `icon.svg`. All but e-mail
//! send one HTTP request (`http`), to addresses that [`egress`] allows.
//! A new channel is a new folder and one line in [`registry`].

pub mod egress;
mod email;
mod endpoint;
mod http;
mod ping;
mod registry;
mod sample;
mod webhook;

pub use registry::{ChannelAdapter, Context, registry};
