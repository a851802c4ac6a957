//! Checks authorizations that nothing has used for a while, so that one that was revoked shows before the next run needs it.

use std::time::Duration;

use catalog::{AuthorizationState, Destination, PageRequest};
use jiff::{SignedDuration, Timestamp};

use crate::app::App;
use crate::failure::Failure;

/// Time since the last use or check after which an authorization is checked.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(1);
/// How often authorizations are looked at, without the jitter.
const LOOK_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Maximum jitter, which keeps the servers of many installations from asking a provider in step.
const MAX_JITTER: Duration = Duration::from_secs(60);
/// Maximum time that one check takes.
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum number of checks between two looks; the rest waits for the next one.
const MAX_CHECKS: usize = 100;
/// Destinations read from the catalog at once.
const PAGE: usize = 100;

impl App {
    /// Checks idle authorizations at the start and then every few minutes, until the server stops. `random` spreads the looks.
    pub(crate) async fn check_authorizations(self, random: fn() -> u32) {
        loop {
            let checked = self.runs.draining.run_until_cancelled(self.check_idle());
            if let Some(Err(error)) = checked.await {
                tracing::warn!(%error, "authorizations could not be checked");
            }
            let pause = tokio::time::sleep(pause(random()));
            if self.runs.draining.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    async fn check_idle(&self) -> Result<(), catalog::Error> {
        let mut page = PageRequest { after: None, limit: PAGE };
        let mut checks = 0;
        loop {
            let found = self.catalog.destinations(&page).await?;
            for destination in &found.items {
                if !destination.authorization.as_ref().is_some_and(|state| is_idle(state, self.now())) {
                    continue;
                }
                self.check_one(destination).await;
                checks += 1;
                if checks >= MAX_CHECKS {
                    return Ok(());
                }
            }
            page.after = found.items.last().map(|destination| destination.name.clone()).filter(|_| found.more);
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Checks one authorization. A storage that cannot be reached says nothing of it: the next look asks again.
    async fn check_one(&self, destination: &Destination) {
        let checked = tokio::time::timeout(CHECK_TIMEOUT, self.check_authorization(destination)).await;
        let failure = match checked {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure,
            Err(_) => Failure::TookTooLong(CHECK_TIMEOUT),
        };
        tracing::warn!(error = %failure, destination_id = destination.id, "the authorization could not be checked");
    }
}

/// Returns whether nothing has shown for a while that the authorization works. One that is known to be broken waits for its user.
fn is_idle(state: &AuthorizationState, now: Timestamp) -> bool {
    state.broken.is_none() && now.duration_since(state.checked_at) >= MAX_AGE
}

/// Returns the time until the next look.
fn pause(random: u32) -> Duration {
    LOOK_INTERVAL + MAX_JITTER.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(checked_at: i64, broken: Option<&str>) -> AuthorizationState {
        serde_json::from_value(serde_json::json!({
            "accountId": "a", "accountName": "Anna", "email": "anna@example.com", "team": null, "scopes": [],
            "used": null, "allowed": null, "broken": broken,
            "authorizedAt": Timestamp::UNIX_EPOCH, "checkedAt": Timestamp::from_second(checked_at).unwrap(),
        }))
        .unwrap()
    }

    #[test]
    fn only_what_stands_and_was_not_used_for_an_hour_is_checked() {
        let now = Timestamp::from_second(10_000).unwrap();
        assert!(is_idle(&state(10_000 - 3600, None), now));
        assert!(!is_idle(&state(10_000 - 3599, None), now));
        assert!(!is_idle(&state(0, Some("revoked")), now));
        // A clock that was ahead.
        assert!(!is_idle(&state(20_000, None), now));
    }

    #[test]
    fn looks_are_spread() {
        assert_eq!((pause(0), pause(u32::MAX)), (LOOK_INTERVAL, LOOK_INTERVAL + MAX_JITTER));
    }
}
