//! Ctrl-C, SIGTERM and SIGHUP: the first asks the command to stop and leave nothing behind, the second ends it at once.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::output;

/// The exit status of a command that Ctrl-C ended, as shells have it.
pub(crate) const INTERRUPTED: i32 = 130;

/// Whether the command stops by itself at a signal.
static IS_GRACEFUL: AtomicBool = AtomicBool::new(false);

/// Has Ctrl-C end the process again. Once a process has listened for it, the system no longer does that.
pub(crate) fn end_by_interrupt() {
    tokio::spawn(async {
        while tokio::signal::ctrl_c().await.is_ok() {
            if !IS_GRACEFUL.load(Ordering::Relaxed) {
                std::process::exit(INTERRUPTED);
            }
        }
    });
}

/// A token that the first signal cancels.
pub(crate) fn cancelled_by_signals() -> std::io::Result<CancellationToken> {
    IS_GRACEFUL.store(true, Ordering::Relaxed);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        let mut next = async || {
            let hung_up = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {}, _ = hung_up => {} }
        };
        next().await;
        // First of all: a remark that nobody reads takes a while to be given up.
        cancel.cancel();
        output::note("Stopping; nothing half-done will be left. Once more to stop at once.");
        next().await;
        std::process::exit(1);
    });
    Ok(token)
}

/// Whether the process was started to outlive its terminal, as nohup does. Linux says so in /proc; elsewhere it is not known.
fn hangup_is_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The lowest bit is signal 1, SIGHUP.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::ignores_hangup;

    #[test]
    fn nohup_is_read_off_the_mask() {
        assert!(ignores_hangup("Name:\tdbackup\nSigIgn:\t0000000000001001\nSigCgt:\t0"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\n") && !ignores_hangup("") && !ignores_hangup("SigIgn: x"));
    }
}
