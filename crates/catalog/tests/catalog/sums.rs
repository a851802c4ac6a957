//! What is summed up about runs is what counting them says, whatever happens to them.

use catalog::{
    Aging, Catalog, DatabaseFilter, JobFailure, JobFilter, JobOrder, JobStatus, NewRun, PageRequest, RunEnd, Settlement,
};
use domain::outcome::RunStatus;
use domain::run::{BackupSpec, Cause, RunKind, RunProgress, RunResult, RunSpec};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::on_both;
use crate::store::{Store, all_pages, at, destination, job, source};

on_both!(
    sums_are_what_counting_says,
    runs_of_earlier_versions_are_summed_up_at_the_start,
    a_day_is_that_of_the_jobs_time_zone,
    how_a_job_stands_follows_its_runs_and_its_settings,
    jobs_are_listed_by_urgency_and_narrowed,
    failures_are_grouped_by_their_place,
);

const LEASE: SignedDuration = SignedDuration::from_secs(60);
const ZONES: [&str; 3] = ["UTC", "Asia/Tokyo", "America/Los_Angeles"];
const ENDS: [RunStatus; 6] = [
    RunStatus::Succeeded,
    RunStatus::SucceededWithWarnings,
    RunStatus::Partial,
    RunStatus::Failed,
    RunStatus::Interrupted,
    RunStatus::Cancelled,
];

fn by_hand(job_id: &str) -> NewRun {
    NewRun {
        spec: RunSpec::Backup(BackupSpec::default()),
        job_id: Some(job_id.to_owned()),
        title: "j".to_owned(),
        cause: Cause::Manual,
        started_by: Some("anna".to_owned()),
        slot: None,
        attempt: 0,
    }
}

fn end(state: RunStatus, bytes: u64) -> RunEnd {
    let progress =
        RunProgress { dumped_bytes: bytes * 3, stored_bytes: bytes, sent_bytes: bytes, destinations: Vec::new() };
    RunEnd { state, error: None, code: None, technical_details: None, result: None, progress }
}

/// A job without databases of its own choice.
async fn a_job(catalog: &Catalog, name: &str, zone: &str, destinations: &[&str]) -> String {
    let sources = catalog.sources(&PageRequest { after: None, limit: 1 }).await.unwrap().items;
    let source_id = match sources.first() {
        Some(source) => source.id.clone(),
        None => catalog.create_source(&source("s", None), at(0)).await.unwrap().id,
    };
    let mut new = job(name, &source_id, destinations);
    (new.time_zone, new.databases) = (zone.to_owned(), None);
    catalog.create_job(&new, at(0)).await.unwrap().id
}

/// Fails if a sum is not what counting says.
fn check(store: &Store) {
    let count = |state: &str| format!("SUM(CASE WHEN state IN ({state}) THEN 1 ELSE 0 END)");
    let good = "'succeeded', 'succeededWithWarnings'";
    let sum = |of: &str| format!("SUM(CASE WHEN state IN ({good}) THEN {of} ELSE 0 END)");
    let counted = format!(
        "SELECT job_id, day, {}, {}, {}, {}, {}, {}, {}, {}, {}, {} FROM runs WHERE job_id IS NOT NULL GROUP BY job_id, day",
        count(good),
        count("'succeededWithWarnings'"),
        count("'partial'"),
        count("'failed'"),
        count("'interrupted'"),
        count("'cancelled'"),
        count("'queued', 'running'"),
        sum("dumped_bytes"),
        sum("stored_bytes"),
        sum("COALESCE(finished_at - started_at, 0)"),
    );
    let numbers = "succeeded, with_warnings, partial, failed, interrupted, cancelled, unfinished, dumped_bytes, stored_bytes, duration";
    let kept = format!("SELECT job_id, day, {numbers} FROM job_days");
    let totals: Vec<String> = numbers.split(", ").map(|name| format!("SUM({name})")).collect();
    let totals = format!("SELECT day, {} FROM job_days GROUP BY day", totals.join(", "));
    let kept_totals = format!("SELECT day, {numbers} FROM total_days");
    for (one, other) in [(&kept, &counted), (&counted, &kept), (&totals, &kept_totals), (&kept_totals, &totals)] {
        let differing = format!("SELECT COUNT(*) FROM (SELECT * FROM ({one}) a EXCEPT SELECT * FROM ({other}) b) d");
        assert_eq!(store.sql(&differing), "0", "{one}\nis not\n{other}");
    }
    let newest = |states: &str| {
        format!("COALESCE((SELECT MAX(id) FROM runs r WHERE r.job_id = s.job_id AND state IN ({states})), '')")
    };
    let by_themselves = "'succeeded', 'succeededWithWarnings', 'partial', 'failed', 'interrupted'";
    let wrong = format!(
        "SELECT COUNT(*) FROM job_standings s WHERE COALESCE(good_run_id, '') <> {} OR COALESCE(ended_run_id, '') <> {} \
         OR COALESCE(last_run_id, '') <> COALESCE((SELECT MAX(id) FROM runs r WHERE r.job_id = s.job_id), '')",
        newest(good),
        newest(by_themselves)
    );
    assert_eq!(store.sql(&wrong), "0", "a standing names other runs");
    assert_eq!(store.sql("SELECT COUNT(*) FROM jobs"), store.sql("SELECT COUNT(*) FROM job_standings"));
}

