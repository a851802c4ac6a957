//! The words of notifications, made in one place, for every channel.

use catalog::Unprotected;
use domain::notification::{Event, Severity};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use url::Url;

use super::judge::{How, Tell};
use super::troubles::{Concerns, Trouble};
use crate::redaction::redact;

/// Maximum number of jobs that a message names.
const MAX_NAMED: usize = 20;
/// Maximum length of the text of a message, in characters.
const MAX_TEXT_LEN: usize = 4000;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) title: String,
    /// A paragraph per item.
    pub(super) text: Vec<String>,
    /// Labels and values.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) severity: Severity,
    /// Where more is to be seen.
    pub(super) link: Option<String>,
}

/// What the words go by beside the problem.
pub(super) struct Place<'a> {
    pub(super) public_url: &'a Url,
    pub(super) time_zone: &'a str,
}

impl Place<'_> {
    fn time(&self, at: Timestamp) -> String {
        let zone = TimeZone::get(self.time_zone).unwrap_or(TimeZone::UTC);
        at.to_zoned_datetime(zone).strftime("%Y-%m-%d %H:%M %Z").to_string()
    }

    fn link(&self, path: &str) -> Option<String> {
        self.public_url.join(path).ok().map(String::from)
    }
}

impl Words {
    /// Returns the words about one problem.
    pub(super) fn of(tell: &Tell, place: &Place<'_>) -> Self {
        let Tell { how, trouble, opened_at, .. } = tell;
        let is_over = tell.is_over();
        let mut lines = Vec::new();
        if let Some(reason) = &trouble.reason {
            lines.push(reason.clone());
        }
        let mut facts = Vec::new();
        match trouble.jobs.as_slice() {
            [] => {}
            [job] => facts.push(("Job", job.name.clone())),
            _ => facts.push(("Jobs", named(trouble))),
        }
        facts.push(("Since", place.time(*opened_at)));
        if !is_over {
            lines.extend(cure(trouble).map(str::to_owned));
        }
        let severity = if is_over { Severity::Info } else { trouble.event.severity() };
        Self {
            title: cut(&headed(*how, trouble), 200),
            text: shortened(lines),
            facts,
            severity,
            link: place.link(&page(trouble)),
        }
    }

    /// Returns the words about several problems that were held back.
    pub(super) fn of_many(tells: &[Tell], place: &Place<'_>) -> Self {
        let over = tells.iter().filter(|tell| tell.is_over()).count();
        let title = match tells.len() - over {
            0 => format!("During quiet hours: {}, all resolved", counted(over, "problem")),
            open if over == 0 => format!("During quiet hours: {}", counted(open, "problem")),
            open => format!("During quiet hours: {}, and {over} resolved", counted(open, "problem")),
        };
        let line = |tell: &Tell| {
            let reason = tell.trouble.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("- {} ({}){reason}", headed(tell.how, &tell.trouble), place.time(tell.opened_at))
        };
        let severity =
            tells.iter().map(|tell| if tell.is_over() { Severity::Info } else { tell.trouble.event.severity() });
        let severity = severity.max_by_key(|severity| *severity as u8).unwrap_or(Severity::Info);
        let lines = tells.iter().map(line).collect();
        Self { title, text: shortened(lines), facts: Vec::new(), severity, link: place.link("/") }
    }

    /// Returns the words of a digest.
    pub(super) fn of_digest(digest: &Digested<'_>, place: &Place<'_>) -> Self {
        let Digested { jobs, lacking, period, causes } = digest;
        let good = jobs.saturating_sub(i64::try_from(lacking.len()).unwrap_or(*jobs));
        let title = match lacking.len() {
            0 if *jobs == 0 => "No backup jobs".to_owned(),
            0 => format!("All {} backed up", counted(usize::try_from(*jobs).unwrap_or_default(), "job")),
            number => {
                format!("Not backed up: {number} of {}", counted(usize::try_from(*jobs).unwrap_or_default(), "job"))
            }
        };
        let mut lines = vec![format!("{period}: {good} of {jobs} jobs are backed up.")];
        if !lacking.is_empty() {
            lines.push("Not backed up:".to_owned());
            lines.extend(lacking.iter().take(MAX_NAMED).map(|job| lacking_line(job, place)));
            if lacking.len() > MAX_NAMED {
                lines.push(format!("- and {} more", lacking.len() - MAX_NAMED));
            }
        }
        let others: Vec<&Trouble> = causes.iter().copied().filter(|one| !is_about_jobs(one)).collect();
        if !others.is_empty() {
            lines.push("Also needs attention:".to_owned());
            lines.extend(others.iter().map(|trouble| format!("- {}", headline(trouble))));
        }
        let worst = causes.iter().map(|trouble| trouble.event.severity() as u8).max().unwrap_or_default();
        let severity = match (lacking.is_empty(), worst) {
            (false, _) => Severity::Critical,
            (true, worst) if worst > 0 => Severity::Warning,
            _ => Severity::Info,
        };
        Self { title, text: shortened(lines), facts: Vec::new(), severity, link: place.link("/") }
    }
}

