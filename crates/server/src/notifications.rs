//! Being told: what is wrong is judged by each notification rule, written into the outbox, and delivered through channels.
//!
//! Nothing here depends on the scheduler or the queue: what is missing is computed from what should be there.

mod delivery;
mod digest;
mod judge;
mod pings;
mod rules;
mod troubles;
mod words;

use std::time::Duration;

use catalog::{Channel, PageRequest, RunNews};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::app::App;
use crate::loops::Loop;

pub(crate) use troubles::is_failing;

/// How often it is looked for runs that have ended.
const LOOK: Duration = Duration::from_secs(1);
/// How often everything is judged without a reason.
const JUDGE: Duration = Duration::from_secs(15);
/// The same by the server's clock, which a simulation moves on faster.
const JUDGE_CLOCK: SignedDuration = SignedDuration::from_secs(60);
/// Maximum number of runs that are seen at once.
const NEWS_AT_ONCE: i64 = 200;
/// All rules and channels.
pub(crate) const ALL: PageRequest = PageRequest { after: None, limit: 10_000 };

/// What wakes the loops.
#[derive(Debug, Default)]
pub(crate) struct Notifications {
    /// A run has ended, or rules or channels were changed.
    pub(crate) changed: Notify,
    /// Messages were written.
    written: Notify,
}

/// When everything was judged last.
#[derive(Debug, Default)]
struct Judged(Option<(Instant, Timestamp)>);

impl Judged {
    fn is_due(&self, now: Timestamp) -> bool {
        self.0.is_none_or(|(then, clock)| then.elapsed() >= JUDGE || now.duration_since(clock).abs() >= JUDGE_CLOCK)
    }
}

impl App {
    /// Judges what has to be told until the server stops.
    pub(crate) async fn judge(self) {
        let judging = async {
            let mut judged = Judged::default();
            let mut is_woken = true;
            loop {
                if let Err(error) = self.judge_once(&mut judged, is_woken).await {
                    tracing::error!(%error, "it could not be judged what has to be told; trying again");
                }
                self.loops.passed(Loop::Notifications);
                is_woken = tokio::time::timeout(LOOK, self.notifications.changed.notified()).await.is_ok();
            }
        };
        // What a pass finds is written in one transaction per rule: one that is cut short is judged again.
        let _: Option<()> = self.runs.draining.run_until_cancelled(judging).await;
    }

    async fn judge_once(&self, judged: &mut Judged, is_woken: bool) -> Result<(), catalog::Error> {
        let now = self.catalog.shared_now(self.now()).await?;
        let news = self.catalog.run_news(NEWS_AT_ONCE).await?;
        if news.is_empty() && !is_woken && !judged.is_due(now) {
            return Ok(());
        }
        let is_told = self.judge_all(&news, now).await?;
        // Another server's pass came first for one of the rules: what has ended is still news to it.
        if is_told {
            self.catalog.forget_run_news(&news).await?;
            judged.0 = Some((Instant::now(), now));
        }
        self.notifications.written.notify_one();
        Ok(())
    }

    /// Returns `false` if a rule has to be judged again.
    async fn judge_all(&self, news: &[RunNews], now: Timestamp) -> Result<bool, catalog::Error> {
        let rules = self.catalog.notification_rules(&ALL).await?.items;
        if rules.is_empty() {
            return Ok(true);
        }
        let channels: Vec<Channel> = self.catalog.channels(&ALL).await?.items;
        let known = self.troubles(news, &channels, now).await?;
        let mut is_told = true;
        for rule in &rules {
            is_told &= self.judge_rule(rule, &known, &channels, news, now).await?;
        }
        Ok(is_told)
    }
}