/// The same numbers in each run of the test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, number: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % number
    }
}

async fn sums_are_what_counting_says(store: Store) {
    let catalog = store.open().await;
    let place = catalog.create_destination(&destination("d"), at(0)).await.unwrap().id;
    let mut jobs = Vec::new();
    for zone in ZONES {
        jobs.push(a_job(&catalog, zone, zone, &[&place]).await);
    }
    let mut dice = Dice(7);
    let mut now = at(0);
    for step in 0..160 {
        now += SignedDuration::from_mins(i64::try_from(dice.below(400)).unwrap());
        let place_of_job = dice.below(jobs.len());
        let id = jobs[place_of_job].clone();
        let queued = catalog.queue_run(&by_hand(&id), now).await.ok();
        match dice.below(10) {
            0 if queued.is_some() => drop(catalog.cancel_run(&queued.unwrap().id, now).await.unwrap()),
            1 => drop(catalog.remove_older(Aging::Runs, SignedDuration::from_hours(48), now).await.unwrap()),
            2 => abandon(&catalog, now).await,
            3 => late(&catalog, now).await,
            4 => {
                let before = catalog.job(&id).await.unwrap().unwrap();
                let mut new = job(&before.name, &before.source_id, &[&place]);
                new.time_zone = ZONES[dice.below(ZONES.len())].to_owned();
                catalog.update_job(&id, before.revision, &new, now).await.unwrap().unwrap();
            }
            5 if dice.below(3) == 0 => {
                let revision = catalog.job(&id).await.unwrap().unwrap().revision;
                assert!(catalog.delete_job(&id, revision).await.unwrap());
                jobs[place_of_job] = a_job(&catalog, &format!("job {step}"), ZONES[step % 3], &[&place]).await;
            }
            _ => {
                if let Some(claim) = catalog.claim_run("w", now, LEASE).await.unwrap() {
                    let later = now + SignedDuration::from_secs(i64::try_from(dice.below(500)).unwrap());
                    let ended = end(ENDS[dice.below(ENDS.len())], dice.below(1000) as u64);
                    catalog.finish_run(&claim.run.id, claim.fence, &ended, later).await.unwrap();
                }
            }
        }
        if step % 8 == 7 {
            check(&store);
        }
    }
    let all: i64 = store.sql("SELECT COUNT(*) FROM runs").parse().unwrap();
    let counts = catalog.run_counts(None, None).await.unwrap();
    assert_eq!(counts.iter().map(|(_, runs)| runs).sum::<i64>(), all);
    for (state, runs) in counts {
        assert_eq!(
            store.sql(&format!("SELECT COUNT(*) FROM runs WHERE state = '{}'", state.as_str())),
            runs.to_string()
        );
    }
    let own = catalog.run_counts(Some(&jobs[0]), Some(RunKind::Backup)).await.unwrap();
    let own = own.iter().map(|(_, runs)| runs).sum::<i64>().to_string();
    assert_eq!(store.sql(&format!("SELECT COUNT(*) FROM runs WHERE job_id = '{}'", jobs[0])), own);
}

async fn abandon(catalog: &Catalog, now: Timestamp) {
    catalog.claim_run("dead", now, LEASE).await.unwrap();
    for lease in catalog.leases_of_others("w").await.unwrap() {
        catalog.settle_abandoned(&lease, &Settlement::interrupted(), now).await.unwrap();
    }
}

