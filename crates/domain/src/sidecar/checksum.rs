//! The digests in a sidecar. Each algorithm that a storage brings is a member of its own, in camel case: `dropboxContentHash`.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::hashes::{Hashes, SHA256};

/// Digests of both ends of the pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Read", into = "Written")]
pub struct Checksum {
    /// SHA-256 of the dump as the tool wrote it.
    pub sha256_plain: String,
    /// SHA-256 of the file at the destination.
    pub sha256_stored: String,
    /// Digests of the file at the destination by the algorithms that its storage knows.
    pub others: Hashes,
}

impl Checksum {
    /// Returns all digests of the file at the destination.
    pub fn stored(&self) -> Hashes {
        let mut hashes = self.others.clone();
        hashes.insert(SHA256, self.sha256_stored.clone());
        hashes
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    sha256_plain: String,
    sha256_stored: String,
    #[serde(flatten)]
    others: BTreeMap<String, Member>,
}

/// A later version may add members that are no digests.
#[derive(Deserialize)]
#[serde(untagged)]
enum Member {
    Digest(String),
    Unknown(IgnoredAny),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    sha256_plain: String,
    sha256_stored: String,
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

impl From<Read> for Checksum {
    fn from(read: Read) -> Self {
        let mut others = Hashes::default();
        for (member, value) in read.others {
            if let Member::Digest(digest) = value {
                others.insert(&algorithm(&member), digest);
            }
        }
        Self { sha256_plain: read.sha256_plain, sha256_stored: read.sha256_stored, others }
    }
}

impl From<Checksum> for Written {
    fn from(checksum: Checksum) -> Self {
        let Checksum { sha256_plain, sha256_stored, others } = checksum;
        let others = others.iter().map(|(algorithm, digest)| (member(algorithm), digest.to_owned())).collect();
        Self { sha256_plain, sha256_stored, others }
    }
}

/// `dropboxContentHash` to `dropbox-content-hash`.
fn algorithm(member: &str) -> String {
    let mut algorithm = String::new();
    for letter in member.chars() {
        if letter.is_ascii_uppercase() {
            algorithm.push('-');
        }
        algorithm.push(letter.to_ascii_lowercase());
    }
    algorithm
}

/// `dropbox-content-hash` to `dropboxContentHash`.
fn member(algorithm: &str) -> String {
    let mut parts = algorithm.split('-');
    let mut member = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        member.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        member.extend(letters);
    }
    member
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_is_a_member_and_unknown_members_are_passed_over() {
        let json =
            r#"{"sha256Plain":"a","sha256Stored":"b","dropboxContentHash":"c","md5":"d","later":{"x":1},"n":null}"#;
        let checksum: Checksum = serde_json::from_str(json).unwrap();
        assert_eq!(checksum.others.get("dropbox-content-hash"), Some("c"));
        assert_eq!(checksum.others.get("md5"), Some("d"));
        assert_eq!(checksum.stored().get(SHA256), Some("b"));
        let written = serde_json::to_string(&checksum).unwrap();
        assert_eq!(written, r#"{"sha256Plain":"a","sha256Stored":"b","dropboxContentHash":"c","md5":"d"}"#);
        let without: Checksum = serde_json::from_str(r#"{"sha256Plain":"a","sha256Stored":"b"}"#).unwrap();
        assert!(without.others.is_empty());
    }
}
