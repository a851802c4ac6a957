//! age keys: who can read a backup (recipients) and what reads it (identities).

use std::str::FromStr;

use age::x25519;
use secrecy::{ExposeSecret, SecretString};

/// A public key, `age1...`.
#[derive(Clone)]
pub struct Recipient(pub(crate) x25519::Recipient);

/// A private key, `AGE-SECRET-KEY-1...`.
#[derive(Clone)]
pub struct Identity(pub(crate) x25519::Identity);

/// Why a key cannot be used. Never quotes a private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a recipient.
    #[error("{} is not an age recipient: it starts with age1 and has 62 characters; dbackup keygen prints one", one_line(.0))]
    Recipient(String),
    /// A private key where a public one belongs.
    #[error(
        "that is a private key, and now whoever can list this machine's processes has seen it: make a new one with dbackup keygen, and give its recipient (age1...)"
    )]
    PrivateAsRecipient,
    /// A line of an identity file.
    #[error("line {line} of the identity file is not an age identity (AGE-SECRET-KEY-1...)")]
    Identity {
        /// From 1.
        line: usize,
    },
    /// No key at all.
    #[error("the identity file holds no identity (a line AGE-SECRET-KEY-1...)")]
    NoIdentity,
}

impl FromStr for Recipient {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.to_ascii_uppercase().contains("AGE-SECRET-KEY-") {
            return Err(KeyError::PrivateAsRecipient);
        }
        text.trim().parse().map(Self).map_err(|_| KeyError::Recipient(text.to_owned()))
    }
}

/// What was given, unless it is so long that it must have been given by mistake.
fn one_line(text: &str) -> String {
    if text.len() <= 100 && !text.contains('\n') { format!("'{text}'") } else { "what was given".to_owned() }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recipient({})", self.0)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity(of {})", self.0.to_public())
    }
}

impl Identity {
    /// Makes a new one.
    pub fn generate() -> Self {
        Self(x25519::Identity::generate())
    }

    /// Its public half.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// The file that `age -d -i` takes; `created` goes into a comment.
    pub fn to_file(&self, created: &str) -> SecretString {
        let key = self.0.to_string();
        format!("# created: {created}\n# public key: {}\n{}\n", self.recipient(), key.expose_secret()).into()
    }

    /// Reads an identity file: keys, one a line, comments and empty lines between.
    ///
    /// # Errors
    /// Names the first line that is neither; or that there is none.
    pub fn parse_file(text: &SecretString) -> Result<Vec<Self>, KeyError> {
        let identities = text
            .expose_secret()
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
            .map(|(index, line)| line.trim().parse().map(Self).map_err(|_| KeyError::Identity { line: index + 1 }))
            .collect::<Result<Vec<_>, _>>()?;
        if identities.is_empty() { Err(KeyError::NoIdentity) } else { Ok(identities) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_comes_back_and_never_prints() {
        let identity = Identity::generate();
        let file = identity.to_file("2026-01-01T00:00:00Z");
        let read = Identity::parse_file(&file).unwrap();
        assert_eq!(read[0].recipient().to_string(), identity.recipient().to_string());
        assert!(!format!("{identity:?} {file:?}").contains("AGE-SECRET-KEY"));
    }

    #[test]
    fn wrong_keys_are_named_without_being_shown() {
        let identity = Identity::generate();
        let secret = identity.0.to_string();
        let error = secret.expose_secret().parse::<Recipient>().unwrap_err();
        assert_eq!(error, KeyError::PrivateAsRecipient);
        let whole_file = identity.to_file("now");
        assert_eq!(whole_file.expose_secret().parse::<Recipient>().unwrap_err(), KeyError::PrivateAsRecipient);
        assert!("age1nonsense".parse::<Recipient>().unwrap_err().to_string().contains("age1nonsense"));
        let broken = SecretString::from(format!("# a comment\n\n{}x\n", secret.expose_secret()));
        let error = Identity::parse_file(&broken).unwrap_err();
        assert_eq!(error, KeyError::Identity { line: 3 });
        assert_eq!(Identity::parse_file(&"# nothing\n".into()).unwrap_err(), KeyError::NoIdentity);
    }
}