/// Settles a run as abandoned, and then its worker tells how it really ended.
async fn late(catalog: &Catalog, now: Timestamp) {
    let Some(claim) = catalog.claim_run("slow", now, LEASE).await.unwrap() else { return };
    for lease in catalog.leases_of_others("w").await.unwrap() {
        catalog.settle_abandoned(&lease, &Settlement::interrupted(), now).await.unwrap();
    }
    // Its job may have been deleted since it was queued.
    let Some(job_id) = claim.run.job_id.as_deref() else { return };
    let new = NewRun { cause: Cause::Retry, started_by: None, ..by_hand(job_id) };
    catalog.queue_retry(&claim.run.id, &new, now).await.unwrap();
    assert!(catalog.finish_late(&claim.run.id, claim.fence, &end(RunStatus::Succeeded, 5), true, now).await.unwrap());
}

async fn finished(catalog: &Catalog, job_id: &str, ended: &RunEnd, now: Timestamp) -> String {
    let run = catalog.queue_run(&by_hand(job_id), now).await.unwrap();
    let claim = catalog.claim_run("w", now, LEASE).await.unwrap().unwrap();
    assert!(catalog.finish_run(&run.id, claim.fence, ended, now + SignedDuration::from_secs(10)).await.unwrap());
    run.id
}

async fn runs_of_earlier_versions_are_summed_up_at_the_start(store: Store) {
    let catalog = store.open().await;
    let place = catalog.create_destination(&destination("d"), at(0)).await.unwrap().id;
    for zone in ZONES {
        let id = a_job(&catalog, zone, zone, &[&place]).await;
        for (hours, state) in [(0, RunStatus::Succeeded), (9, RunStatus::Failed), (30, RunStatus::Succeeded)] {
            finished(&catalog, &id, &end(state, 7), at(hours * 3600)).await;
        }
    }
    let days = store.sql("SELECT COUNT(*) FROM job_days");
    catalog.close().await.unwrap();
    for text in
        ["UPDATE runs SET day = NULL", "DELETE FROM job_days", "DELETE FROM total_days", "DELETE FROM job_standings"]
    {
        store.sql(text);
    }
    store.sql("DELETE FROM meta WHERE name = 'runSums'");
    let catalog = store.open().await;
    check(&store);
    assert_eq!(store.sql("SELECT COUNT(*) FROM job_days"), days);
    assert_eq!(store.sql("SELECT COUNT(*) FROM runs WHERE day IS NULL"), "0");
    assert_eq!(catalog.jobs(&PageRequest { after: None, limit: 9 }).await.unwrap().items.len(), 3);
}

async fn a_day_is_that_of_the_jobs_time_zone(store: Store) {
    let catalog = store.open().await;
    let place = catalog.create_destination(&destination("d"), at(0)).await.unwrap().id;
    let mut days = Vec::new();
    // 22:00 UTC: tomorrow in Tokyo.
    let now = at(10 * 3600);
    for zone in ZONES {
        let id = a_job(&catalog, zone, zone, &[&place]).await;
        let run = finished(&catalog, &id, &end(RunStatus::Succeeded, 7), now).await;
        assert_eq!(catalog.run(&run).await.unwrap().unwrap().started_by.as_deref(), Some("anna"));
        let found = catalog.job_days(&[&id], 0).await.unwrap().remove(0);
        assert_eq!((found.run_id, found.sums.stored_bytes, found.sums.duration), (run, 7, 10_000));
        days.push(found.day);
    }
    let today = catalog::day_of(now, "UTC");
    assert_eq!(days, [today, today + 1, today]);
    let totals = catalog.total_days(0).await.unwrap();
    assert_eq!(totals.iter().map(|day| (day.day, day.sums.runs())).collect::<Vec<_>>(), [(today, 2), (today + 1, 1)]);
}

fn backup(result: &serde_json::Value) -> RunResult {
    RunResult::Backup(serde_json::from_value(result.clone()).unwrap())
}

/// A backup of these databases, each with whether it is at the destinations.
fn result(databases: &[(&str, &[(&str, bool)])]) -> RunResult {
    let copy = |(id, stored): &(&str, bool)| match stored {
        true => json!({"destinationId": id, "destination": id, "path": "j/x", "size": {"plain": 2, "stored": 1},
            "checksum": {"sha256Plain": "a", "sha256Stored": "b", "dropboxContentHash": "c"}}),
        false => json!({"destinationId": id, "destination": id, "error": "no room"}),
    };
    let database = |(name, copies): &(&str, &[(&str, bool)])| json!({"database": name, "copies": copies.iter().map(copy).collect::<Vec<_>>()});
    let databases: Vec<_> = databases.iter().map(database).collect();
    backup(&json!({"databases": databases, "warnings": []}))
}

