//! What changes about an item, field by field. Secrets are never shown.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// How a field changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FieldAction {
    /// It had no value.
    Set,
    /// It had another value.
    Changed,
    /// It will have no value.
    Removed,
}

/// A field that changes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct FieldChange {
    /// Its path in the entry: `settings.host`.
    pub(crate) field: String,
    pub(crate) action: FieldAction,
    /// Its value. Absent for secrets, and where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) before: Option<Value>,
    /// Its new value. Absent for secrets, and where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) after: Option<Value>,
}

impl FieldChange {
    /// In words, for the audit log: `settings.host: "a" -> "b"`.
    pub(super) fn in_words(&self) -> String {
        let word = match self.action {
            FieldAction::Set => "set",
            FieldAction::Changed => "changed",
            FieldAction::Removed => "removed",
        };
        match (&self.before, &self.after) {
            (None, None) => format!("{}: {word}", self.field),
            (Some(before), Some(after)) => format!("{}: {before} -> {after}", self.field),
            (None, Some(after)) => format!("{}: {after}", self.field),
            (Some(before), None) => format!("{}: {before} -> none", self.field),
        }
    }
}

/// The changes of one item.
#[derive(Debug, Default)]
pub(super) struct Diff(pub(super) Vec<FieldChange>);

impl Diff {
    /// Compares a field. Null is no value.
    pub(super) fn field(&mut self, field: &str, before: impl Into<Value>, after: impl Into<Value>) {
        let (before, after) = (before.into(), after.into());
        if before == after {
            return;
        }
        let value = |value: Value| Some(value).filter(|value| !value.is_null());
        let (before, after) = (value(before), value(after));
        let action = match (&before, &after) {
            (None, _) => FieldAction::Set,
            (_, None) => FieldAction::Removed,
            _ => FieldAction::Changed,
        };
        self.0.push(FieldChange { field: field.to_owned(), action, before, after });
    }

    /// Compares the fields of a table, by their names.
    pub(super) fn table(&mut self, table: &str, before: &Value, after: &Value) {
        let empty = Map::new();
        let (before, after) = (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let value = |of: &Map<String, Value>| of.get(name).cloned().unwrap_or_default();
            self.field(&format!("{table}.{name}"), value(before), value(after));
        }
    }

    /// Notes a secret that changes.
    pub(super) fn secret(&mut self, field: &str, action: FieldAction) {
        self.0.push(FieldChange { field: field.to_owned(), action, before: None, after: None });
    }

    /// Compares secrets, and leaves only those in `wanted` that change.
    pub(super) fn secrets(
        &mut self,
        before: &BTreeMap<String, SecretString>,
        wanted: &mut BTreeMap<String, Option<SecretString>>,
    ) {
        wanted.retain(|name, after| {
            let exposed =
                |secret: &SecretString| Some(secret.expose_secret().to_owned()).filter(|text| !text.is_empty());
            let action = match (before.get(name).and_then(exposed), after.as_ref().and_then(exposed)) {
                (before, after) if before == after => return false,
                (None, _) => FieldAction::Set,
                (_, None) => FieldAction::Removed,
                _ => FieldAction::Changed,
            };
            self.0.push(FieldChange { field: name.clone(), action, before: None, after: None });
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_equal_is_no_change_and_secrets_are_not_shown() {
        let mut diff = Diff::default();
        diff.field("enabled", true, true);
        diff.field("timeoutSeconds", Value::Null, 60);
        diff.table("settings", &json!({"host": "a", "port": 1}), &json!({"host": "b", "user": "u"}));
        let kept = |value: &str| Some(SecretString::from(value.to_owned()));
        let before = BTreeMap::from([("same", "s"), ("other", "old"), ("gone", "g")])
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned().into()))
            .collect();
        let mut wanted: BTreeMap<String, Option<SecretString>> =
            [("same", kept("s")), ("other", kept("new")), ("gone", None), ("never", None), ("fresh", kept("f"))]
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
        diff.secrets(&before, &mut wanted);
        assert_eq!(wanted.keys().collect::<Vec<_>>(), ["fresh", "gone", "other"]);
        let words: Vec<String> = diff.0.iter().map(FieldChange::in_words).collect();
        let expected = [
            "timeoutSeconds: 60",
            "settings.host: \"a\" -> \"b\"",
            "settings.port: 1 -> none",
            "settings.user: \"u\"",
            "fresh: set",
            "gone: removed",
            "other: changed",
        ];
        assert_eq!(words, expected);
    }
}
