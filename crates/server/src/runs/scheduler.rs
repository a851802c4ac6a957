//! Fires slots: each once, whoever else shares the database. A slot that passed while no server ran fires at the start.

use std::time::Duration;

use catalog::Due;
use domain::schedule::Schedule;
use jiff::Timestamp;

use super::live::LiveEvent;
use super::log::Level;
use crate::app::App;

/// How often the schedules are looked at, at least.
const LOOK: Duration = Duration::from_secs(1);
/// Slots fired at one look.
const AT_ONCE: i64 = 100;

impl App {
    /// Fires slots until the server stops.
    pub(crate) async fn schedule(self) {
        loop {
            if let Err(error) = self.fire_due().await {
                tracing::error!(%error, "the schedules could not be looked at; trying again");
            }
            tokio::select! {
                () = self.runs.draining.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Fires every slot that has come.
    pub(crate) async fn fire_due(&self) -> Result<(), catalog::Error> {
        for due in self.catalog.due_jobs(self.now(), AT_ONCE).await? {
            self.fire(&due).await?;
        }
        Ok(())
    }

    async fn fire(&self, due: &Due) -> Result<(), catalog::Error> {
        let now = self.now();
        let slot = due.next_run_at.0;
        let next = next_slot(due.cron.as_deref(), &due.time_zone, now);
        match self.catalog.fire_slot(&due.id, &due.name, slot, next, now).await? {
            None => {}
            Some(Ok(run)) => {
                self.runs.tell(LiveEvent::State(Box::new(run)));
                self.runs.changed.notify_one();
            }
            Some(Err(in_the_way)) => {
                let words = format!("the scheduled run of {slot} was left out, because this one had not ended");
                self.log(&in_the_way.id, Level::Warning, &words).await;
            }
        }
        Ok(())
    }
}

/// The first slot after a time; none without a schedule, or without any slot to come.
pub(crate) fn next_slot(cron: Option<&str>, time_zone: &str, now: Timestamp) -> Option<Timestamp> {
    Schedule::parse(cron?, time_zone).ok()?.next_after(now)
}
