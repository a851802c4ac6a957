//! The key that everything hangs on: 256 bits.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use secrecy::{ExposeSecret, SecretBox, SecretString};

use crate::error::Error;

const LENGTH: usize = 32;

/// A master key. Its id tells keys apart and tells nothing of the key.
pub struct MasterKey {
    secret: SecretBox<[u8; LENGTH]>,
    id: String,
}

impl MasterKey {
    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::Key`], which does not quote what was given.
    pub fn parse(text: &SecretString) -> Result<Self, Error> {
        let digits = text.expose_secret().trim();
        let refuse = || {
            Error::Key(format!(
                "an encryption key has 64 hexadecimal digits, this one has {} characters: openssl rand -hex 32 makes one",
                digits.chars().count()
            ))
        };
        if digits.len() != 2 * LENGTH {
            return Err(refuse());
        }
        let mut secret = [0; LENGTH];
        base16ct::mixed::decode(digits, &mut secret).map_err(|_| refuse())?;
        Self::of(secret)
    }

    /// Makes a new one.
    ///
    /// # Errors
    /// [`Error::Randomness`].
    pub fn generate() -> Result<Self, Error> {
        let mut secret = [0; LENGTH];
        getrandom::fill(&mut secret).map_err(|error| Error::Randomness(error.to_string()))?;
        Self::of(secret)
    }

    fn of(secret: [u8; LENGTH]) -> Result<Self, Error> {
        let id = base16ct::lower::encode_string(&derive(&secret, "dbackup key id")?[..4]);
        Ok(Self { secret: SecretBox::new(Box::new(secret)), id })
    }

    /// The same key once more.
    pub(crate) fn duplicate(&self) -> Result<Self, Error> {
        Self::of(*self.secret.expose_secret())
    }

    /// Eight hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key for one purpose.
    pub(crate) fn derive(&self, purpose: &str) -> Result<[u8; LENGTH], Error> {
        derive(self.secret.expose_secret(), purpose)
    }

    /// What is written to a file.
    pub(crate) fn digits(&self) -> SecretString {
        base16ct::lower::encode_string(self.secret.expose_secret()).into()
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// HKDF-SHA256 (RFC 5869).
fn derive(secret: &[u8], purpose: &str) -> Result<[u8; LENGTH], Error> {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            LENGTH
        }
    }
    let failed = |_| Error::Key("the key could not be derived".to_owned());
    let mut key = [0; LENGTH];
    let pseudorandom = Salt::new(HKDF_SHA256, b"").extract(secret);
    pseudorandom.expand(&[purpose.as_bytes()], Length).map_err(failed)?.fill(&mut key).map_err(failed)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_64_digits_and_shows_nothing() {
        let digits = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
        let key = MasterKey::parse(&format!(" {digits}\n").into()).unwrap();
        assert_eq!(key.id().len(), 8);
        assert!(!format!("{key:?}").to_lowercase().contains("00112233"));
        for bad in ["", "0011", &digits[1..], &format!("{}g", &digits[1..]), &"ü".repeat(32)] {
            let error = MasterKey::parse(&bad.to_owned().into()).unwrap_err().to_string();
            assert!(error.contains("64 hexadecimal digits") && (bad.is_empty() || !error.contains(bad)), "{error}");
        }
    }
}