async fn how_a_job_stands_follows_its_runs_and_its_settings(store: Store) {
    let catalog = store.open().await;
    let place = catalog.create_destination(&destination("d"), at(0)).await.unwrap().id;
    let id = a_job(&catalog, "j", "UTC", &[&place]).await;
    let standing = async || catalog.job_entry(&id).await.unwrap().unwrap().standing;
    let before = standing().await;
    assert_eq!((before.status, before.troubled, before.databases), (JobStatus::New, true, None));
    catalog.queue_run(&by_hand(&id), at(1)).await.unwrap();
    let queued = standing().await;
    assert_eq!((queued.status, queued.troubled), (JobStatus::Running, false));
    let claim = catalog.claim_run("w", at(1), LEASE).await.unwrap().unwrap();
    let whole = result(&[("a", &[("d", true)]), ("b", &[("d", true)])]);
    let good = RunEnd { result: Some(whole), ..end(RunStatus::Succeeded, 5) };
    catalog.finish_run(&claim.run.id, claim.fence, &good, at(2)).await.unwrap();
    let stands = standing().await;
    assert_eq!((stands.status, stands.good_at), (JobStatus::Good, Some(at(2).into())));
    assert_eq!((stands.databases, stands.backed_up, stands.warnings), (Some(2), 2, 0));

    let half =
        RunEnd { result: Some(result(&[("a", &[("d", true)]), ("b", &[("d", false)])])), ..end(RunStatus::Partial, 5) };
    finished(&catalog, &id, &half, at(10)).await;
    let failed = standing().await;
    assert_eq!((failed.status, failed.state, failed.backed_up), (JobStatus::Failed, Some(RunStatus::Partial), 1));
    assert_eq!(failed.failure, Some(JobFailure::Destinations { ids: vec!["d".to_owned()] }));
    finished(&catalog, &id, &end(RunStatus::Cancelled, 0), at(20)).await;
    assert_eq!(standing().await.status, JobStatus::Failed, "a cancelled run mends nothing");

    let set = async |change: fn(&mut catalog::NewJob)| {
        let before = catalog.job(&id).await.unwrap().unwrap();
        let mut new = job("j", &before.source_id, &[&place]);
        change(&mut new);
        catalog.update_job(&id, before.revision, &new, at(30)).await.unwrap().unwrap();
    };
    set(|job| job.enabled = false).await;
    let paused = standing().await;
    assert_eq!((paused.status, paused.troubled, paused.failure), (JobStatus::Paused, false, None));
    set(|_| ()).await;
    let warned = backup(&json!({"databases": [], "warnings": [{"code": "wal", "message": "it grows"}]}));
    finished(&catalog, &id, &RunEnd { result: Some(warned), ..end(RunStatus::SucceededWithWarnings, 5) }, at(40)).await;
    let stands = standing().await;
    assert_eq!((stands.status, stands.warnings), (JobStatus::Warnings, 1));
    catalog.acknowledge_warning(&id, "wal").await.unwrap().unwrap();
    assert_eq!(standing().await.status, JobStatus::Good);
    store.sql("UPDATE jobs SET time_zone = 'Mars/Olympus'");
    catalog.review_schedules(std::slice::from_ref(&id)).await.unwrap();
    let unreadable = standing().await;
    assert_eq!((unreadable.status, unreadable.failure), (JobStatus::Failed, Some(JobFailure::Schedule)));
    store.sql("UPDATE jobs SET time_zone = 'UTC'");
    catalog.review_schedules(&[]).await.unwrap();
    assert_eq!(standing().await.status, JobStatus::Good, "what can be read again is no failure any more");
}

