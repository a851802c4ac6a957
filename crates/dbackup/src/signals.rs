//! Ctrl-C and SIGTERM: the first asks the command to stop and leave nothing behind, the second ends it at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::output;

/// A token that the first signal cancels.
pub(crate) fn cancelled_by_signals() -> std::io::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} };
        next().await;
        output::note("Stopping; nothing half-done will be left. Once more to stop at once.");
        cancel.cancel();
        next().await;
        std::process::exit(1);
    });
    Ok(token)
}
