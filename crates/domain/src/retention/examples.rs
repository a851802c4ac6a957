//! What the rules keep, by example.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Backup, Census, Evidence, Hold, Listing, OtherCopies, Period, Plan, Quality, Reason, Rules, plan};

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// A good backup; its id is its time.
fn backup(time: &str) -> Backup {
    Backup {
        id: time.to_owned(),
        database: "shop".to_owned(),
        source: "server://db".to_owned(),
        time: at(time),
        arrival: at(time).as_millisecond(),
        quality: Quality::Succeeded,
        verified: true,
        locked: false,
        other_copies: OtherCopies::None,
        marked: false,
    }
}

fn daily(count: i64) -> Vec<Backup> {
    let first = at("2026-01-01T02:00:00Z");
    (0..count).map(|day| backup(&(first + SignedDuration::from_hours(24 * day)).to_string())).collect()
}

fn complete(backups: &[Backup]) -> Evidence {
    let found = backups.len() as u64;
    let census = Census { found, expected: found };
    Evidence {
        listing: Listing::Complete { job: census, destination: census },
        clock_ahead: Some(SignedDuration::ZERO),
        shared_with: None,
        place_unknown: None,
    }
}

fn planned(rules: &Rules, zone: &str, now: &str, backups: &[Backup]) -> Plan {
    plan(rules, &TimeZone::get(zone).unwrap(), at(now), &complete(backups), backups)
}

fn kept(rules: &Rules, zone: &str, now: &str, backups: &[Backup]) -> Vec<String> {
    let plan = planned(rules, zone, now, backups);
    plan.decisions.into_iter().filter(|decision| decision.keep).map(|decision| decision.id).collect()
}

#[test]
fn rules_are_joined_and_each_says_why() {
    let backups = daily(40);
    let rules = Rules { keep_last: 3, keep_weekly: 2, keep_monthly: 2, ..Rules::default() };
    let plan = planned(&rules, "UTC", "2026-02-09T12:00:00Z", &backups);
    let kept: Vec<_> = plan.decisions.iter().filter(|decision| decision.keep).collect();
    let times: Vec<&str> = kept.iter().map(|decision| &decision.id[..10]).collect();
    assert_eq!(times, ["2026-01-31", "2026-02-07", "2026-02-08", "2026-02-09"]);
    let newest = |of, period: &str| Reason::Newest { of, period: period.to_owned() };
    assert_eq!(
        kept[3].reasons,
        [
            Reason::Last { position: 1 },
            newest(Period::Week, "2026-W07"),
            newest(Period::Month, "2026-02"),
            Reason::Floor
        ]
    );
    assert_eq!(kept[2].reasons, [Reason::Last { position: 2 }, newest(Period::Week, "2026-W06"), Reason::Floor]);
    assert_eq!(kept[0].reasons, [newest(Period::Month, "2026-01")]);
}

#[test]
fn when_backups_stop_the_newest_two_stay_however_old() {
    let rules = Rules { keep_within_days: 7, ..Rules::default() };
    let kept = kept(&rules, "UTC", "2031-01-01T00:00:00Z", &daily(20));
    assert_eq!(kept, ["2026-01-19T02:00:00Z", "2026-01-20T02:00:00Z"]);
}

#[test]
fn periods_without_backups_use_up_no_count() {
    let backups = [
        backup("2025-03-01T02:00:00Z"),
        backup("2025-09-01T02:00:00Z"),
        backup("2026-01-01T02:00:00Z"),
        backup("2026-01-02T02:00:00Z"),
    ];
    let rules = Rules { keep_monthly: 3, ..Rules::default() };
    let kept = kept(&rules, "UTC", "2026-02-01T00:00:00Z", &backups);
    assert_eq!(kept.len(), 4, "the newest two stay, and one of each of three months: {kept:?}");
}

#[test]
fn databases_are_counted_on_their_own() {
    let mut backups = daily(10);
    let mut others = daily(3);
    for other in &mut others {
        other.database = "audit".to_owned();
        other.id = format!("audit {}", other.id);
    }
    backups.extend(others);
    let rules = Rules { keep_last: 3, ..Rules::default() };
    let kept = kept(&rules, "UTC", "2026-02-01T00:00:00Z", &backups);
    assert_eq!(kept.len(), 6);
    assert_eq!(kept.iter().filter(|id| id.starts_with("audit")).count(), 3);
}

#[test]
fn the_newest_of_another_source_stay_when_a_job_is_pointed_elsewhere() {
    let mut backups = daily(10);
    for backup in &mut backups[..5] {
        backup.source = "server://production".to_owned();
    }
    let rules = Rules { keep_last: 2, ..Rules::default() };
    let kept = kept(&rules, "UTC", "2026-02-01T00:00:00Z", &backups);
    let days: Vec<&str> = kept.iter().map(|id| &id[8..10]).collect();
    assert_eq!(days, ["04", "05", "09", "10"]);
}

#[test]
fn backups_with_warnings_push_out_no_clean_ones() {
    let mut backups = daily(10);
    for backup in &mut backups[5..] {
        backup.quality = Quality::SucceededWithWarnings;
    }
    let rules = Rules { keep_last: 2, ..Rules::default() };
    let kept = kept(&rules, "UTC", "2026-02-01T00:00:00Z", &backups);
    let days: Vec<&str> = kept.iter().map(|id| &id[8..10]).collect();
    assert_eq!(days, ["04", "05", "09", "10"]);
}