async fn jobs_are_listed_by_urgency_and_narrowed(store: Store) {
    let catalog = store.open().await;
    let (d, e) = (
        catalog.create_destination(&destination("d"), at(0)).await.unwrap().id,
        catalog.create_destination(&destination("e"), at(0)).await.unwrap().id,
    );
    for (name, state, place) in [
        ("good 10%", Some(RunStatus::Succeeded), &d),
        ("Bad", Some(RunStatus::Failed), &d),
        ("new", None, &e),
        ("also bad", Some(RunStatus::Interrupted), &e),
    ] {
        let id = a_job(&catalog, name, "UTC", &[place]).await;
        if let Some(state) = state {
            finished(&catalog, &id, &end(state, 1), at(10)).await;
        }
    }
    let names = async |filter: JobFilter| {
        let order = filter.order;
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = catalog.job_list(&filter, &PageRequest { after: after.take(), limit: 2 }).await.unwrap();
            found.extend(page.items.iter().map(|entry| entry.job.name.clone()));
            if !page.more {
                return found;
            }
            after = page.items.last().map(|entry| entry.place(order));
        }
    };
    let all = JobFilter::default;
    assert_eq!(names(all()).await, ["also bad", "Bad", "good 10%", "new"]);
    let urgent = JobFilter { order: JobOrder::Urgency, ..all() };
    assert_eq!(names(urgent).await, ["also bad", "Bad", "new", "good 10%"]);
    let failed = JobFilter { statuses: vec![JobStatus::Failed, JobStatus::New], ..all() };
    assert_eq!(names(failed).await, ["also bad", "Bad", "new"]);
    assert_eq!(names(JobFilter { search: Some("BAD".to_owned()), ..all() }).await, ["also bad", "Bad"]);
    assert_eq!(names(JobFilter { search: Some("0%".to_owned()), ..all() }).await, ["good 10%"]);
    assert_eq!(names(JobFilter { search: Some("_".to_owned()), ..all() }).await, [""; 0]);
    assert_eq!(names(JobFilter { destination_id: Some(e.clone()), ..all() }).await, ["also bad", "new"]);
    assert_eq!(names(JobFilter { source_id: Some("none".to_owned()), ..all() }).await, [""; 0]);
    let kinds = catalog.job_kinds().await.unwrap();
    assert_eq!(kinds.iter().map(|kind| kind.jobs).sum::<i64>(), 4);
    let oldest = catalog.oldest_good().await.unwrap().unwrap();
    assert_eq!((oldest.name.as_str(), oldest.at), ("good 10%", Some(at(20).into())));
    assert!(catalog.next_job(at(0)).await.unwrap().is_some() && catalog.next_job(at(60)).await.unwrap().is_none());
    assert_eq!(
        catalog.overdue_jobs(at(61), 10).await.unwrap().len(),
        1,
        "of those that are in trouble, something else is told"
    );
    let new = catalog.jobs_of_status(JobStatus::New, &[d], 5).await.unwrap();
    assert_eq!(new.len(), 1);
    assert_eq!(catalog.jobs_of_status(JobStatus::New, &[e], 5).await.unwrap().len(), 0);
    let databases = async |page| catalog.databases(&DatabaseFilter::default(), &page).await;
    assert_eq!(all_pages(databases, catalog::StoredDatabase::place).await, [""; 0]);
}

async fn failures_are_grouped_by_their_place(store: Store) {
    let catalog = store.open().await;
    let d = catalog.create_destination(&destination("d"), at(0)).await.unwrap().id;
    let at_d = result(&[("a", &[("d", false)])]);
    let without_dump = |error: &str, code: &str| {
        let database = json!({"database": "a", "error": error, "code": code, "copies": []});
        backup(&json!({"databases": [database], "warnings": []}))
    };
    let (nowhere, source_fails) = (without_dump("too long", "timedOut"), without_dump("gone", "notFound"));
    let ends = [
        ("a", "no room", at_d.clone()),
        ("b", "no room", at_d),
        ("c", "too long", nowhere),
        ("f", "gone", source_fails),
    ];
    for (name, error, result) in ends {
        let id = a_job(&catalog, name, "UTC", &[&d]).await;
        let ended = RunEnd { error: Some(error.to_owned()), result: Some(result), ..end(RunStatus::Failed, 0) };
        finished(&catalog, &id, &ended, at(10)).await;
    }
    let mut found = catalog.failing_jobs(10).await.unwrap();
    let first = found.remove(0);
    assert_eq!((first.failure.clone(), first.jobs), (JobFailure::Destinations { ids: vec!["d".to_owned()] }, 2));
    assert_eq!(first.reason.as_deref(), Some("no room"));
    let named = catalog.jobs_failing_so(&first.failure, 5).await.unwrap();
    assert_eq!(named.iter().map(|job| job.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let source = catalog.sources(&PageRequest { after: None, limit: 1 }).await.unwrap().items.remove(0).id;
    let others: Vec<_> = found.into_iter().map(|group| group.failure).collect();
    assert_eq!(others, [JobFailure::Elsewhere { code: None }, JobFailure::Source { id: source }]);
}
