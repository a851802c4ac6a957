//! The floor under all rules: the newest good backups of each database.

use std::collections::{HashMap, HashSet};

use super::{Backup, Quality};

/// How many of the newest good backups of each database are never deleted.
const NEWEST: usize = 2;

/// Returns the places of the backups that are never deleted: of each database of each source the newest two that are good, that are good
/// without warnings, and that were verified. By the time that the dump recorded as well as in the order of their arrival at the
/// destination, because clocks jump. `is_future` tells which of them have a time that cannot be right.
pub(super) fn floor(backups: &[Backup], is_future: impl Fn(&Backup) -> bool) -> HashSet<usize> {
    let good: Vec<usize> = (0..backups.len()).filter(|at| backups[*at].quality.counts()).collect();
    let clean = |backup: &Backup| backup.quality == Quality::Succeeded;
    let verified = |backup: &Backup| backup.verified;
    let any = |_: &Backup| true;
    let kinds: [&dyn Fn(&Backup) -> bool; 3] = [&any, &clean, &verified];
    let mut by_time: Vec<usize> = good.iter().copied().filter(|at| !is_future(&backups[*at])).collect();
    by_time.sort_by(|a, b| backups[*b].order().cmp(&backups[*a].order()));
    let mut by_arrival = good;
    by_arrival.sort_by(|a, b| (backups[*b].arrival, &backups[*b].id).cmp(&(backups[*a].arrival, &backups[*a].id)));
    let mut floor = HashSet::new();
    for order in [&by_time, &by_arrival] {
        for is_of_kind in kinds {
            let mut taken: HashMap<_, usize> = HashMap::new();
            for at in order.iter().copied().filter(|at| is_of_kind(&backups[*at])) {
                let backup = &backups[at];
                let count = taken.entry((&backup.database, &backup.source)).or_default();
                if *count < NEWEST {
                    *count += 1;
                    floor.insert(at);
                }
            }
        }
    }
    floor
}
