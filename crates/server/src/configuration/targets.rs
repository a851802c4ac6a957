//! Which item of the server each entry is about.

use std::collections::{BTreeMap, HashMap, HashSet};

use catalog::{Configuration, Kind, name_key};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::http::problem::FieldError;

/// The item that an entry is about.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) id: String,
    /// Whether the server has it.
    pub(super) exists: bool,
}

/// The items that all entries are about.
#[derive(Debug, Default)]
pub(super) struct Targets {
    of_entries: HashMap<(Kind, usize), Target>,
    /// Id and name by kind and what makes names the same.
    by_name: HashMap<(Kind, String), String>,
    ids: HashSet<String>,
}

impl Targets {
    /// Finds the items of all entries. Of two entries with the same name, the second is refused.
    pub(super) fn find<'a>(
        seen: &Configuration,
        entries: impl Fn(Kind) -> &'a [Map<String, Value>],
        now: Timestamp,
        errors: &mut Vec<FieldError>,
    ) -> Self {
        let mut targets = Self::default();
        for kind in Kind::ALL {
            let existing = names(seen, kind);
            let entries = entries(kind);
            refuse_twins(kind, entries, errors);
            // Renames first: the old name may belong to another entry by now.
            for renames in [true, false] {
                for (index, entry) in entries.iter().enumerate() {
                    let name = name_key(text(entry, "name"));
                    let old = renamed(entry, &existing, &name);
                    if old.is_some() == renames {
                        targets.put(kind, index, name, old.map(|(_, id)| id.clone()), &existing, now);
                    }
                }
            }
        }
        for kind in Kind::ALL {
            for (name, id) in names(seen, kind) {
                if !targets.ids.contains(&id) {
                    targets.by_name.entry((kind, name)).or_insert(id);
                }
            }
        }
        targets
    }

    fn put(
        &mut self,
        kind: Kind,
        index: usize,
        name: String,
        renamed: Option<String>,
        existing: &BTreeMap<String, String>,
        now: Timestamp,
    ) {
        let is_free = |id: &String| !self.ids.contains(id);
        let id = renamed.filter(is_free).or_else(|| existing.get(&name).cloned().filter(is_free));
        let target = match id {
            Some(id) => Target { id, exists: true },
            None => Target { id: catalog::new_id(now), exists: false },
        };
        self.ids.insert(target.id.clone());
        self.by_name.entry((kind, name)).or_insert_with(|| target.id.clone());
        self.of_entries.insert((kind, index), target);
    }

    /// Returns the item of an entry.
    pub(super) fn of(&self, kind: Kind, index: usize) -> Option<Target> {
        self.of_entries.get(&(kind, index)).cloned()
    }

    /// Returns the id of the item that has this name once the configuration is applied.
    pub(super) fn id(&self, kind: Kind, name: &str) -> Option<&String> {
        self.by_name.get(&(kind, name_key(name)))
    }

    /// Returns whether an entry is about the item of this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }
}

/// Returns the ids of all items of a kind by what makes names the same.
fn names(seen: &Configuration, kind: Kind) -> BTreeMap<String, String> {
    let of = |name: &String, id: &String| (name_key(name), id.clone());
    match kind {
        Kind::Source => seen.sources.iter().map(|item| of(&item.name, &item.id)).collect(),
        Kind::Destination => seen.destinations.iter().map(|item| of(&item.name, &item.id)).collect(),
        Kind::Profile => seen.profiles.iter().map(|item| of(&item.name, &item.id)).collect(),
        Kind::RetentionPolicy => seen.retention_policies.iter().map(|item| of(&item.name, &item.id)).collect(),
        Kind::Job => seen.jobs.iter().map(|item| of(&item.name, &item.id)).collect(),
        Kind::Channel => seen.channels.iter().map(|item| of(&item.name, &item.id)).collect(),
        Kind::NotificationRule => seen.notification_rules.iter().map(|item| of(&item.name, &item.id)).collect(),
    }
}

/// Returns the item that an entry renames: one with the old name, as long as none has the new one.
fn renamed<'a>(
    entry: &Map<String, Value>,
    existing: &'a BTreeMap<String, String>,
    name: &str,
) -> Option<(&'a String, &'a String)> {
    let old = name_key(text(entry, "renamedFrom"));
    if old.is_empty() || existing.contains_key(name) { None } else { existing.get_key_value(&old) }
}

fn text<'a>(entry: &'a Map<String, Value>, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn refuse_twins(kind: Kind, entries: &[Map<String, Value>], errors: &mut Vec<FieldError>) {
    for field in ["name", "renamedFrom"] {
        let mut first: HashMap<String, usize> = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let key = name_key(text(entry, field));
            if key.is_empty() {
                continue;
            }
            let before = *first.entry(key).or_insert(index);
            if before != index {
                let place = format!("{}[{before}]", kind.plural());
                errors.push(FieldError {
                    field: format!("{}[{index}].{field}", kind.plural()),
                    message: format!(
                        "is the same as that of {place}: case and the form of accents do not tell names apart"
                    ),
                });
            }
        }
    }
}
