//! `dbackup audit list`

use serde_json::Value;

use super::resources::text;
use super::watch::{export, repeat, with_query};
use crate::cli::{AuditCommand, AuditList};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Table};
use crate::remote::Server;

const PATH: &str = "/api/audit";

pub(crate) async fn run(AuditCommand::List(filter): AuditCommand) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    let times = [("since", filter.since), ("until", filter.until)];
    let texts = [
        ("user", &filter.user),
        ("token", &filter.token),
        ("event", &filter.event),
        ("object", &filter.object),
        ("outcome", &filter.outcome),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?)));
    let times = times.into_iter().filter_map(|(name, time)| Some((name, time?.to_string())));
    let query: Vec<(&str, String)> = texts.chain(times).collect();
    if filter.csv {
        export(&server, PATH, &query).await?;
    } else {
        repeat(filter.options, async || list(&server, &filter, &query).await).await?;
    }
    Ok(Outcome::Succeeded)
}

async fn list(server: &Server, filter: &AuditList, query: &[(&str, String)]) -> Result<(), Failure> {
    let limit = [("limit", filter.limit.to_string())];
    let page = server.get(&with_query(PATH, query.iter().cloned().chain(limit))).await?;
    let entries = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if filter.options.json {
        entries.iter().for_each(output::json);
        return Ok(());
    }
    let mut table = Table::new(["TIME (UTC)", "WHO", "EVENT", "OBJECT", "*OUTCOME", "DETAIL"]);
    entries.iter().for_each(|entry| table.add(row(entry)));
    table.print();
    Ok(())
}

fn row(entry: &Value) -> [String; 6] {
    let event = match text(&entry["event"]) {
        event if event.is_empty() => text(&entry["action"]),
        event => event,
    };
    let object = match (text(&entry["objectKind"]), text(&entry["objectName"])) {
        (_, name) if name.is_empty() => text(&entry["object"]),
        (kind, name) => format!("{kind} {name}"),
    };
    let outcome = text(&entry["outcome"]);
    [output::moment(&entry["at"]), text(&entry["actor"]), event, object, outcome, text(&entry["detail"])]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_is_told_in_words_and_one_of_an_earlier_version_by_its_address() {
        let entry = json!({
            "at": "2026-01-15T12:00:00.000Z", "actor": "user anna", "event": "job.run", "action": "POST", "objectKind": "job",
            "objectName": "shop", "object": "/api/jobs/1/run", "outcome": "done", "detail": "",
        });
        assert_eq!(row(&entry), ["2026-01-15 12:00:00", "user anna", "job.run", "job shop", "done", ""]);
        let old = json!({"actor": "nobody", "action": "POST", "object": "/api/session", "outcome": "refused", "detail": "wrong"});
        assert_eq!(row(&old), ["", "nobody", "POST", "/api/session", "refused", "wrong"]);
    }
}
