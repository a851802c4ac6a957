//! Fires slots: each once, whoever else shares the database. A slot that passed while no server ran fires at the start.

use std::time::Duration;

use catalog::Due;
use domain::run::RunEvent;
use domain::schedule::Schedule;
use jiff::Timestamp;
use tokio::time::Instant;

use super::live::LiveEvent;
use crate::app::App;
use crate::loops::Loop;

/// How often the schedules are looked at, at least.
const LOOK: Duration = Duration::from_secs(1);
/// How often every next slot is compared with its schedule.
const REALIGN: Duration = Duration::from_secs(60);
/// Slots fired at one look.
const AT_ONCE: i64 = 100;

/// What the last look saw.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// The clock.
    now: Option<Timestamp>,
    /// When the next slots were last compared.
    aligned: Option<Instant>,
}

impl Looks {
    /// Whether slots may lie where no schedule puts them: at the start, when the clock has gone back, and now and then.
    fn must_align(&self, now: Timestamp) -> bool {
        self.now.is_none_or(|before| now < before) || self.aligned.is_none_or(|then| then.elapsed() >= REALIGN)
    }
}

impl App {
    /// Fires slots until the server stops.
    pub(crate) async fn schedule(self) {
        let looking = async {
            let mut looks = Looks::default();
            loop {
                if let Err(error) = self.look_at_schedules(&mut looks).await {
                    tracing::error!(%error, "the schedules could not be looked at; trying again");
                }
                self.loops.passed(Loop::Scheduler);
                tokio::time::sleep(LOOK).await;
            }
        };
        // Slots are fired in one transaction: one that is cut short has not happened.
        let _: Option<()> = self.runs.draining.run_until_cancelled(looking).await;
    }

    async fn look_at_schedules(&self, looks: &mut Looks) -> Result<(), catalog::Error> {
        let now = self.catalog.shared_now(self.now()).await?;
        if looks.must_align(now) {
            self.align_slots(now).await?;
            looks.aligned = Some(Instant::now());
        }
        looks.now = Some(now);
        self.fire_due(now).await?;
        self.metrics.scheduler_passed(now);
        Ok(())
    }

    /// Brings back next slots that lie behind the one that the schedule has next, as after a clock that was ahead for a moment, and
    /// finds those that are missing.
    async fn align_slots(&self, now: Timestamp) -> Result<(), catalog::Error> {
        let mut unreadable = Vec::new();
        for job in self.catalog.scheduled_jobs().await? {
            let schedule = match Schedule::parse(&job.cron, &job.time_zone) {
                Ok(schedule) => schedule,
                Err(error) => {
                    tracing::error!(job = job.name, %error, "the job's schedule cannot be read: it does not run");
                    unreadable.push(job.id);
                    continue;
                }
            };
            let is_earlier = |next: &Timestamp| job.next_run_at.is_none_or(|planned| planned.0 > *next);
            if schedule.next_after(now).filter(is_earlier).is_none() {
                continue;
            }
            let Some(next) = self.next_slot(&job.id, &schedule, now).await?.filter(is_earlier) else { continue };
            if self.catalog.move_next_slot(&job, Some(next)).await? {
                tracing::warn!(job = job.name, %next, "the job's next run was planned too late, and is moved");
            }
        }
        self.catalog.review_schedules(&unreadable).await
    }

    /// Fires every slot that has come. One job that cannot be fired does not keep the others from it.
    async fn fire_due(&self, now: Timestamp) -> Result<(), catalog::Error> {
        let mut failed = None;
        for due in self.catalog.due_jobs(now, AT_ONCE).await? {
            if let Err(error) = self.fire(&due, now).await {
                tracing::debug!(job = due.name, %error, "the job's slot could not be fired");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn fire(&self, due: &Due, now: Timestamp) -> Result<(), catalog::Error> {
        let slot = due.next_run_at.0;
        let next = match due.cron.as_deref().map(|cron| Schedule::parse(cron, &due.time_zone)) {
            Some(Ok(schedule)) => self.next_slot(&due.id, &schedule, now).await?,
            Some(Err(error)) => {
                tracing::error!(job = due.name, %error, "the job's schedule cannot be read: this is its last run");
                None
            }
            None => None,
        };
        match self.catalog.fire_slot(&due.id, &due.name, slot, next, now).await? {
            None => {}
            Some(Ok(run)) => {
                self.runs.tell(LiveEvent::State(Box::new(run)));
                self.runs.changed.notify_one();
            }
            Some(Err(_)) if self.catalog.fired_slots(&due.id, slot).await?.contains(&slot) => {
                tracing::warn!(job = due.name, %slot, ?next, "the slot had fired before the clock was set back: not run again");
            }
            Some(Err(in_the_way)) => {
                self.log(&in_the_way.id, RunEvent::SlotLeftOut { slot }).await;
            }
        }
        Ok(())
    }

    /// Returns the first slot after a time that has not fired. A slot fires once, also if its time comes again because the clock was
    /// set back.
    async fn next_slot(
        &self,
        job_id: &str,
        schedule: &Schedule,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, catalog::Error> {
        let fired = self.catalog.fired_slots(job_id, now).await?;
        let slots = std::iter::successors(schedule.next_after(now), |slot| schedule.next_after(*slot));
        Ok(slots.into_iter().find(|slot| !fired.contains(slot)))
    }
}

/// Why the schedule of a job cannot be read, which another version of dbackup may have stored.
pub(crate) fn schedule_error(cron: Option<&str>, time_zone: &str) -> Option<String> {
    Schedule::parse(cron?, time_zone).err().map(|error| error.to_string())
}