/// What a digest is about.
pub(super) struct Digested<'a> {
    /// How many jobs there are.
    pub(super) jobs: i64,
    /// Those that were not backed up.
    pub(super) lacking: Vec<Unprotected>,
    /// `Last 24 hours`.
    pub(super) period: &'static str,
    pub(super) causes: Vec<&'a Trouble>,
}

fn is_about_jobs(trouble: &Trouble) -> bool {
    matches!(trouble.event, Event::Failed | Event::Partial | Event::Missed | Event::Interrupted)
}

fn lacking_line(job: &Unprotected, place: &Place<'_>) -> String {
    let last =
        job.good_at.map_or_else(|| "never backed up".to_owned(), |at| format!("last backup {}", place.time(at.0)));
    let why = if !job.enabled {
        "paused".to_owned()
    } else if let Some(reason) = &job.reason {
        redact(reason)
    } else if job.is_overdue {
        "did not run on time".to_owned()
    } else {
        "no run yet".to_owned()
    };
    format!("- {}: {why} ({last})", job.name)
}

fn headed(how: How, trouble: &Trouble) -> String {
    let headline = headline(trouble);
    match how {
        How::Opened => headline,
        How::Changed => format!("More affected: {headline}"),
        How::Reminded => format!("Still: {headline}"),
        How::Passed if trouble.concerns == Concerns::Everybody => headline,
        How::Resolved | How::Passed => format!("Resolved: {headline}"),
    }
}

/// Returns a problem in a sentence without its end.
pub(super) fn headline(trouble: &Trouble) -> String {
    let subject = trouble.subject.as_deref().unwrap_or_default();
    let at = if subject.is_empty() { String::new() } else { format!(" at {subject}") };
    let jobs = |one: &str, many: &str| match trouble.jobs.as_slice() {
        [job] => format!("Backup of {} {one}", job.name),
        jobs => format!("Backups of {} {many}", counted(jobs.len(), "job")),
    };
    match trouble.event {
        Event::Failed => format!("{}{at}", jobs("failed", "failed")),
        Event::Partial => format!("{}{at}", jobs("is incomplete", "are incomplete")),
        Event::Warnings => jobs("succeeded with warnings", "succeeded with warnings"),
        Event::Interrupted if trouble.jobs.is_empty() => format!("{subject} was interrupted"),
        Event::Interrupted => jobs("was interrupted", "were interrupted"),
        Event::Missed => jobs("did not run on time", "did not run on time"),
        Event::Authorization => format!("{subject} needs authorization"),
        Event::Quota => format!("{subject} is nearly full"),
        Event::Key => format!("The private key of {subject} exists only on this server"),
        Event::Verification => format!("Verification failed at {subject}"),
        Event::Channel => format!("Notifications do not reach {subject}"),
        Event::Recovered => "Recovered".to_owned(),
    }
}

fn cure(trouble: &Trouble) -> Option<&'static str> {
    Some(match trouble.event {
        Event::Failed | Event::Partial => "Fix the cause, then run the job again.",
        Event::Warnings => "Review the warnings, and acknowledge them if they are expected.",
        Event::Interrupted => "Scheduled runs start again by themselves. Start others again.",
        Event::Missed => "Check that the server is running and not overloaded.",
        Event::Authorization => "Authorize the destination again.",
        Event::Quota => "Free some space, or shorten the retention.",
        Event::Key => "Export the private key and keep it off this server.",
        Event::Verification => "Run the job again, and find out what changed the file.",
        Event::Channel => "Test the channel and correct its settings.",
        Event::Recovered => return None,
    })
}

/// Returns the page of the web UI that shows a problem.
fn page(trouble: &Trouble) -> String {
    match (&trouble.concerns, trouble.jobs.as_slice()) {
        (Concerns::Destination(id), _) => format!("/destinations/{id}"),
        (Concerns::Profile(_), _) => "/profiles".to_owned(),
        (Concerns::Jobs, [job]) => match &job.run_id {
            Some(run) => format!("/runs/{run}"),
            None => format!("/jobs/{}", job.id),
        },
        _ => "/".to_owned(),
    }
}

fn named(trouble: &Trouble) -> String {
    let mut names: Vec<String> = trouble.jobs.iter().take(MAX_NAMED).map(|job| job.name.clone()).collect();
    if trouble.jobs.len() > MAX_NAMED {
        names.push(format!("and {} more", trouble.jobs.len() - MAX_NAMED));
    }
    names.join(", ")
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Redacts paragraphs, and leaves out the last ones if there are too many.
fn shortened(lines: Vec<String>) -> Vec<String> {
    let mut left = MAX_TEXT_LEN;
    let mut kept = Vec::new();
    for line in lines {
        let line = cut(&line, left);
        left -= line.chars().count().min(left);
        kept.push(line);
        if left == 0 {
            break;
        }
    }
    kept
}

/// Redacts and shortens a text.
pub(super) fn cut(text: &str, max: usize) -> String {
    let text = domain::text::lines(&redact(text));
    if text.chars().count() <= max {
        return text;
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    short.push('…');
    short
}
