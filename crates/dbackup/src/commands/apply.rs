//! `dbackup apply`

mod files;
mod mistakes;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::resources::text;
use crate::cli::ApplyArguments;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::remote::{Adapters, Kind, REFRESH_TOKEN, Server, resolve_one};
use files::Entry;
use mistakes::Place;

pub(super) use files::Files;
pub(super) use mistakes::{Mistake, in_lines};

/// What stands in the place of a secret that could not be read, so that everything else is checked all the same.
const UNREAD: &str = "unread";

/// Applies files. In a dry run, 2 says that there are changes; whatever fails is 1.
pub(crate) async fn run(arguments: ApplyArguments) -> Result<Outcome, Failure> {
    let applied = apply(arguments).await;
    applied.map_err(|failure| Failure::failed(failure.to_string()))
}

async fn apply(arguments: ApplyArguments) -> Result<Outcome, Failure> {
    let mut files = Files::read(&arguments.files).map_err(|wrong| Failure::failed(in_lines(wrong)))?;
    let server = Server::of_environment()?;
    let adapters = Adapters::of(&server).await?;
    let mut wrong = read_secrets(&mut files, |kind| adapters.secrets(kind));
    let mut body = body(&files);
    body.insert("prune".to_owned(), arguments.prune.into());
    body.insert("managedBy".to_owned(), json!(arguments.managed_by));
    let body = Value::Object(body);
    // With a secret missing nothing is applied, but all the rest is checked.
    let is_dry = arguments.dry_run || !wrong.is_empty();
    let path = if is_dry { "/api/configuration/plan" } else { "/api/configuration" };
    match server.ask_or_problem(Method::POST, path, &body).await? {
        Ok(plan) if wrong.is_empty() => {
            report(&plan);
            let has_changes = plan["hasChanges"] == true;
            Ok(if arguments.dry_run && has_changes { Outcome::Changes } else { Outcome::Succeeded })
        }
        Ok(_) => Err(Failure::failed(sentences(wrong))),
        // What a server that fails has changed is not known here.
        Err(problem) if problem["status"].as_u64().is_none_or(|status| status >= 500) => {
            add_problem(&files, &problem, &mut wrong);
            Err(Failure::failed(in_lines(wrong)))
        }
        Err(problem) => {
            add_problem(&files, &problem, &mut wrong);
            Err(Failure::failed(sentences(wrong)))
        }
    }
}

fn sentences(wrong: Vec<Mistake>) -> String {
    format!("nothing was changed:\n{}", in_lines(wrong))
}

/// Puts secrets in the place of references to them.
pub(super) fn read_secrets(files: &mut Files, secrets: impl Fn(Kind) -> Vec<String>) -> Vec<Mistake> {
    let mut wrong = Vec::new();
    for (kind, entry) in files.all_mut() {
        let before = wrong.len();
        for field in secrets(kind) {
            let Some(value) = entry.fields.get(&field) else { continue };
            match resolve_one(value) {
                Ok(secret) => drop(entry.fields.insert(field, secret.into())),
                Err(message) => {
                    wrong.push(Mistake { place: entry.place(&field), message });
                    entry.fields.insert(field, UNREAD.into());
                }
            }
        }
        if wrong.len() > before {
            // Whether it works cannot be told without the app's own secrets.
            entry.fields.remove(REFRESH_TOKEN);
        }
    }
    wrong
}

/// Returns the entries as the server takes them.
pub(super) fn body(files: &Files) -> Map<String, Value> {
    let mut body = Map::new();
    for kind in Kind::ALL {
        let entries = files.of(kind).map(|entry| Value::Object(entry.fields.clone()));
        body.insert(kind.plural().to_owned(), entries.collect());
    }
    body
}

/// Adds what the server says, with the lines that it is about. What is known to be wrong already is not said twice.
fn add_problem(files: &Files, problem: &Value, wrong: &mut Vec<Mistake>) {
    let errors = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    for error in errors {
        add_mistake(files, &text(&error["field"]), &text(&error["message"]), wrong);
    }
    if errors.is_empty() {
        add_mistake(files, "", &text(&problem["detail"]), wrong);
    }
}

/// Adds what is wrong with a field; without one, why all was refused.
pub(super) fn add_mistake(files: &Files, field: &str, message: &str, wrong: &mut Vec<Mistake>) {
    let outside = || Place::outside(if field.is_empty() { "the server refused" } else { field });
    let place = find(files, field).map_or_else(outside, |(entry, rest)| entry.place(rest));
    if !wrong.iter().any(|known| known.place == place) {
        wrong.push(Mistake { place, message: in_words(files, message) });
    }
}

/// Finds the entry and its field that `jobs[3].schedule.cron` is about.
fn find<'a>(files: &'a Files, field: &'a str) -> Option<(&'a Entry, &'a str)> {
    let (kind, rest) = field.split_once('[')?;
    let (index, rest) = rest.split_once(']')?;
    let kind = Kind::ALL.into_iter().find(|other| other.plural() == kind)?;
    Some((files.of(kind).nth(index.parse().ok()?)?, rest.trim_start_matches('.')))
}

/// Names the other entry by its place that a message is about: `is the same as that of jobs[0]: ...`
fn in_words(files: &Files, message: &str) -> String {
    const SAME: &str = "is the same as that of ";
    let other = message.strip_prefix(SAME).and_then(|rest| rest.split_once(": "));
    match other.and_then(|(place, rest)| Some((find(files, place)?.0.place(""), rest))) {
        Some((place, rest)) => format!("{SAME}{}: {rest}", place.words),
        None => message.to_owned(),
    }
}

fn report(plan: &Value) {
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    for change in list(&plan["changes"]) {
        let kind = Kind::ALL.into_iter().find(|kind| change["kind"] == kind.plural()).map_or("", Kind::noun);
        output::line(&format!("{} {kind} {}", text(&change["action"]), output::printable(&text(&change["name"]))));
        for field in list(&change["fields"]) {
            output::line(&format!("    {}", output::printable(&field_in_words(&field))));
        }
    }
    for warning in list(&plan["warnings"]) {
        output::note(&format!("warning: {}", text(&warning)));
    }
}

fn field_in_words(change: &Value) -> String {
    let field = text(&change["field"]);
    match (change.get("before"), change.get("after")) {
        (None, None) => format!("{field}: {}", text(&change["action"])),
        (Some(before), Some(after)) => format!("{field}: {before} -> {after}"),
        (None, Some(after)) => format!("{field}: {after}"),
        (Some(before), None) => format!("{field}: {before} -> none"),
    }
}
