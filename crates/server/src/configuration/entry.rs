//! One entry of a configuration, read field by field: everything that is wrong is noted, not only the first.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::http::problem::FieldError;

/// An entry that is being read.
pub(super) struct Entry {
    /// Where it is: `jobs[0]`.
    pub(super) place: String,
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Entry {
    pub(super) fn new(place: String, fields: Map<String, Value>) -> Self {
        Self { place, fields, errors: Vec::new() }
    }

    /// Notes what is wrong with a field.
    pub(super) fn refuse(&mut self, field: &str, message: impl Into<String>) {
        let field = if field.is_empty() { self.place.clone() } else { format!("{}.{field}", self.place) };
        self.errors.push(FieldError { field, message: message.into() });
    }

    /// Notes that a field is missing.
    pub(super) fn miss(&mut self, field: &str) {
        if !self.has_errors_at(field) {
            self.refuse(field, "is needed");
        }
    }

    /// Returns whether something is wrong with a field.
    pub(super) fn has_errors_at(&self, field: &str) -> bool {
        let place = format!("{}.{field}", self.place);
        self.errors.iter().any(|error| error.field == place)
    }

    /// Returns whether something is wrong with an item of a list.
    pub(super) fn has_errors_below(&self, field: &str) -> bool {
        let place = format!("{}.{field}[", self.place);
        self.errors.iter().any(|error| error.field.starts_with(&place))
    }

    /// Takes a field. What is null counts as left out.
    fn take<T>(&mut self, field: &str, what: &str, read: impl FnOnce(Value) -> Option<T>) -> Option<T> {
        let value = self.fields.remove(field).filter(|value| !value.is_null())?;
        let read = read(value);
        if read.is_none() {
            self.refuse(field, format!("must be {what}"));
        }
        read
    }

    /// Takes a field of any type.
    pub(super) fn value(&mut self, field: &str) -> Option<Value> {
        self.take(field, "a value", Some)
    }

    pub(super) fn text(&mut self, field: &str) -> Option<String> {
        self.take(field, "a text", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    pub(super) fn flag(&mut self, field: &str) -> Option<bool> {
        self.take(field, "true or false", |value| value.as_bool())
    }

    pub(super) fn number(&mut self, field: &str) -> Option<i64> {
        self.take(field, "a whole number", |value| value.as_i64())
    }

    pub(super) fn texts(&mut self, field: &str) -> Option<Vec<String>> {
        self.take(field, "a list of texts: [\"...\"]", |value| {
            let Value::Array(items) = value else { return None };
            items.into_iter().map(|item| item.as_str().map(str::to_owned)).collect()
        })
    }

    pub(super) fn table(&mut self, field: &str) -> Option<Map<String, Value>> {
        self.take(field, "a table: { ... }", |value| match value {
            Value::Object(fields) => Some(fields),
            _ => None,
        })
    }

    /// Takes what is left, which the adapter knows.
    pub(super) fn rest(&mut self) -> BTreeMap<String, Value> {
        std::mem::take(&mut self.fields).into_iter().collect()
    }

    /// Notes the fields that were not taken, which no such entry has, and returns all that is wrong.
    pub(super) fn finish(mut self, known: &str) -> Vec<FieldError> {
        let unknown: Vec<String> = self.fields.keys().cloned().collect();
        for field in unknown {
            self.refuse(&field, format!("unknown field; there are {known}"));
        }
        self.errors
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_is_wrong_with_an_entry_is_said_in_words() {
        let Value::Object(fields) = json!({"name": 5, "to": "disk", "on": "yes", "settings": [], "hours": 1.5, "x": 1})
        else {
            unreachable!("it is an object")
        };
        let mut entry = Entry::new("jobs[2]".to_owned(), fields);
        assert_eq!((entry.text("name"), entry.flag("on"), entry.number("hours")), (None, None, None));
        assert!(entry.texts("to").is_none() && entry.table("settings").is_none() && entry.text("absent").is_none());
        entry.miss("name");
        entry.miss("source");
        let errors = entry.finish("name, to");
        let words: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
        let expected = [
            "jobs[2].name: must be a text",
            "jobs[2].on: must be true or false",
            "jobs[2].hours: must be a whole number",
            "jobs[2].to: must be a list of texts: [\"...\"]",
            "jobs[2].settings: must be a table: { ... }",
            "jobs[2].source: is needed",
            "jobs[2].x: unknown field; there are name, to",
        ];
        assert_eq!(words, expected);
    }
}
