//! A server's configuration as text: entries by name, jobs and notification rules refer to the others by name.

use serde_json::{Map, Value, json};

use super::{Adapters, Kind, Server};
use crate::failure::Failure;

/// The fields of notification rules that refer to others: in the API, in files, and to what.
const REFERENCES: [(&str, &str, Kind); 2] = [("channelIds", "channels", Kind::Channel), ("jobIds", "jobs", Kind::Job)];

/// Everything that a server has, as entries.
pub(crate) struct Configuration {
    items: Vec<(Kind, Vec<Value>)>,
    adapters: Adapters,
}

impl Configuration {
    /// Reads all that a server has.
    pub(crate) async fn of(server: &Server) -> Result<Self, Failure> {
        let mut items = Vec::new();
        for kind in Kind::ALL {
            items.push((kind, server.list(&kind.path()).await?));
        }
        Ok(Self { items, adapters: Adapters::of(server).await? })
    }

    /// The fields of an entry that hold secrets.
    pub(crate) fn secrets(&self, kind: Kind) -> Vec<String> {
        self.adapters.secrets(kind)
    }

    /// Those of a kind.
    pub(crate) fn of_kind(&self, kind: Kind) -> &[Value] {
        self.items.iter().find(|(other, _)| *other == kind).map(|(_, items)| items.as_slice()).unwrap_or_default()
    }

    /// The one of a kind that has this name, whatever the case.
    pub(crate) fn find(&self, kind: Kind, name: &str) -> Option<&Value> {
        let wanted = name.trim().to_lowercase();
        self.of_kind(kind).iter().find(|item| item["name"].as_str().is_some_and(|name| name.to_lowercase() == wanted))
    }

    fn name(&self, kind: Kind, id: &Value) -> Value {
        self.of_kind(kind).iter().find(|item| item["id"] == *id).map_or(Value::Null, |item| item["name"].clone())
    }

    fn names(&self, kind: Kind, ids: &Value) -> Value {
        ids.as_array().map_or(Value::Null, |ids| ids.iter().map(|id| self.name(kind, id)).collect())
    }

    fn ids(&self, kind: Kind, names: &Value) -> Result<Value, Failure> {
        let names = names.as_array().map(Vec::as_slice).unwrap_or_default();
        names.iter().map(|name| self.id(kind, name)).collect()
    }

    fn id(&self, kind: Kind, name: &Value) -> Result<Value, Failure> {
        let name = name.as_str().unwrap_or_default();
        let found = self.find(kind, name).map(|item| item["id"].clone());
        found.ok_or_else(|| {
            Failure::usage(format!("there is no {} '{name}', neither in the file nor on the server", kind.noun()))
        })
    }
}

/// What a file says of an item of the server. Secrets are left out.
pub(crate) fn entry_of(configuration: &Configuration, kind: Kind, item: &Value) -> Value {
    let mut entry = Map::new();
    let mut keep = |field: &str, value: Value| {
        if !value.is_null() {
            entry.insert(field.to_owned(), value);
        }
    };
    keep("name", item["name"].clone());
    match kind {
        Kind::Source => {
            keep("settings", item["settings"].clone());
            keep("restoreTarget", item["restoreTarget"].clone());
        }
        Kind::Destination => keep("settings", item["settings"].clone()),
        Kind::Profile => keep("recipients", item["recipients"].clone()),
        Kind::RetentionPolicy => {
            keep("rules", without_zeros(&item["rules"]));
            keep("graceDays", item["graceDays"].clone());
        }
        Kind::Job => {
            keep("source", configuration.name(Kind::Source, &item["sourceId"]));
            let destinations = item["destinationIds"].as_array().map(Vec::as_slice).unwrap_or_default();
            keep("destinations", destinations.iter().map(|id| configuration.name(Kind::Destination, id)).collect());
            keep("profile", configuration.name(Kind::Profile, &item["profileId"]));
            let named = |(destination, policy): (&String, &Value)| {
                let destination = configuration.name(Kind::Destination, &destination.as_str().into());
                Some((destination.as_str()?.to_owned(), configuration.name(Kind::RetentionPolicy, policy)))
            };
            let retention: Map<_, _> = item["retention"].as_object().into_iter().flatten().filter_map(named).collect();
            keep("retention", if retention.is_empty() { Value::Null } else { Value::Object(retention) });
            for field in ["databases", "compression", "schedule", "timeoutSeconds", "enabled"] {
                keep(field, item[field].clone());
            }
            if item["allowDamaged"] == true {
                keep("allowDamaged", json!(true));
            }
            if item["acknowledgedWarnings"].as_array().is_some_and(|entries| !entries.is_empty()) {
                keep("acknowledgedWarnings", item["acknowledgedWarnings"].clone());
            }
        }
        Kind::Channel => {
            keep("settings", item["settings"].clone());
            if item["enabled"] == false {
                keep("enabled", json!(false));
            }
        }
        Kind::NotificationRule => {
            for (field, value) in item["rule"].as_object().into_iter().flatten() {
                match REFERENCES.iter().find(|(ids, ..)| ids == field) {
                    Some((_, names, kind)) => keep(names, configuration.names(*kind, value)),
                    None => keep(field, value.clone()),
                }
            }
        }
    }
    Value::Object(entry)
}

/// Rules without those that are off.
fn without_zeros(rules: &Value) -> Value {
    let on = |(_, value): &(&String, &Value)| **value != 0;
    let rules = rules.as_object().into_iter().flatten().filter(on);
    Value::Object(rules.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// An entry as the server takes it: names become ids.
pub(crate) fn for_server(configuration: &Configuration, kind: Kind, entry: &Value) -> Result<Value, Failure> {
    let mut body = entry.clone();
    let Some(fields) = body.as_object_mut() else {
        return Err(Failure::usage(format!("a {} must be a table with a name", kind.noun())));
    };
    if kind == Kind::Job {
        if let Some(name) = fields.remove("source") {
            fields.insert("sourceId".to_owned(), configuration.id(Kind::Source, &name)?);
        }
        if let Some(names) = fields.remove("destinations") {
            fields.insert("destinationIds".to_owned(), configuration.ids(Kind::Destination, &names)?);
        }
        if let Some(Value::Object(policies)) = fields.remove("retention") {
            let mut ids = Map::new();
            for (destination, policy) in policies {
                let destination = configuration.id(Kind::Destination, &destination.into())?;
                let policy = configuration.id(Kind::RetentionPolicy, &policy)?;
                ids.insert(destination.as_str().unwrap_or_default().to_owned(), policy);
            }
            fields.insert("retention".to_owned(), Value::Object(ids));
        }
        if let Some(name) = fields.remove("profile") {
            fields.insert("profileId".to_owned(), configuration.id(Kind::Profile, &name)?);
        }
    }
    if kind == Kind::NotificationRule {
        let mut rule = std::mem::take(fields);
        fields.extend(rule.remove("name").map(|name| ("name".to_owned(), name)));
        for (ids, names, kind) in REFERENCES {
            if let Some(given) = rule.remove(names) {
                rule.insert(ids.to_owned(), configuration.ids(kind, &given)?);
            }
        }
        fields.insert("rule".to_owned(), Value::Object(rule));
    }
    Ok(body)
}
