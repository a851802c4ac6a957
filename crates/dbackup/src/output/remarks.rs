//! Writes to standard error. A pipe that is full and that nobody reads must hold up nothing: a thread of its own writes, and who
//! wants something written waits for it only as long as that thread gets anywhere.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Maximum number of texts that wait to be written. Further ones are lost.
const MAX_WAITING: usize = 64;
/// Maximum time that a writer waits for its text.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

struct Remark {
    text: String,
    /// Dropped once the text was written, or could not be.
    _written: SyncSender<()>,
}

/// Writes a text, and waits until it was written or standard error turns out to take nothing.
pub(super) fn write(text: String) {
    static THREAD: OnceLock<Option<SyncSender<Remark>>> = OnceLock::new();
    // Where remarks cannot be written, there is no place to say so.
    let Some(thread) = THREAD.get_or_init(start) else { return };
    let (sender, written) = sync_channel(0);
    match thread.try_send(Remark { text, _written: sender }) {
        Ok(()) => wait(&written),
        Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
    }
}

fn wait(written: &Receiver<()>) {
    /// Whether somebody has waited in vain: nobody does after that.
    static STUCK: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    use std::sync::atomic::Ordering::Relaxed;
    let timeout = if STUCK.load(Relaxed) { Duration::ZERO } else { WRITE_TIMEOUT };
    let waited = written.recv_timeout(timeout);
    STUCK.store(waited == Err(RecvTimeoutError::Timeout), Relaxed);
}

fn start() -> Option<SyncSender<Remark>> {
    let (sender, remarks) = sync_channel::<Remark>(MAX_WAITING);
    let writing = move || {
        for remark in remarks {
            let text = &remark.text;
            let mut stderr = std::io::stderr().lock();
            let _ = stderr.write_all(text.as_bytes());
            let _ = stderr.flush();
        }
    };
    std::thread::Builder::new().name("remarks".to_owned()).spawn(writing).ok().map(|_| sender)
}
