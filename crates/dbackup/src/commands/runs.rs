//! `dbackup runs list | show | follow | cancel`

use domain::outcome::RunStatus;
use domain::run::RunProgress;
use reqwest::Method;
use serde_json::{Value, json};

use super::resources::{pretty, text};
use super::watch::{export, repeat, with_query};
use crate::cli::{RunCommand, RunList};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Direction, RemoteProgress, Table};
use crate::remote::{Kind, Server};

const PATH: &str = "/api/runs";

pub(crate) async fn run(command: RunCommand) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    match command {
        RunCommand::List(filter) => {
            let query = query(&server, &filter).await?;
            match filter.csv {
                true => export(&server, PATH, &query).await?,
                false => repeat(filter.options, async || list(&server, &filter, &query).await).await?,
            }
        }
        RunCommand::Show { id } => output::line(&pretty(&server.get(&format!("/api/runs/{id}")).await?)),
        RunCommand::Follow { id } => return Ok(outcome(&follow(&server, &id).await?)),
        RunCommand::Cancel { id } => {
            server.ask(Method::POST, &format!("/api/runs/{id}/cancel"), Some(&json!({}))).await?;
            output::note("It is being stopped.");
        }
    }
    Ok(Outcome::Succeeded)
}

/// Returns what runs are filtered by.
async fn query(server: &Server, filter: &RunList) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut query = Vec::new();
    if let Some(name) = &filter.job {
        query.push(("jobId", text(&server.find(Kind::Job, name).await?["id"])));
    }
    if let Some(name) = &filter.destination {
        query.push(("destinationId", text(&server.find(Kind::Destination, name).await?["id"])));
    }
    query.extend(filter.state.iter().map(|state| ("state", state.as_str().to_owned())));
    let times = [("since", filter.since), ("until", filter.until)];
    query.extend(times.into_iter().filter_map(|(name, time)| Some((name, time?.to_string()))));
    Ok(query)
}

async fn list(server: &Server, filter: &RunList, query: &[(&str, String)]) -> Result<(), Failure> {
    let limit = [("limit", filter.limit.to_string())];
    let page = server.get(&with_query(PATH, query.iter().cloned().chain(limit))).await?;
    let runs = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if filter.options.json {
        runs.iter().for_each(output::json);
        return Ok(());
    }
    let mut table = Table::new(["CREATED (UTC)", "KIND", "*STATE", "ID", "TITLE"]);
    for run in runs {
        let error = run["error"].as_str().map(|error| format!(": {error}")).unwrap_or_default();
        let title = format!("{}{error}", text(&run["title"]));
        table.add([
            output::moment(&run["createdAt"]),
            text(&run["kind"]),
            text(&run["state"]),
            text(&run["id"]),
            title,
        ]);
    }
    table.print();
    Ok(())
}

/// Shows the lines of a run and its progress as they come. Returns the run at its end.
pub(super) async fn follow(server: &Server, id: &str) -> Result<Value, Failure> {
    let mut progress = None;
    server
        .follow(id, |kind, data| match kind {
            "log" => {
                let warning = if data["level"] == "warning" { "Warning: " } else { "" };
                output::note(&format!("{warning}{}", output::printable(&text(&data["message"]))));
                // The others that failed have said no more.
                if let (Some("ended"), Some(details)) =
                    (data["event"]["event"].as_str(), data["event"]["technicalDetails"].as_str())
                {
                    output::note(&format!("Details: {}", details.trim()));
                }
            }
            "state" => progress = direction(data).map(RemoteProgress::new),
            // A server of another version may tell it otherwise.
            "progress" => {
                if let (Some(shown), Ok(now)) = (&mut progress, serde_json::from_value::<RunProgress>(data.clone())) {
                    shown.show(now);
                }
            }
            _ => {}
        })
        .await
}

/// Returns what the numbers of a run mean, as long as it is in progress.
fn direction(run: &Value) -> Option<Direction> {
    let is_running = run["state"] == RunStatus::Running.as_str();
    match run["kind"].as_str().filter(|_| is_running)? {
        "backup" => Some(Direction::Backup),
        "restore" => Some(Direction::Restore),
        "copy" => Some(Direction::Copy),
        _ => None,
    }
}

/// How the command ends for how the run ended.
pub(super) fn outcome(run: &Value) -> Outcome {
    match run["state"].as_str().and_then(|state| state.parse().ok()) {
        Some(status) if status.is_success() => Outcome::Succeeded,
        Some(RunStatus::Partial) => Outcome::Partial,
        _ => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_warnings_is_a_success() {
        for (state, expected) in [
            ("succeeded", Outcome::Succeeded),
            ("succeededWithWarnings", Outcome::Succeeded),
            ("partial", Outcome::Partial),
            ("failed", Outcome::Failed),
        ] {
            assert_eq!(outcome(&json!({"state": state})), expected, "{state}");
        }
    }
}
