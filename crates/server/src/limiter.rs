//! How often something may be tried: so many times within a period, per key, within bounded memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Maximum number of keys; beyond, the ones that waited longest are forgotten.
const MAX_KEYS: usize = 10_000;

/// The limits of this server.
pub(crate) struct Limiters {
    /// Wrong passwords, by name and address together, or by the browser that has signed in with this name before. Never by name
    /// alone: a stranger who knows a name could lock its owner out.
    pub(crate) passwords: Limiter,
    /// Wrong passwords for any name, by address.
    pub(crate) sign_ins: Limiter,
    /// Wrong setup tokens and API tokens, by address.
    pub(crate) tokens: Limiter,
    /// Refusals that are written to the audit log, by address.
    pub(crate) audit: Limiter,
    /// Download links, by user. Each is kept until it expires, whether it is used or not.
    pub(crate) downloads: Limiter,
    /// Authorizations that are begun, by user.
    pub(crate) authorizations: Limiter,
}

impl Default for Limiters {
    fn default() -> Self {
        let five_minutes = SignedDuration::from_mins(5);
        Self {
            passwords: Limiter::new(10, five_minutes),
            sign_ins: Limiter::new(50, five_minutes),
            tokens: Limiter::new(10, five_minutes),
            audit: Limiter::new(60, SignedDuration::from_mins(1)),
            downloads: Limiter::new(120, SignedDuration::from_mins(1)),
            authorizations: Limiter::new(30, SignedDuration::from_mins(10)),
        }
    }
}

/// Counts attempts per key in fixed periods.
pub(crate) struct Limiter {
    most: u32,
    period: SignedDuration,
    counted: Mutex<HashMap<String, Counted>>,
}

struct Counted {
    since: Timestamp,
    attempts: u32,
}

impl Counted {
    /// How much of the period is left. A clock that was set back begins it anew: it is never longer than it should be.
    fn left(&mut self, period: SignedDuration, now: Timestamp) -> SignedDuration {
        if now < self.since {
            self.since = now;
        }
        period - now.duration_since(self.since)
    }
}

impl Limiter {
    pub(crate) fn new(most: u32, period: SignedDuration) -> Self {
        Self { most, period, counted: Mutex::default() }
    }

    /// Whether the key has attempts left; or how many seconds until then, never more than the period has.
    pub(crate) fn check(&self, key: &str, now: Timestamp) -> Result<(), i64> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(counted) = counted.get_mut(key) else { return Ok(()) };
        let left = counted.left(self.period, now);
        if counted.attempts < self.most || !left.is_positive() { Ok(()) } else { Err(left.as_secs() + 1) }
    }

    /// Counts an attempt.
    pub(crate) fn count(&self, key: &str, now: Timestamp) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= MAX_KEYS && !counted.contains_key(key) {
            self.make_room(&mut counted, now);
        }
        let entry = counted.entry(key.to_owned()).or_insert(Counted { since: now, attempts: 0 });
        if !entry.left(self.period, now).is_positive() {
            *entry = Counted { since: now, attempts: 0 };
        }
        entry.attempts = entry.attempts.saturating_add(1);
    }

    /// Counts an attempt if there is one left. Whether there was.
    pub(crate) fn take(&self, key: &str, now: Timestamp) -> bool {
        let allowed = self.check(key, now).is_ok();
        if allowed {
            self.count(key, now);
        }
        allowed
    }

    /// Takes back one attempt that was counted and turned out right. The wrong ones stay counted.
    pub(crate) fn give_back(&self, key: &str) {
        if let Some(counted) = self.counted.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key) {
            counted.attempts = counted.attempts.saturating_sub(1);
        }
    }

    fn make_room(&self, counted: &mut HashMap<String, Counted>, now: Timestamp) {
        counted.retain(|_, counted| counted.left(self.period, now).is_positive());
        if counted.len() >= MAX_KEYS {
            let oldest = counted.iter().min_by_key(|(_, counted)| counted.since).map(|(key, _)| key.clone());
            oldest.map(|key| counted.remove(&key));
        }
    }
}

/// What an attacker has one of: an IPv4 address, or an IPv6 network of 64 bits.
pub(crate) fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn attempts_run_out_and_come_back() {
        let limiter = Limiter::new(2, SignedDuration::from_secs(60));
        assert!(limiter.take("a", at(0)) && limiter.take("a", at(1)) && !limiter.take("a", at(2)));
        assert_eq!(limiter.check("a", at(2)), Err(59));
        assert!(limiter.take("b", at(2)));
        assert!(limiter.take("a", at(60)));
    }

    #[test]
    fn a_right_attempt_takes_back_only_itself() {
        let limiter = Limiter::new(2, SignedDuration::from_secs(60));
        limiter.count("a", at(0));
        for _ in 0..5 {
            limiter.count("a", at(1));
            limiter.give_back("a");
        }
        assert!(limiter.take("a", at(2)) && !limiter.take("a", at(2)));
        limiter.give_back("unknown");
    }

    #[test]
    fn a_clock_that_jumps_locks_out_for_one_period_at_most() {
        let limiter = Limiter::new(1, SignedDuration::from_secs(60));
        limiter.count("a", at(365 * 24 * 3600));
        assert_eq!(limiter.check("a", at(0)), Err(61));
        assert_eq!(limiter.check("a", at(59)), Err(2));
        assert_eq!(limiter.check("a", at(60)), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_one_network_is_one_key() {
        let limiter = Limiter::new(1, SignedDuration::from_secs(60));
        for number in 0..MAX_KEYS + 10 {
            limiter.count(&number.to_string(), Timestamp::UNIX_EPOCH + SignedDuration::from_millis(number as i64));
        }
        assert_eq!(limiter.counted.lock().unwrap().len(), MAX_KEYS);
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::"), key("2001:db8:1:3::"));
        assert_eq!(key("::ffff:10.0.0.1"), "10.0.0.1");
    }
}
