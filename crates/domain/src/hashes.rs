//! Digests of a content, by algorithm. Storages bring algorithms of their own, so there is no list of them here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// SHA-256, lower-case hexadecimal: the algorithm that every backup has.
pub const SHA256: &str = "sha256";

/// Digests of one content. Serializes as an object: `{"sha256": "…", "md5": "…"}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hashes(BTreeMap<String, String>);

/// What comparing two sets of digests tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// They share no algorithm.
    Nothing,
    /// Every shared algorithm agrees; these are their names.
    Same(Vec<String>),
    /// They are of different contents.
    Different {
        /// The algorithm.
        algorithm: String,
        /// The digest that was expected.
        expected: String,
        /// The one found.
        found: String,
    },
}

impl Hashes {
    /// Creates a set of one digest.
    pub fn of(algorithm: &str, digest: impl Into<String>) -> Self {
        let mut hashes = Self::default();
        hashes.insert(algorithm, digest);
        hashes
    }

    /// Adds a digest, or replaces the one of the same algorithm.
    pub fn insert(&mut self, algorithm: &str, digest: impl Into<String>) {
        self.0.insert(algorithm.to_owned(), digest.into());
    }

    /// Adds what another set knows.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.clone());
    }

    /// Returns the digest by an algorithm, if it is known.
    pub fn get(&self, algorithm: &str) -> Option<&str> {
        self.0.get(algorithm).map(String::as_str)
    }

    /// Returns whether no digest is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns algorithms and digests.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(algorithm, digest)| (algorithm.as_str(), digest.as_str()))
    }

    /// Compares these, which were expected, with what was found. Upper and lower case are the same.
    pub fn compare(&self, found: &Self) -> Compared {
        let mut same = Vec::new();
        for (algorithm, expected) in self.iter() {
            let Some(digest) = found.get(algorithm) else { continue };
            if !expected.eq_ignore_ascii_case(digest) {
                let (expected, found) = (expected.to_owned(), digest.to_owned());
                return Compared::Different { algorithm: algorithm.to_owned(), expected, found };
            }
            same.push(algorithm.to_owned());
        }
        if same.is_empty() { Compared::Nothing } else { Compared::Same(same) }
    }
}

/// Returns what people call an algorithm: `SHA-256`, `dropbox content hash`.
pub fn label(algorithm: &str) -> String {
    if algorithm == SHA256 { "SHA-256".to_owned() } else { algorithm.replace('-', " ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_compared_by_the_algorithms_that_both_know() {
        let mut expected = Hashes::of(SHA256, "ab");
        expected.insert("md5", "cd");
        assert_eq!(expected.compare(&Hashes::of("sha1", "ab")), Compared::Nothing);
        assert_eq!(expected.compare(&Hashes::of("md5", "CD")), Compared::Same(vec!["md5".to_owned()]));
        let mut found = Hashes::of("md5", "cd");
        found.insert(SHA256, "ef");
        let Compared::Different { algorithm, expected, found } = expected.compare(&found) else { panic!("the same") };
        assert_eq!((&*algorithm, &*expected, &*found), (SHA256, "ab", "ef"));
    }

    #[test]
    fn digests_serialize_as_an_object() {
        let hashes = Hashes::of("md5", "cd");
        assert_eq!(serde_json::to_string(&hashes).unwrap(), r#"{"md5":"cd"}"#);
        assert_eq!(serde_json::from_str::<Hashes>(r#"{"md5":"cd"}"#).unwrap(), hashes);
    }
}
