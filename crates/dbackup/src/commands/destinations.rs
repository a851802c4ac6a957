//! `dbackup destinations scan | authorize`

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::delete::confirmed;
use super::resources::{self, pretty, text};
use crate::cli::DestinationCommand;
use crate::failure::{Failure, Outcome};
use crate::remote::{Kind, Server};
use crate::{output, prompt};

/// How often the server is asked how far a scan is.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) async fn run(command: DestinationCommand) -> Result<Outcome, Failure> {
    match command {
        DestinationCommand::Resource(command) => resources::run(Kind::Destination, command).await,
        DestinationCommand::Scan { name, no_wait, json } => scan(&name, no_wait, json).await,
        DestinationCommand::Authorize { name } => authorize(&name).await,
    }
}

/// Authorizes a destination by the code that its provider shows.
async fn authorize(name: &str) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    let destination = server.find(Kind::Destination, name).await?;
    let path = format!("/api/destinations/{}/authorization", text(&destination["id"]));
    let begun = server.ask(Method::POST, &path, Some(&json!({"mode": "code"}))).await?;
    output::note("1. Open this address in a browser, sign in and allow the access:\n");
    output::line(&text(&begun["url"]));
    let code = prompt::line("\n2. Paste the code that is shown:").await?;
    let input = json!({"code": code.trim(), "state": begun["state"]});
    let authorized = match server.ask_or_problem(Method::POST, &format!("{path}/code"), &input).await? {
        Ok(authorized) => authorized,
        Err(problem) if problem["code"] == "accountChanged" => {
            output::note(&output::printable(&text(&problem["detail"])));
            let accept = confirmed("Use the other account from now on?")?;
            let answer = json!({"state": begun["state"], "accept": accept});
            server.ask(Method::POST, &format!("{path}/confirm"), Some(&answer)).await?
        }
        Err(problem) => return Err(Failure::failed(format!("the server refused: {}", text(&problem["detail"])))),
    };
    let authorization = &authorized["authorization"];
    let status = text(&authorization["status"]);
    let account = output::printable(&text(&authorization["account"]["email"]));
    output::line(&format!(
        "{}: {} ({account})",
        output::printable(&text(&authorized["name"])),
        status.replace('_', " ")
    ));
    Ok(if status == "authorized" { Outcome::Succeeded } else { Outcome::Failed })
}

async fn scan(name: &str, no_wait: bool, json: bool) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    let id = text(&server.find(Kind::Destination, name).await?["id"]);
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
