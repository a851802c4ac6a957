//! How much room there is.

use domain::size::human;

/// A storage's room in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// In use.
    pub used: u64,
    /// All there is; `None` if there is no limit.
    pub allowed: Option<u64>,
}

impl Usage {
    /// Returns what is left; `None` if there is no limit.
    pub fn free(self) -> Option<u64> {
        self.allowed.map(|allowed| allowed.saturating_sub(self.used))
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let used = human(self.used);
        match self.allowed {
            Some(allowed) => write!(f, "{used} of {} used", human(allowed)),
            None => write!(f, "{used} used"),
        }
    }
}
