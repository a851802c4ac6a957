//! What operators are given for Prometheus and Grafana works with what the server tells.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::world::World;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/monitoring")
}

/// Runs promtool (Debian's package `prometheus`), which has to succeed.
fn promtool(arguments: &[&str], input: &str) {
    #[expect(clippy::disallowed_methods, reason = "a test runs a stock tool")]
    let mut command = Command::new("promtool");
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().expect("scripts/install-test-tools installs promtool");
    running.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}

/// The names of our metrics in expressions.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("dbackup_") || word.starts_with("process_")).collect()
}

#[test]
fn the_rules_do_what_they_say() {
    let (rules, tests) = (folder().join("rules.yml"), folder().join("rules.test.yml"));
    promtool(&["check", "rules", rules.to_str().unwrap()], "");
    promtool(&["test", "rules", tests.to_str().unwrap()], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_dashboard_ask_for_metrics_that_exist() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let program = anna.token(&["view"]).await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let offsite = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&offsite], json!({"schedule": {"cron": "0 2 * * *"}})).await;
    let run = world.run_job(&anna, &job).await;
    let metrics = program.clone().header("accept", "text/plain;version=0.0.4").get("/metrics").await.body;
    promtool(&["check", "metrics"], &metrics);

    let rules = std::fs::read_to_string(folder().join("rules.yml")).unwrap();
    let dashboard = std::fs::read_to_string(folder().join("dashboard.json")).unwrap();
    let read: Value = serde_json::from_str(&dashboard).unwrap();
    assert!(read["panels"].as_array().unwrap().len() > 5);
    let asked = names(&rules).into_iter().chain(names(&dashboard));
    for name in asked.filter(|name| *name != "dbackup_http_request_duration_seconds_bucket") {
        let is_there = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        assert!(metrics.lines().any(is_there), "{name} is not in {metrics}");
    }

    let route = "dbackup_http_request_duration_seconds_count{route=\"/api/jobs/{id}/run\"}";
    assert!(metrics.lines().any(|line| line.starts_with(route)), "{metrics}");
    let stored = format!("dbackup_destination_stored_bytes{{destination_id=\"{offsite}\",destination=\"Offsite\"}} ");
    let stored = metrics.lines().find_map(|line| line.strip_prefix(&stored)).unwrap();
    assert_eq!(stored.parse::<i64>().unwrap(), run["storedBytes"].as_i64().unwrap(), "{metrics}");
}
