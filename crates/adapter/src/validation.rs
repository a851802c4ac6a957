//! The one validation of settings, for the API, configuration files and the command line.

use serde_json::{Map, Value};

use crate::field::{Default, Field, FieldError, Input, PathUse, Required};
use crate::manifest::Manifest;
use crate::settings::Settings;

impl Manifest {
    /// Reads settings: checks every field, fills in defaults, and runs the adapter's own check. The key `type` is passed over.
    ///
    /// # Errors
    /// Everything that is wrong, field by field.
    pub fn validate(&self, given: &Map<String, Value>) -> Result<Settings, Vec<FieldError>> {
        let mut settings = Settings::new(self.id);
        let mut errors: Vec<FieldError> = given.keys().filter_map(|name| self.refuse_unknown(name)).collect();
        for field in self.settings() {
            match read(field, given.get(field.name)) {
                Ok(Some(value)) => settings.set(field.name, value),
                Ok(None) if is_needed(field, given) => errors.push(FieldError::new(field.name, missing(field))),
                Ok(None) => set_default(&mut settings, field),
                Err(message) => errors.push(FieldError::new(field.name, message)),
            }
        }
        if errors.is_empty() {
            (self.check)(&mut settings, &mut errors);
        }
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// Fills in the defaults of settings that an earlier version has stored.
    #[must_use]
    pub fn complete(&self, mut settings: Settings) -> Settings {
        self.settings()
            .filter(|field| settings.get(field.name).is_none())
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|field| set_default(&mut settings, field));
        settings
    }

    /// Returns what is wrong with the secrets that will be set, those of them that are needed and are not.
    pub fn check_secrets(&self, is_set: impl Fn(&str) -> bool) -> Vec<FieldError> {
        let missed = self.secrets().filter(|field| field.required == Required::Always && !is_set(field.name));
        missed.map(|field| FieldError::new(field.name, missing(field))).collect()
    }

    fn refuse_unknown(&self, name: &str) -> Option<FieldError> {
        if name == "type" || self.settings().any(|field| field.name == name) {
            return None;
        }
        if self.secrets().any(|field| field.name == name) {
            return Some(FieldError::new(
                name,
                "is a secret and does not belong into the settings: give it beside them",
            ));
        }
        let known = self.settings().map(|field| field.name).collect::<Vec<_>>().join(", ");
        Some(FieldError::new(name, format!("unknown field, {} has {known}", self.title)))
    }
}

/// Returns what to do about a required field that is empty.
fn missing(field: &Field) -> String {
    let label = in_sentence(field.label);
    match (field.hint, field.example) {
        ("", "") => format!("Enter the {label}"),
        ("", example) => format!("Enter the {label}, such as {example}"),
        (hint, _) => format!("Enter the {label} ({hint})"),
    }
}

/// Returns a label as it stands within a sentence: `host` for `Host`. Names such as `App Key` and `CA certificate` stay as they are.
fn in_sentence(label: &str) -> String {
    if label.chars().skip(1).any(char::is_uppercase) { label.to_owned() } else { label.to_lowercase() }
}

fn is_needed(field: &Field, given: &Map<String, Value>) -> bool {
    match field.required {
        Required::Never => false,
        Required::Always => true,
        Required::Unless(other) => given.get(other).is_none_or(|value| value.is_null() || value == ""),
    }
}

fn set_default(settings: &mut Settings, field: &Field) {
    match field.default {
        Default::None | Default::Unset(_) => {}
        Default::Text(text) => settings.set(field.name, text),
        Default::Flag(on) => settings.set(field.name, on),
    }
}

