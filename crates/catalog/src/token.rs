//! Random tokens: given out once, kept as a hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Bytes of chance in a token: too many to guess, so that a fast hash is enough to keep it.
const ENTROPY: usize = 32;

/// A token of 256 random bits.
#[derive(Debug, Clone)]
pub struct Token(SecretString);

impl Token {
    /// Makes a new one that starts with `prefix`.
    ///
    /// # Errors
    /// [`Error::Randomness`].
    pub fn new(prefix: &str) -> Result<Self, Error> {
        let mut entropy = [0; ENTROPY];
        getrandom::fill(&mut entropy).map_err(|error| Error::Randomness(error.to_string()))?;
        Ok(Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(entropy)).into()))
    }

    /// Takes one that somebody shows.
    pub fn shown(text: &str) -> Self {
        Self(text.into())
    }

    /// The token itself, for whom it was made.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is stored of it: SHA-256, hexadecimal. Looking it up tells nothing about other tokens.
    pub fn hash(&self) -> String {
        base16ct::lower::encode_string(&Sha256::digest(self.expose().as_bytes()))
    }
}
