//! What a run left out or could not check although it succeeded.

use serde::{Deserialize, Serialize};

/// One thing that a backup lacks, or a check that could not run. Kept in the sidecar and in the run's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// Stable identifier of the kind of warning: `unlogged-tables`, `invalid-database`.
    pub code: String,
    /// What it concerns (a table, a database), where the kind alone does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What is missing or unchecked, and why, as one sentence without its full stop.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

impl Warning {
    /// Creates a warning without a subject and without a cure.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), subject: None, message: message.into(), cure: None }
    }

    /// Adds what it concerns.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    /// Returns whether `acknowledged` names this warning: its code, or `code:subject`.
    pub fn is_acknowledged(&self, acknowledged: &[String]) -> bool {
        acknowledged.iter().any(|entry| match entry.split_once(':') {
            Some((code, subject)) => code == self.code && Some(subject) == self.subject.as_deref(),
            None => *entry == self.code,
        })
    }
}

/// A warning as a run's result lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ListedWarning {
    /// The warning.
    #[serde(flatten)]
    pub warning: Warning,
    /// The job's owner knows of it: it does not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub acknowledged: bool,
}

impl Warning {
    /// Returns the warning with a mark if `acknowledged` names it.
    pub fn listed(&self, acknowledged: &[String]) -> ListedWarning {
        ListedWarning { warning: self.clone(), acknowledged: self.is_acknowledged(acknowledged) }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        if let Some(cure) = &self.cure {
            write!(f, ". {cure}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_acknowledged_by_its_kind_or_by_its_kind_and_subject() {
        let warning = Warning::new("invalid-database", "broken is invalid").about("broken");
        assert!(warning.is_acknowledged(&["invalid-database".to_owned()]));
        assert!(warning.is_acknowledged(&["invalid-database:broken".to_owned()]));
        assert!(!warning.is_acknowledged(&["invalid-database:other".to_owned(), "invalid".to_owned()]));
    }
}
