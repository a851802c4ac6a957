//! Retention: which backups of a job stay at a destination, and which may go.
//!
//! A plan deletes nothing. It returns for every backup whether it stays, with all reasons as data. Rules are joined: a backup that one rule
//! keeps is kept. Floors come on top, and no rule passes them. In doubt a backup is kept.

mod calendar;
#[cfg(test)]
mod examples;
mod floors;
mod plan;
#[cfg(test)]
mod properties;
mod reason;
mod rules;

pub use calendar::Period;
pub use plan::{Backup, Census, Decision, Evidence, Hold, Listing, OtherCopies, Plan, Quality, plan};
pub use reason::Reason;
pub use rules::{Rules, RulesError};
