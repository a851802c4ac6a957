//! Delivers what lies in the outbox: each message under one id, again after a while if the service does not take it.

use std::sync::Arc;
use std::time::Duration;

use adapter::channel::{Fact, Message, Ping, Receipt, Severity, Signal, State};
use adapter::{Capability, Retry};
use catalog::{Channel, Delivery, NewMessage, OutboxMessage, RunNews};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::pings;
use super::words::{Words, cut};
use crate::app::App;
use crate::loops::Loop;

/// How often the outbox is looked at without a reason.
const LOOK: Duration = Duration::from_secs(1);
/// Maximum time of one attempt.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// For how long a message belongs to the server that sends it: longer than an attempt takes.
const LEASE: SignedDuration = SignedDuration::from_secs(90);
/// Messages that are sent at once.
const AT_ONCE: usize = 4;
/// The wait after the first attempt; it doubles with each.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(30);
/// The longest wait between attempts, and the longest that a service can ask for.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(6);
/// Maximum number of attempts.
const MAX_ATTEMPTS: i64 = 20;
/// A message that could not be delivered for so long is given up.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(3 * 24);
/// Maximum length of an answer or error that is kept, in characters.
const MAX_ANSWER_LEN: usize = 2000;

impl App {
    /// Delivers messages until the server stops. Attempts that are under way have their time.
    pub(crate) async fn deliver(self) {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut sending = JoinSet::new();
        while !self.runs.draining.is_cancelled() {
            while let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
                let Some(message) = self.claim_message().await else { break };
                let app = self.clone();
                sending.spawn(async move {
                    app.deliver_one(message).await;
                    drop(turn);
                });
            }
            self.loops.passed(Loop::Delivery);
            tokio::select! {
                () = self.runs.draining.cancelled() => {}
                () = self.notifications.written.notified() => {}
                Some(_) = sending.join_next() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        while sending.join_next().await.is_some() {}
    }

    async fn claim_message(&self) -> Option<OutboxMessage> {
        if self.runs.draining.is_cancelled() {
            return None;
        }
        let claimed = async {
            let now = self.catalog.shared_now(self.now()).await?;
            self.catalog.claim_message(now, LEASE).await
        };
        claimed.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the outbox could not be looked at");
            None
        })
    }

    async fn deliver_one(&self, message: OutboxMessage) {
        let delivery = self.attempt(&message).await;
        let (id, channel) = (&message.id, &message.channel_id);
        match &delivery {
            Delivery::Sent(_) => tracing::info!(message_id = id, channel, "notification delivered"),
            Delivery::Again(error, next) => {
                tracing::warn!(message_id = id, channel, error, %next, "notification not delivered yet");
            }
            Delivery::GivenUp(error) => tracing::error!(message_id = id, channel, error, "notification given up"),
            Delivery::Dropped(error) => tracing::info!(message_id = id, channel, error, "notification dropped"),
        }
        // Unless this is recorded, the message is sent again with the same id once its lease is over.
        let now = self.catalog.shared_now(self.now()).await.unwrap_or_else(|_| self.now());
        if let Err(error) = self.catalog.record_delivery(&message, &delivery, now).await {
            tracing::error!(%error, message_id = id, "the outcome of a delivery could not be recorded");
        }
    }

    async fn attempt(&self, message: &OutboxMessage) -> Delivery {
        let now = self.catalog.shared_now(self.now()).await.unwrap_or_else(|_| self.now());
        let channel = match self.catalog.channel(&message.channel_id).await {
            Ok(Some(channel)) => channel,
            Ok(None) => return Delivery::Dropped("the channel was deleted".to_owned()),
            Err(error) => return Delivery::Again(error.to_string(), now + FIRST_WAIT),
        };
        if !channel.enabled {
            return Delivery::Dropped("the channel is disabled".to_owned());
        }
        match self.send(&channel, message).await {
            Ok(receipt) => Delivery::Sent(Some(cut(receipt.as_str(), MAX_ANSWER_LEN))),
            Err(failed) => failed.follow(message, now),
        }
    }

    /// Sends a message once.
    async fn send(&self, channel: &Channel, message: &OutboxMessage) -> Result<Receipt, SendError> {
        let lasting = |words: String| SendError { words, retry: Retry::Never };
        let opened = self.open_channel(channel).map_err(|failure| lasting(failure.to_string()))?;
        let mut sent: Message =
            serde_json::from_value(message.message.clone()).map_err(|error| lasting(error.to_string()))?;
        sent.id.clone_from(&message.id);
        match tokio::time::timeout(SEND_TIMEOUT, opened.send(&sent)).await {
            Ok(Ok(receipt)) => Ok(receipt),
            Ok(Err(error)) => Err(SendError { words: error.to_string(), retry: error.retry_advice() }),
            Err(_) => {
                let words = format!("the service did not answer within {} seconds", SEND_TIMEOUT.as_secs());
                Err(SendError { words, retry: Retry::Later })
            }
        }
    }

    /// Returns whether a channel is pinged instead of being told of problems.
    pub(super) fn is_ping(&self, channel: &Channel) -> bool {
        self.channel_settings(channel).is_ok_and(|configured| configured.manifest().can(Capability::Pings))
    }

    /// Returns a message as it lies in the outbox.
    pub(super) fn message(&self, event: &str, key: &str, is_over: bool, words: &Words) -> Value {
        json!(Message {
            id: String::new(),
            event: event.to_owned(),
            severity: words.severity,
            state: if is_over { State::Resolved } else { State::Firing },
            dedup_key: key.to_owned(),
            title: words.title.clone(),
            text: words.text.clone(),
            facts: words.facts.iter().map(|(label, value)| fact(label, value)).collect(),
            link: words.link.clone(),
            at: self.now(),
            server: self.server_name(),
            ping: None,
        })
    }

    /// Returns a ping as it lies in the outbox.
    pub(super) fn ping(&self, news: &RunNews, job_id: &str, signal: Signal, log: &str) -> Value {
        let (severity, what) = match signal {
            Signal::Start => (Severity::Info, "started"),
            Signal::Success => (Severity::Info, "succeeded"),
            Signal::Fail => (Severity::Critical, "failed"),
        };
        json!(Message {
            id: String::new(),
            event: pings::word_of(signal).to_owned(),
            severity,
            state: if signal == Signal::Fail { State::Firing } else { State::Resolved },
            dedup_key: format!("job {job_id}"),
            title: cut(&format!("Backup of {} {what}", news.title), MAX_ANSWER_LEN),
            text: news.error.iter().map(|error| cut(error, MAX_ANSWER_LEN)).collect(),
            facts: vec![fact("Job", &news.title)],
            link: self.config.public_url.join(&format!("/runs/{}", news.run_id)).ok().map(String::from),
            at: news.at.0,
            server: self.server_name(),
            ping: Some(Ping { signal, run: news.run_id.clone(), log_end: log.to_owned() }),
        })
    }

    /// Returns what people call this server: the name by which browsers reach it.
    fn server_name(&self) -> String {
        self.config.public_url.host_str().unwrap_or("dbackup").to_owned()
    }

    /// Sends a test message through a channel at once. Returns what the service answered.
    ///
    /// # Errors
    /// Why it did not accept the message, in words.
    pub(crate) async fn test_channel(&self, channel: &Channel) -> Result<Option<String>, String> {
        let in_words = |error: catalog::Error| error.to_string();
        let now = self.catalog.shared_now(self.now()).await.map_err(in_words)?;
        let claimed =
            self.catalog.add_claimed_message(&self.test_message(channel), LEASE, now).await.map_err(in_words)?;
        let (delivery, answer) = match self.send(channel, &claimed).await {
            Ok(receipt) => {
                let answer = Some(cut(receipt.as_str(), MAX_ANSWER_LEN));
                (Delivery::Sent(answer.clone()), Ok(answer))
            }
            Err(failed) => {
                let words = cut(&failed.words, MAX_ANSWER_LEN);
                (Delivery::GivenUp(words.clone()), Err(words))
            }
        };
        self.catalog.record_delivery(&claimed, &delivery, now).await.map_err(in_words)?;
        answer
    }

    /// Returns a message that tests a channel.
    fn test_message(&self, channel: &Channel) -> NewMessage {
        let words = Words {
            title: "Test message from dbackup".to_owned(),
            text: vec![format!("Channel \u{201c}{}\u{201d} works.", channel.name)],
            facts: Vec::new(),
            severity: Severity::Info,
            link: Some(self.config.public_url.to_string()),
        };
        let id = catalog::new_id(self.now());
        NewMessage {
            channel_id: channel.id.clone(),
            rule_id: None,
            once_key: format!("test {id}"),
            cause_key: format!("test {id}"),
            event: "test".to_owned(),
            message: self.message("test", &format!("test {id}"), true, &words),
        }
    }
}

