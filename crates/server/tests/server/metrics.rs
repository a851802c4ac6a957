//! What Prometheus reads.

use serde_json::json;

use crate::world::{Browser, World};

async fn scrape(browser: &Browser, accept: &str) -> (String, String) {
    let answer = browser.clone().header("accept", accept).get("/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    (answer.headers["content-type"].to_str().unwrap().to_owned(), answer.body)
}

/// The value of a series, which is named to the letter.
fn value(metrics: &str, series: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn a_jobs_last_success_outlasts_a_restart_and_its_series_vanish_with_it() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let program = anna.token(&["view"]).await;
    let (_, source) = world.sqlite_source(&anna, "shop \"1\"", 1).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&disk], json!({"schedule": {"cron": "0 2 * * *"}})).await;
    let labels = format!("{{backup_id=\"{job}\",backup=\"shop\"}}");
    let last_success = format!("dbackup_backup_last_success_timestamp_seconds{labels}");
    let (_, metrics) = scrape(&program, "*/*").await;
    assert_eq!(value(&metrics, &last_success), Some(0.0), "{metrics}");
    assert!(!metrics.contains("job=\""), "{metrics}");
    assert!(metrics.contains("source=\"shop \\\"1\\\"\",engine=\"sqlite\"} 1"), "{metrics}");
    for (name, expected) in [
        ("enabled", Some(1.0)),
        ("created_timestamp_seconds", Some(1_768_478_400.0)),
        ("next_run_timestamp_seconds", Some(1_768_528_800.0)),
        ("last_run_timestamp_seconds", Some(0.0)),
        ("last_run_duration_seconds", None),
        ("last_success_stored_bytes", None),
    ] {
        assert_eq!(value(&metrics, &format!("dbackup_backup_{name}{labels}")), expected, "{name}");
    }
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
    world.stop().await;
    world.start().await;
    let program = Browser { url: world.url(), ..program };
    let anna = Browser { url: world.url(), ..anna };
    let (_, metrics) = scrape(&program, "*/*").await;
    assert_eq!(value(&metrics, &last_success), Some(1_768_478_400.0), "{metrics}");
    assert!(
        value(&metrics, &format!("dbackup_backup_last_success_stored_bytes{labels}")).is_some_and(|bytes| bytes > 0.0)
    );
    for (status, is_it) in [("succeeded", 1.0), ("failed", 0.0)] {
        let series =
            format!("dbackup_backup_last_run_status{{backup_id=\"{job}\",backup=\"shop\",status=\"{status}\"}}");
        assert_eq!(value(&metrics, &series), Some(is_it), "{status}");
    }
    anna.patch(&format!("/api/jobs/{job}"), &json!({"name": "renamed", "enabled": false})).await.expect(200);
    let (_, metrics) = scrape(&program, "*/*").await;
    assert!(!metrics.contains("backup=\"shop\"") && metrics.contains("backup=\"renamed\""), "{metrics}");
    assert_eq!(
        value(&metrics, &format!("dbackup_backup_enabled{{backup_id=\"{job}\",backup=\"renamed\"}}")),
        Some(0.0)
    );
    anna.delete(&format!("/api/jobs/{job}")).await.expect(204);
    let (_, metrics) = scrape(&program, "*/*").await;
    assert!(!metrics.contains(&job), "{metrics}");
}

#[tokio::test]
async fn counters_of_runs_begin_at_zero() {
    let world = World::new().await;
    let program = world.administrator().await.token(&["view"]).await;
    let (_, metrics) = scrape(&program, "*/*").await;
    for kind in ["backup", "restore", "copy"] {
        for state in ["succeeded", "succeededWithWarnings", "partial", "failed", "cancelled", "interrupted"] {
            let series = format!("dbackup_runs_total{{kind=\"{kind}\",state=\"{state}\"}}");
            assert_eq!(value(&metrics, &series), Some(0.0), "{series}");
        }
    }
    let build = format!("dbackup_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(value(&metrics, &build), Some(1.0), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_the_scheduler_and_each_destination_have_numbers() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let program = anna.token(&["view"]).await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let offsite = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&offsite], json!({})).await;
    world.run_job(&anna, &job).await;
    let (_, metrics) = scrape(&program, "*/*").await;
    for series in ["dbackup_runs_queued", "dbackup_queue_oldest_run_age_seconds"] {
        assert_eq!(value(&metrics, series), Some(0.0), "{metrics}");
    }
    assert_eq!(value(&metrics, "dbackup_catalog_up"), Some(1.0));
    let labels = format!("{{destination_id=\"{offsite}\",destination=\"Offsite\"}}");
    let number = |name: &str| value(&metrics, &format!("dbackup_destination_{name}{labels}"));
    assert_eq!(number("authorized"), Some(1.0), "{metrics}");
    assert!(number("used_bytes").unwrap() > 0.0, "{metrics}");
    assert_eq!(number("free_bytes"), Some(number("capacity_bytes").unwrap() - number("used_bytes").unwrap()));
    assert!(number("checked_timestamp_seconds").unwrap() > 1_700_000_000.0);
    let ran = value(&metrics, "dbackup_run_duration_seconds_count{kind=\"backup\",state=\"succeeded\"}");
    assert_eq!(ran, Some(1.0), "{metrics}");
}

#[tokio::test]
async fn the_process_has_its_standard_numbers_in_both_formats() {
    let world = World::new().await;
    let program = world.administrator().await.token(&["view"]).await;
    for accept in ["*/*", "application/openmetrics-text"] {
        let (_, metrics) = scrape(&program, accept).await;
        let number = |name: &str| value(&metrics, name).unwrap_or_else(|| panic!("{name} is missing in {metrics}"));
        assert!(number("process_resident_memory_bytes") > 1e6 && number("process_virtual_memory_bytes") > 1e6);
        assert!(number("process_open_fds") > 3.0 && number("process_open_fds") < number("process_max_fds"));
        assert!(number("process_cpu_seconds_total") >= 0.0 && number("process_start_time_seconds") > 1.7e9);
    }
}

/// The rules of `promtool check metrics` and of both formats, as far as they concern what is here.
#[tokio::test]
async fn metrics_are_in_the_format_that_was_asked_for() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let program = anna.token(&["view"]).await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    anna.job("shop", &source, &[&disk], json!({})).await;
    let (kind, open) = scrape(&program, "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3").await;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE dbackup_runs counter\n"), "{open}");
    let (kind, text) = scrape(&program, "text/plain;version=0.0.4").await;
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
    let mut described: Vec<(&str, &str)> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            assert!(!described.iter().any(|(other, _)| *other == name), "{name} is described twice");
            described.push((name, kind));
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let is_described = described.iter().any(|(other, kind)| {
                name == *other
                    || (*kind == "histogram"
                        && ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(other)))
            });
            assert!(is_described, "{line} comes without its type");
        }
    }
    assert!(described.len() > 12, "{described:?}");
}
