//! The access token: made on the fly, kept in memory only, renewed before it expires or when Dropbox refuses it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::Error;
use crate::oauth;
use crate::retry::RetryPolicy;
use crate::settings::Settings;

/// Dropbox's own SDKs renew five minutes before expiry.
const LONGEST_MARGIN: Duration = Duration::from_secs(300);
/// An access token is renewed at least this often. Dropbox's last four hours.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Hands out access tokens. One refresh at a time, whose result is everybody's, also if it failed.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<AccessToken>,
    failed: Option<Failed>,
}

#[derive(Debug)]
struct AccessToken {
    secret: SecretString,
    renew_at: Instant,
}

/// The last refresh, which failed.
#[derive(Debug)]
struct Failed {
    error: Error,
    at: Instant,
    /// How many failed in a row.
    times: u32,
    /// For so long the error is returned instead of another refresh; `None` if it does not pass by itself.
    wait: Option<Duration>,
}

impl AccessToken {
    fn new(secret: SecretString, expires_in: u64) -> Self {
        let life = Duration::from_secs(expires_in).min(LONGEST_LIFE);
        Self { secret, renew_at: Instant::now() + life - (life / 10).min(LONGEST_MARGIN) }
    }

    fn is_good(&self) -> bool {
        Instant::now() < self.renew_at
    }
}

impl Tokens {
    /// Returns a token that is valid for a while yet.
    pub(crate) async fn access(&self, http: &reqwest::Client, settings: &Settings) -> Result<SecretString, Error> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(token) = state.current.as_ref().filter(|token| token.is_good()) {
            return Ok(token.secret.clone());
        }
        if let Some(failed) = state.failed.as_ref().filter(|failed| failed.answers(asked, &settings.retry)) {
            return Err(failed.error.clone());
        }
        let refresh_token = settings.refresh_token.as_ref().ok_or(Error::NotAuthorized)?;
        match oauth::refresh(http, settings, refresh_token).await {
            Ok(grant) => {
                let token = AccessToken::new(grant.access_token, grant.expires_in);
                let secret = token.secret.clone();
                *state = State { current: Some(token), failed: None };
                Ok(secret)
            }
            Err(error) => {
                let times = state.failed.as_ref().map_or(0, |failed| failed.times);
                state.failed = Some(Failed::new(error.clone(), times, settings));
                Err(error)
            }
        }
    }

    /// Takes a token that was got with the grant itself.
    pub(crate) async fn put(&self, secret: SecretString, expires_in: u64) {
        *self.state.lock().await = State { current: Some(AccessToken::new(secret, expires_in)), failed: None };
    }

    /// Forgets a token that Dropbox refused, unless another task has renewed it already.
    pub(crate) async fn discard(&self, refused: &SecretString) {
        let mut state = self.state.lock().await;
        if state.current.as_ref().is_some_and(|token| token.secret.expose_secret() == refused.expose_secret()) {
            state.current = None;
        }
    }

    /// Whether a token is at hand. `true` while one is being renewed.
    pub(crate) fn has_good_token(&self) -> bool {
        self.state.try_lock().map_or(true, |state| state.current.as_ref().is_some_and(AccessToken::is_good))
    }
}

impl Failed {
    fn new(error: Error, before: u32, settings: &Settings) -> Self {
        let wait = error.is_transient().then(|| settings.retry.paced(before, error.retry_after()));
        Self { error, at: Instant::now(), times: before.saturating_add(1), wait }
    }

    /// Whether it is the answer to a caller who asked at that time: it was waiting for this refresh, or it is too soon for
    /// another. A caller that may not wait for long does not wait for what others were told either.
    fn answers(&self, asked: Instant, retry: &RetryPolicy) -> bool {
        let longest = if self.error.retry_after().is_some() { retry.longest_obeyed } else { retry.longest_wait };
        self.at >= asked || self.wait.is_some_and(|wait| self.at.elapsed() < wait.min(longest))
    }
}
