//! The outbox: messages that are to be delivered, each under an id that stays the same however often it is sent.
//!
//! A server claims a message under a lease, by the database's clock, and marks it once the service has answered. A server that dies in
//! between leaves the message waiting: it is sent again with the same id.

use domain::notification::MessageState;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, Value, json};
use crate::{Catalog, new_id};

/// Maximum number of messages of one channel that wait.
pub const MAX_WAITING: i64 = 500;
/// Maximum number of messages of one channel that are kept once they have ended.
pub const MAX_ENDED: i64 = 2000;

/// A message.
#[derive(Debug, Clone)]
pub struct OutboxMessage {
    /// UUID of version 7. Receivers recognize a repetition by it.
    pub id: String,
    /// The channel.
    pub channel_id: String,
    /// The rule that it was written for. `None` for a test.
    pub rule_id: Option<String>,
    /// Messages about the same problem, or the same job, have the same.
    pub cause_key: String,
    /// The event in a word.
    pub event: String,
    /// What is delivered.
    pub message: Json,
    /// The state.
    pub state: MessageState,
    /// How often it was sent.
    pub attempts: i64,
    /// When it is sent next, if it waits.
    pub next_attempt_at: Moment,
    /// What the service answered.
    pub answer: Option<String>,
    /// Why the last attempt failed, or why it was not sent.
    pub error: Option<String>,
    /// When it was written.
    pub created_at: Moment,
    /// When it was sent, or given up.
    pub ended_at: Option<Moment>,
}

/// A message that is written.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// See [`OutboxMessage::channel_id`].
    pub channel_id: String,
    /// See [`OutboxMessage::rule_id`].
    pub rule_id: Option<String>,
    /// A message with the same is never written again.
    pub once_key: String,
    /// See [`OutboxMessage::cause_key`].
    pub cause_key: String,
    /// See [`OutboxMessage::event`].
    pub event: String,
    /// See [`OutboxMessage::message`].
    pub message: Json,
}

/// How an attempt to deliver ended.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// The service has accepted it, with this answer.
    Sent(Option<String>),
    /// It failed for this reason and is sent again at a time.
    Again(String, Timestamp),
    /// It failed for this reason and is given up.
    GivenUp(String),
    /// It was not sent, for this reason.
    Dropped(String),
}

/// Which messages.
#[derive(Debug, Clone, Default)]
pub struct OutboxFilter {
    /// Only of this channel.
    pub channel_id: Option<String>,
    /// Only in one of these states; in any if empty.
    pub states: Vec<MessageState>,
    /// Only about this event.
    pub event: Option<String>,
}

/// The messages of a channel, for monitoring.
#[derive(Debug, Clone)]
pub struct ChannelNumbers {
    /// The channel.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether messages are sent through it.
    pub enabled: bool,
    /// Messages that wait.
    pub waiting: i64,
    /// Messages that were given up, among those that are kept.
    pub failed: i64,
    /// Since when nothing could be delivered.
    pub failing_since: Option<Moment>,
    /// When a message was last delivered.
    pub last_sent_at: Option<Moment>,
}

record!(OutboxMessage, "outbox", {
    id,
    channel_id,
    rule_id,
    cause_key,
    event,
    message,
    state,
    attempts,
    next_attempt_at,
    answer,
    error,
    created_at,
    ended_at
});
record!(ChannelNumbers, "channels", { id, name, enabled, waiting, failed, failing_since, last_sent_at });

