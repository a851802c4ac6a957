//! The access token: made on the fly, kept in memory only, renewed before it expires or when Dropbox refuses it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::Error;
use crate::oauth;
use crate::settings::Settings;

/// Dropbox's own SDKs renew five minutes before expiry.
const LONGEST_MARGIN: Duration = Duration::from_secs(300);

/// Hands out access tokens. However many ask at once, one refresh happens.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    current: Mutex<Option<AccessToken>>,
}

#[derive(Debug)]
struct AccessToken {
    secret: SecretString,
    renew_at: Instant,
}

impl Tokens {
    /// A token that is valid for a while yet.
    pub(crate) async fn access(&self, http: &reqwest::Client, settings: &Settings) -> Result<SecretString, Error> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.secret.clone());
        }
        let refresh_token = settings.refresh_token.as_ref().ok_or(Error::NotAuthorized)?;
        let grant = oauth::refresh(http, settings, refresh_token).await?;
        let life = Duration::from_secs(grant.expires_in);
        let renew_at = Instant::now() + life - (life / 10).min(LONGEST_MARGIN);
        *current = Some(AccessToken { secret: grant.access_token.clone(), renew_at });
        Ok(grant.access_token)
    }

    /// Forgets a token that Dropbox refused, unless another task has renewed it already.
    pub(crate) async fn discard(&self, refused: &SecretString) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|token| token.secret.expose_secret() == refused.expose_secret()) {
            *current = None;
        }
    }
}