fn fact(label: &str, value: &str) -> Fact {
    Fact { label: label.to_owned(), value: cut(value, MAX_ANSWER_LEN) }
}

/// Why an attempt failed.
#[derive(Debug)]
struct SendError {
    words: String,
    retry: Retry,
}

impl SendError {
    /// Returns what becomes of the message: another attempt after a growing wait, unless retrying cannot help or was tried for long enough.
    fn follow(self, message: &OutboxMessage, now: Timestamp) -> Delivery {
        let words = cut(&self.words, MAX_ANSWER_LEN);
        let asked = match self.retry {
            Retry::Never => return Delivery::GivenUp(words),
            Retry::Later => SignedDuration::ZERO,
            Retry::After(wait) => SignedDuration::try_from(wait).unwrap_or(MAX_WAIT).min(MAX_WAIT),
        };
        let is_too_old = now.duration_since(message.created_at.0) >= MAX_AGE;
        if message.attempts >= MAX_ATTEMPTS || is_too_old {
            return Delivery::GivenUp(words);
        }
        let doubled = 1_i32 << u32::try_from(message.attempts.clamp(1, 10) - 1).unwrap_or_default();
        let wait = FIRST_WAIT.checked_mul(doubled).unwrap_or(MAX_WAIT).min(MAX_WAIT).max(asked);
        Delivery::Again(words, now + wait)
    }
}

