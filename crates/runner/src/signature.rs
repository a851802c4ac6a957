//! Signatures of sidecars: a server knows its own.
//!
//! Ed25519 over the sidecar's canonical bytes: the JSON object without `signature` and `locked`, its members sorted by name, without
//! white space. Unknown members count, so that a later version's sidecars are checked by this one. The digests in it bind the
//! backup, name and job bind where it lies. Stock tools need none of this.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use domain::sidecar::{Sidecar, Signature};
use serde_json::{Map, Value};

const ALGORITHM: &str = "ed25519";
/// Members that are not signed: the signature itself, and the mark that people set by hand.
const UNSIGNED: [&str; 2] = ["signature", "locked"];

/// Whether a sidecar was signed, and by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SignatureState {
    /// It was not: by the command line, or before there were signatures.
    #[default]
    Unsigned,
    /// It is not the signature of this text.
    Wrong,
    /// By the owner of this public key, `ed25519:` and 64 hexadecimal digits.
    SignedBy(String),
}

/// Signs sidecars with the key of an installation.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public)
    }
}

/// A key that cannot sign.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the signing key cannot be used")]
pub struct UnusableKey;

impl Signer {
    /// Draws a new key: 64 hexadecimal digits, a secret.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn generate() -> Result<String, UnusableKey> {
        let mut seed = [0; 32];
        aws_lc_rs::rand::SecureRandom::fill(&SystemRandom::new(), &mut seed).map_err(|_| UnusableKey)?;
        Ok(base16ct::lower::encode_string(&seed))
    }

    /// Takes a key that [`Self::generate`] has drawn.
    ///
    /// # Errors
    /// If it is none.
    pub fn new(key: &str) -> Result<Self, UnusableKey> {
        let seed = base16ct::lower::decode_vec(key).map_err(|_| UnusableKey)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| UnusableKey)?;
        let public = format!("{ALGORITHM}:{}", base16ct::lower::encode_string(pair.public_key().as_ref()));
        Ok(Self { pair, public })
    }

    /// The public key, as it stands in sidecars.
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// Signs a sidecar in place of whoever signed it before.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn sign(&self, sidecar: &mut Sidecar) -> Result<(), serde_json::Error> {
        sidecar.signature = None;
        let value = serde_json::to_value(&*sidecar)?;
        let text = value.as_object().map(canonical).unwrap_or_default();
        let signature = base16ct::lower::encode_string(self.pair.sign(text.as_bytes()).as_ref());
        sidecar.signature = Some(Signature { key: self.public.clone(), value: signature });
        Ok(())
    }
}

/// Checks the signature in a sidecar's content.
pub(crate) fn check(content: &[u8]) -> SignatureState {
    let Ok(Value::Object(sidecar)) = serde_json::from_slice(content) else { return SignatureState::Wrong };
    let Some(signature) = sidecar.get("signature") else { return SignatureState::Unsigned };
    let member = |name: &str| signature.get(name).and_then(Value::as_str);
    let (Some(key), Some(value)) = (member("key"), member("value")) else { return SignatureState::Wrong };
    let decoded = |text: &str| base16ct::lower::decode_vec(text).ok();
    let public = key.strip_prefix(ALGORITHM).and_then(|key| key.strip_prefix(':')).and_then(decoded);
    let (Some(public), Some(value)) = (public, decoded(value)) else {
        return SignatureState::Wrong;
    };
    let verified = UnparsedPublicKey::new(&ED25519, public).verify(canonical(&sidecar).as_bytes(), &value);
    match verified {
        Ok(()) => SignatureState::SignedBy(key.to_owned()),
        Err(_) => SignatureState::Wrong,
    }
}

fn canonical(sidecar: &Map<String, Value>) -> String {
    let mut text = String::new();
    write_object(&mut text, sidecar.iter().filter(|(name, _)| !UNSIGNED.contains(&name.as_str())));
    text
}

fn write(text: &mut String, value: &Value) {
    match value {
        Value::Object(members) => write_object(text, members.iter()),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(text, item);
            }
            text.push(']');
        }
        // Without white space.
        other => text.push_str(&other.to_string()),
    }
}

fn write_object<'a>(text: &mut String, members: impl Iterator<Item = (&'a String, &'a Value)>) {
    let mut members: Vec<_> = members.collect();
    members.sort_by_key(|(name, _)| *name);
    text.push('{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&Value::String(name.clone()).to_string());
        text.push(':');
        write(text, value);
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sidecar() -> Sidecar {
        let json = r#"{"version":2,"id":"i","runId":"r","jobName":"Übershop","sourceName":"s","sourceType":"postgres","database":"d",
            "engineVersion":"17.2","toolVersion":"pg_dump 17.2","timestamp":"2024-01-15T12:00:00Z","originalFileName":"f",
            "compression":"zstd:3","size":{"plain":3,"stored":2},"checksum":{"sha256Plain":"a","sha256Stored":"b"},
            "trigger":"manual","locked":false}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_signature_covers_everything_but_the_lock_whatever_the_layout() {
        let signer = Signer::new(&Signer::generate().unwrap()).unwrap();
        let mut sidecar = sidecar();
        assert_eq!(check(&serde_json::to_vec(&sidecar).unwrap()), SignatureState::Unsigned);
        signer.sign(&mut sidecar).unwrap();
        let ours = SignatureState::SignedBy(signer.public_key().to_owned());
        let pretty = serde_json::to_string_pretty(&sidecar).unwrap();
        assert_eq!(check(pretty.as_bytes()), ours);
        assert_eq!(check(serde_json::to_string(&sidecar).unwrap().as_bytes()), ours);
        assert_eq!(check(pretty.replace("\"locked\": false", "\"locked\": true").as_bytes()), ours);
        for (from, to) in [
            ("\"sha256Stored\": \"b\"", "\"sha256Stored\": \"c\""),
            ("\"jobName\": \"Übershop\"", "\"jobName\": \"other\""),
            ("\"stored\": 2", "\"stored\": 20"),
            ("\"trigger\"", "\"added\": 1, \"trigger\""),
            (signer.public_key(), Signer::new(&Signer::generate().unwrap()).unwrap().public_key()),
            ("\"value\": \"", "\"value\": \"0"),
            ("ed25519:", "rsa:"),
        ] {
            assert!(pretty.contains(from), "{from}");
            assert_eq!(check(pretty.replace(from, to).as_bytes()), SignatureState::Wrong, "{from}");
        }
        let other = Signer::new(&Signer::generate().unwrap()).unwrap();
        other.sign(&mut sidecar).unwrap();
        let signed = check(&serde_json::to_vec(&sidecar).unwrap());
        assert_eq!(signed, SignatureState::SignedBy(other.public_key().to_owned()));
        assert_ne!(signed, ours);
    }

    #[test]
    fn a_known_key_signs_these_bytes() {
        // RFC 8032, section 7.1, test 1: the key pair.
        let signer = Signer::new("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        assert_eq!(signer.public_key(), "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let value = serde_json::json!({"b": [1, {"z": "ü\n", "a": null}], "a": true, "locked": true, "signature": 1});
        assert_eq!(canonical(value.as_object().unwrap()), r#"{"a":true,"b":[1,{"a":null,"z":"ü\n"}]}"#);
        assert!(Signer::new("short").is_err() && Signer::new("").is_err());
    }
}
