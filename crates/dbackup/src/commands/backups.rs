//! `dbackup backups list | lock | unlock | keep`, `dbackup destinations scan`

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::resources::{self, pretty, text};
use crate::cli::{BackupPlace, BackupsCommand, BackupsListArguments, DestinationCommand};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Table};
use crate::remote::{Kind, Server};

/// Maximum number of backups in one answer.
const PAGE: usize = 200;
/// How often the server is asked how far a scan is.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) async fn run(command: BackupsCommand) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    match command {
        BackupsCommand::List(arguments) => list(&server, &arguments).await?,
        BackupsCommand::Lock(place) | BackupsCommand::Keep(place) => set_lock(&server, &place, "lock").await?,
        BackupsCommand::Unlock(place) => set_lock(&server, &place, "unlock").await?,
    }
    Ok(Outcome::Succeeded)
}

async fn set_lock(server: &Server, place: &BackupPlace, word: &str) -> Result<(), Failure> {
    let id = text(&server.find(Kind::Destination, &place.destination).await?["id"]);
    let path = format!("/api/destinations/{id}/backups/{word}");
    server.ask(Method::POST, &path, Some(&json!({"path": place.path}))).await?;
    output::note(&format!("{} is {word}ed.", output::printable(&place.path)));
    Ok(())
}

pub(crate) async fn run_destinations(command: DestinationCommand) -> Result<Outcome, Failure> {
    let (name, no_wait, json) = match command {
        DestinationCommand::Resource(command) => return resources::run(Kind::Destination, command).await,
        DestinationCommand::Scan { name, no_wait, json } => (name, no_wait, json),
    };
    let server = Server::of_environment()?;
    let id = text(&server.find(Kind::Destination, &name).await?["id"]);
    let path = format!("/api/destinations/{id}/scan");
    let mut scan = server.ask(Method::POST, &path, Some(&json!({}))).await?;
    while scan["state"] == "running" && !no_wait {
        tokio::time::sleep(ASK_INTERVAL).await;
        scan = server.get(&path).await?;
    }
    if json {
        output::line(&pretty(&scan));
    } else {
        output::line(&in_words(&scan));
        for folder in scan["unreadable"].as_array().into_iter().flatten() {
            let (path, error) = (text(&folder["path"]), text(&folder["error"]));
            output::note(&format!(
                "Warning: could not read {}: {}",
                output::printable(&path),
                output::printable(&error)
            ));
        }
    }
    Ok(match scan["state"].as_str() {
        Some("running" | "complete") => Outcome::Succeeded,
        Some("partial") => Outcome::Partial,
        _ => Outcome::Failed,
    })
}

fn in_words(scan: &Value) -> String {
    let counts = format!("{} found, {} new, {} missing", scan["found"], scan["adopted"], scan["missing"]);
    match scan["error"].as_str() {
        Some(error) => format!("{}: {}", text(&scan["state"]), output::printable(error)),
        None => format!("{}: {counts}", text(&scan["state"])),
    }
}

async fn list(server: &Server, arguments: &BackupsListArguments) -> Result<(), Failure> {
    let destination = match &arguments.destination {
        Some(name) => Some(text(&server.find(Kind::Destination, name).await?["id"])),
        None => None,
    };
    let status = arguments.missing.then(|| "missing".to_owned());
    let filters = [
        ("destination", &destination),
        ("job", &arguments.job),
        ("database", &arguments.database),
        ("search", &arguments.search),
        ("status", &status),
    ];
    let filters: Vec<(&str, &str)> =
        filters.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
    let mut left = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let mut cursor: Option<String> = None;
    let mut table = Table::new(["TIME (UTC)", "DESTINATION", ">SIZE", "STATE", "PATH"]);
    loop {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&filters).append_pair("limit", &left.min(PAGE).to_string());
        if let Some(cursor) = &cursor {
            query.append_pair("cursor", cursor);
        }
        let page = server.get(&format!("/api/backups?{}", query.finish())).await?;
        let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        for item in items {
            if arguments.json { output::json(item) } else { table.add(row(item)) }
        }
        left = left.saturating_sub(items.len());
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if left == 0 || cursor.is_none() {
            table.print();
            return Ok(());
        }
    }
}

fn row(backup: &Value) -> [String; 5] {
    let size = domain::size::human(backup["size"].as_u64().unwrap_or_default());
    let due = output::moment(&backup["dueAt"]);
    let state = match (text(&backup["state"]), backup["locked"] == true) {
        (state, true) => format!("{state}, locked"),
        (state, false) if due.is_empty() => state,
        (state, false) => format!("{state}, deleted after {due}"),
    };
    [output::moment(&backup["time"]), text(&backup["destination"]), size, state, text(&backup["path"])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_that_failed_says_why_and_another_what_it_found() {
        let scan = json!({"state": "complete", "found": 3, "adopted": 1, "missing": 2});
        assert_eq!(in_words(&scan), "complete: 3 found, 1 new, 2 missing");
        assert_eq!(in_words(&json!({"state": "failed", "error": "no route"})), "failed: no route");
    }
}
