//! Work on a thread of its own that its caller does not wait long for: on a dead mount, removing or closing a file never returns.

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

/// Maximum wait for the work; a file system that answers needs far less.
const WAIT: Duration = Duration::from_secs(1);

/// Does something on a thread of its own, and returns when it is done, or has taken too long to be waited for.
pub(crate) fn aside(work: impl FnOnce() + Send + 'static) {
    let (done, ended) = sync_channel(1);
    let working = thread::Builder::new().name("aside".to_owned()).spawn(move || {
        work();
        // Nobody may be waiting any more.
        let _ = done.send(());
    });
    // Without a thread the work is not done, which is as if this process had been killed before.
    if working.is_ok() {
        let _ = ended.recv_timeout(WAIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_hangs_holds_up_nobody_and_other_work_is_done_at_once() {
        let (release, released) = sync_channel::<()>(1);
        let (told, heard) = sync_channel(1);
        aside(move || {
            let _ = released.recv();
            told.send("released").unwrap();
        });
        let (worked, work) = sync_channel(1);
        aside(move || worked.send("done").unwrap());
        assert_eq!(work.try_recv(), Ok("done"));
        assert!(heard.try_recv().is_err(), "it hangs still");
        release.send(()).unwrap();
        assert_eq!(heard.recv(), Ok("released"));
    }
}
