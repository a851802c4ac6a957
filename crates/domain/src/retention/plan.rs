//! The plan: what the rules and the floors make of the backups of a job at a destination.

use std::collections::{HashMap, HashSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::calendar::days_before;
use super::floors::floor;
use super::{Reason, Rules};

/// By how much a clock may be wrong.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(1);
/// Percentage of a job's backups at a destination that may be deleted at once without confirmation.
const MAX_PERCENT: usize = 30;

/// What is known of a backup at a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Names it in the plan.
    pub id: String,
    /// The database. The rules count per database.
    pub database: String,
    /// Where it was dumped from. The same name at another source is another database to the floors.
    pub source: String,
    /// The time that was recorded at the dump.
    pub time: Timestamp,
    /// Grows with each backup that arrives at the destination, whatever the clocks say.
    pub arrival: i64,
    /// How it came out.
    pub quality: Quality,
    /// Whether it was verified, and found complete.
    pub verified: bool,
    /// Whether somebody has locked it.
    pub locked: bool,
    /// Its copies at other destinations.
    pub other_copies: OtherCopies,
    /// Whether it is marked for deletion already.
    pub marked: bool,
}

/// How a backup came out, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Quality {
    /// Complete, without warnings.
    Succeeded,
    /// Complete, but something was left out or could not be checked.
    SucceededWithWarnings,
    /// A part of it is missing.
    Partial,
    /// Its last verification has found another file than the one that was backed up.
    Altered,
    /// Nothing is known of it but its name, it was not made by this job, or its file was replaced and not verified since.
    Unknown,
}

impl Quality {
    /// Returns whether rules count it. What they do not count, they do not delete either.
    pub fn counts(self) -> bool {
        matches!(self, Self::Succeeded | Self::SucceededWithWarnings)
    }
}

/// The copies of a backup at other destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherCopies {
    /// There are none that retention does not delete itself.
    None,
    /// At least one was verified and found complete, and a complete scan has seen it lately.
    Confirmed,
    /// None of them is confirmed.
    Unconfirmed,
}

/// What a plan is made from: how far the list of backups can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The destination's last listing.
    pub listing: Listing,
    /// How far the storage's clock is ahead of the server's. `None` if that is not known.
    pub clock_ahead: Option<SignedDuration>,
    /// The name of another destination that can have the same files.
    pub shared_with: Option<String>,
    /// The name of a destination that could, because it is not known where its files are.
    pub place_unknown: Option<String>,
}

/// How the destination was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// It was not listed since it was changed, or not completely.
    Failed,
    /// Completely.
    Complete {
        /// Of the job's backups.
        job: Census,
        /// Of all backups at the destination.
        destination: Census,
    },
}

/// Backups that were listed, and that should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Backups that were listed.
    pub found: u64,
    /// Backups that were listed or are missing.
    pub expected: u64,
}

/// What becomes of each backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// One for each backup, in the order in which they were given.
    pub decisions: Vec<Decision>,
    /// Why nothing more may be deleted until somebody confirms it.
    pub hold: Option<Hold>,
    /// Why nothing may be deleted at all for now: what is known of the backups cannot be trusted. What is marked stays marked.
    pub suspended: Vec<Reason>,
}

/// What becomes of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The backup.
    pub id: String,
    /// Whether it stays.
    pub keep: bool,
    /// All reasons why it stays, or the one why it goes.
    pub reasons: Vec<Reason>,
}

/// A plan that deletes too much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Backups that would be marked for deletion.
    pub deletions: usize,
    /// Backups that rules count and that are not marked yet.
    pub of: usize,
    /// Backups that may be marked at once without confirmation.
    pub allowed: usize,
}

impl Plan {
    /// Returns the ids of the backups that go. If the plan is on hold, call it only with a confirmation.
    pub fn deletions(&self) -> impl Iterator<Item = &str> {
        self.decisions.iter().filter(|decision| !decision.keep).map(|decision| decision.id.as_str())
    }
}

impl Backup {
    /// Orders backups by the time that was recorded; the same time by their arrival.
    pub(super) fn order(&self) -> (Timestamp, i64, &str) {
        (self.time, self.arrival, &self.id)
    }
}

