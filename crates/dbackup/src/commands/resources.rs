//! `dbackup sources | destinations | profiles | jobs list | show | create | delete`, and `jobs run`

use std::io::Read;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::delete::confirmed;
use super::runs::{follow, outcome};
use super::watch::repeat;
use crate::cli::{JobCommand, ResourceCommand};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Table};
use crate::remote::{Adapters, Configuration, Kind, Server, for_server, resolve};

/// No configuration is larger.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

pub(crate) async fn run(kind: Kind, command: ResourceCommand) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    match command {
        ResourceCommand::List(options) => repeat(options, async || list(&server, kind, options.json).await).await?,
        ResourceCommand::Show { name } => output::line(&pretty(&server.find(kind, &name).await?)),
        ResourceCommand::Create { file: Some(file), .. } => create(&server, kind, &file).await?,
        ResourceCommand::Create { file: None, fields } => create_of_fields(&server, kind, &fields).await?,
        ResourceCommand::Delete { name, yes } => delete(&server, kind, &name, yes).await?,
    }
    Ok(Outcome::Succeeded)
}

pub(crate) async fn run_jobs(command: JobCommand) -> Result<Outcome, Failure> {
    let (name, follows) = match command {
        JobCommand::Resource(command) => return run(Kind::Job, command).await,
        JobCommand::Pause { name } => return enable(&name, false).await,
        JobCommand::Resume { name } => return enable(&name, true).await,
        JobCommand::Edit { name } => return super::edit::job(&name).await,
        JobCommand::Run { name, follow } => (name, follow),
    };
    let server = Server::of_environment()?;
    let job = server.find(Kind::Job, &name).await?;
    let run = server.ask(Method::POST, &format!("/api/jobs/{}/run", text(&job["id"])), Some(&json!({}))).await?;
    let id = text(&run["id"]);
    output::line(&id);
    if follows { Ok(outcome(&follow(&server, &id).await?)) } else { Ok(Outcome::Succeeded) }
}

/// Resumes a job, or pauses it.
async fn enable(name: &str, enabled: bool) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    let job = server.find(Kind::Job, name).await?;
    let path = format!("/api/jobs/{}", text(&job["id"]));
    let job = server.ask(Method::PATCH, &path, Some(&json!({"enabled": enabled}))).await?;
    let name = output::printable(&text(&job["name"]));
    output::note(&match (enabled, output::moment(&job["nextRunAt"])) {
        (false, _) => format!("Paused {name}. It does not run by its schedule until it is resumed."),
        (true, next) if next.is_empty() => format!("Resumed {name}. It has no schedule: run it with dbackup jobs run."),
        (true, next) => format!("Resumed {name}. Next run: {next} UTC."),
    });
    Ok(Outcome::Succeeded)
}

async fn list(server: &Server, kind: Kind, as_json: bool) -> Result<(), Failure> {
    let items = server.list(&kind.path()).await?;
    if as_json {
        items.iter().for_each(output::json);
    } else {
        print_list(kind, &items);
    }
    Ok(())
}

