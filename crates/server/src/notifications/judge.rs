//! What a rule tells of what is wrong now, given what it has told before. Pure: times come in as parameters.

use std::collections::{BTreeMap, BTreeSet};

use catalog::OpenCause;
use domain::notification::Rule;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::troubles::{Concerns, Trouble};

/// A problem that concerns more jobs than it did, or matters more, is told again after this time.
const UPDATE_INTERVAL: SignedDuration = SignedDuration::from_mins(15);

/// What is said about a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It is new.
    Opened,
    /// It has become worse.
    Changed,
    /// It lasts.
    Reminded,
    /// It is gone.
    Resolved,
    /// It is gone, and nobody was told of it.
    Passed,
}

impl How {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Reminded => "reminded",
            Self::Resolved => "resolved",
            Self::Passed => "passed",
        }
    }
}

/// Something that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tell {
    pub(super) how: How,
    pub(super) trouble: Trouble,
    pub(super) opened_at: Timestamp,
    /// How often it was told, this time included.
    pub(super) number: i64,
}

impl Tell {
    /// Returns whether the problem is gone. A run that was lost stays lost.
    pub(super) fn is_over(&self) -> bool {
        match self.how {
            How::Opened | How::Changed | How::Reminded => false,
            How::Resolved => true,
            How::Passed => self.trouble.concerns != Concerns::Everybody,
        }
    }
}

/// What follows for a rule.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    pub(super) open: Vec<OpenCause>,
    pub(super) closed: Vec<String>,
    pub(super) tells: Vec<Tell>,
    /// Whether some of it was held back before.
    pub(super) was_held: bool,
}

/// What a rule goes by.
pub(super) struct Judge<'a> {
    pub(super) rule: &'a Rule,
    pub(super) now: Timestamp,
    /// Whether nothing is told at once.
    pub(super) is_quiet: bool,
}

