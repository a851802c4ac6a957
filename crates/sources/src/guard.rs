//! The last question before a target changes.

use async_trait::async_trait;

use crate::error::Error;

/// Asked right before a restore changes its target for good, and before each attempt to, and right before a backup is published: the run may
/// have been cancelled meanwhile, or somebody else may have taken it over.
#[async_trait]
pub trait Guard: Send + Sync {
    /// Answers once it is known that the run may go on.
    ///
    /// # Errors
    /// [`Kind::Stopped`](crate::Kind::Stopped) if it may not; then nothing is changed.
    async fn check(&self) -> Result<(), Error>;
}

/// Lets everything pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unguarded;

#[async_trait]
impl Guard for Unguarded {
    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}
