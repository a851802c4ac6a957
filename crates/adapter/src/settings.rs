//! The settings of one source or destination, and its secrets.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The secrets of one source or destination, by the names of their fields.
pub type Secrets = BTreeMap<String, SecretString>;

/// The settings of one source or destination: `{"type": "postgres", "host": "db"}`. They hold no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    values: Map<String, Value>,
}

impl Settings {
    /// Creates settings of an adapter without any value.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), values: Map::new() }
    }

    /// Returns the id of the adapter.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns a value as it is.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Returns a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Returns a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    /// Returns whether a toggle is on.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Returns a path. One that is not UTF-8, which only addresses can give, is kept as its bytes.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        match self.get(name)? {
            Value::String(text) => Some(PathBuf::from(text)),
            Value::Array(bytes) => {
                let bytes = bytes.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()));
                Some(OsString::from_vec(bytes.collect::<Option<Vec<u8>>>()?).into())
            }
            _ => None,
        }
    }

    /// Sets a value.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Sets a path, as [`Self::path`] returns it.
    pub fn set_path(&mut self, name: &str, path: &Path) {
        match path.to_str() {
            Some(text) => self.set(name, text),
            None => self.set(name, path.as_os_str().as_bytes().to_vec()),
        }
    }

    /// Returns the same settings with another value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_stored_as_one_object_with_their_type() {
        let settings = Settings::new("postgres").with("host", "db").with("port", 5433);
        let stored = serde_json::json!({"type": "postgres", "host": "db", "port": 5433});
        assert_eq!(serde_json::to_value(&settings).unwrap(), stored);
        assert_eq!(serde_json::from_value::<Settings>(stored).unwrap(), settings);
        assert_eq!(
            (settings.text("host"), settings.number("port"), settings.flag("x")),
            (Some("db"), Some(5433), false)
        );
    }

    #[test]
    fn a_path_survives_whatever_its_bytes_are() {
        for bytes in [&b"/srv/a%20b"[..], b"/srv/\xff\xfe", "/srv/ü".as_bytes()] {
            let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
            let mut settings = Settings::new("folder");
            settings.set_path("path", &path);
            assert_eq!(settings.path("path"), Some(path));
        }
    }
}
