//! Ways of telling people: e-mail, chats, pushes, webhooks, pings. What a channel has to be is [`adapter::channel`].
//!
//! A folder per channel, the same file names in each: `manifest` (what can be set), `body` (what is sent), `icon.svg`. All but e-mail
//! send one HTTP request (`http`), to addresses that [`egress`] allows.
//! A new channel is a new folder and one line in [`registry`].

mod apprise;
mod discord;
pub mod egress;
mod email;
mod endpoint;
mod fields;
mod gotify;
mod http;
mod ntfy;
mod pagerduty;
mod ping;
mod pushover;
mod registry;
mod sample;
mod service;
mod slack;
mod teams;
mod telegram;
mod text;
mod webhook;

pub use registry::{ChannelAdapter, Context, Open, registry};
