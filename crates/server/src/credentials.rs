//! Tells answers that go on for long when a session or token has ended on this server.

use tokio::sync::watch;

/// Whom to tell. Other servers on the same database look each minute.
pub(crate) struct Credentials(watch::Sender<()>);

impl Default for Credentials {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Credentials {
    /// Has every answer that goes on look whether its credential still holds.
    pub(crate) fn changed(&self) {
        self.0.send_replace(());
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}
