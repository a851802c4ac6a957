//! Answers to requests that carried an `Idempotency-Key`: a repeated request gets the first one's answer.

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::Catalog;
use crate::error::Error;
use crate::sql::{self, record, values};
use crate::token::Token;
use crate::values::Moment;
use crate::vault::Place;

/// How long an answer is kept.
pub const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);
/// Maximum time that a request is carried out. One without an answer after that was cut off.
const MAX_RUNNING: SignedDuration = SignedDuration::from_mins(15);
/// Maximum number of answers that are kept per user. The oldest go first.
pub const MAX_KEYS_PER_USER: i64 = 1000;

/// What is known of a request with a key.
#[derive(Debug)]
pub enum KeyedRequest {
    /// Nothing: it is to be carried out, and [`Catalog::finish_keyed`] or [`Catalog::forget_keyed`] ends that.
    New,
    /// The first one is being carried out.
    Running,
    /// The first one was cut off: what it has done is not known.
    CutOff,
    /// The key was used for another request.
    Other,
    /// The first one's answer.
    Answered(SecretString),
}

/// A request with a key.
#[derive(Debug, Clone, Copy)]
pub struct RequestKey<'a> {
    /// The user who sent it.
    pub user_id: &'a str,
    /// The key.
    pub key: &'a str,
}

impl RequestKey<'_> {
    fn id(&self) -> String {
        Token::shown(&format!("{}\n{}", self.user_id, self.key)).hash()
    }
}

struct Stored {
    request: String,
    answer: Option<String>,
    created_at: Moment,
}

record!(Stored, "idempotency_keys", { request, answer = "secret_answer", created_at });

impl Catalog {
    /// Begins a request with a key, unless the key is known. `request` stands for everything that it asks for.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Sealed`].
    pub async fn begin_keyed(&self, key: RequestKey<'_>, request: &str, now: Timestamp) -> Result<KeyedRequest, Error> {
        let (id, before) = (key.id(), now.checked_sub(MAX_AGE).unwrap_or(Timestamp::UNIX_EPOCH));
        sql::run(&self.db, "DELETE FROM idempotency_keys WHERE created_at < $1", values![before]).await?;
        let request = self.vault.digest(request);
        let text = "INSERT INTO idempotency_keys (id, user_id, request, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        if sql::run(&self.db, text, values![&id, key.user_id, &request, now]).await? > 0 {
            let oldest = "DELETE FROM idempotency_keys WHERE id IN (SELECT id FROM idempotency_keys WHERE user_id = $1 \
                          AND (secret_answer IS NOT NULL OR created_at < $2) ORDER BY created_at DESC, id LIMIT 1000000 OFFSET $3)";
            let cut_off = now.checked_sub(MAX_RUNNING).unwrap_or(Timestamp::UNIX_EPOCH);
            sql::run(&self.db, oldest, values![key.user_id, cut_off, MAX_KEYS_PER_USER - 1]).await?;
            return Ok(KeyedRequest::New);
        }
        let stored: Option<Stored> = sql::one(&self.db, &sql::select::<Stored>("WHERE id = $1"), values![&id]).await?;
        Ok(match stored {
            // Forgotten this moment.
            None => KeyedRequest::Running,
            // A digest under an earlier key cannot be compared.
            Some(stored) if !is_of_same_key(&stored.request, &request) => KeyedRequest::CutOff,
            Some(stored) if stored.request != request => KeyedRequest::Other,
            Some(Stored { answer: Some(sealed), .. }) => KeyedRequest::Answered(self.vault.open(place(&id), &sealed)?),
            Some(stored) if now.duration_since(stored.created_at.0) > MAX_RUNNING => KeyedRequest::CutOff,
            Some(_) => KeyedRequest::Running,
        })
    }

    /// Keeps the answer to a request with a key.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn finish_keyed(&self, key: RequestKey<'_>, answer: &SecretString) -> Result<(), Error> {
        let id = key.id();
        let sealed = self.vault.seal(place(&id), answer)?;
        self.write_sealed("UPDATE idempotency_keys SET secret_answer = $2 WHERE id = $1", values![&id, sealed]).await
    }

    /// Forgets a request with a key that did nothing: a repeated one is carried out.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn forget_keyed(&self, key: RequestKey<'_>) -> Result<(), Error> {
        let text = "DELETE FROM idempotency_keys WHERE id = $1 AND secret_answer IS NULL";
        sql::run(&self.db, text, values![key.id()]).await.map(drop)
    }
}

fn is_of_same_key(one: &str, other: &str) -> bool {
    one.split_once(':').map(|(key, _)| key) == other.split_once(':').map(|(key, _)| key)
}

/// Where an answer is sealed for.
pub(crate) fn place(id: &str) -> Place<'_> {
    Place { table: "idempotency_keys", id, column: "secret_answer" }
}
