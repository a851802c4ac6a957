//! How often something may be tried: so many times within a period, per key, within bounded memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Keys kept at most; beyond, the ones that waited longest are forgotten.
const MOST_KEYS: usize = 10_000;

/// The limits of this server.
pub(crate) struct Limiters {
    /// Wrong passwords, setup tokens and API tokens, by address.
    pub(crate) address: Limiter,
    /// Wrong passwords, by name: slower than by address, since whoever knows a name could lock its owner out.
    pub(crate) name: Limiter,
    /// Refusals that are written to the audit log, by address.
    pub(crate) audit: Limiter,
}

impl Default for Limiters {
    fn default() -> Self {
        Self {
            address: Limiter::new(10, SignedDuration::from_mins(5)),
            name: Limiter::new(50, SignedDuration::from_mins(15)),
            audit: Limiter::new(60, SignedDuration::from_mins(1)),
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

impl Limiter {
    pub(crate) fn new(most: u32, period: SignedDuration) -> Self {
        Self { most, period, counted: Mutex::default() }
    }

    /// Whether the key has attempts left; or how many seconds until then.
    pub(crate) fn check(&self, key: &str, now: Timestamp) -> Result<(), i64> {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        match counted.get(key) {
            Some(counted) if counted.attempts >= self.most => {
                let left = self.period - now.duration_since(counted.since);
                if left.is_positive() { Err(left.as_secs() + 1) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Counts an attempt.
    pub(crate) fn count(&self, key: &str, now: Timestamp) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= MOST_KEYS && !counted.contains_key(key) {
            self.make_room(&mut counted, now);
        }
        let entry = counted.entry(key.to_owned()).or_insert(Counted { since: now, attempts: 0 });
        if now.duration_since(entry.since) >= self.period {
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

    /// Forgets a key's attempts.
    pub(crate) fn reset(&self, key: &str) {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn make_room(&self, counted: &mut HashMap<String, Counted>, now: Timestamp) {
        counted.retain(|_, counted| now.duration_since(counted.since) < self.period);
        if counted.len() >= MOST_KEYS {
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

    #[test]
    fn attempts_run_out_and_come_back() {
        let limiter = Limiter::new(2, SignedDuration::from_secs(60));
        let start = Timestamp::UNIX_EPOCH;
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        assert!(limiter.take("a", start) && limiter.take("a", at(1)) && !limiter.take("a", at(2)));
        assert_eq!(limiter.check("a", at(2)), Err(59));
        assert!(limiter.take("b", at(2)));
        assert!(limiter.take("a", at(60)));
        limiter.count("b", at(3));
        limiter.reset("b");
        assert!(limiter.check("b", at(4)).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_one_network_is_one_key() {
        let limiter = Limiter::new(1, SignedDuration::from_secs(60));
        for number in 0..MOST_KEYS + 10 {
            limiter.count(&number.to_string(), Timestamp::UNIX_EPOCH + SignedDuration::from_millis(number as i64));
        }
        assert_eq!(limiter.counted.lock().unwrap().len(), MOST_KEYS);
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::"), key("2001:db8:1:3::"));
        assert_eq!(key("::ffff:10.0.0.1"), "10.0.0.1");
    }
}