impl Judge<'_> {
    /// Judges problems that the rule tells: those that stand, and those of runs that have just ended.
    pub(super) fn judge(&self, open: Vec<OpenCause>, standing: &[Trouble], passing: &[Trouble]) -> Judgement {
        let mut judgement = Judgement::default();
        let mut open: BTreeMap<String, OpenCause> =
            open.into_iter().map(|cause| (cause.cause_key.clone(), cause)).collect();
        for trouble in standing {
            match open.remove(&trouble.key) {
                None => self.begin(trouble, &mut judgement),
                Some(cause) => self.go_on(cause, trouble, &mut judgement),
            }
        }
        let stands = |trouble: &Trouble| standing.iter().any(|standing| standing.key == trouble.key);
        for trouble in passing.iter().filter(|trouble| !stands(trouble) && !open.contains_key(&trouble.key)) {
            self.pass_by(trouble, &mut judgement);
        }
        for cause in open.into_values() {
            self.end(cause, &mut judgement);
        }
        judgement
    }

    fn begin(&self, trouble: &Trouble, judgement: &mut Judgement) {
        let opened_at = trouble.since.unwrap_or(self.now);
        let cause = OpenCause {
            cause_key: trouble.key.clone(),
            trouble: serde_json::to_value(trouble).unwrap_or_default(),
            opened_at: opened_at.into(),
            told: 0,
            told_at: None,
            resolved_at: None,
        };
        if self.is_quiet { judgement.open.push(cause) } else { self.tell(How::Opened, cause, trouble, judgement) }
    }

    fn go_on(&self, mut cause: OpenCause, trouble: &Trouble, judgement: &mut Judgement) {
        let was_resolved = cause.resolved_at.take().is_some();
        let before = Trouble::deserialize(&cause.trouble).ok();
        if cause.told == 0 {
            if !self.is_quiet {
                judgement.was_held = true;
                self.tell(How::Opened, cause, trouble, judgement);
            } else if was_resolved || before.as_ref() != Some(trouble) {
                cause.trouble = serde_json::to_value(trouble).unwrap_or_default();
                judgement.open.push(cause);
            }
            return;
        }
        let since_told = cause.told_at.map_or(SignedDuration::MAX, |told| self.now.duration_since(told.0));
        let is_worse = before.as_ref().is_none_or(|before| is_worse(before, trouble));
        let reminder = self.rule.reminder_hours.map(SignedDuration::from_hours);
        let how = if is_worse && since_told >= UPDATE_INTERVAL {
            Some(How::Changed)
        } else {
            reminder.filter(|reminder| since_told >= *reminder).map(|_| How::Reminded)
        };
        match how.filter(|_| !self.is_quiet) {
            Some(how) => self.tell(how, cause, trouble, judgement),
            None if was_resolved => judgement.open.push(cause),
            None => {}
        }
    }

    /// A problem that came and went between two looks.
    fn pass_by(&self, trouble: &Trouble, judgement: &mut Judgement) {
        let opened_at = trouble.since.unwrap_or(self.now);
        if self.is_quiet {
            judgement.open.push(OpenCause {
                cause_key: trouble.key.clone(),
                trouble: serde_json::to_value(trouble).unwrap_or_default(),
                opened_at: opened_at.into(),
                told: 0,
                told_at: None,
                resolved_at: Some(self.now.into()),
            });
        } else {
            judgement.tells.push(Tell { how: How::Passed, trouble: trouble.clone(), opened_at, number: 1 });
        }
    }

    fn end(&self, mut cause: OpenCause, judgement: &mut Judgement) {
        let trouble = Trouble::deserialize(&cause.trouble).ok().filter(|trouble| self.rule.tells(trouble.event));
        let Some(trouble) = trouble else {
            // The rule no longer tells it, or another version has written it.
            judgement.closed.push(cause.cause_key);
            return;
        };
        if self.is_quiet {
            if cause.resolved_at.is_none() {
                cause.resolved_at = Some(self.now.into());
                judgement.open.push(cause);
            }
            return;
        }
        judgement.was_held |= cause.told == 0 || cause.resolved_at.is_some();
        let how = if cause.told == 0 { How::Passed } else { How::Resolved };
        judgement.tells.push(Tell { how, trouble, opened_at: cause.opened_at.0, number: cause.told + 1 });
        judgement.closed.push(cause.cause_key);
    }

    fn tell(&self, how: How, mut cause: OpenCause, trouble: &Trouble, judgement: &mut Judgement) {
        cause.told += 1;
        cause.told_at = Some(self.now.into());
        cause.trouble = serde_json::to_value(trouble).unwrap_or_default();
        let (opened_at, number) = (cause.opened_at.0, cause.told);
        judgement.tells.push(Tell { how, trouble: trouble.clone(), opened_at, number });
        judgement.open.push(cause);
    }
}

/// Whether a problem concerns jobs that it did not before, or matters more.
fn is_worse(before: &Trouble, now: &Trouble) -> bool {
    let known: BTreeSet<&str> = before.jobs.iter().map(|job| job.id.as_str()).collect();
    now.jobs.iter().any(|job| !known.contains(job.id.as_str()))
        || now.event != before.event && now.event.severity().reaches(before.event.severity())
}

#[cfg(test)]
mod tests {
    use domain::notification::Event;

    use super::super::troubles::Concerned;
    use super::*;

    const NOTHING: [How; 0] = [];

    fn at(minutes: i64) -> Timestamp {
        "2026-01-15T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
    }

    fn trouble(jobs: &[&str]) -> Trouble {
        let job = |name: &&str| Concerned { id: (*name).to_owned(), name: (*name).to_owned(), run_id: None };
        Trouble {
            key: "failed at disk".to_owned(),
            event: Event::Failed,
            subject: Some("Disk".to_owned()),
            reason: None,
            jobs: jobs.iter().map(job).collect(),
            concerns: Concerns::Jobs,
            since: None,
        }
    }

    /// A rule over time: what it keeps, and what it has told.
    struct Story {
        rule: Rule,
        open: Vec<OpenCause>,
    }