/// Reads one value. `Ok(None)` means that it is left out.
fn read(field: &Field, given: Option<&Value>) -> Result<Option<Value>, String> {
    let Some(value) = given.filter(|value| !value.is_null()) else { return Ok(None) };
    match field.input {
        Input::Toggle if value.is_boolean() => Ok(Some(value.clone())),
        Input::Toggle => Err("must be true or false".to_owned()),
        Input::Number { min, max } => match value.as_i64() {
            Some(number) if (min..=max).contains(&number) => Ok(Some(number.into())),
            Some(_) => Err(format!("must be from {min} to {max}")),
            None => Err(format!("must be a whole number from {min} to {max}")),
        },
        Input::Choice(choices) => match value.as_str() {
            Some(text) if choices.iter().any(|choice| choice.value == text) => Ok(Some(text.into())),
            _ => Err(format!(
                "must be one of {}",
                choices.iter().map(|choice| choice.value).collect::<Vec<_>>().join(", ")
            )),
        },
        Input::Text | Input::Host | Input::HostPath { .. } | Input::Browse | Input::Secret { .. } => {
            let text = value.as_str().ok_or("must be a text")?;
            let may_be_empty = matches!(field.required, Required::Unless(_)) || field.default == Default::Text("");
            if text.is_empty() && may_be_empty {
                return Ok(None);
            }
            check_text(field, text).map(|()| Some(text.into()))
        }
    }
}

fn check_text(field: &Field, text: &str) -> Result<(), String> {
    if text.chars().count() > field.max_len {
        return Err(format!("must not be longer than {} characters", field.max_len));
    }
    // A folder in a storage is the adapter's own to judge: it knows what the storage stores.
    if field.input == Input::Browse {
        return Ok(());
    }
    if text.trim().is_empty() {
        let optional = field.required == Required::Never;
        return Err(if optional { "must not be empty: leave it out instead".to_owned() } else { missing(field) });
    }
    if text.chars().any(char::is_control) {
        return Err("must not hold control characters".to_owned());
    }
    match field.input {
        Input::HostPath { used, except } if !except.contains(&text) => check_path(field, used, except, text),
        _ => Ok(()),
    }
}

