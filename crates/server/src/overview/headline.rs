//! The one sentence about everything, and the numbers that it is made of.

use serde::Serialize;
use utoipa::ToSchema;

use super::Facts;
use super::causes::{Cause, Level};

/// How everything stands, in one sentence and its numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Headline {
    /// "2 of 12 databases need attention."
    text: String,
    /// How bad the worst of it is.
    level: Level,
    /// How many causes of the level `bad` there are.
    problems: usize,
    /// How many databases the enabled jobs back up, as far as that is known.
    databases: i64,
    /// How many of them lack a good backup, or a way to the next one.
    troubled: i64,
    /// How many of them are not backed up yet, since their job's first backup is running.
    pending: i64,
}

impl Headline {
    pub(super) fn of(facts: &Facts, causes: &[Cause]) -> Self {
        let waiting = facts.waiting();
        let is_troubled = |kind: &&catalog::JobKind| {
            kind.troubled || kind.destinations.iter().any(|id| waiting.contains(id.as_str()))
        };
        let databases: i64 = facts.enabled().map(|kind| kind.databases).sum();
        let troubled: i64 = facts.enabled().filter(is_troubled).map(|kind| kind.lacking).sum();
        let troubled = (troubled + facts.overdue).min(databases);
        let first = || facts.enabled().filter(|kind| !kind.troubled);
        let numbers = Numbers {
            databases,
            troubled,
            pending: first().map(|kind| kind.databases_without_good).sum(),
            first_runs: first().map(|kind| kind.without_good).sum(),
            paused: facts.kinds.iter().filter(|kind| !kind.enabled).map(|kind| kind.jobs).sum(),
            problems: causes.iter().filter(|cause| cause.level == Level::Bad).count(),
            risks: causes.iter().filter(|cause| cause.level == Level::Warn).count(),
        };
        let is_backed_up = databases > numbers.pending;
        let level = causes.iter().map(|cause| cause.level).min();
        let level = level.unwrap_or(if is_backed_up { Level::Good } else { Level::None });
        let level = if level == Level::Note && is_backed_up { Level::Good } else { level };
        Self {
            text: numbers.sentence(),
            level: if level == Level::Note { Level::None } else { level },
            problems: numbers.problems,
            databases,
            troubled,
            pending: numbers.pending,
        }
    }
}

struct Numbers {
    databases: i64,
    troubled: i64,
    pending: i64,
    first_runs: i64,
    paused: i64,
    problems: usize,
    risks: usize,
}

impl Numbers {
    fn sentence(&self) -> String {
        let Self { databases, troubled, pending, first_runs, paused, .. } = *self;
        let need = |number: i64| if number == 1 { "needs" } else { "need" };
        if troubled > 0 {
            let which = match databases > troubled {
                true => format!("{troubled} of {databases} databases"),
                false => counted(troubled, "database"),
            };
            return format!("{which} {} attention.", need(troubled));
        }
        if self.problems > 0 {
            let problems = i64::try_from(self.problems).unwrap_or(i64::MAX);
            return format!("{} {} attention.", counted(problems, "destination"), need(problems));
        }
        if databases == 0 {
            return if paused > 0 { "Every job is paused." } else { "Nothing is backed up yet." }.to_owned();
        }
        let backed_up = databases - pending;
        let safe = match (backed_up, pending, databases) {
            (0, ..) => "Nothing is backed up yet".to_owned(),
            (1, 1.., _) => "1 database is backed up".to_owned(),
            (_, 1.., _) => format!("{backed_up} databases are backed up"),
            (_, _, 1) => "Your database is backed up".to_owned(),
            _ => format!("All {databases} databases are backed up"),
        };
        let risks = i64::try_from(self.risks).unwrap_or(i64::MAX);
        let safe = if risks > 0 && backed_up > 0 { format!("{safe}, with {}", counted(risks, "risk")) } else { safe };
        if first_runs == 0 {
            return format!("{safe}.");
        }
        let are = if first_runs == 1 { "is" } else { "are" };
        format!("{safe}; {} {are} running.", counted(first_runs, "first backup"))
    }
}

/// Returns "1 job" or "2 jobs".
fn counted(number: i64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(databases: i64, troubled: i64, pending: i64, problems: usize, risks: usize) -> String {
        Numbers { databases, troubled, pending, first_runs: pending.min(1), paused: 0, problems, risks }.sentence()
    }

    #[test]
    fn the_sentence_says_what_matters_most() {
        for (said, expected) in [
            (say(12, 2, 0, 1, 3), "2 of 12 databases need attention."),
            (say(1, 1, 0, 1, 0), "1 database needs attention."),
            (say(3, 0, 0, 1, 0), "1 destination needs attention."),
            (say(0, 0, 0, 0, 0), "Nothing is backed up yet."),
            (say(1, 0, 0, 0, 0), "Your database is backed up."),
            (say(12, 0, 0, 0, 2), "All 12 databases are backed up, with 2 risks."),
            (say(4, 0, 1, 0, 0), "3 databases are backed up; 1 first backup is running."),
            (say(1, 0, 1, 0, 1), "Nothing is backed up yet; 1 first backup is running."),
        ] {
            assert_eq!(said, expected);
        }
    }
}
