//! `dbackup apply` and `dbackup export`

use reqwest::Method;
use serde_json::{Map, Value};

use super::resources::{read_file, text};
use crate::cli::ApplyArguments;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::remote::{Configuration, Kind, Server, entry_of, for_server, resolve};

pub(crate) async fn run(arguments: ApplyArguments) -> Result<Outcome, Failure> {
    let file = read_file(&arguments.file)?;
    let wanted = entries(&file)?;
    let server = Server::of_environment()?;
    let mut configuration = Configuration::of(&server).await?;
    // What is wrong is said before anything is changed.
    let wanted = checked(&server, &configuration, wanted).await?;
    for (kind, entry) in wanted {
        let name = text(&entry["name"]);
        let change = Change::of(&configuration, kind, &entry)?;
        output::line(&format!("{} {} {}", change.word(), kind.noun(), output::printable(&name)));
        let item = match (&change, arguments.dry_run) {
            // What does not exist yet can still be referred to by what follows.
            (Change::Create, true) => serde_json::json!({"id": format!("(new {name})"), "name": name}),
            (Change::Nothing, _) | (Change::Update { .. }, true) => continue,
            (change, false) => make(&server, &configuration, kind, &entry, change).await?,
        };
        configuration.put(kind, item);
    }
    Ok(Outcome::Succeeded)
}

/// Has the server check the sources and destinations as saving them would, and returns all entries with their settings as it would
/// keep them.
async fn checked(
    server: &Server,
    configuration: &Configuration,
    mut wanted: Vec<(Kind, Value)>,
) -> Result<Vec<(Kind, Value)>, Failure> {
    let (mut refusals, mut bodies) = (Vec::new(), Vec::new());
    for (kind, entry) in &wanted {
        let mut body = entry.clone();
        resolve(&configuration.secrets(*kind), &mut body)?;
        bodies.push(body);
    }
    for ((kind, entry), body) in wanted.iter_mut().zip(bodies).filter(|((kind, _), _)| kind.has_adapters()) {
        let name = text(&entry["name"]);
        let id = configuration.find(*kind, &name).map(|item| format!("?id={}", text(&item["id"])));
        let path = format!("/api/{}/validate{}", kind.plural(), id.unwrap_or_default());
        match server.ask(Method::POST, &path, Some(&body)).await {
            Ok(mut checked) => entry["settings"] = checked["settings"].take(),
            Err(failure) => refusals.push(format!("{} '{}': {failure}", kind.noun(), output::printable(&name))),
        }
    }
    if refusals.is_empty() { Ok(wanted) } else { Err(Failure::failed(refusals.join("\n"))) }
}

/// What has to be done about an entry.
enum Change {
    Create,
    Update { id: String },
    Nothing,
}

impl Change {
    fn of(configuration: &Configuration, kind: Kind, entry: &Value) -> Result<Self, Failure> {
        let name = text(&entry["name"]);
        // What it refers to has to be there, in a dry run too.
        let wanted = for_server(configuration, kind, entry)?;
        let Some(item) = configuration.find(kind, &name) else { return Ok(Self::Create) };
        let secrets = &configuration.secrets(kind);
        // By id, so that a name in other capitals is no difference.
        let there = for_server(configuration, kind, &entry_of(configuration, kind, item))?;
        let differs = differs(&wanted, &there, secrets);
        if kind == Kind::Profile {
            if differs {
                return Err(Failure::usage(format!(
                    "the keys of encryption profile '{name}' never change: give the other keys another name"
                )));
            }
            return Ok(Self::Nothing);
        }
        // Whether a secret is another one cannot be known: it is set again.
        let sets_secrets = secrets.iter().any(|field| entry.get(field).is_some());
        Ok(if differs || sets_secrets { Self::Update { id: text(&item["id"]) } } else { Self::Nothing })
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update { .. } => "update",
            Self::Nothing => "keep",
        }
    }
}

/// Whether an entry asks for something that is not so. What it does not mention is as the server has it by default.
fn differs(entry: &Value, there: &Value, secrets: &[String]) -> bool {
    let empty = Map::new();
    let (entry, there) = (entry.as_object().unwrap_or(&empty), there.as_object().unwrap_or(&empty));
    let asked = entry.iter().filter(|(field, _)| !secrets.contains(field));
    let mut changed = asked.clone().filter(|(field, value)| there.get(*field).unwrap_or(&Value::Null) != *value);
    let dropped = ["databases", "profileId", "schedule", "timeoutSeconds"];
    changed.next().is_some() || dropped.iter().any(|field| there.contains_key(*field) && !entry.contains_key(*field))
}

async fn make(
    server: &Server,
    configuration: &Configuration,
    kind: Kind,
    entry: &Value,
    change: &Change,
) -> Result<Value, Failure> {
    let mut body = for_server(configuration, kind, entry)?;
    resolve(&configuration.secrets(kind), &mut body)?;
    let path = format!("/api/{}", kind.plural());
    match change {
        Change::Update { id } => server.ask(Method::PUT, &format!("{path}/{id}"), Some(&body)).await,
        _ => server.ask(Method::POST, &path, Some(&body)).await,
    }
}

/// The entries of a file, in the order in which they refer to each other.
fn entries(file: &Value) -> Result<Vec<(Kind, Value)>, Failure> {
    let tables = file.as_object().ok_or_else(|| Failure::usage("the file holds no configuration"))?;
    if let Some(unknown) = tables.keys().find(|name| Kind::ALL.iter().all(|kind| kind.plural() != *name)) {
        return Err(Failure::usage(format!(
            "the file holds '{unknown}': write [[sources]], [[destinations]], [[profiles]] and [[jobs]]"
        )));
    }
    let mut entries = Vec::new();
    for kind in Kind::ALL {
        for entry in tables.get(kind.plural()).and_then(Value::as_array).into_iter().flatten() {
            if entry["name"].as_str().is_none_or(|name| name.trim().is_empty()) {
                return Err(Failure::usage(format!("a {} in the file has no name", kind.noun())));
            }
            entries.push((kind, entry.clone()));
        }
    }
    Ok(entries)
}

pub(crate) async fn export() -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    let configuration = Configuration::of(&server).await?;
    let mut tables = Map::new();
    for kind in Kind::ALL {
        let items = configuration.of_kind(kind).iter().map(|item| with_references(&configuration, kind, item));
        let items: Vec<Value> = items.collect();
        if !items.is_empty() {
            tables.insert(kind.plural().to_owned(), Value::Array(items));
        }
    }
    let text = toml::to_string(&tables).map_err(|error| Failure::failed(error.to_string()))?;
    output::line(text.trim_end());
    Ok(Outcome::Succeeded)
}

/// An entry with a reference for every secret that is set: `env:DBACKUP_SOURCE_SHOP_PASSWORD`.
fn with_references(configuration: &Configuration, kind: Kind, item: &Value) -> Value {
    let mut entry = entry_of(configuration, kind, item);
    for field in configuration.secrets(kind) {
        if item.get(format!("{field}Set")).is_some_and(|set| set == true) {
            let name = format!("DBACKUP_{}_{}_{field}", kind.noun(), text(&item["name"]));
            let name: String =
                name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
            entry[&field] = format!("env:{name}").into();
        }
    }
    entry
}
