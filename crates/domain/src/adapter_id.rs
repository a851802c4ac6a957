//! The ids of adapters, as settings and sidecars name them. Which adapters there are, this crate does not know.

use std::fmt;

use serde::{Deserialize, Serialize};

const MAX_LEN: usize = 64;

/// The id of an adapter, which may be one that this version does not have: lower-case ASCII letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AdapterId(String);

impl AdapterId {
    /// Creates the id of an adapter of this version. The tests of registries check that it is one.
    pub fn of_manifest(id: &'static str) -> Self {
        Self(id.to_owned())
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AdapterId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_allowed = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
        if !(1..=MAX_LEN).contains(&text.len()) || !text.bytes().all(is_allowed) {
            return Err("an adapter's id has 1 to 64 lower-case letters, digits and hyphens".to_owned());
        }
        Ok(Self(text))
    }
}

impl From<AdapterId> for String {
    fn from(id: AdapterId) -> Self {
        id.0
    }
}

impl fmt::Display for AdapterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_adapter_may_be_named_and_nothing_else() {
        for good in ["postgres", "sqlite", "sql-server", "db2"] {
            assert_eq!(AdapterId::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for bad in ["", "Postgres", "a b", "a\n", "ü", &"x".repeat(65)] {
            assert!(AdapterId::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
