//! Where a job's backups came from: two databases that are called the same must not be taken for each other.

use std::collections::BTreeSet;

use domain::Sidecar;
use runner::{Backup, SidecarState};

use crate::failure::Failure;
use crate::output;

const CURE: &str = "give the PATH of the one you mean, as dbackup list shows it";

/// Refuses backups of several sources, or of the same local address on several machines that both go on. Names the machines of
/// what it lets pass. The newest backup is the first.
pub(super) fn check(job: &str, newest_first: &[(Backup, SidecarState)]) -> Result<(), Failure> {
    let sidecars: Vec<&Sidecar> = newest_first.iter().filter_map(|(_, sidecar)| sidecar.sidecar()).collect();
    let sources: BTreeSet<&str> = sidecars.iter().map(|sidecar| &*sidecar.source_name).collect();
    if sources.len() > 1 {
        let sources = sources.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Failure::usage(format!("job '{job}' has backups of several sources ({sources}): {CURE}")));
    }
    if !sources.iter().any(|source| is_local(source)) {
        return Ok(());
    }
    let hosts: Vec<&str> = sidecars.iter().filter_map(|sidecar| sidecar.host.as_deref()).collect();
    check_hosts(job, &hosts, pipeline::host::name().as_deref())
}

fn check_hosts(job: &str, newest_first: &[&str], this: Option<&str>) -> Result<(), Failure> {
    let Some(newest) = newest_first.first() else { return Ok(()) };
    let others: BTreeSet<&str> = newest_first.iter().copied().filter(|host| host != newest).collect();
    if others.is_empty() {
        return Ok(());
    }
    let others_named = others.iter().copied().collect::<Vec<_>>().join(", ");
    // After a move, the old machine's backups end where the new one's begin.
    let older = newest_first.iter().skip_while(|host| *host == newest);
    let is_mixed = older.clone().any(|host| host == newest);
    let is_ours_older = this != Some(*newest) && this.is_some_and(|this| others.contains(this));
    if is_mixed || is_ours_older {
        return Err(Failure::usage(format!(
            "job '{job}' has backups of several machines ({newest}, {others_named}); the newest is by {newest}: {CURE}"
        )));
    }
    output::note(&format!(
        "Warning: job '{job}' has backups of several machines. This one is by {newest}, older ones by {others_named}."
    ));
    Ok(())
}

/// Returns whether an address means another database on another machine.
fn is_local(source: &str) -> bool {
    let Some((_, rest)) = source.split_once("://") else { return true };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let is_loopback = |name: &str| host == name || host.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'));
    host.is_empty()
        || host.starts_with("%2F")
        || host.starts_with("127.")
        || ["localhost", "[::1]"].into_iter().any(is_loopback)
        || host.starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_addresses_mean_another_database_on_another_machine() {
        for local in [
            "sqlite:///srv/app.db",
            "postgres://me@localhost/shop",
            "postgres://127.0.0.1:5433/x",
            "postgres://me@%2Frun/x",
            "postgres://me@[::1]:5432/x",
            "postgres://localhost:5432/x",
        ] {
            assert!(is_local(local), "{local}");
        }
        for remote in ["postgres://me@db.example:5432/shop", "postgres://localhost.example/x", "postgres://10.0.0.1/x"]
        {
            assert!(!is_local(remote), "{remote}");
        }
    }

    #[test]
    fn machines_that_both_go_on_are_told_apart_and_a_move_is_not_in_the_way() {
        let passes = |hosts: &[&str], this: &str| check_hosts("data", hosts, Some(this)).is_ok();
        assert!(passes(&[], "a") && passes(&["a", "a"], "a") && passes(&["a", "a"], "b"));
        assert!(passes(&["a", "b"], "a"), "this machine's own is the newest");
        assert!(!passes(&["b", "a"], "a"), "the newest is another machine's, and this one has its own");
        assert!(!passes(&["a", "b", "a"], "a") && !passes(&["a", "b", "a"], "c"), "both go on");
        assert!(passes(&["b", "b", "a", "a"], "b") && passes(&["b", "a"], "c"), "a move");
    }
}
