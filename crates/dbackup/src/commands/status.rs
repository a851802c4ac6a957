//! `dbackup status`

use std::collections::HashMap;

use serde_json::{Value, json};

use super::resources::text;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::remote::Server;

/// Days of which the server is asked: today, and the day before.
const DAYS: u64 = 2;

/// What needs attention, and about what.
struct Trouble {
    about: String,
    what: String,
}

/// Tells whether everything is backed up. Fails if it is not.
pub(crate) async fn run(as_json: bool) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    let overview = server.get(&format!("/api/overview?days={DAYS}")).await?;
    let (jobs, destinations) = (server.list("/api/jobs").await?, server.list("/api/destinations").await?);
    let troubles = troubles(&overview, &jobs, &destinations);
    let is_good = troubles.is_empty() && !jobs.is_empty();
    let sentence = sentence(&troubles, jobs.len());
    if as_json {
        let told = |Trouble { about, what }: &Trouble| json!({"about": about, "what": what});
        let state = if is_good { "good" } else { "attention" };
        output::json(&json!({
            "state": state, "summary": sentence, "jobs": jobs.len(), "troubles": troubles.iter().map(told).collect::<Vec<_>>(),
        }));
    } else {
        output::line(&sentence);
        for Trouble { about, what } in &troubles {
            output::line(&format!("  {}: {}", output::printable(about), output::printable(what)));
        }
    }
    Ok(if is_good { Outcome::Succeeded } else { Outcome::Failed })
}

fn sentence(troubles: &[Trouble], jobs: usize) -> String {
    match (troubles.len(), jobs) {
        (0, 0) => "Nothing is backed up yet: there are no jobs.".to_owned(),
        (0, 1) => "The one job is fine.".to_owned(),
        (0, jobs) => format!("All {jobs} jobs are fine."),
        (1, _) => "1 thing needs attention.".to_owned(),
        (several, _) => format!("{several} things need attention."),
    }
}

fn troubles(overview: &Value, jobs: &[Value], destinations: &[Value]) -> Vec<Trouble> {
    let standings = overview["jobs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let standings: HashMap<&str, &Value> =
        standings.iter().filter_map(|standing| Some((standing["jobId"].as_str()?, standing))).collect();
    let of_destinations = destinations.iter().filter_map(|destination| {
        let what = match destination["authorization"]["status"].as_str()? {
            "authorized" | "not_required" => return None,
            _ => match destination["authorization"]["reason"].as_str() {
                Some(reason) => format!("it needs authorization: {reason}"),
                None => "it needs authorization: open it in the web UI".to_owned(),
            },
        };
        Some(Trouble { about: text(&destination["name"]), what })
    });
    let of_jobs = jobs.iter().filter_map(|job| {
        let what = trouble_of(job, standings.get(job["id"].as_str()?).copied().unwrap_or(&Value::Null))?;
        Some(Trouble { about: text(&job["name"]), what })
    });
    of_destinations.chain(of_jobs).collect()
}

/// Returns what is wrong with a job. One that is paused, or was cancelled, is not in trouble.
fn trouble_of(job: &Value, standing: &Value) -> Option<String> {
    if let Some(error) = standing["scheduleError"].as_str() {
        return Some(format!("its schedule cannot be read, so it does not run: {error}"));
    }
    if job["enabled"] == false {
        return None;
    }
    let error = || job["lastRun"]["error"].as_str().map(|error| format!(": {error}")).unwrap_or_default();
    let since = || match output::moment(&standing["lastGoodAt"]) {
        good if good.is_empty() => "there is no good backup".to_owned(),
        good => format!("the last good backup is of {good} UTC"),
    };
    match standing["state"].as_str() {
        None if has_unfinished(standing) => None,
        None => Some("it has never run".to_owned()),
        Some("succeeded" | "succeededWithWarnings") => {
            let last = standing["days"].as_array().and_then(|days| days.last());
            let missed = last.is_some_and(|day| day["missed"] == true);
            missed.then(|| format!("a scheduled run was missed; {}", since()))
        }
        Some(state) => Some(format!("{state}{}; {}", error(), since())),
    }
}

fn has_unfinished(standing: &Value) -> bool {
    let days = standing["days"].as_array().into_iter().flatten();
    days.into_iter().any(|day| day["unfinished"].as_u64().unwrap_or_default() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn troubled(job: &Value, standing: &Value) -> Vec<String> {
        let overview = json!({"jobs": [standing]});
        let troubles = troubles(&overview, std::slice::from_ref(job), &[]);
        troubles.into_iter().map(|Trouble { about, what }| format!("{about}: {what}")).collect()
    }

    #[test]
    fn what_failed_was_missed_or_never_ran_needs_attention() {
        let job = json!({"id": "1", "name": "shop", "enabled": true, "lastRun": {"error": "no room"}});
        let failed = json!({"jobId": "1", "state": "failed", "lastGoodAt": "2026-01-15T12:00:00.000Z"});
        assert_eq!(
            troubled(&job, &failed),
            ["shop: failed: no room; the last good backup is of 2026-01-15 12:00:00 UTC"]
        );
        let missed = json!({"jobId": "1", "state": "succeeded", "days": [{"missed": true}]});
        assert_eq!(troubled(&job, &missed), ["shop: a scheduled run was missed; there is no good backup"]);
        assert_eq!(troubled(&job, &json!({"jobId": "1"})), ["shop: it has never run"]);
        assert_eq!(troubled(&job, &json!({"jobId": "1", "scheduleError": "no such zone"})).len(), 1);
    }

    #[test]
    fn what_runs_is_paused_or_succeeded_is_fine() {
        let job = json!({"id": "1", "name": "shop", "enabled": true});
        for standing in [
            json!({"jobId": "1", "days": [{"unfinished": 1}]}),
            json!({"jobId": "1", "state": "succeededWithWarnings", "days": [{"missed": false}]}),
        ] {
            assert_eq!(troubled(&job, &standing), [""; 0]);
        }
        let paused = json!({"id": "1", "name": "shop", "enabled": false});
        for standing in [json!({"jobId": "1"}), json!({"jobId": "1", "state": "failed"})] {
            assert_eq!(troubled(&paused, &standing), [""; 0]);
        }
        let made_up_for = json!({"jobId": "1", "state": "succeeded", "days": [{"missed": true}, {"missed": false}]});
        assert_eq!(troubled(&job, &made_up_for), [""; 0]);
    }

    #[test]
    fn a_destination_that_must_be_authorized_needs_attention() {
        let destination = |status: &str| json!({"name": "Offsite", "authorization": {"status": status}});
        assert_eq!(troubles(&Value::Null, &[], &[destination("authorized"), destination("not_required")]).len(), 0);
        assert_eq!(troubles(&Value::Null, &[], &[destination("reauthorization_required")])[0].about, "Offsite");
    }

    #[test]
    fn the_sentence_counts() {
        assert_eq!(sentence(&[], 0), "Nothing is backed up yet: there are no jobs.");
        assert_eq!(sentence(&[], 1), "The one job is fine.");
        assert_eq!(sentence(&[], 63), "All 63 jobs are fine.");
    }
}
