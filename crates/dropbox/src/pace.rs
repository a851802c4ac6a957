//! How many uploads run at once. Dropbox limits calls per authorization, so all clients of one grant share one pace.
//!
//! It starts with few connections and opens another as soon as the newest one has shown that it moves, so that a slow line
//! never gets many. From then on it climbs: fewer connections if throughput stays the same, more if it grows. `429 too_many_requests`
//! and 503 take a quarter of it away, and what succeeds lets it recover. The refused upload waits for as long as Dropbox asks; if another one is
//! refused meanwhile, everybody does.

mod climb;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use self::climb::Climb;
use crate::body::Flow;

/// Connections to begin with.
const FIRST: usize = 4;
/// A connection that has moved so much, within so long of its first byte, has room for another beside it. TCP's slow start
/// takes a few round trips for it.
const ON_ITS_WAY: u64 = 256 * 1024;
const QUICKLY: Duration = Duration::from_secs(1);
/// After so many successes a limit that was cut grows by one.
const RECOVER_AFTER: usize = 2;
/// No request of Dropbox holds up all uploads for longer, whatever number it sends.
const LONGEST_HOLD: Duration = Duration::from_secs(300);
/// How soon the newest connection is looked at again.
const LOOK: Duration = Duration::from_millis(20);

/// The pace of all uploads of one grant.
#[derive(Debug)]
pub(crate) struct Pace {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    busy: usize,
    limit: usize,
    /// No limit has been met yet.
    ramping: bool,
    newest: Option<Arc<Flow>>,
    /// Nobody starts before.
    hold_until: Option<Instant>,
    /// An upload that was refused waits until then.
    refused_until: Option<Instant>,
    slowed: Option<Instant>,
    /// Where the limit was before it was cut, and the successes since it last grew.
    recover_to: usize,
    recovering: usize,
    window: Window,
    climb: Climb,
}

/// What was achieved with the present limit.
#[derive(Debug)]
struct Window {
    since: Instant,
    bytes: u64,
    uploads: usize,
    /// Somebody had to wait for a turn: more connections might have been of use.
    demand: bool,
}

impl Window {
    fn new() -> Self {
        Self { since: Instant::now(), bytes: 0, uploads: 0, demand: false }
    }
}

/// The right to one upload at a time. Dropping it passes it on.
#[derive(Debug)]
pub(crate) struct Turn {
    pace: Arc<Pace>,
    flow: Arc<Flow>,
    begun: Instant,
}

enum NotYet {
    Until(Instant),
    Full,
}

impl Default for Pace {
    fn default() -> Self {
        let state = State {
            busy: 0,
            limit: FIRST,
            ramping: true,
            newest: None,
            hold_until: None,
            refused_until: None,
            slowed: None,
            recover_to: 0,
            recovering: 0,
            window: Window::new(),
            climb: Climb::default(),
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }
}

impl Pace {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many uploads run at once at present.
    pub(crate) fn limit(&self) -> usize {
        self.lock().limit
    }

    /// Waits for a turn; `most` is the caller's own limit.
    pub(crate) async fn turn(self: &Arc<Self>, most: usize) -> Turn {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.try_turn(most) {
                Ok(turn) => return turn,
                Err(NotYet::Until(time)) => tokio::time::sleep_until(time).await,
                Err(NotYet::Full) => {
                    tokio::select! { () = changed => {}, () = tokio::time::sleep(LOOK) => {} }
                }
            }
        }
    }

    fn try_turn(self: &Arc<Self>, most: usize) -> Result<Turn, NotYet> {
        let (mut state, now) = (self.lock(), Instant::now());
        if let Some(until) = state.hold_until.filter(|until| *until > now) {
            return Err(NotYet::Until(until));
        }
        if state.busy >= state.limit.min(most) {
            state.window.demand = true;
            let recovered = state.limit >= state.recover_to;
            if !(state.ramping && recovered && state.limit < most && state.newest_moves()) {
                return Err(NotYet::Full);
            }
            state.limit += 1;
        }
        state.busy += 1;
        let flow = Arc::new(Flow::default());
        state.newest = Some(Arc::clone(&flow));
        Ok(Turn { pace: Arc::clone(self), flow, begun: now })
    }
}

impl State {
    /// Whether the newest connection is on its way. One that is slow ends the ramp.
    fn newest_moves(&mut self) -> bool {
        let Some(flow) = &self.newest else { return true };
        let moves = flow.moved() >= ON_ITS_WAY;
        if !moves && flow.began().is_some_and(|began| began.elapsed() > QUICKLY) {
            self.ramping = false;
        }
        moves
    }

    fn recover(&mut self) {
        self.recovering += 1;
        if self.recovering >= RECOVER_AFTER {
            self.recovering = 0;
            self.limit += 1;
            self.window = Window::new();
        }
    }
}

impl Turn {
    /// For the body that is sent in this turn.
    pub(crate) fn flow(&self) -> &Arc<Flow> {
        &self.flow
    }

    /// The upload of so many bytes succeeded.
    pub(crate) fn succeeded(&self, bytes: u64, most: usize) {
        let mut state = self.pace.lock();
        if state.limit < state.recover_to.min(most) {
            state.recover();
            return;
        }
        state.window.bytes += bytes;
        state.window.uploads += 1;
        if state.window.uploads >= 2 * state.limit {
            let window = std::mem::replace(&mut state.window, Window::new());
            let rate = window.bytes as f64 / window.since.elapsed().as_secs_f64().max(1e-6);
            let limit = state.limit;
            state.limit = state.climb.step(limit, most, rate, window.bytes, window.demand);
            if state.limit != limit {
                // From here on the climb alone decides.
                state.ramping = false;
                state.recover_to = 0;
            }
        }
    }

