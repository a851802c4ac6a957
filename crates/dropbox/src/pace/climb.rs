//! The search for the fewest connections that give all the throughput there is: one trial at a time, taken back if it does not
//! pay. Fewer connections leave room for larger chunks, which spare Dropbox's quota of calls.

/// Below so many bytes a transfer is over before a trial pays.
const SETTLE: u64 = 1024 * 1024 * 1024;
/// More connections must give so much more.
const WORTH_MORE: f64 = 1.05;
/// Fewer must give no less than so much.
const AS_GOOD: f64 = 0.97;
/// Windows of rest after a trial that failed; twice as many each time.
const FIRST_REST: u32 = 4;
const LONGEST_REST: u32 = 64;

/// Where the search stands.
#[derive(Debug)]
pub(super) struct Climb {
    /// Bytes until the first trial.
    settling: u64,
    /// The rate that the present limit has to hold.
    reference: f64,
    /// The limit to go back to.
    trial_from: Option<usize>,
    upwards: bool,
    rest: u32,
    next_rest: u32,
}

impl Default for Climb {
    fn default() -> Self {
        Self { settling: SETTLE, reference: 0.0, trial_from: None, upwards: false, rest: 0, next_rest: FIRST_REST }
    }
}

impl Climb {
    /// After a refusal the way up is tried first, and soon.
    pub(super) fn refused(&mut self) {
        *self = Self { settling: 0, upwards: true, rest: 1, ..Self::default() };
    }

    /// The limit after a window in which `limit` connections moved `bytes` at `rate`.
    pub(super) fn step(&mut self, limit: usize, most: usize, rate: f64, bytes: u64, demand: bool) -> usize {
        if let Some(before) = self.trial_from.take() {
            return self.judge(before, limit, rate);
        }
        self.reference = if rate > self.reference { rate } else { 0.8 * self.reference + 0.2 * rate };
        self.settling = self.settling.saturating_sub(bytes);
        if self.settling > 0 {
            return limit;
        }
        if self.rest > 0 {
            self.rest -= 1;
            return limit;
        }
        self.start_trial(limit, most, demand)
    }

    fn start_trial(&mut self, limit: usize, most: usize, demand: bool) -> usize {
        let stride = (limit / 4).max(1);
        let target =
            if self.upwards && demand { (limit + stride).min(most) } else { (limit - stride.min(limit - 1)).max(2) };
        if target == limit {
            self.upwards = !self.upwards;
            return limit;
        }
        self.trial_from = Some(limit);
        target
    }

    fn judge(&mut self, before: usize, limit: usize, rate: f64) -> usize {
        let pays = if limit > before { rate >= self.reference * WORTH_MORE } else { rate >= self.reference * AS_GOOD };
        self.reference = self.reference.max(rate);
        if pays {
            self.next_rest = FIRST_REST;
            return limit;
        }
        self.upwards = !self.upwards;
        self.rest = self.next_rest;
        self.next_rest = (self.next_rest * 2).min(LONGEST_REST);
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs windows on a line where `rate` is what so many connections give.
    fn settle(mut limit: usize, windows: usize, rate: impl Fn(usize) -> f64) -> Vec<usize> {
        let mut climb = Climb::default();
        let mut limits = Vec::new();
        for _ in 0..windows {
            limit = climb.step(limit, 16, rate(limit), SETTLE / 2, true);
            limits.push(limit);
        }
        limits
    }

    #[test]
    fn a_line_that_few_connections_fill_gets_few() {
        let limits = settle(16, 60, |limit| limit.min(5) as f64);
        assert!(*limits.last().unwrap() <= 7, "{limits:?}");
        assert!(limits.iter().all(|limit| *limit >= 4), "{limits:?}");
    }

    #[test]
    fn a_line_that_needs_all_keeps_all() {
        let limits = settle(16, 60, |limit| limit as f64);
        let kept = limits.iter().filter(|limit| **limit == 16).count();
        assert!(kept >= 50, "{limits:?}");
    }

    #[test]
    fn after_a_refusal_it_grows_again() {
        let mut climb = Climb::default();
        climb.refused();
        let mut limits = vec![2];
        for window in 0..60 {
            limits.push(climb.step(limits[window], 16, limits[window] as f64, 1, true));
        }
        // But for trials of fewer.
        assert!(limits[30..].iter().filter(|limit| **limit == 16).count() > 24, "{limits:?}");
    }
}
