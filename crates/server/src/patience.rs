//! How long a call to a destination may take.

/// Whether somebody waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Patience {
    /// A person looks at the screen.
    Short,
    /// A run works through the night.
    Long,
}