    /// Dropbox asked to slow down, for so long at least. Others are not held up for longer than [`LONGEST_HOLD`].
    pub(crate) fn refused(&self, hold: Duration) {
        let mut state = self.pace.lock();
        let now = Instant::now();
        let until = now + hold.min(LONGEST_HOLD);
        if let Some(other) = state.refused_until.filter(|other| *other > now) {
            state.hold_until = Some(other.max(until));
        }
        state.refused_until = Some(state.refused_until.map_or(until, |other| other.max(until)));
        // Uploads that were under way together are refused together: that is one refusal.
        if state.slowed.is_none_or(|slowed| slowed < self.begun) {
            state.slowed = Some(now);
            state.recover_to = state.recover_to.max(state.limit);
            state.limit = kept(state.limit);
            state.climb.refused();
            state.window = Window::new();
        }
    }
}

/// What a refusal leaves of a limit. A quarter less, as in CUBIC (RFC 9438 takes 0.3), settles as halving does and costs a line
/// that is seldom refused far less.
fn kept(limit: usize) -> usize {
    (limit * 3 / 4).max(1)
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pace.lock().busy -= 1;
        self.pace.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 16;

    async fn soon(pace: &Arc<Pace>) -> Option<Turn> {
        tokio::time::timeout(Duration::from_millis(100), pace.turn(MOST)).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_moves_gets_more_connections_and_a_slow_one_does_not() {
        let pace = Arc::new(Pace::default());
        let mut turns = Vec::new();
        while let Some(turn) = soon(&pace).await {
            turns.push(turn);
        }
        assert_eq!(turns.len(), FIRST);
        turns.iter().for_each(|turn| turn.flow().advance(ON_ITS_WAY));
        while let Some(turn) = soon(&pace).await {
            turn.flow().advance(ON_ITS_WAY);
            turns.push(turn);
        }
        assert_eq!(turns.len(), MOST);
        turns.truncate(1);
        assert!(soon(&pace).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_crawls_is_the_last() {
        let pace = Arc::new(Pace::default());
        let mut turns = Vec::new();
        while let Some(turn) = soon(&pace).await {
            turn.flow().advance(ON_ITS_WAY / 2);
            turns.push(turn);
        }
        tokio::time::advance(2 * QUICKLY).await;
        assert!(soon(&pace).await.is_none());
        turns.iter().for_each(|turn| turn.flow().advance(ON_ITS_WAY));
        assert!(soon(&pace).await.is_none());
        assert_eq!(turns.len(), FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_cuts_it_once_and_holds_everybody() {
        let pace = Arc::new(Pace::default());
        let turns: Vec<Turn> = [pace.turn(MOST).await, pace.turn(MOST).await].into();
        tokio::time::advance(Duration::from_millis(1)).await;
        turns.iter().for_each(|turn| turn.refused(Duration::from_secs(15)));
        drop(turns);
        assert_eq!(pace.limit(), kept(FIRST));
        let start = Instant::now();
        let first = pace.turn(MOST).await;
        assert_eq!(start.elapsed(), Duration::from_secs(15));
        let others = [pace.turn(MOST).await, pace.turn(MOST).await];
        others.iter().chain([&first]).for_each(|turn| turn.flow().advance(ON_ITS_WAY));
        assert!(soon(&pace).await.is_none());
        first.refused(Duration::ZERO);
        assert_eq!(pace.limit(), kept(kept(FIRST)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_absurd_wait_holds_nobody_up_for_ever() {
        let pace = Arc::new(Pace::default());
        let turns = [pace.turn(MOST).await, pace.turn(MOST).await];
        for hold in [Duration::MAX, Duration::from_secs(86_400)] {
            turns.iter().for_each(|turn| turn.refused(hold));
        }
        drop(turns);
        let start = Instant::now();
        drop(pace.turn(MOST).await);
        assert!(start.elapsed() <= LONGEST_HOLD, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_transfer_tries_fewer_connections() {
        let pace = Arc::new(Pace::default());
        let all = async || {
            let mut turns = Vec::new();
            while let Some(turn) = soon(&pace).await {
                turn.flow().advance(ON_ITS_WAY);
                turns.push(turn);
            }
            turns
        };
        let turns = all().await;
        assert_eq!(turns.len(), MOST);
        for _ in 0..2 {
            turns.iter().for_each(|turn| turn.succeeded(64 * 1024 * 1024, MOST));
        }
        drop(turns);
        assert_eq!(pace.limit(), 12);
        assert_eq!(all().await.len(), 12);
    }

    #[tokio::test(start_paused = true)]
    async fn one_refusal_among_many_successes_stops_nobody_else() {
        let pace = Arc::new(Pace::default());
        let refused = pace.turn(MOST).await;
        tokio::time::advance(Duration::from_millis(1)).await;
        refused.refused(Duration::from_secs(15));
        drop(refused);
        assert_eq!(pace.limit(), kept(FIRST));
        let start = Instant::now();
        for _ in 0..2 * FIRST * RECOVER_AFTER {
            pace.turn(MOST).await.succeeded(1, MOST);
        }
        assert!(start.elapsed() < Duration::from_secs(1));
        assert_eq!(pace.limit(), FIRST);
    }
}
