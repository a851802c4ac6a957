//! Numbers as Dropbox may send them: the specification says JSON numbers, but a proxy or another version may send digits in a
//! string or a float without a fraction.

use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// Deserializes a whole number that is not negative.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Number)
}

/// Deserializes the same where `null` and a missing field are `None`; use with `#[serde(default)]`.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(serde::Deserialize)]
    struct Wrapped(#[serde(deserialize_with = "number")] u64);
    let wrapped: Option<Wrapped> = serde::Deserialize::deserialize(deserializer)?;
    Ok(wrapped.map(|Wrapped(number)| number))
}

struct Number;

/// The largest number below which a float is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Visitor<'_> for Number {
    type Value = u64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
        if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) {
            return Ok(number as u64);
        }
        Err(E::invalid_value(Unexpected::Float(number), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        text.trim().parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Both {
        #[serde(deserialize_with = "number")]
        needed: u64,
        #[serde(default, deserialize_with = "optional")]
        wanted: Option<u64>,
    }

    #[test]
    fn numbers_may_be_strings() {
        let read = |json: &str| serde_json::from_str::<Both>(json).map(|both| (both.needed, both.wanted));
        assert_eq!(read(r#"{"needed":"18446744073709551615","wanted":" 7"}"#).unwrap(), (u64::MAX, Some(7)));
        assert_eq!(read(r#"{"needed":14400.0,"wanted":null}"#).unwrap(), (14400, None));
        assert_eq!(read(r#"{"needed":18446744073709551615}"#).unwrap(), (u64::MAX, None));
        for bad in [r#"{"needed":"x"}"#, r#"{"needed":-1}"#, r#"{"needed":1.5}"#, "{}", r#"{"needed":true}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
