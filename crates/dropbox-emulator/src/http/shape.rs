//! Bandwidth: how many bytes may move over a socket, and when the next may.
//!
//! Every connection moves its bytes in turns. After each turn it waits for the moment at which its own line, and the
//! line that all share, would have carried what they took so far. Turns on the shared line are in the order of asking,
//! so none starves.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// How far a line may lag behind and still catch up: more than a late timer, less than anybody measures.
const BURST: Duration = Duration::from_millis(20);

/// The longest turn in time, and the bounds of it in bytes.
const TURN: Duration = Duration::from_millis(10);
const TURN_BYTES: (u64, u64) = (512, 64 * 1024);

/// The longest sleep, after which the weather may be another.
const NAP: Duration = Duration::from_millis(50);

/// The limits, and the line that all connections share in each direction.
#[derive(Debug, Default)]
pub(crate) struct Shaper {
    /// Bytes per second; 0 is no limit.
    connection: AtomicU64,
    total: AtomicU64,
    incoming: Mutex<Line>,
    outgoing: Mutex<Line>,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

/// A line that carries so many bytes per second.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    free: Option<Instant>,
}

impl Line {
    /// Takes on more bytes; the moment at which all are carried.
    fn carry(&mut self, bytes: u64, rate: u64, now: Instant) -> Instant {
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let start = self.free.map_or(now, |free| free.max(earliest));
        let done = start + Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate);
        self.free = Some(done);
        done
    }
}

impl Shaper {
    /// Changes the limits.
    pub(crate) fn set(&self, connection: Option<u64>, total: Option<u64>) {
        let rate = |limit: Option<u64>| limit.map_or(0, |limit| limit.max(1));
        self.connection.store(rate(connection), Ordering::Relaxed);
        self.total.store(rate(total), Ordering::Relaxed);
    }

    fn limits(&self) -> (Option<u64>, Option<u64>) {
        let limit = |rate: &AtomicU64| Some(rate.load(Ordering::Relaxed)).filter(|rate| *rate > 0);
        (limit(&self.connection), limit(&self.total))
    }

    /// How many bytes one turn has; `None` without limits.
    fn turn(&self) -> Option<u64> {
        let narrowest = match self.limits() {
            (Some(connection), Some(total)) => connection.min(total),
            (connection, total) => connection.or(total)?,
        };
        let bytes = narrowest.saturating_mul(TURN.as_millis() as u64) / 1000;
        Some(bytes.clamp(TURN_BYTES.0, TURN_BYTES.1))
    }

    fn shared(&self, direction: Direction) -> &Mutex<Line> {
        match direction {
            Direction::In => &self.incoming,
            Direction::Out => &self.outgoing,
        }
    }
}

/// One direction of one connection.
#[derive(Debug)]
pub(crate) struct Lane {
    direction: Direction,
    own: Line,
    /// What is left of this turn.
    left: u64,
    /// When the next turn may begin, if this one is over.
    next_turn: Option<Instant>,
    /// Whether others have had the chance of a turn since.
    stood_back: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Lane {
    /// A lane that has moved nothing yet.
    pub(crate) fn new(direction: Direction) -> Lane {
        let own = Line::default();
        Lane { direction, own, left: 0, next_turn: None, stood_back: false, sleep: None }
    }

    /// How many bytes may move now; `None` is any number.
    pub(crate) fn poll_turn(&mut self, shaper: &Shaper, context: &mut Context<'_>) -> Poll<Option<usize>> {
        let Some(turn) = shaper.turn() else { return Poll::Ready(None) };
        if let Some(next_turn) = self.next_turn {
            ready!(self.poll_until(next_turn, context));
            self.next_turn = None;
        }
        if self.left == 0 || self.left > turn {
            self.left = turn;
        }
        Poll::Ready(Some(usize::try_from(self.left).unwrap_or(usize::MAX)))
    }

    fn poll_until(&mut self, next_turn: Instant, context: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let is_early = next_turn > now;
        if is_early {
            let wake = next_turn.min(now + NAP);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(wake)));
            sleep.as_mut().reset(wake);
            self.stood_back = true;
            ready!(sleep.as_mut().poll(context));
        }
        if is_early || !self.stood_back {
            self.stood_back = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Counts bytes that moved.
    pub(crate) fn moved(&mut self, shaper: &Shaper, bytes: usize) {
        let (connection, total) = shaper.limits();
        let (bytes, now) = (bytes as u64, Instant::now());
        let own = connection.map(|rate| self.own.carry(bytes, rate, now));
        let shared = total.map(|rate| {
            let mut line = shaper.shared(self.direction).lock().unwrap_or_else(PoisonError::into_inner);
            line.carry(bytes, rate, now)
        });
        self.left = self.left.saturating_sub(bytes);
        if self.left == 0 {
            self.next_turn = own.max(shared);
            self.stood_back = false;
        }
    }
}