#[test]
fn what_is_not_known_to_be_good_counts_for_nothing_and_stays() {
    let mut backups = daily(6);
    for (backup, quality) in backups[3..].iter_mut().zip([Quality::Partial, Quality::Altered, Quality::Unknown]) {
        backup.quality = quality;
    }
    let rules = Rules { keep_last: 1, ..Rules::default() };
    let plan = planned(&rules, "UTC", "2026-02-01T00:00:00Z", &backups);
    assert_eq!(plan.deletions().collect::<Vec<_>>(), ["2026-01-01T02:00:00Z"]);
    assert_eq!(plan.decisions[4].reasons, [Reason::NotCounted { quality: Quality::Altered }]);
}

#[test]
fn the_hour_that_comes_twice_is_two_hours_and_the_days_borders_are_the_jobs() {
    let backups = [
        backup("2026-10-25T00:10:00Z"),
        backup("2026-10-25T00:40:00Z"),
        backup("2026-10-25T01:10:00Z"),
        backup("2026-10-25T01:40:00Z"),
        backup("2026-10-25T03:00:00Z"),
        backup("2026-10-25T04:00:00Z"),
    ];
    let rules = Rules { keep_hourly: 24, ..Rules::default() };
    let times = kept(&rules, "Europe/Berlin", "2026-10-26T00:00:00Z", &backups);
    assert_eq!(times, ["2026-10-25T00:40:00Z", "2026-10-25T01:40:00Z", "2026-10-25T03:00:00Z", "2026-10-25T04:00:00Z"]);

    // One day in Berlin, two in UTC.
    let backups = [
        backup("2026-06-01T22:30:00Z"),
        backup("2026-06-02T01:00:00Z"),
        backup("2026-06-02T02:00:00Z"),
        backup("2026-06-02T21:00:00Z"),
    ];
    let rules = Rules { keep_daily: 9, ..Rules::default() };
    assert_eq!(kept(&rules, "Europe/Berlin", "2026-06-03T00:00:00Z", &backups).len(), 2);
    assert_eq!(kept(&rules, "UTC", "2026-06-03T00:00:00Z", &backups)[0], "2026-06-01T22:30:00Z");
}

#[test]
fn a_clock_that_was_ahead_pushes_out_nothing() {
    let mut backups = daily(10);
    backups.extend(["2031-01-01T00:00:00Z", "2031-01-02T00:00:00Z", "2031-01-03T00:00:00Z"].map(backup));
    let rules = Rules { keep_last: 3, ..Rules::default() };
    let plan = planned(&rules, "UTC", "2026-01-11T00:00:00Z", &backups);
    assert_eq!(plan.deletions().count(), 7);
    assert_eq!(plan.decisions[9].reasons[0], Reason::Last { position: 1 });
    assert!(plan.decisions[10].reasons.contains(&Reason::Future));
}

#[test]
fn more_than_thirty_percent_at_once_is_on_hold() {
    let rules = Rules { keep_last: 7, ..Rules::default() };
    let plan = planned(&rules, "UTC", "2026-01-11T00:00:00Z", &daily(10));
    assert_eq!((plan.deletions().count(), plan.hold), (3, None));
    let mut backups = daily(11);
    let plan = planned(&rules, "UTC", "2026-01-12T00:00:00Z", &backups);
    assert_eq!(plan.hold, Some(Hold { deletions: 4, of: 11, allowed: 3 }));
    // What was confirmed and marked before does not count again.
    backups[0].marked = true;
    let plan = planned(&rules, "UTC", "2026-01-12T00:00:00Z", &backups);
    assert_eq!((plan.deletions().count(), plan.hold), (4, None));
    // What retention cannot delete makes no room for what it can.
    let mut with_others = daily(11);
    with_others.extend(daily(30).into_iter().map(|other| Backup {
        id: format!("other {}", other.id),
        quality: Quality::Unknown,
        ..other
    }));
    let plan = planned(&rules, "UTC", "2026-02-12T00:00:00Z", &with_others);
    assert_eq!(plan.hold, Some(Hold { deletions: 4, of: 11, allowed: 3 }));
    // One backup may always take another's place.
    let rules = Rules { keep_last: 2, ..Rules::default() };
    assert_eq!(planned(&rules, "UTC", "2026-01-11T00:00:00Z", &daily(3)).hold, None);
}

#[test]
fn reasons_are_told_in_words_that_say_what_to_do() {
    for (reason, words) in [
        (Reason::Last { position: 3 }, "Number 3 of the newest backups"),
        (Reason::Newest { of: Period::Week, period: "2026-W07".to_owned() }, "The newest of the week 2026-W07"),
        (
            Reason::ClockDisagrees { seconds: -7200 },
            "The storage's clock is 120 minutes behind the server's, so nothing is deleted",
        ),
        (
            Reason::NotCounted { quality: Quality::Altered },
            "Its last verification failed, so retention leaves it alone",
        ),
    ] {
        assert_eq!(reason.to_string(), words);
    }
}