    impl Story {
        fn new() -> Self {
            Self { rule: Rule::of_everything(vec!["c".to_owned()]), open: Vec::new() }
        }

        fn look(&mut self, minutes: i64, is_quiet: bool, standing: &[Trouble], passing: &[Trouble]) -> Vec<How> {
            let judge = Judge { rule: &self.rule, now: at(minutes), is_quiet };
            let judgement = judge.judge(self.open.clone(), standing, passing);
            for cause in judgement.open {
                self.open.retain(|open| open.cause_key != cause.cause_key);
                self.open.push(cause);
            }
            self.open.retain(|open| !judgement.closed.contains(&open.cause_key));
            judgement.tells.into_iter().map(|tell| tell.how).collect()
        }
    }

    #[test]
    fn a_problem_is_told_once_again_when_it_grows_or_lasts_and_at_its_end() {
        let mut story = Story::new();
        story.rule.reminder_hours = Some(24);
        let (one, two) = ([trouble(&["shop"])], [trouble(&["shop", "blog"])]);
        assert_eq!(story.look(0, false, &one, &one), [How::Opened]);
        assert_eq!(story.look(1, false, &one, &[]), NOTHING);
        // A whole night of jobs at the same place is told in few messages.
        assert_eq!(story.look(2, false, &two, &[]), NOTHING);
        assert_eq!(story.look(15, false, &two, &[]), [How::Changed]);
        assert_eq!(story.look(40, false, &one, &[]), NOTHING);
        assert_eq!(story.look(15 + 24 * 60, false, &one, &[]), [How::Reminded]);
        assert_eq!(story.look(15 + 24 * 60 + 1, false, &[], &[]), [How::Resolved]);
        assert!(story.open.is_empty());
        assert_eq!(story.look(3000, false, &[], &[]), NOTHING);
    }

    #[test]
    fn what_came_and_went_between_two_looks_is_told_too() {
        let mut story = Story::new();
        assert_eq!(story.look(0, false, &[], &[trouble(&["shop"])]), [How::Passed]);
        assert!(story.open.is_empty());
        // Of one that was told, its end is told, and nothing else.
        assert_eq!(story.look(1, false, &[trouble(&["shop"])], &[]), [How::Opened]);
        assert_eq!(story.look(2, false, &[], &[trouble(&["shop"])]), [How::Resolved]);
    }

    #[test]
    fn in_quiet_hours_everything_is_held_and_told_afterwards() {
        let mut story = Story::new();
        let other = Trouble { key: "missed".to_owned(), event: Event::Missed, ..trouble(&["wiki"]) };
        assert_eq!(story.look(0, false, &[trouble(&["shop"])], &[]), [How::Opened]);
        assert_eq!(story.look(1, true, &[trouble(&["shop"]), other.clone()], &[]), NOTHING);
        assert_eq!(story.look(2, true, &[], &[]), NOTHING);
        // The one comes back before it is over.
        assert_eq!(story.look(3, true, std::slice::from_ref(&other), &[]), NOTHING);
        assert_eq!(story.look(4, false, std::slice::from_ref(&other), &[]), [How::Opened, How::Resolved]);
        assert_eq!(story.look(5, false, &[other], &[]), NOTHING);
        // What began and ended in the quiet is told as such.
        assert_eq!(story.look(6, false, &[], &[]), [How::Resolved]);
        assert_eq!(story.look(7, true, &[trouble(&["shop"])], &[]), NOTHING);
        assert_eq!(story.look(8, true, &[], &[]), NOTHING);
        assert_eq!(story.look(9, false, &[], &[]), [How::Passed]);
    }

    #[test]
    fn a_rule_that_no_longer_tells_an_event_closes_it_without_a_word() {
        let mut story = Story::new();
        assert_eq!(story.look(0, false, &[trouble(&["shop"])], &[]), [How::Opened]);
        story.rule.events = vec![Event::Missed];
        assert_eq!(story.look(1, false, &[], &[]), NOTHING);
        assert!(story.open.is_empty());
    }
}
