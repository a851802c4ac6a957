//! Proof key for code exchange, RFC 7636.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What the one who asked for consent promised to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Challenge {
    /// The verifier's SHA-256, base64url without padding.
    S256(String),
    /// The verifier itself.
    Plain(String),
}

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method`; the error is a sentence for the error page.
    pub(crate) fn parse(challenge: &str, method: Option<&str>) -> Result<Challenge, &'static str> {
        if !is_well_formed(challenge) {
            return Err("Invalid code_challenge: it must have 43 to 128 characters of A-Z a-z 0-9 - . _ ~");
        }
        match method {
            Some("S256") => Ok(Challenge::S256(challenge.to_owned())),
            Some("plain") | None => Ok(Challenge::Plain(challenge.to_owned())),
            Some(_) => Err("Invalid code_challenge_method: it must be S256 or plain"),
        }
    }

    /// Whether this verifier is the promised one.
    pub(crate) fn is_met_by(&self, verifier: &str) -> bool {
        is_well_formed(verifier)
            && match self {
                Challenge::S256(expected) => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == *expected,
                Challenge::Plain(expected) => verifier == expected,
            }
    }
}

fn is_well_formed(word: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&word.len()) && word.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_is_met() {
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", Some("S256")).unwrap();
        assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"));
        assert!(Challenge::parse("short", Some("S256")).is_err());
    }
}
