//! `dbackup status`

use serde_json::{Value, json};

use super::resources::text;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::remote::Server;

/// What needs attention, and about what.
struct Trouble {
    about: String,
    what: String,
}

/// Says whether everything is backed up. Fails if it is not.
pub(crate) async fn run(as_json: bool) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    let overview = server.get("/api/overview?days=1").await?;
    let jobs: i64 = overview["jobs"].as_object().into_iter().flatten().filter_map(|(_, jobs)| jobs.as_i64()).sum();
    let troubles = troubles(&overview);
    let is_good = troubles.is_empty() && jobs > 0;
    let sentence = text(&overview["headline"]["text"]);
    if as_json {
        let told = |Trouble { about, what }: &Trouble| json!({"about": about, "what": what});
        let state = if is_good { "good" } else { "attention" };
        output::json(&json!({
            "state": state, "summary": sentence, "jobs": jobs, "troubles": troubles.iter().map(told).collect::<Vec<_>>(),
        }));
    } else {
        output::line(&sentence);
        for Trouble { about, what } in &troubles {
            output::line(&format!("  {}: {}", output::printable(about), output::printable(what)));
        }
    }
    Ok(if is_good { Outcome::Succeeded } else { Outcome::Failed })
}

/// Returns what keeps databases from being backed up.
fn troubles(overview: &Value) -> Vec<Trouble> {
    let causes = overview["causes"].as_array().into_iter().flatten().filter(|cause| cause["level"] == "bad");
    causes
        .map(|cause| {
            let reason = cause["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
            let place = ["destination", "source"].into_iter().find_map(|place| cause[place]["name"].as_str());
            match (cause["kind"].as_str().unwrap_or_default(), place) {
                ("authorize", Some(place)) => {
                    let reason = if reason.is_empty() { ": open it in the web UI".to_owned() } else { reason };
                    Trouble { about: place.to_owned(), what: format!("it needs authorization{reason}") }
                }
                (kind, place) => Trouble { about: names(cause), what: words(kind, place, &reason) },
            }
        })
        .collect()
}

fn words(kind: &str, place: Option<&str>, reason: &str) -> String {
    match kind {
        "schedule" => format!("the schedule cannot be read{reason}"),
        "missed" => "a scheduled run was missed".to_owned(),
        "never" => "it has never run".to_owned(),
        _ => format!("failed{}{reason}", place.map(|place| format!(" at {place}")).unwrap_or_default()),
    }
}

/// Returns the names of a cause's jobs, and how many others there are.
fn names(cause: &Value) -> String {
    let names: Vec<&str> =
        cause["jobs"].as_array().into_iter().flatten().filter_map(|job| job["name"].as_str()).collect();
    let count = usize::try_from(cause["jobCount"].as_u64().unwrap_or_default()).unwrap_or(usize::MAX);
    match count.saturating_sub(names.len()) {
        0 => names.join(", "),
        others => format!("{} and {others} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(causes: &Value) -> Vec<String> {
        let troubles = troubles(&json!({ "causes": causes }));
        troubles.into_iter().map(|Trouble { about, what }| format!("{about}: {what}")).collect()
    }

    #[test]
    fn what_keeps_databases_from_being_backed_up_is_named() {
        let shop = json!([{"name": "shop"}]);
        let causes = json!([
            {"kind": "authorize", "level": "bad", "destination": {"name": "Offsite"}, "jobCount": 1, "jobs": shop},
            {"kind": "failed", "level": "bad", "reason": "no room", "destination": {"name": "NAS"}, "jobCount": 9, "jobs": shop},
            {"kind": "schedule", "level": "bad", "reason": "no such zone", "jobCount": 1, "jobs": shop},
            {"kind": "never", "level": "bad", "jobCount": 1, "jobs": shop},
        ]);
        assert_eq!(
            told(&causes),
            [
                "Offsite: it needs authorization: open it in the web UI",
                "shop and 8 more: failed at NAS: no room",
                "shop: the schedule cannot be read: no such zone",
                "shop: it has never run",
            ]
        );
    }

    #[test]
    fn risks_and_advice_are_no_trouble() {
        let risks = json!([{"kind": "key", "level": "warn", "jobCount": 1}, {"kind": "oneCopy", "level": "note", "jobCount": 1}]);
        assert_eq!(told(&risks), [""; 0]);
    }
}