fn print_list(kind: Kind, items: &[Value]) {
    match kind {
        Kind::Source => print(["NAME", "TYPE", "ADDRESS", "ID"], items, |source| {
            [text(&source["name"]), text(&source["settings"]["type"]), text(&source["address"]), text(&source["id"])]
        }),
        Kind::Destination => print(["NAME", "TYPE", "ADDRESS", "*AUTHORIZATION", "ID"], items, |destination| {
            let authorization = text(&destination["authorization"]["status"]).replace('_', " ");
            let kind = text(&destination["settings"]["type"]);
            [text(&destination["name"]), kind, text(&destination["address"]), authorization, text(&destination["id"])]
        }),
        Kind::Profile => print(["NAME", "RECIPIENTS", "ID"], items, |profile| {
            let recipients = profile["recipients"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
            [text(&profile["name"]), recipients.join(", "), text(&profile["id"])]
        }),
        Kind::RetentionPolicy => print(["NAME", "*GRACE DAYS", "ID"], items, |policy| {
            [text(&policy["name"]), text(&policy["graceDays"]), text(&policy["id"])]
        }),
        Kind::Channel => print(["NAME", "TYPE", "*STATE", "LAST SENT (UTC)", "ID"], items, |channel| {
            let state = match (channel["enabled"].as_bool(), channel["failingSince"].is_null()) {
                (Some(false), _) => "disabled",
                (_, false) => "failing",
                _ => "enabled",
            };
            let kind = text(&channel["settings"]["type"]);
            let sent = output::moment(&channel["lastSentAt"]);
            [text(&channel["name"]), kind, state.to_owned(), sent, text(&channel["id"])]
        }),
        Kind::NotificationRule => print(["NAME", "EVENTS", "DIGEST", "ID"], items, |item| {
            let rule = &item["rule"];
            let events = rule["events"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
            let digest = if rule["digest"].is_null() {
                "-".to_owned()
            } else {
                format!("every {}", text(&rule["digest"]["every"]))
            };
            [text(&item["name"]), events.join(", "), digest, text(&item["id"])]
        }),
        Kind::Job => print(["NAME", "LAST RUN", "*STATE", "NEXT RUN (UTC)", "ID"], items, |job| {
            let last = &job["lastRun"];
            let next = match job["enabled"].as_bool() {
                Some(false) => "paused".to_owned(),
                _ => output::moment(&job["nextRunAt"]),
            };
            let last_state = if last.is_null() { "never ran".to_owned() } else { text(&last["state"]) };
            [text(&job["name"]), output::moment(&last["createdAt"]), last_state, next, text(&job["id"])]
        }),
    }
}

fn print<const COLUMNS: usize>(
    heads: [&'static str; COLUMNS],
    items: &[Value],
    cells: impl Fn(&Value) -> [String; COLUMNS],
) {
    let mut table = Table::new(heads);
    items.iter().for_each(|item| table.add(cells(item)));
    table.print();
}

async fn create(server: &Server, kind: Kind, file: &Path) -> Result<(), Failure> {
    let entry = read_file(file)?;
    let configuration = Configuration::of(server).await?;
    let mut body = for_server(&configuration, kind, &entry)?;
    resolve(&configuration.secrets(kind), &mut body)?;
    let made = server.ask(Method::POST, &kind.path(), Some(&body)).await?;
    output::line(&text(&made["id"]));
    Ok(())
}

async fn create_of_fields(server: &Server, kind: Kind, fields: &[String]) -> Result<(), Failure> {
    if !kind.has_adapters() {
        return Err(Failure::usage(format!("say what the {} is in a file: --file FILE", kind.noun())));
    }
    let adapters = Adapters::of(server).await?;
    let Some(mut body) = super::fields::entry(&adapters, kind, fields)? else { return Ok(()) };
    resolve(&adapters.secrets(kind), &mut body)?;
    let made = server.ask(Method::POST, &kind.path(), Some(&body)).await?;
    output::line(&text(&made["id"]));
    Ok(())
}

async fn delete(server: &Server, kind: Kind, name: &str, yes: bool) -> Result<(), Failure> {
    let item = server.find(kind, name).await?;
    let name = output::printable(&text(&item["name"]));
    if !yes && !confirmed(&format!("Delete the {} {name}?", kind.noun()))? {
        return Err(Failure::failed("nothing was deleted"));
    }
    // What was asked about is deleted, and not what it has become since.
    server.delete(&format!("{}/{}", kind.path(), text(&item["id"])), &item["revision"]).await?;
    output::note(&format!("Deleted the {} {name}.", kind.noun()));
    Ok(())
}

/// Reads TOML, or JSON.
pub(super) fn read_file(file: &Path) -> Result<Value, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", file.display()));
    let mut content = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(LARGEST_FILE).read_to_string(&mut content)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(LARGEST_FILE).read_to_string(&mut content))
    };
    read.map_err(|error| wrong(&error))?;
    if content.trim_start().starts_with('{') {
        return serde_json::from_str(&content).map_err(|error| wrong(&error));
    }
    toml::from_str(&content).map_err(|error| wrong(&error))
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
