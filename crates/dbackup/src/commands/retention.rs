//! `dbackup retention preview | marked`

use reqwest::Method;
use serde_json::{Value, json};

use super::resources::{pretty, text};
use super::watch::repeat;
use crate::cli::RetentionCommand;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::remote::{Kind, Server};

pub(crate) async fn run(command: RetentionCommand) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    match command {
        RetentionCommand::Preview { job, destination, policy, json } => {
            let plan = plan(&server, &job, &destination, policy.as_deref()).await?;
            if json {
                output::line(&pretty(&plan));
            } else {
                in_words(&plan).iter().for_each(|line| output::line(line));
            }
            let waits = plan["hold"].is_object() || plan["suspended"].is_array();
            Ok(if waits { Outcome::Partial } else { Outcome::Succeeded })
        }
        RetentionCommand::Marked(options) => {
            let print = async || {
                for item in server.list("/api/deletions").await? {
                    if options.json { output::json(&item) } else { output::line(&marked(&item)) }
                }
                Ok(())
            };
            repeat(options, print).await?;
            Ok(Outcome::Succeeded)
        }
    }
}

async fn plan(server: &Server, job: &str, destination: &str, policy: Option<&str>) -> Result<Value, Failure> {
    let job_id = text(&server.find(Kind::Job, job).await?["id"]);
    let destination_id = text(&server.find(Kind::Destination, destination).await?["id"]);
    let mut input = json!({"jobId": job_id, "destinationId": destination_id});
    if let Some(name) = policy {
        let policies = server.list("/api/retention-policies").await?;
        let found = policies
            .into_iter()
            .find(|policy| policy["id"] == name || text(&policy["name"]).to_lowercase() == name.to_lowercase());
        let missing = || Failure::failed(format!("there is no retention policy {name}"));
        input["rules"] = found.ok_or_else(missing)?["rules"].clone();
    }
    server.ask(Method::POST, "/api/retention-policies/preview", Some(&input)).await
}

fn in_words(plan: &Value) -> Vec<String> {
    let words = |reason: &Value| output::printable(&text(&reason["words"]));
    let mut lines: Vec<String> = Vec::new();
    for item in plan["items"].as_array().into_iter().flatten() {
        let verdict = if item["keep"] == true { "keep  " } else { "delete" };
        let reasons: Vec<String> = item["reasons"].as_array().into_iter().flatten().map(words).collect();
        lines.push(format!("{verdict}  {}  {}", output::printable(&text(&item["path"])), reasons.join("; ")));
    }
    let size = domain::size::human(plan["deletedSize"].as_u64().unwrap_or_default());
    lines.push(format!("{} kept, {} to be deleted ({size})", plan["kept"], plan["deletions"]));
    lines.extend(plan["suspended"].as_array().into_iter().flatten().map(words));
    if let Some(hold) = plan["hold"]["words"].as_str() {
        lines.push(format!("On hold: {}", output::printable(hold)));
        lines.push(format!("Digest: {}", output::printable(&text(&plan["digest"]))));
    }
    lines
}

fn marked(item: &Value) -> String {
    let error = item["lastError"].as_str().map(|error| format!("  failed: {}", output::printable(error)));
    format!(
        "{}  {}  {}{}",
        text(&item["dueAt"]),
        output::printable(&text(&item["destination"])),
        output::printable(&text(&item["path"])),
        error.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_of_every_backup_whether_it_stays_and_why() {
        let reason = |words: &str| json!([{"reason": {"kind": "locked"}, "words": words}]);
        let plan = json!({
            "items": [
                {"path": "shop/b", "keep": true, "reasons": reason("Locked")},
                {"path": "shop/a", "keep": false, "reasons": reason("No rule keeps it")},
            ],
            "kept": 1, "deletions": 1, "deletedSize": 2048, "digest": "0a", "hold": {"words": "Review the plan and confirm it"},
        });
        let expected = [
            "keep    shop/b  Locked",
            "delete  shop/a  No rule keeps it",
            "1 kept, 1 to be deleted (2.0 KiB)",
            "On hold: Review the plan and confirm it",
            "Digest: 0a",
        ];
        assert_eq!(in_words(&plan), expected);
    }
}
