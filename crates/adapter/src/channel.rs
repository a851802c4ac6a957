//! Ways of telling people: the contract of channels.

use std::sync::Arc;

use async_trait::async_trait;
use domain::notification::Severity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::manifest::Manifest;
use crate::registry::Adapter;
use crate::settings::{Secrets, Settings};

/// A kind of channel.
#[derive(Debug, Clone, Copy)]
pub struct ChannelAdapter {
    /// What it says of itself.
    pub manifest: &'static Manifest,
    /// Opens a channel. Nothing is connected to yet.
    pub open: fn(&Settings, Secrets) -> Result<Arc<dyn Channel>, Error>,
}

impl Adapter for ChannelAdapter {
    fn manifest(&self) -> &'static Manifest {
        self.manifest
    }
}

/// A way of telling people. The caller bounds the time of a call.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Sends a message once. Retrying is the caller's business: [`Error::retry_advice`] says whether and when it can help.
    ///
    /// # Errors
    /// Why the service did not accept it. No part of it is a secret.
    async fn send(&self, message: &Message) -> Result<Receipt, Error>;
}

/// A message. It holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The same for every attempt, so that a receiver recognizes a repetition.
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
    /// What it is about, in a word: `failed`, `digest`, `test`.
    pub event: String,
    /// How much it matters.
    pub severity: Severity,
    /// A line of plain text.
    pub title: String,
    /// Lines of plain text.
    pub text: String,
    /// A page of the web UI that shows more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The same for all messages about one problem. A message that is over resolves the problem of its key.
    pub key: String,
    /// Whether the problem is over.
    pub is_over: bool,
    /// Set in messages of channels that are pinged at each start and end of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping: Option<Ping>,
}

/// The start or the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ping {
    /// Which of them.
    pub phase: Phase,
    /// The run.
    pub run_id: String,
    /// The job's name.
    pub job: String,
    /// The end of the run's log; empty at its start.
    pub log: String,
}

/// What a ping says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The run has started.
    Start,
    /// It succeeded, with or without warnings.
    Success,
    /// It did not.
    Fail,
}

/// What a service has answered to a message that it accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Status and words, for people.
    pub answer: Option<String>,
}
