//! Which runs other servers have abandoned: those whose lease nobody has renewed for as long as it lasts. That is measured by this
//! process's own monotonic clock, so that neither the servers' clocks nor the database's have to be right.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use catalog::Lease;

/// A look that comes later than this and half a lease after the one before did not only wait for its turn.
const LATE: Duration = Duration::from_secs(3);

/// The leases of others, and since when each is as it is.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: HashMap<String, (Lease, Instant)>,
    looked: Option<Instant>,
}

impl Watch {
    /// Takes a look, and returns the leases that have not been renewed for `limit`. A look that comes late says that this process
    /// stood still, and perhaps others did with it: then everybody gets the whole time again.
    pub(super) fn look(&mut self, leases: Vec<Lease>, now: Instant, limit: Duration) -> Vec<Lease> {
        if self.looked.is_some_and(|before| now.duration_since(before) > limit / 2 + LATE) {
            self.forget();
        }
        self.looked = Some(now);
        let mut before = std::mem::take(&mut self.seen);
        let mut abandoned = Vec::new();
        for lease in leases {
            let since = match before.remove(&lease.run_id) {
                Some((same, since)) if same == lease => since,
                _ => now,
            };
            if now.duration_since(since) >= limit {
                abandoned.push(lease.clone());
            }
            self.seen.insert(lease.run_id.clone(), (lease, since));
        }
        abandoned
    }

    /// Gives everybody the whole time again: the database did not answer, so that nobody could renew anything.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn lease(run_id: &str, until: i64) -> Lease {
        Lease { run_id: run_id.to_owned(), fence: 1, until: Some(until) }
    }

    fn abandoned(watch: &mut Watch, leases: Vec<Lease>, now: Instant) -> Vec<String> {
        watch.look(leases, now, LIMIT).into_iter().map(|lease| lease.run_id).collect()
    }

    #[test]
    fn a_lease_is_over_when_it_stays_as_it_is_whatever_the_clocks_say() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        // One is renewed by a clock that runs backwards; the dead one's lies a year ahead; the last one's ended long ago.
        for second in 0..30 {
            let renewed = lease("alive", 1_000_000 - i64::try_from(second).unwrap());
            let found = abandoned(&mut watch, vec![renewed, lease("dead", i64::MAX / 2), lease("old", 0)], at(second));
            assert!(found.is_empty(), "{second}: {found:?}");
        }
        let found =
            abandoned(&mut watch, vec![lease("alive", 7), lease("dead", i64::MAX / 2), lease("old", 0)], at(30));
        assert_eq!(found, ["dead", "old"]);
    }

    #[test]
    fn nobody_loses_a_run_while_the_database_or_this_process_stood_still() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let look = |watch: &mut Watch, second| abandoned(watch, vec![lease("run", 5)], at(second));
        assert!(look(&mut watch, 0).is_empty());
        assert!(look(&mut watch, 40).is_empty(), "this process was suspended");
        for second in (50..70).step_by(10) {
            assert!(look(&mut watch, second).is_empty());
        }
        watch.forget();
        for second in (70..100).step_by(10) {
            assert!(look(&mut watch, second).is_empty());
        }
        assert_eq!(look(&mut watch, 100), ["run"]);
    }
}
