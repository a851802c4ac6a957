//! How Rust types are stored in columns: times as BIGINT, structures as JSON, enums by their names.

use std::collections::BTreeMap;

use domain::Compression;
use domain::access::Role;
use domain::notification::MessageState;
use domain::outcome::RunStatus;
use domain::run::{Cause, FailureCode, RunKind, RunResult, Stage};
use domain::sidecar::Checksum;
use domain::stored::{CopyState, ScanState, SidecarKnown, VerificationMethod, VerificationResult};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sql::Raw;

/// A value of a statement. PostgreSQL wants to know the type of a NULL, too.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Integer(Option<i64>),
    Boolean(bool),
    Text(Option<String>),
}

/// Makes types [`Value`]s, and `Option`s of them.
macro_rules! values_from {
    ($($kind:ident: |$value:ident: $from:ty| $into:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                Self::$kind(Some($into))
            }
        }

        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::$kind(value.map(|$value| $into))
            }
        }
    )*};
}

values_from! {
    Integer: |value: i64| value;
    Integer: |time: Timestamp| time.as_millisecond();
    Integer: |time: Moment| time.0.as_millisecond();
    Text: |text: String| storable(&text);
    Text: |text: &String| storable(text);
    Text: |text: &str| storable(text);
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        Self::Text(text.as_deref().map(storable))
    }
}

/// PostgreSQL stores no NUL in a text, and refuses the whole statement. Tools can print one.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

/// Returns the text of a JSON column.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Database(sqlx::Error::Encode(Box::new(error))))
}

/// A type that a column can be read as.
pub(crate) trait FromColumn: Sized {
    /// What the column holds.
    type Raw: Raw;

    /// Converts what the column holds. The error is a clause that names the value, unless it may be a secret.
    fn from_raw(raw: Self::Raw) -> Result<Self, String>;

    /// Converts NULL.
    fn from_null() -> Result<Self, String> {
        Err("it is NULL".to_owned())
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    type Raw = T::Raw;

    fn from_raw(raw: T::Raw) -> Result<Self, String> {
        T::from_raw(raw).map(Some)
    }

    fn from_null() -> Result<Self, String> {
        Ok(None)
    }
}

/// A column that holds the type itself.
macro_rules! as_they_are {
    ($($kind:ty),*) => {$(
        impl FromColumn for $kind {
            type Raw = Self;

            fn from_raw(raw: Self) -> Result<Self, String> {
                Ok(raw)
            }
        }
    )*};
}
as_they_are!(i64, bool, String);

impl FromColumn for usize {
    type Raw = i64;

    fn from_raw(raw: i64) -> Result<Self, String> {
        Self::try_from(raw).map_err(|_| format!("{raw} is negative"))
    }
}

/// A column that holds the name of a variant.
macro_rules! by_name {
    ($($kind:ty),*) => {$(
        impl FromColumn for $kind {
            type Raw = String;

            fn from_raw(raw: String) -> Result<Self, String> {
                raw.parse().map_err(|_| format!("{raw:?} is unknown"))
            }
        }
    )*};
}
by_name!(Role, RunStatus, RunKind, Cause, Compression, Stage, FailureCode);
by_name!(CopyState, SidecarKnown, VerificationMethod, VerificationResult, ScanState, MessageState);

/// A column that holds JSON.
macro_rules! as_json {
    ($($kind:ty $(, where $of:ident)?;)*) => {$(
        impl$(<$of: DeserializeOwned>)? $crate::values::FromColumn for $kind {
            type Raw = String;

            fn from_raw(raw: String) -> Result<Self, String> {
                serde_json::from_str(&raw).map_err(|error| format!("the JSON does not fit: {error}"))
            }
        }
    )*};
}
pub(crate) use as_json;
as_json! {
    serde_json::Value;
    RunResult;
    Checksum;
    Vec<T>, where T;
    BTreeMap<String, T>, where T;
}

/// A time, to the millisecond: BIGINT since 1970 in the database, RFC 3339 in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub Timestamp);

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        moment.0
    }
}

impl FromColumn for Moment {
    type Raw = i64;

    fn from_raw(raw: i64) -> Result<Self, String> {
        Timestamp::from_millisecond(raw).map(Self).map_err(|error| format!("{raw} is not a time: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(RunStatus::from_raw("paused".to_owned()), Err("\"paused\" is unknown".to_owned()));
        assert!(Moment::from_raw(i64::MAX).unwrap_err().contains(&i64::MAX.to_string()));
        assert!(String::from_null().unwrap_err().contains("NULL"));
        assert_eq!(Option::<String>::from_null(), Ok(None));
        let unknown = Vec::<domain::access::Permission>::from_raw("[\"everything\"]".to_owned()).unwrap_err();
        assert!(unknown.contains("everything"), "{unknown}");
    }
}
