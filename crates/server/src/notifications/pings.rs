//! Pings: each start and end of a job's run, for services that notice when one is missing.

use std::collections::HashSet;

use adapter::channel::{MAX_LOG_END, Signal};
use catalog::{Channel, NewMessage, NotificationRule, RunNews, Telling};
use domain::outcome::RunStatus;

use super::rules::Scope;
use super::words::cut;
use crate::app::App;

/// Maximum number of lines of a run's log in a ping.
const MAX_LINES: i64 = 100;

/// Returns what a run's start or end is to a service. Cancelled runs say nothing of the job.
fn signal_of(news: &RunNews) -> Option<Signal> {
    match news.state {
        _ if !news.has_ended => Some(Signal::Start),
        RunStatus::Succeeded | RunStatus::SucceededWithWarnings => Some(Signal::Success),
        RunStatus::Partial | RunStatus::Failed | RunStatus::Interrupted => Some(Signal::Fail),
        RunStatus::Cancelled | RunStatus::Queued | RunStatus::Running => None,
    }
}

/// Returns the word of a signal.
pub(super) fn word_of(signal: Signal) -> &'static str {
    match signal {
        Signal::Start => "start",
        Signal::Success => "success",
        Signal::Fail => "fail",
    }
}

impl App {
    /// Writes the pings of the jobs of a rule through those of its channels that take them. A channel of several rules is pinged once.
    pub(super) async fn write_pings(
        &self,
        rule: &NotificationRule,
        scope: &Scope,
        channels: &[&Channel],
        news: &[RunNews],
        telling: &mut Telling,
    ) -> Result<(), catalog::Error> {
        let mut seen = HashSet::new();
        let mut pinged: Vec<&Channel> = channels.iter().copied().filter(|channel| self.is_ping(channel)).collect();
        pinged.retain(|channel| seen.insert(&channel.id));
        if pinged.is_empty() {
            return Ok(());
        }
        for news in news {
            let (Some(job_id), Some(signal)) = (news.job_id.as_ref().filter(|id| scope.has(id)), signal_of(news))
            else {
                continue;
            };
            let log = if news.has_ended { self.log_end(&news.run_id).await? } else { String::new() };
            for channel in &pinged {
                telling.messages.push(NewMessage {
                    channel_id: channel.id.clone(),
                    rule_id: Some(rule.id.clone()),
                    once_key: format!("run {} {} {}", news.run_id, word_of(signal), channel.id),
                    cause_key: format!("job {job_id}"),
                    event: word_of(signal).to_owned(),
                    message: self.ping(news, job_id, signal, &log),
                });
            }
        }
        Ok(())
    }

    /// Returns the last lines of a run's log.
    async fn log_end(&self, run_id: &str) -> Result<String, catalog::Error> {
        let lines = self.catalog.last_log_lines(run_id, MAX_LINES).await?;
        let text = lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>().join("\n");
        let skipped = text.chars().count().saturating_sub(MAX_LOG_END);
        let end: String = text.chars().skip(skipped).collect();
        Ok(cut(&end, MAX_LOG_END))
    }
}
