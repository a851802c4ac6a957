//! What all clients of one grant in this process share: the access token, the pace of uploads, and the one turn to change
//! something.
//!
//! Dropbox limits calls per authorization, and answers `too_many_write_operations` when two calls change one namespace at the
//! same time, whoever makes them (DOC: data ingress guide).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::pace::Pace;
use crate::settings::Settings;
use crate::token::Tokens;

/// The shared state of a grant.
#[derive(Debug, Default)]
pub(crate) struct Grant {
    pub(crate) tokens: Tokens,
    pub(crate) pace: Arc<Pace>,
    /// Held during a call that changes the namespace: one at a time.
    pub(crate) change: tokio::sync::Mutex<()>,
}

type Known = HashMap<[u8; 32], Arc<Grant>>;

/// Grants that clients use, and those whose access token is still good: the token endpoint is not asked again for a client that
/// is made a little later.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

impl Grant {
    /// Returns the state that belongs to these settings.
    pub(crate) fn of(settings: &Settings) -> Arc<Self> {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, grant| Arc::strong_count(grant) > 1 || grant.tokens.has_good_token());
        Arc::clone(known.entry(identity(settings)).or_default())
    }
}

/// A digest, so that no secret lies in a map.
fn identity(settings: &Settings) -> [u8; 32] {
    let secret = |secret: &Option<secrecy::SecretString>| {
        Sha256::digest(secret.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default())
    };
    let mut hasher = Sha256::new();
    hasher.update(secret(&settings.refresh_token));
    hasher.update(secret(&settings.app_secret));
    hasher.update(Sha256::digest(&settings.app_key));
    hasher.update(settings.endpoints.api.as_str());
    hasher.finalize().into()
}
