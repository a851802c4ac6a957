//! What holds for every plan, tried with histories drawn from fixed seeds.

use std::collections::{HashMap, HashSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Backup, Census, Evidence, Listing, OtherCopies, Plan, Quality, Reason, Rules, plan};

const SEEDS: u64 = 40;
const STEPS: usize = 80;

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn one_in(&mut self, limit: u64) -> bool {
        self.below(limit) == 0
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    fn rules(&mut self) -> Rules {
        let mut count = |most| if self.one_in(2) { 0 } else { self.below(most) as u32 };
        Rules {
            keep_last: count(5),
            keep_within_days: count(20),
            keep_hourly: count(5),
            keep_daily: count(8),
            keep_weekly: count(5),
            keep_monthly: count(5),
            keep_yearly: count(3),
        }
    }

    fn zone(&mut self) -> TimeZone {
        TimeZone::get(self.of(&["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])).unwrap()
    }
}

fn whole(backups: &[Backup]) -> Evidence {
    let found = backups.len() as u64;
    let census = Census { found, expected: found };
    Evidence {
        listing: Listing::Complete { job: census, destination: census },
        clock_ahead: None,
        shared_with: None,
        place_unknown: None,
    }
}

/// A destination with the backups of one job, and the server's clock.
struct World {
    random: Random,
    now: Timestamp,
    rules: Rules,
    zone: TimeZone,
    job: String,
    source: &'static str,
    arrivals: i64,
    backups: Vec<Backup>,
    /// The two newest good backups of each database and source, in the order in which they were really made, the newest last.
    newest: HashMap<(String, String), Vec<String>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let (rules, zone) = (random.rules(), random.zone());
        Self {
            random,
            now: "2026-01-15T12:00:00Z".parse().unwrap(),
            rules,
            zone,
            job: "shop".to_owned(),
            source: "a",
            arrivals: 0,
            backups: Vec::new(),
            newest: HashMap::new(),
        }
    }

    fn step(&mut self) {
        match self.random.below(16) {
            0..=6 => self.back_up(),
            // A failed run leaves nothing.
            7 => {}
            8 => self.job = format!("shop-{}", self.random.below(5)),
            9 => self.rules = self.random.rules(),
            10 => self.source = self.random.of(&["a", "b"]),
            11 => self.zone = self.random.zone(),
            12 => self.jump(),
            13 => self.alter(),
            14 => self.lock(),
            _ => {}
        }
        let hours = self.random.below(40) as i64;
        self.pass(SignedDuration::from_hours(hours));
    }

    fn pass(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).unwrap_or(self.now);
    }

    fn jump(&mut self) {
        let days = self.random.below(4000) as i64 - 2000;
        self.pass(SignedDuration::from_hours(24 * days));
    }

    fn back_up(&mut self) {
        for database in ["shop", "audit"] {
            self.arrivals += 1;
            let good = [Quality::Succeeded, Quality::Succeeded, Quality::SucceededWithWarnings];
            let quality = match self.random.below(8) {
                0 => Quality::Unknown,
                1 => Quality::Partial,
                _ => self.random.of(&good),
            };
            let backup = Backup {
                id: format!("{}/{}", self.job, self.arrivals),
                database: database.to_owned(),
                source: self.source.to_owned(),
                time: self.now,
                arrival: self.arrivals,
                quality,
                verified: !self.random.one_in(3),
                locked: false,
                other_copies: self.random.of(&[OtherCopies::None, OtherCopies::Confirmed, OtherCopies::Unconfirmed]),
                marked: false,
            };
            if quality.counts() {
                let newest = self.newest.entry((backup.database.clone(), backup.source.clone())).or_default();
                newest.push(backup.id.clone());
                if newest.len() > 2 {
                    newest.remove(0);
                }
            }
            self.backups.push(backup);
        }
    }

    /// A verification finds another file.
    fn alter(&mut self) {
        if self.backups.is_empty() {
            return;
        }
        let at = self.random.below(self.backups.len() as u64) as usize;
        self.backups[at].quality = Quality::Altered;
        let id = self.backups[at].id.clone();
        self.newest.values_mut().for_each(|newest| newest.retain(|other| *other != id));
    }

    fn lock(&mut self) {
        for _ in 0..2 {
            if !self.backups.is_empty() {
                let at = self.random.below(self.backups.len() as u64) as usize;
                self.backups[at].locked = !self.backups[at].locked;
            }
        }
    }

    fn plan_with(&self, rules: &Rules) -> Plan {
        plan(rules, &self.zone, self.now, &whole(&self.backups), &self.backups)
    }

    /// Deletes at once what the plan says, as if everything were confirmed.
    fn apply(&mut self, plan: &Plan) {
        let gone: HashSet<&str> = plan.deletions().collect();
        self.backups.retain(|backup| !gone.contains(backup.id.as_str()));
    }
}

/// Walks through histories; `check` sees each plan before it is applied.
fn walk(mut check: impl FnMut(&mut World, &Plan)) {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
            let plan = world.plan_with(&world.rules);
            check(&mut world, &plan);
            world.apply(&plan);
        }
    }
}

