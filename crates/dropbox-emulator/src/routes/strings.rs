//! Strings with a length or a pattern in the specification (files.stone): what breaks one is a 400.

use serde::{Deserialize, Deserializer, de::Error};

use crate::tree::path::is_rev;

/// The length of a `Sha256HexHash`, minimum and maximum.
const SHA256_LENGTH: usize = 64;

/// `Sha256HexHash`, if it is given.
pub(crate) fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let hash = Option::<String>::deserialize(deserializer)?;
    if let Some(hash) = hash.as_ref().filter(|hash| hash.chars().count() != SHA256_LENGTH) {
        let bound = if hash.chars().count() < SHA256_LENGTH { "least" } else { "most" };
        return Err(D::Error::custom(format!("content_hash: '{hash}' must be at {bound} {SHA256_LENGTH} characters")));
    }
    Ok(hash)
}

/// `Rev`, if it is given.
pub(crate) fn rev<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let rev = Option::<String>::deserialize(deserializer)?;
    rev.as_deref().map_or(Ok(()), |rev| check_rev(rev).map_err(D::Error::custom))?;
    Ok(rev)
}

/// `Rev`.
pub(crate) fn check_rev(rev: &str) -> Result<(), String> {
    if is_rev(rev) {
        return Ok(());
    }
    Err(match rev.len() {
        0..9 => format!("rev: '{rev}' must be at least 9 characters"),
        _ => format!("rev: '{rev}' did not match pattern '[0-9a-f]+'"),
    })
}

/// `ListFolderCursor`.
pub(crate) fn cursor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let cursor = String::deserialize(deserializer)?;
    if cursor.is_empty() { Err(D::Error::custom("cursor: '' must be at least 1 characters")) } else { Ok(cursor) }
}
