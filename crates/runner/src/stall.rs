//! How long nothing may move.

use std::time::Duration;

use tokio::time::timeout;

/// How long a database or a storage may give or take nothing, unless somebody says otherwise.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// After this much silence a run says so.
pub(crate) const NOTICE: Duration = Duration::from_secs(60);
/// Storages have limits of their own, whose words say more: theirs come first.
const GRACE: Duration = Duration::from_secs(60);

/// Nothing has moved for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing moved for {}", in_words(*.0))]
pub struct Stalled(pub Duration);

/// Waits for something that a database does, and says so when it takes long.
pub(crate) async fn of_database<T>(
    limit: Duration,
    doing: impl Future<Output = T>,
    on_silence: &(dyn Fn(Duration) + Sync),
) -> Result<T, Stalled> {
    tokio::pin!(doing);
    let notice = NOTICE.min(limit / 2);
    if let Ok(done) = timeout(notice, &mut doing).await {
        return Ok(done);
    }
    on_silence(notice);
    timeout(limit - notice, doing).await.map_err(|_| Stalled(limit))
}

/// Waits for something that gives no sign of itself, and looks now and then whether it gets on. Says so when it does not.
pub(crate) async fn unless_active<T, Looking: Future<Output = bool>>(
    limit: Duration,
    doing: impl Future<Output = T>,
    is_active: &impl Fn() -> Looking,
    on_silence: &(dyn Fn(Duration) + Sync),
) -> Result<T, Stalled> {
    tokio::pin!(doing);
    let notice = NOTICE.min(limit / 2);
    let mut silent = Duration::ZERO;
    while silent < limit {
        if let Ok(done) = timeout(notice, &mut doing).await {
            return Ok(done);
        }
        let is_active = tokio::select! {
            biased;
            done = &mut doing => return Ok(done),
            is_active = is_active() => is_active,
        };
        silent = if is_active { Duration::ZERO } else { silent + notice };
        if silent == notice {
            on_silence(silent);
        }
    }
    Err(Stalled(limit))
}

/// Waits for something that a storage does.
pub(crate) async fn of_storage<T>(limit: Duration, doing: impl Future<Output = T>) -> Result<T, Stalled> {
    timeout(limit + GRACE, doing).await.map_err(|_| Stalled(limit + GRACE))
}

/// `30 min`, `45 s`.
pub fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 120 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_told_once_and_then_ends_the_wait() {
        let told = AtomicUsize::new(0);
        let on_silence = |_| {
            told.fetch_add(1, Ordering::Relaxed);
        };
        let slow = of_database(STALL_TIMEOUT, tokio::time::sleep(STALL_TIMEOUT / 2), &on_silence).await;
        assert_eq!((slow, told.load(Ordering::Relaxed)), (Ok(()), 1));
        let quick = of_database(STALL_TIMEOUT, async {}, &on_silence).await;
        assert_eq!((quick, told.load(Ordering::Relaxed)), (Ok(()), 1));
        let hung = of_database(STALL_TIMEOUT, std::future::pending::<()>(), &on_silence).await;
        assert_eq!((hung, told.load(Ordering::Relaxed)), (Err(Stalled(STALL_TIMEOUT)), 2));
        assert_eq!(Stalled(STALL_TIMEOUT).to_string(), "nothing moved for 30 min");
        let worked = AtomicUsize::new(0);
        let works_for_long = || async { worked.fetch_add(1, Ordering::Relaxed) < 1000 };
        let hung = unless_active(STALL_TIMEOUT, std::future::pending::<()>(), &works_for_long, &on_silence).await;
        assert_eq!((hung, told.load(Ordering::Relaxed)), (Err(Stalled(STALL_TIMEOUT)), 3));
        assert_eq!(worked.load(Ordering::Relaxed), 1030);
        let hung = of_storage(Duration::from_secs(1), std::future::pending::<()>()).await;
        assert_eq!(hung.unwrap_err().to_string(), "nothing moved for 61 s");
    }
}