#[cfg(test)]
mod tests {
    use domain::notification::MessageState;

    use super::*;

    #[test]
    fn waits_double_follow_the_service_and_end() {
        let now: Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
        let follow = |attempts: i64, retry: Retry, age: SignedDuration| {
            let message = OutboxMessage {
                id: "m".to_owned(),
                channel_id: "c".to_owned(),
                rule_id: None,
                cause_key: "k".to_owned(),
                event: "failed".to_owned(),
                message: json!({}),
                state: MessageState::Waiting,
                attempts,
                next_attempt_at: now.into(),
                answer: None,
                error: None,
                created_at: (now - age).into(),
                ended_at: None,
            };
            let failed = SendError { words: "503".to_owned(), retry };
            match failed.follow(&message, now) {
                Delivery::Again(_, next) => Some(next.duration_since(now).as_secs()),
                Delivery::GivenUp(words) => {
                    assert_eq!(words, "503");
                    None
                }
                other => panic!("{other:?}"),
            }
        };
        let new = SignedDuration::ZERO;
        let waits: Vec<_> = (1..=4).map(|attempt| follow(attempt, Retry::Later, new)).collect();
        assert_eq!(waits, [Some(30), Some(60), Some(120), Some(240)]);
        assert_eq!(follow(19, Retry::Later, new), Some(30 << 9));
        assert_eq!(follow(1, Retry::After(Duration::from_secs(600)), new), Some(600));
        assert_eq!(follow(1, Retry::After(Duration::from_secs(9_999_999)), new), Some(6 * 3600));
        assert_eq!(follow(20, Retry::Later, new), None);
        assert_eq!(follow(1, Retry::Never, new), None);
        assert_eq!(follow(2, Retry::Later, MAX_AGE), None);
    }
}