#[test]
fn the_newest_good_backups_survive_everything() {
    let mut deleted = 0;
    walk(|world, plan| {
        let gone: HashSet<&str> = plan.deletions().collect();
        deleted += gone.len();
        for (database, newest) in &world.newest {
            for id in newest {
                assert!(!gone.contains(id.as_str()), "{id} of {database:?} is deleted by {:?}", world.rules);
            }
        }
    });
    assert!(deleted > 300, "the histories are worth nothing if nothing is deleted: {deleted}");
}

#[test]
fn what_is_locked_uncertain_or_the_only_copy_survives_everything() {
    walk(|world, plan| {
        let gone: HashSet<&str> = plan.deletions().collect();
        for backup in world.backups.iter().filter(|backup| gone.contains(backup.id.as_str())) {
            assert!(!backup.locked && backup.quality.counts() && backup.other_copies != OtherCopies::Unconfirmed);
        }
    });
}

#[test]
fn a_plan_that_was_applied_has_nothing_more_to_delete() {
    walk(|world, plan| {
        let before = world.backups.clone();
        world.apply(plan);
        assert_eq!(world.plan_with(&world.rules).deletions().count(), 0, "{:?} of {before:?}", world.rules);
    });
}

#[test]
fn a_looser_policy_keeps_a_superset() {
    walk(|world, plan| {
        let mut looser = world.rules;
        for count in [
            &mut looser.keep_last,
            &mut looser.keep_within_days,
            &mut looser.keep_hourly,
            &mut looser.keep_daily,
            &mut looser.keep_weekly,
            &mut looser.keep_monthly,
            &mut looser.keep_yearly,
        ] {
            *count += world.random.below(3) as u32;
        }
        let gone: HashSet<&str> = plan.deletions().collect();
        for id in world.plan_with(&looser).deletions() {
            assert!(gone.contains(id), "{id} is deleted by {looser:?}, not by {:?}", world.rules);
        }
    });
}

#[test]
fn a_plan_without_trustworthy_evidence_deletes_nothing() {
    walk(|world, _| {
        let census = |found, expected| Census { found, expected };
        let complete = |job, destination| Listing::Complete { job, destination };
        let hours = |hours: i64| Some(SignedDuration::from_mins(60 * hours + hours.signum()));
        for evidence in [
            Evidence { listing: Listing::Failed, clock_ahead: None, shared_with: None, place_unknown: None },
            Evidence {
                listing: complete(census(49, 99), census(100, 100)),
                clock_ahead: None,
                shared_with: None,
                place_unknown: None,
            },
            Evidence {
                listing: complete(census(9, 9), census(49, 99)),
                clock_ahead: None,
                shared_with: None,
                place_unknown: None,
            },
            Evidence { shared_with: Some("Offsite".to_owned()), ..whole(&world.backups) },
            Evidence { place_unknown: Some("Offsite".to_owned()), ..whole(&world.backups) },
            Evidence { clock_ahead: hours(1), ..whole(&world.backups) },
            Evidence { clock_ahead: hours(-1), ..whole(&world.backups) },
        ] {
            let plan = plan(&world.rules, &world.zone, world.now, &evidence, &world.backups);
            assert_eq!(plan.deletions().count(), 0, "{evidence:?}");
        }
    });
}

#[test]
fn every_decision_has_its_reasons_and_every_backup_a_decision() {
    walk(|world, plan| {
        assert_eq!(plan.decisions.len(), world.backups.len());
        for (decision, backup) in plan.decisions.iter().zip(&world.backups) {
            assert_eq!(decision.id, backup.id);
            assert_eq!(decision.keep, decision.reasons != [Reason::NoRule]);
            assert!(!decision.reasons.is_empty());
        }
    });
}
