//! The faults that wait for their calls.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Fault, FaultKind};

/// The faults that wait.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    /// Its `nth` and `times` are what is left of them.
    fault: Fault,
    /// Calls since the last that `every` hit.
    passed: u32,
}

impl Waiting {
    /// Counts a call that matches; whether it is one to be hit.
    fn count(&mut self) -> bool {
        if self.fault.nth > 1 {
            self.fault.nth -= 1;
            return false;
        }
        self.passed += 1;
        let is_hit = self.passed >= self.fault.every.unwrap_or(1);
        if is_hit {
            self.passed = 0;
        }
        is_hit
    }

    /// Uses up one of its hits.
    fn strike(&mut self) -> FaultKind {
        self.fault.times = match (self.fault.times, self.fault.every) {
            (Some(times), _) => Some(times - 1),
            (None, Some(_)) => None,
            (None, None) => Some(0),
        };
        self.fault.kind
    }

    fn is_over(&self) -> bool {
        self.fault.times == Some(0)
    }
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a fault wait for its calls.
    pub(crate) fn add(&self, fault: Fault) {
        let waiting = Waiting { fault, passed: 0 };
        if !waiting.is_over() {
            self.lock().push(waiting);
        }
    }

    /// Forgets them all.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// What still waits, oldest first.
    pub(crate) fn list(&self) -> Vec<Fault> {
        self.lock().iter().map(|waiting| waiting.fault.clone()).collect()
    }

    /// Counts a call; the fault that hits it, if one does. A fault whose turn another takes strikes at the next call.
    pub(crate) fn take(&self, route: &str, paths: &[String]) -> Option<FaultKind> {
        let mut all = self.lock();
        let mut hit = None;
        for waiting in all.iter_mut().filter(|waiting| waiting.fault.matches(route, paths)) {
            if waiting.count() {
                match hit {
                    None => hit = Some(waiting.strike()),
                    Some(_) => waiting.passed = waiting.fault.every.unwrap_or(1) - 1,
                }
            }
        }
        all.retain(|waiting| !waiting.is_over());
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: FaultKind = FaultKind::Status503;

    fn hits(faults: &Faults, route: &str, calls: usize) -> Vec<usize> {
        (1..=calls).filter(|_| faults.take(route, &[]).is_some()).collect()
    }

    #[test]
    fn a_fault_hits_the_calls_it_names_and_no_other() {
        let faults = Faults::default();
        faults.add(Fault::next("files/upload", KIND).nth(2).times(2));
        assert!(hits(&faults, "files/download", 3).is_empty());
        assert_eq!(hits(&faults, "files/upload", 5), [2, 3]);
        faults.add(Fault::next("*", FaultKind::Status500));
        assert_eq!(faults.take("oauth2/token", &[]), Some(FaultKind::Status500));
        assert_eq!(faults.take("oauth2/token", &[]), None);
        faults.add(Fault::next("upload_session/*", KIND).times(9));
        assert!(hits(&faults, "files/upload", 1).is_empty());
        assert_eq!(hits(&faults, "files/upload_session/finish", 1), [1]);
        faults.clear();
        faults.add(Fault::next("upload", KIND).times(0));
        assert_eq!(faults.list(), []);
    }

    #[test]
    fn every_counts_from_the_nth_call_on() {
        let faults = Faults::default();
        faults.add(Fault::next("upload", KIND).every(3));
        assert_eq!(hits(&faults, "files/upload", 10), [3, 6, 9]);
        faults.clear();
        faults.add(Fault::next("upload", KIND).times(2).every(2).nth(3));
        assert_eq!(hits(&faults, "files/upload", 10), [4, 6]);
        assert_eq!(faults.list(), []);
    }

    #[test]
    fn of_two_faults_for_one_call_the_second_waits_for_the_next() {
        let faults = Faults::default();
        faults.add(Fault::next("upload", FaultKind::Status500));
        faults.add(Fault::next("upload", FaultKind::Status503));
        faults.add(Fault::next("upload", FaultKind::Status502).every(2));
        let kinds: Vec<Option<FaultKind>> = (0..4).map(|_| faults.take("files/upload", &[])).collect();
        assert_eq!(kinds[..2], [Some(FaultKind::Status500), Some(FaultKind::Status503)]);
        assert_eq!(kinds[2..], [Some(FaultKind::Status502), None]);
    }

    #[test]
    fn a_path_is_compared_whole_or_by_its_beginning_in_any_capitals() {
        let faults = Faults::default();
        let take = |path: &str| faults.take("files/upload", &[path.to_owned()]).is_some();
        faults.add(Fault::next("upload", KIND).on_path("/Backup/a").times(9));
        assert_eq!([take("/backup/A"), take("/backup/a/b"), take("/b")], [true, false, false]);
        assert_eq!(faults.take("files/upload", &[]), None);
        faults.clear();
        faults.add(Fault::next("upload", KIND).on_path("/Backup/*").times(9));
        assert_eq!([take("/backup/a/b"), take("/backups")], [true, false]);
    }
}
