//! `dbackup export`

use std::collections::HashSet;

use serde_json::Value;

use super::resources::text;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::remote::{Configuration, Kind, Server, entry_of};

/// Fields in the order in which a person would write them; others follow by name.
const ORDER: [&str; 25] = [
    "name",
    "type",
    "settings",
    "restoreTarget",
    "recipients",
    "source",
    "databases",
    "destinations",
    "retention",
    "rules",
    "graceDays",
    "compression",
    "profile",
    "schedule",
    "cron",
    "timeZone",
    "timeoutSeconds",
    "channels",
    "jobs",
    "events",
    "minSeverity",
    "quietHours",
    "from",
    "until",
    "digest",
];

pub(crate) async fn run() -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    let configuration = Configuration::of(&server).await?;
    let mut variables = HashSet::new();
    let mut text = String::new();
    for kind in Kind::ALL {
        for item in configuration.of_kind(kind) {
            let entry = with_references(&configuration, kind, item, &mut variables);
            text.push_str(&format!("[[{}]]\n{}\n", kind.plural(), fields(&entry)));
            text.push_str(remark(kind, item));
        }
    }
    output::line(text.trim_end());
    Ok(Outcome::Succeeded)
}

/// What a file cannot hold, as a comment.
fn remark(kind: Kind, item: &Value) -> &'static str {
    match kind {
        Kind::Profile if item["canDecrypt"] == true => {
            "# The private key is not in this file. To let another server open the backups, write in place of the recipients:\n\
             # identity = \"file:/path/to/key.txt\"\n\n"
        }
        Kind::Destination if item["authorization"]["status"] != "not_required" => {
            "# The access is not in this file. To bring it along instead of authorizing in a browser, write:\n\
             # refreshToken = \"env:...\"\n\n"
        }
        Kind::Profile => "# The server does not have the private key.\n\n",
        _ => "\n",
    }
}

/// Returns `name = value` lines.
pub(super) fn fields(entry: &Value) -> String {
    ordered(entry)
        .into_iter()
        .map(|(name, value)| format!("{} = {}", key(name), inline(value)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn ordered(entry: &Value) -> Vec<(&String, &Value)> {
    let mut fields: Vec<(&String, &Value)> = entry.as_object().into_iter().flatten().collect();
    // Stable: what has no place keeps the order of names.
    fields.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()));
    fields
}

fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if is_bare { name.to_owned() } else { toml::Value::from(name).to_string() }
}

/// Returns a value on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => toml::Value::from(text.as_str()).to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(_) => {
            let fields = ordered(value).into_iter().map(|(name, value)| format!("{} = {}", key(name), inline(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Returns an entry with a reference for every secret that is set, each of its own: `env:DBACKUP_SOURCE_SHOP_PASSWORD`.
fn with_references(configuration: &Configuration, kind: Kind, item: &Value, variables: &mut HashSet<String>) -> Value {
    let mut entry = entry_of(configuration, kind, item);
    for field in configuration.secrets(kind) {
        if item.get(format!("{field}Set")).is_some_and(|set| set == true) {
            entry[&field] = format!("env:{}", variable(kind, item, &field, variables)).into();
        }
    }
    entry
}

fn variable(kind: Kind, item: &Value, field: &str, variables: &mut HashSet<String>) -> String {
    let name = format!("DBACKUP_{}_{}_{field}", kind.noun(), text(&item["name"]));
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| !variables.contains(name));
    let free = free.unwrap_or(name);
    variables.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_read_as_a_person_would_write_them_and_back() {
        let entry = json!({
            "name": "a \"b\"\nc", "enabled": true, "timeoutSeconds": 60, "destinations": ["x", "y"],
            "schedule": {"timeZone": "UTC", "cron": "@daily"}, "settings": {"path": "/ü", "type": "sqlite"},
        });
        let text = fields(&entry);
        let order: Vec<&str> = text.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).collect();
        assert_eq!(order[0], "name");
        assert!(text.contains("schedule = { cron = \"@daily\", timeZone = \"UTC\" }"), "{text}");
        assert!(text.contains("settings = { type = \"sqlite\", path = \"/ü\" }"), "{text}");
        assert_eq!(toml::from_str::<Value>(&text).unwrap(), entry);
    }

    #[test]
    fn two_secrets_never_share_a_variable() {
        let mut variables = HashSet::new();
        let name = |name: &str, variables: &mut HashSet<String>| {
            variable(Kind::Source, &json!({"name": name}), "password", variables)
        };
        let names = ["a b", "a-b", "ä b"].map(|of| name(of, &mut variables));
        assert_eq!(names[..2], ["DBACKUP_SOURCE_A_B_PASSWORD", "DBACKUP_SOURCE_A_B_PASSWORD_2"]);
        assert!(variables.len() == 3);
    }
}
