//! The redactor at the log's sink: whatever secret was opened by this process is blotted out there, wherever it came from.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Secrets remembered at most; the oldest are forgotten first.
const MOST: usize = 4096;
/// Shorter ones would blot out half of the log.
const SHORTEST: usize = 6;
const BLOT: &str = "[secret]";

static SECRETS: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Remembers a secret.
pub(crate) fn register(secret: &str) {
    if secret.len() < SHORTEST {
        return;
    }
    let mut secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    if !secrets.iter().any(|known| known == secret) {
        if secrets.len() >= MOST {
            secrets.pop_front();
        }
        secrets.push_back(secret.to_owned());
    }
}

/// A text without any secret.
pub(crate) fn redact(text: &str) -> String {
    let secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut clean = text.to_owned();
    for secret in secrets.iter() {
        if clean.contains(secret.as_str()) {
            clean = clean.replace(secret.as_str(), BLOT);
        }
    }
    clean
}

/// A value whose texts are without any secret.
pub(crate) fn redacted(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(redact(&text)),
        Value::Array(items) => items.into_iter().map(redacted).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, redacted(value))).collect(),
        other => other,
    }
}

/// Standard error, redacted: where the log goes.
#[derive(Debug, Default, Clone, Copy)]
pub struct RedactedStderr;

impl Write for RedactedStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(redact(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blotted_out() {
        register("hunter2-hunter2");
        register("abc");
        assert_eq!(redact("password=hunter2-hunter2; abc"), "password=[secret]; abc");
        let value = serde_json::json!({"copies": [{"error": "hunter2-hunter2 was refused", "size": 1}]});
        assert_eq!(redacted(value), serde_json::json!({"copies": [{"error": "[secret] was refused", "size": 1}]}));
    }
}
