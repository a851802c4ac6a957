//! The question before each attempt to make an upload visible.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Error;

/// Decides whether an upload may still become visible: its run may have been cancelled, or another process may have taken it over.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Asked right before each attempt of a commit is sent.
    ///
    /// # Errors
    /// Why nothing may be published any more.
    async fn check(&self) -> Result<(), String>;

    /// Completes as soon as it is known that [`Self::check`] will fail, which ends the waits between attempts.
    async fn closed(&self);
}

impl fmt::Debug for dyn Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

/// Lets every upload pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open;

#[async_trait]
impl Gate for Open {
    async fn check(&self) -> Result<(), String> {
        Ok(())
    }

    async fn closed(&self) {
        std::future::pending::<()>().await;
    }
}

/// Prepares a call and asks the gate right after. A gate that closes ends the preparation.
pub(crate) async fn prepared<T>(
    gate: &dyn Gate,
    preparing: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let prepared = tokio::select! {
        biased;
        () = gate.closed() => Err(Error::Stopped("cancelled".to_owned())),
        prepared = preparing => prepared,
    };
    gate.check().await.map_err(Error::Stopped)?;
    prepared
}

/// The gate of uploads that have none of their own.
pub(crate) fn open() -> Arc<dyn Gate> {
    Arc::new(Open)
}