impl Catalog {
    /// Writes a message unless one with its key was written before. Returns its id if it was written.
    ///
    /// # Errors
    /// [`Error::Referenced`] if its channel does not exist.
    pub async fn add_message(&self, new: &NewMessage, now: Timestamp) -> Result<Option<String>, Error> {
        let mut transaction = self.db.begin().await?;
        let id = add(&mut transaction, new, now).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Writes a message and claims it at once.
    ///
    /// # Errors
    /// [`Error::Referenced`] if its channel does not exist; [`Error::Conflict`] if one with its key was written before.
    pub async fn add_claimed_message(
        &self,
        new: &NewMessage,
        lease: SignedDuration,
        now: Timestamp,
    ) -> Result<OutboxMessage, Error> {
        let mut transaction = self.db.begin().await?;
        let id = add(&mut transaction, new, now).await?.ok_or(Error::Conflict)?;
        let text = format!(
            "UPDATE outbox SET attempts = 1, lease_until = {} + $2 WHERE id = $1 RETURNING {}",
            self.db.clock(),
            sql::columns::<OutboxMessage>()
        );
        let claimed = sql::one(&mut transaction, &text, values![id, milliseconds_of(lease)]).await?;
        transaction.commit().await?;
        claimed.ok_or(Error::Conflict)
    }

    /// Claims the message that has been due for the longest time, for as long as the lease, and counts an attempt. Messages wait for earlier
    /// ones about the same. Returns `None` if none is due.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn claim_message(&self, now: Timestamp, lease: SignedDuration) -> Result<Option<OutboxMessage>, Error> {
        // Asked first: this is called every second, and SQLite locks out all other writers even for a change of nothing.
        let due = "SELECT id FROM outbox WHERE state = 'waiting' AND next_attempt_at <= $1 LIMIT 1";
        if sql::value::<String>(&self.db, due, values![now]).await?.is_none() {
            return Ok(None);
        }
        let clock = self.db.clock();
        let free = format!("(lease_until IS NULL OR lease_until < {clock})");
        let text = format!(
            "UPDATE outbox SET attempts = attempts + 1, lease_until = {clock} + $2 WHERE id = ( \
             SELECT o.id FROM outbox o WHERE o.state = 'waiting' AND o.next_attempt_at <= $1 \
             AND (o.lease_until IS NULL OR o.lease_until < {clock}) \
             AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.channel_id = o.channel_id AND e.cause_key = o.cause_key \
             AND e.state = 'waiting' AND e.id < o.id) ORDER BY o.next_attempt_at, o.id LIMIT 1) \
             AND state = 'waiting' AND {free} RETURNING {}",
            sql::columns::<OutboxMessage>()
        );
        sql::one(&self.db, &text, values![now, milliseconds_of(lease)]).await
    }

