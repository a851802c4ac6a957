//! Commits of runs that are cancelled, or that another process has taken over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dropbox::files::{Companion, Gate};
use dropbox::{Client, Error};
use dropbox_emulator::{Fault, FaultKind};
use tokio::sync::Notify;

use crate::support::{CHUNK, client, count, emulator, sample, settings};

const FINISH: &str = "files/upload_session/finish";
const FINISH_PAIR: &str = "files/upload_session/finish_batch_v2";

/// Closes after it has let a number of attempts pass.
pub(crate) struct ClosesAfter {
    passes: usize,
    asked: AtomicUsize,
    changed: Notify,
}

impl ClosesAfter {
    pub(crate) fn new(passes: usize) -> Arc<Self> {
        Arc::new(Self { passes, asked: AtomicUsize::new(0), changed: Notify::new() })
    }
}

#[async_trait]
impl Gate for ClosesAfter {
    async fn check(&self) -> Result<(), String> {
        let passes = self.asked.fetch_add(1, Ordering::SeqCst) < self.passes;
        self.changed.notify_waiters();
        if passes { Ok(()) } else { Err("cancelled".to_owned()) }
    }

    async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            if self.asked.load(Ordering::SeqCst) >= self.passes {
                return;
            }
            changed.await;
        }
    }
}

/// Waits for so long between attempts that a test would never end.
pub(crate) fn waiting_long(emulator: &dropbox_emulator::Emulator) -> Client {
    let mut settings = settings(emulator);
    let long = Duration::from_secs(24 * 3600);
    settings.retry.first_wait = long;
    settings.retry.longest_wait = long;
    settings.timeouts.stall = long * 10;
    Client::new(settings).unwrap()
}

async fn commit(client: &Client, route: &str, gate: Arc<ClosesAfter>) -> Result<(), Error> {
    let mut upload = client.start_upload();
    upload.guard(gate);
    upload.write(sample(CHUNK + 3).into()).await?;
    if route == FINISH {
        return upload.commit("/backup").await.map(drop);
    }
    let companion = Companion { path: "/backup.meta".to_owned(), content: b"{}".as_slice().into() };
    upload.commit_with("/backup", &companion).await?.companion.map(drop)
}

/// How often the gate is asked until the first attempt is sent.
fn first_attempt(route: &str) -> usize {
    if route == FINISH { 1 } else { 2 }
}

#[tokio::test]
async fn a_closed_gate_ends_the_wait_for_another_attempt_and_nothing_is_published() {
    let emulator = emulator().await;
    let client = waiting_long(&emulator);
    for route in [FINISH, FINISH_PAIR] {
        for kind in [FaultKind::Status503, FaultKind::TooManyRequests { retry_after: 600 }] {
            emulator.control().inject(Fault::next(route, kind));
            let error = commit(&client, route, ClosesAfter::new(first_attempt(route))).await.unwrap_err();
            assert!(matches!(error, Error::Stopped(_)), "{route}, {kind:?}: {error:?}");
            assert_eq!(emulator.control().files(), [], "{route}, {kind:?}");
            emulator.control().clear_faults();
        }
    }
}

#[tokio::test]
async fn the_gate_is_asked_before_each_attempt() {
    let emulator = emulator().await;
    let client = client(&emulator);
    for route in [FINISH, FINISH_PAIR] {
        let before = count(&emulator, route);
        emulator.control().inject(Fault::next(route, FaultKind::Status503).times(2));
        let error = commit(&client, route, ClosesAfter::new(first_attempt(route) + 1)).await.unwrap_err();
        assert_eq!(error.to_string(), "cancelled: nothing was published");
        assert_eq!(count(&emulator, route) - before, 2, "the third attempt would have succeeded");
        emulator.control().clear_faults();
        assert_eq!(emulator.control().files(), [], "{route}");
    }
}

#[tokio::test]
async fn a_commit_that_was_sent_and_not_answered_is_settled_behind_a_closed_gate() {
    let emulator = emulator().await;
    let client = waiting_long(&emulator);
    for (route, files) in [(FINISH, 1), (FINISH_PAIR, 2)] {
        emulator.control().inject(Fault::next(route, FaultKind::AnswerLostAfterEffect));
        commit(&client, route, ClosesAfter::new(first_attempt(route))).await.unwrap();
        assert_eq!(emulator.control().files().len(), files, "{route}");
        emulator.control().clear_faults();
        emulator.control().remove("/backup");
        emulator.control().remove("/backup.meta");
    }
}

#[tokio::test]
async fn a_stop_after_an_attempt_without_an_answer_does_not_claim_that_nothing_was_published() {
    let emulator = emulator().await;
    let client = waiting_long(&emulator);
    for route in [FINISH, FINISH_PAIR] {
        emulator.control().inject(Fault::next(route, FaultKind::ResetBeforeEffect));
        let error = commit(&client, route, ClosesAfter::new(first_attempt(route))).await.unwrap_err();
        assert!(matches!(&error, Error::Unsettled { path, .. } if path == "/backup"), "{route}: {error:?}");
        assert!(error.to_string().contains("may still appear"), "{route}: {error}");
        emulator.control().clear_faults();
    }
}