fn check_path(field: &Field, used: PathUse, except: &[&str], text: &str) -> Result<(), String> {
    if !text.starts_with('/') {
        let others = except.iter().map(|word| format!(", or {word}")).collect::<String>();
        return Err(format!("must be absolute: {}{others}", field.example));
    }
    let refused: &[&str] = if used == PathUse::Folder { &[".", ".."] } else { &[".."] };
    if text.split('/').any(|part| refused.contains(&part)) {
        let refused = refused.iter().map(|part| format!("'{part}'")).collect::<Vec<_>>().join(" or ");
        return Err(format!("must not hold {refused}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::field::{Choice, ShownWhen};

    static MANIFEST: Manifest = Manifest {
        id: "made-up",
        title: "Made-up",
        summary: "A made-up server.",
        guide: "made-up.md",
        icon: "",
        schemes: &["made"],
        addresses: "x:/y",
        effect: "",
        fields: &[
            Field {
                name: "host",
                label: "Host",
                input: Input::Host,
                required: Required::Unless("service"),
                max_len: 10,
                ..Field::TEXT
            },
            Field { name: "port", label: "Port", input: Input::Number { min: 1, max: 65535 }, ..Field::TEXT },
            Field { name: "password", label: "Password", input: Input::Secret { shown: false }, ..Field::TEXT },
            Field {
                name: "key",
                label: "App Key",
                input: Input::Secret { shown: true },
                required: Required::Always,
                hint: "ask for it",
                example: "k1",
                ..Field::TEXT
            },
            Field {
                name: "mode",
                input: Input::Choice(&[
                    Choice { value: "warn", label: "Warn" },
                    Choice { value: "stop", label: "Stop" },
                ]),
                default: Default::Text("warn"),
                ..Field::TEXT
            },
            Field {
                name: "certificate",
                input: Input::HostPath { used: PathUse::File, except: &["system"] },
                shown_when: Some(ShownWhen { field: "mode", any_of: &["stop"] }),
                example: "/etc/ca.crt",
                ..Field::TEXT
            },
            Field { name: "folder", input: Input::Browse, default: Default::Text(""), ..Field::TEXT },
            Field { name: "team", input: Input::Toggle, default: Default::Flag(false), ..Field::TEXT },
            Field { name: "service", ..Field::TEXT },
        ],
        database_field: None,
        authorization: None,
        capabilities: &[],
        tools: &[],
        setup: None,
        check: |settings, errors| {
            if settings.text("folder") == Some("/odd") {
                errors.push(FieldError::new("folder", "is odd"));
            }
            if settings.text("folder") == Some("/e\u{301}") {
                settings.set("folder", "/\u{e9}");
            }
        },
    };

    fn validate(given: &Value) -> Result<Settings, Vec<FieldError>> {
        MANIFEST.validate(given.as_object().unwrap())
    }

    fn refused(given: &Value) -> Vec<(String, String)> {
        validate(given).unwrap_err().into_iter().map(|error| (error.field, error.message)).collect()
    }

    #[test]
    fn defaults_are_filled_in_and_what_is_left_out_stays_out() {
        let settings = validate(&json!({"type": "made-up", "host": "db", "port": null})).unwrap();
        let stored = serde_json::to_value(&settings).unwrap();
        assert_eq!(stored, json!({"type": "made-up", "host": "db", "mode": "warn", "folder": "", "team": false}));
        let old = serde_json::from_value(json!({"type": "made-up", "host": "db"})).unwrap();
        assert_eq!(MANIFEST.complete(old), settings);
        let service = validate(&json!({"service": "s", "host": ""})).unwrap();
        assert_eq!(service.get("host"), None);
    }

    #[test]
    fn every_field_that_is_wrong_is_named_with_what_is_wrong() {
        for (given, field, words) in [
            (json!({}), "host", "Enter the host"),
            (json!({"host": ""}), "host", "Enter the host"),
            (json!({"host": " "}), "host", "Enter the host"),
            (json!({"host": "a\tb"}), "host", "control"),
            (json!({"host": "elevenchars"}), "host", "longer than 10 characters"),
            (json!({"host": 5}), "host", "must be a text"),
            (json!({"host": "h", "port": "5432"}), "port", "whole number"),
            (json!({"host": "h", "port": 0}), "port", "from 1 to 65535"),
            (json!({"host": "h", "port": 1.5}), "port", "whole number"),
            (json!({"host": "h", "mode": "go"}), "mode", "one of warn, stop"),
            (json!({"host": "h", "team": "yes"}), "team", "true or false"),
            (json!({"host": "h", "certificate": "ca.crt"}), "certificate", "must be absolute: /etc/ca.crt, or system"),
            (json!({"host": "h", "certificate": "/a/../b"}), "certificate", "'..'"),
            (json!({"host": "h", "certificate": ""}), "certificate", "empty"),
            (json!({"host": "h", "hots": "h"}), "hots", "unknown field, Made-up has host, port"),
            (json!({"host": "h", "password": "p"}), "password", "is a secret"),
            (json!({"host": "h", "folder": "/odd"}), "folder", "is odd"),
        ] {
            let errors = refused(&given);
            assert_eq!(errors.len(), 1, "{given}: {errors:?}");
            assert!(errors[0].0 == field && errors[0].1.contains(words), "{given}: {errors:?}");
        }
        let several = refused(&json!({"port": 0, "mode": "x"}));
        assert_eq!(several.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), ["host", "port", "mode"]);
    }

    #[test]
    fn words_that_are_no_paths_are_taken_and_a_check_may_normalize() {
        let settings = validate(&json!({"host": "h", "certificate": "system", "folder": "/e\u{301}"})).unwrap();
        assert_eq!(settings.text("folder"), Some("/\u{e9}"));
        assert_eq!(MANIFEST.host_path(&settings), None);
        let settings = settings.with("certificate", "/etc/ca.crt");
        assert_eq!(MANIFEST.host_path(&settings), Some(("certificate", "/etc/ca.crt".into(), PathUse::File)));
    }

    #[test]
    fn a_secret_that_is_needed_is_missed() {
        let errors = MANIFEST.check_secrets(|name| name == "password");
        assert_eq!(errors, [FieldError::new("key", "Enter the App Key (ask for it)")]);
        assert!(MANIFEST.check_secrets(|_| true).is_empty());
    }
}