    /// Releases all claims at the start of the only server on a database: they belong to a process that has ended.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn release_messages(&self) -> Result<(), Error> {
        sql::run(&self.db, "UPDATE outbox SET lease_until = NULL WHERE state = 'waiting'", []).await.map(drop)
    }

    /// Records the outcome of an attempt, and the state of its channel. A delivery is recorded even if another server has claimed the message
    /// since; a failure only if it was the last attempt. Returns `false` if nothing was recorded.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn record_delivery(
        &self,
        claimed: &OutboxMessage,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut transaction = self.db.begin().await?;
        let id = &claimed.id;
        let set = "UPDATE outbox SET lease_until = NULL";
        let mine = "WHERE id = $1 AND state = 'waiting'";
        let recorded = match delivery {
            Delivery::Sent(answer) => {
                let text = format!("{set}, state = 'sent', error = NULL, answer = $2, ended_at = $3 {mine}");
                sql::run(&mut transaction, &text, values![id, answer, now]).await?
            }
            Delivery::Again(error, next) => {
                let text = format!("{set}, error = $2, next_attempt_at = $3 {mine} AND attempts = $4");
                sql::run(&mut transaction, &text, values![id, error, *next, claimed.attempts]).await?
            }
            Delivery::GivenUp(error) | Delivery::Dropped(error) => {
                let state = match delivery {
                    Delivery::Dropped(_) => MessageState::Dropped,
                    _ => MessageState::Failed,
                };
                let text = format!("{set}, state = $5, error = $2, ended_at = $3 {mine} AND attempts = $4");
                let values = values![id, error, now, claimed.attempts, state.as_str()];
                sql::run(&mut transaction, &text, values).await?
            }
        };
        let channel = &claimed.channel_id;
        match delivery {
            _ if recorded == 0 => {}
            Delivery::Sent(_) => {
                let text =
                    "UPDATE channels SET failing_since = NULL, last_error = NULL, last_sent_at = $2 WHERE id = $1";
                sql::run(&mut transaction, text, values![channel, now]).await?;
            }
            Delivery::Again(error, _) | Delivery::GivenUp(error) => {
                let text =
                    "UPDATE channels SET failing_since = COALESCE(failing_since, $2), last_error = $3 WHERE id = $1";
                sql::run(&mut transaction, text, values![channel, now, error]).await?;
            }
            Delivery::Dropped(_) => {}
        }
        transaction.commit().await?;
        Ok(recorded > 0)
    }

    /// Returns the message with this id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn outbox_message(&self, id: &str) -> Result<Option<OutboxMessage>, Error> {
        sql::one(&self.db, &sql::select::<OutboxMessage>("WHERE id = $1"), values![id]).await
    }

    /// Returns a page of messages, the newest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn outbox(&self, filter: &OutboxFilter, page: &PageRequest) -> Result<Page<OutboxMessage>, Error> {
        let mut values: Vec<Value> = values![page.probe()].into();
        let mut clauses = vec!["1 = 1".to_owned()];
        let given = [
            ("channel_id = $$", filter.channel_id.as_deref()),
            ("event = $$", filter.event.as_deref()),
            ("id < $$", page.after.as_deref()),
        ];
        for (condition, value) in given {
            let Some(value) = value else { continue };
            values.push(value.into());
            clauses.push(condition.replace("$$", &format!("${}", values.len())));
        }
        if !filter.states.is_empty() {
            clauses.push(format!("state IN ({})", sql::placeholders(values.len() + 1, filter.states.len())));
            values.extend(filter.states.iter().map(|state| Value::from(state.as_str())));
        }
        let text = format!("WHERE {} ORDER BY id DESC LIMIT $1", clauses.join(" AND "));
        Ok(Page::of(sql::all(&self.db, &sql::select::<OutboxMessage>(&text), values).await?, page))
    }

    /// Returns how the messages of every channel do, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn channel_numbers(&self) -> Result<Vec<ChannelNumbers>, Error> {
        let text = "SELECT c.id, c.name, c.enabled, c.failing_since, c.last_sent_at, \
                    (SELECT COUNT(*) FROM outbox o WHERE o.channel_id = c.id AND o.state = 'waiting') AS waiting, \
                    (SELECT COUNT(*) FROM outbox o WHERE o.channel_id = c.id AND o.state = 'failed') AS failed \
                    FROM channels c ORDER BY c.name_key";
        sql::all(&self.db, text, []).await
    }

    /// Removes the oldest messages that have ended where a channel has more than are kept, and what has ended before a time.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn trim_outbox(&self, before: Timestamp) -> Result<(), Error> {
        let old = "DELETE FROM outbox WHERE state <> 'waiting' AND created_at < $1";
        sql::run(&self.db, old, values![before]).await?;
        for channel in self.channel_numbers().await? {
            let text = "DELETE FROM outbox WHERE channel_id = $1 AND state <> 'waiting' AND id <= COALESCE((SELECT o.id FROM outbox o \
                        WHERE o.channel_id = $1 AND o.state <> 'waiting' ORDER BY o.id DESC LIMIT 1 OFFSET $2), '')";
            sql::run(&self.db, text, values![&channel.id, MAX_ENDED]).await?;
        }
        Ok(())
    }
}

fn milliseconds_of(lease: SignedDuration) -> i64 {
    i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 2)
}

/// Returns the id of the message if it was written. Where too many wait for the channel, the oldest is dropped.
pub(crate) async fn add(
    transaction: &mut Transaction,
    new: &NewMessage,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    let id = new_id(now);
    let text = "INSERT INTO outbox (id, channel_id, rule_id, once_key, cause_key, event, message, state, attempts, next_attempt_at, \
                created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', 0, $8, $8) ON CONFLICT (once_key) DO NOTHING";
    let (message, channel) = (json(&new.message)?, &new.channel_id);
    let values = values![&id, channel, &new.rule_id, &new.once_key, &new.cause_key, &new.event, message, now];
    if sql::run(&mut *transaction, text, values).await? == 0 {
        return Ok(None);
    }
    let text = "UPDATE outbox SET state = 'dropped', ended_at = $2, error = 'too many messages waited for this channel' \
                WHERE state = 'waiting' AND channel_id = $1 AND id <= COALESCE((SELECT o.id FROM outbox o WHERE o.channel_id = $1 \
                AND o.state = 'waiting' ORDER BY o.id DESC LIMIT 1 OFFSET $3), '')";
    sql::run(transaction, text, values![channel, now, MAX_WAITING]).await?;
    Ok(Some(id))
}