impl Evidence {
    /// Returns why nothing may be deleted at all.
    fn objections(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        match self.listing {
            Listing::Failed => reasons.push(Reason::ListingFailed),
            Listing::Complete { job, destination } => {
                let shrank = [job, destination].into_iter().find(|census| census.found < census.expected.div_ceil(2));
                reasons.extend(shrank.map(|Census { found, expected }| Reason::ListingShrank { found, expected }));
            }
        }
        let wrong = self.clock_ahead.filter(|ahead| ahead.abs() > CLOCK_TOLERANCE);
        reasons.extend(wrong.map(|ahead| Reason::ClockDisagrees { seconds: ahead.as_secs() }));
        let shared = self.shared_with.iter().cloned();
        reasons.extend(shared.map(|destination| Reason::SharedPlace { destination }));
        let unknown = self.place_unknown.iter().cloned();
        reasons.extend(unknown.map(|destination| Reason::PlaceUnknown { destination }));
        reasons
    }
}

/// Plans what becomes of the backups of a job at a destination. Nothing is changed by it.
pub fn plan(rules: &Rules, zone: &TimeZone, now: Timestamp, evidence: &Evidence, backups: &[Backup]) -> Plan {
    let latest = now.checked_add(CLOCK_TOLERANCE).unwrap_or(Timestamp::MAX);
    let is_future = |backup: &Backup| backup.time > latest;
    let objections = evidence.objections();
    let floor = floor(backups, is_future);
    let mut reasons = kept_by_rules(rules, zone, now, backups, is_future);
    for (at, backup) in backups.iter().enumerate() {
        let reasons = &mut reasons[at];
        if floor.contains(&at) {
            reasons.push(Reason::Floor);
        }
        if backup.locked {
            reasons.push(Reason::Locked);
        }
        if backup.other_copies == OtherCopies::Unconfirmed {
            reasons.push(Reason::OtherCopyUnconfirmed);
        }
        if !backup.quality.counts() {
            reasons.push(Reason::NotCounted { quality: backup.quality });
        }
        if is_future(backup) {
            reasons.push(Reason::Future);
        }
        reasons.extend(objections.iter().cloned());
    }
    let decisions = backups.iter().zip(reasons).map(|(backup, reasons)| Decision {
        id: backup.id.clone(),
        keep: !reasons.is_empty(),
        reasons: if reasons.is_empty() { vec![Reason::NoRule] } else { reasons },
    });
    let decisions: Vec<Decision> = decisions.collect();
    let hold = hold(backups, &decisions);
    Plan { decisions, hold, suspended: objections }
}

/// Returns for each backup the reasons that the rules have to keep it.
fn kept_by_rules(
    rules: &Rules,
    zone: &TimeZone,
    now: Timestamp,
    backups: &[Backup],
    is_future: impl Fn(&Backup) -> bool,
) -> Vec<Vec<Reason>> {
    let mut reasons = vec![Vec::new(); backups.len()];
    let mut databases: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, backup) in backups.iter().enumerate().filter(|(_, backup)| backup.quality.counts() && !is_future(backup)) {
        databases.entry(&backup.database).or_default().push(at);
    }
    let since = days_before(now, rules.keep_within_days, zone);
    for mut counted in databases.into_values() {
        counted.sort_by(|a, b| backups[*b].order().cmp(&backups[*a].order()));
        for (position, at) in (1..=rules.keep_last).zip(&counted) {
            reasons[*at].push(Reason::Last { position });
        }
        if rules.keep_within_days > 0 {
            for at in counted.iter().filter(|at| backups[**at].time >= since) {
                reasons[*at].push(Reason::Within { days: rules.keep_within_days });
            }
        }
        for (period, count) in rules.periods() {
            let mut seen: Option<String> = None;
            let mut left = count;
            for at in counted.iter().copied() {
                if left == 0 {
                    break;
                }
                let name = period.name_of(backups[at].time, zone);
                if seen.as_ref() != Some(&name) {
                    left -= 1;
                    seen = Some(name.clone());
                    reasons[at].push(Reason::Newest { of: period, period: name });
                }
            }
        }
    }
    reasons
}

/// Returns whether a plan deletes too much at once. As many as one for each database are always allowed, so that the backups of a run may
/// take the place of others. What is marked already does not count: it was allowed before. Neither do backups that retention cannot delete.
fn hold(backups: &[Backup], decisions: &[Decision]) -> Option<Hold> {
    let counted = || backups.iter().filter(|backup| !backup.marked && backup.quality.counts());
    let of = counted().count();
    let deletions = backups.iter().zip(decisions).filter(|(backup, decision)| !backup.marked && !decision.keep).count();
    let databases: HashSet<&str> = counted().map(|backup| backup.database.as_str()).collect();
    let allowed = (of * MAX_PERCENT / 100).max(databases.len());
    (deletions > allowed).then_some(Hold { deletions, of, allowed })
}
