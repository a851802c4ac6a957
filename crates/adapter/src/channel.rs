//! What a channel, a way of telling people, has to be.
//!
//! A channel sends one [`Message`] per call and keeps no state: queueing, retries, grouping and quiet hours are the caller's. A message
//! that is sent again bears the same [`Message::id`], so that the other side can drop the repetition where it knows how.

mod message;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use self::message::{Fact, MAX_LOG_END, Message, Ping, Signal, State, one_line};
use crate::Error;
pub use domain::notification::Severity;

/// A way of telling people.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Returns what a person calls it, without any secret: `e-mail to ops@example.com`, `Slack`.
    fn name(&self) -> String;

    /// Sends a message, within a bounded time. The message was accepted if this returns a receipt; whether a person reads it is not
    /// known.
    ///
    /// # Errors
    /// [`Error::retry_advice`] tells whether sending the same message again can help. The other side may have taken a message whose
    /// sending failed.
    async fn send(&self, message: &Message) -> Result<Receipt, Error>;
}

/// What the other side answered to a message that it accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt(String);

/// Maximum length of a receipt in characters.
const MAX_RECEIPT: usize = 200;

impl Receipt {
    /// Creates a receipt of the other side's words, as one line of bounded length. The caller has removed secrets.
    pub fn new(words: &str) -> Self {
        Self(one_line(words, MAX_RECEIPT))
    }

    /// Returns the words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
