//! `dbackup backups list | verify | lock | unlock | keep`

use reqwest::Method;
use serde_json::{Value, json};

use super::resources::text;
use super::watch::{export, repeat, with_query};
use crate::cli::{BackupPlace, BackupsCommand, BackupsListArguments};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Table};
use crate::remote::{Kind, Server};

const PATH: &str = "/api/backups";
/// Maximum number of backups in one answer.
const PAGE: usize = 200;

pub(crate) async fn run(command: BackupsCommand) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    match command {
        BackupsCommand::List(arguments) => {
            let filters = filters(&server, &arguments).await?;
            match arguments.csv {
                true => export(&server, PATH, &filters).await?,
                false => repeat(arguments.options, async || list(&server, &arguments, &filters).await).await?,
            }
        }
        BackupsCommand::Verify { place, deep } => return verify(&server, &place, deep).await,
        BackupsCommand::Lock(place) | BackupsCommand::Keep(place) => set_lock(&server, &place, "lock").await?,
        BackupsCommand::Unlock(place) => set_lock(&server, &place, "unlock").await?,
    }
    Ok(Outcome::Succeeded)
}

async fn verify(server: &Server, place: &BackupPlace, deep: bool) -> Result<Outcome, Failure> {
    let id = text(&server.find(Kind::Destination, &place.destination).await?["id"]);
    let path = format!("/api/destinations/{id}/backups/verify");
    let found = server.ask_patiently(Method::POST, &path, &json!({"path": place.path, "deep": deep})).await?;
    output::line(&format!("{}: {}", text(&found["result"]), text(&found["detail"])));
    Ok(match found["result"].as_str() {
        Some("whole") => Outcome::Succeeded,
        Some("unknown") => Outcome::Partial,
        _ => Outcome::Failed,
    })
}

async fn set_lock(server: &Server, place: &BackupPlace, word: &str) -> Result<(), Failure> {
    let id = text(&server.find(Kind::Destination, &place.destination).await?["id"]);
    let path = format!("/api/destinations/{id}/backups/{word}");
    server.ask(Method::POST, &path, Some(&json!({"path": place.path}))).await?;
    output::note(&format!("{} is {word}ed.", output::printable(&place.path)));
    Ok(())
}

/// Returns what backups are filtered by.
async fn filters(server: &Server, arguments: &BackupsListArguments) -> Result<Vec<(&'static str, String)>, Failure> {
    let destination = match &arguments.destination {
        Some(name) => Some(text(&server.find(Kind::Destination, name).await?["id"])),
        None => None,
    };
    let filters = [
        ("destination", destination),
        ("job", arguments.job.clone()),
        ("database", arguments.database.clone()),
        ("search", arguments.search.clone()),
        ("status", arguments.missing.then(|| "missing".to_owned())),
    ];
    Ok(filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

async fn list(server: &Server, arguments: &BackupsListArguments, filters: &[(&str, String)]) -> Result<(), Failure> {
    let mut left = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let mut cursor: Option<String> = None;
    let mut table = Table::new(["TIME (UTC)", "DESTINATION", ">SIZE", "*STATE", "PATH"]);
    loop {
        let place = [("limit", Some(left.min(PAGE).to_string())), ("cursor", cursor)];
        let place = place.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let page = server.get(&with_query(PATH, filters.iter().cloned().chain(place))).await?;
        let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        for item in items {
            if arguments.options.json { output::json(item) } else { table.add(row(item)) }
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
