//! The vault: AES-256-GCM with a random nonce. Table, row and column are the associated data, so that a value that is moved to
//! another place does not open.
//!
//! A sealed value is `<key id>:<base64 of nonce and ciphertext with tag>`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use crate::error::Error;
use crate::master_key::MasterKey;

const PURPOSE: &str = "dbackup secrets v1";
const DIGEST_PURPOSE: &str = "dbackup digests v1";

/// Where a sealed value lies.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub id: &'a str,
    /// The column.
    pub column: &'static str,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.table, self.id, self.column)
    }
}

/// Seals and opens values under one master key.
pub struct Vault {
    key: LessSafeKey,
    digest_key: hmac::Key,
    key_id: String,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({})", self.key_id)
    }
}

impl Vault {
    /// A vault under this key.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn new(master: &MasterKey) -> Result<Self, Error> {
        let unusable = |_| Error::Key("the key could not be used".to_owned());
        let key = UnboundKey::new(&AES_256_GCM, &master.derive(PURPOSE)?).map_err(unusable)?;
        let digest_key = hmac::Key::new(hmac::HMAC_SHA256, &master.derive(DIGEST_PURPOSE)?);
        Ok(Self { key: LessSafeKey::new(key), digest_key, key_id: master.id().to_owned() })
    }

    /// The id of its key.
    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns a digest by which a text is recognized, and that tells nothing about the text to those who lack the key:
    /// `<key id>:<hexadecimal HMAC-SHA256>`.
    pub(crate) fn digest(&self, text: &str) -> String {
        let tag = hmac::sign(&self.digest_key, text.as_bytes());
        format!("{}:{}", self.key_id, base16ct::lower::encode_string(tag.as_ref()))
    }

    /// Encrypts a value for its place.
    ///
    /// # Errors
    /// [`Error::Randomness`].
    pub fn seal(&self, place: Place<'_>, value: &SecretString) -> Result<String, Error> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|error| Error::Randomness(error.to_string()))?;
        let mut sealed = value.expose_secret().as_bytes().to_vec();
        let aad = Aad::from(place.to_string());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| Error::Sealed { place: place.to_string(), reason: "it is too long" })?;
        Ok(format!("{}:{}", self.key_id, STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    /// Decrypts a value from its place.
    ///
    /// # Errors
    /// [`Error::Sealed`] if it was sealed under another key, for another place, or was altered.
    pub fn open(&self, place: Place<'_>, sealed: &str) -> Result<SecretString, Error> {
        let refuse = |reason| Error::Sealed { place: place.to_string(), reason };
        let (key_id, encoded) = sealed.split_once(':').ok_or_else(|| refuse("it is not a sealed value"))?;
        if key_id != self.key_id {
            return Err(refuse("it was encrypted under another key"));
        }
        let mut bytes = STANDARD.decode(encoded).map_err(|_| refuse("it is not a sealed value"))?;
        let Some((nonce, ciphertext)) = bytes.split_at_mut_checked(NONCE_LEN) else {
            return Err(refuse("it is too short"));
        };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refuse("it is too short"))?;
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(place.to_string()), ciphertext)
            .map_err(|_| refuse("it was altered, or moved here from another row"))?;
        let text = String::from_utf8(plain.to_vec()).map_err(|_| refuse("it is not text"))?;
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { table: "sources", id: "1", column: "secret_settings" };

    #[test]
    fn a_value_opens_only_in_its_place_under_its_key_unaltered() {
        // M-07
        let vault = Vault::new(&MasterKey::generate().unwrap()).unwrap();
        let sealed = vault.seal(PLACE, &"hunter2 ü".into()).unwrap();
        assert!(!sealed.contains("hunter2"));
        assert_ne!(sealed, vault.seal(PLACE, &"hunter2 ü".into()).unwrap());
        assert_eq!(vault.open(PLACE, &sealed).unwrap().expose_secret(), "hunter2 ü");
        for elsewhere in [
            Place { id: "2", ..PLACE },
            Place { table: "destinations", ..PLACE },
            Place { column: "secret_grant", ..PLACE },
        ] {
            assert!(matches!(vault.open(elsewhere, &sealed), Err(Error::Sealed { .. })), "{elsewhere}");
        }
        let mut altered = sealed.clone().into_bytes();
        let last = altered.len() - 5;
        altered[last] = if altered[last] == b'A' { b'B' } else { b'A' };
        assert!(vault.open(PLACE, std::str::from_utf8(&altered).unwrap()).is_err());
        for nonsense in ["", "x", "x:y", &sealed[..20]] {
            assert!(vault.open(PLACE, nonsense).is_err());
        }
        let other = Vault::new(&MasterKey::generate().unwrap()).unwrap();
        assert!(other.open(PLACE, &sealed).unwrap_err().to_string().contains("another key"));
    }
}
