//! The rules of a retention policy.

use serde::{Deserialize, Serialize};

use super::Period;

/// Which backups of each database are kept. Zero turns a rule off. Counts are of succeeded backups, with or without warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rules {
    /// The newest backups.
    pub keep_last: u32,
    /// Every backup of so many days before now.
    pub keep_within_days: u32,
    /// The newest backup of each hour, for so many hours that have backups.
    pub keep_hourly: u32,
    /// The same by days.
    pub keep_daily: u32,
    /// The same by ISO weeks, which begin on Monday.
    pub keep_weekly: u32,
    /// The same by months.
    pub keep_monthly: u32,
    /// The same by years.
    pub keep_yearly: u32,
}

/// What is wrong with the rules of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// Every rule is off.
    #[error("must have at least one rule: a policy without rules would keep only the newest backups")]
    NoRule,
    /// A number is out of range.
    #[error("must be between 0 and {max}")]
    TooLarge {
        /// The rule, as in JSON.
        rule: &'static str,
        /// Maximum value.
        max: u32,
    },
}

impl Rules {
    /// Maximum value of every rule but [`Self::keep_within_days`].
    pub const MAX_COUNT: u32 = 10_000;
    /// Maximum value of [`Self::keep_within_days`].
    pub const MAX_DAYS: u32 = 36_500;

    /// Checks that the rules make a policy.
    ///
    /// # Errors
    /// [`RulesError`] names the first rule that is out of range.
    pub fn check(&self) -> Result<(), RulesError> {
        let values = self.values();
        if values.iter().all(|(_, value, _)| *value == 0) {
            return Err(RulesError::NoRule);
        }
        match values.into_iter().find(|(_, value, max)| value > max) {
            Some((rule, _, max)) => Err(RulesError::TooLarge { rule, max }),
            None => Ok(()),
        }
    }

    /// Returns how many periods of each kind are kept.
    pub(super) fn periods(&self) -> [(Period, u32); 5] {
        [
            (Period::Hour, self.keep_hourly),
            (Period::Day, self.keep_daily),
            (Period::Week, self.keep_weekly),
            (Period::Month, self.keep_monthly),
            (Period::Year, self.keep_yearly),
        ]
    }

    /// Returns each rule's name in JSON, its value, and its maximum.
    fn values(&self) -> [(&'static str, u32, u32); 7] {
        let max = Self::MAX_COUNT;
        [
            ("keepLast", self.keep_last, max),
            ("keepWithinDays", self.keep_within_days, Self::MAX_DAYS),
            ("keepHourly", self.keep_hourly, max),
            ("keepDaily", self.keep_daily, max),
            ("keepWeekly", self.keep_weekly, max),
            ("keepMonthly", self.keep_monthly, max),
            ("keepYearly", self.keep_yearly, max),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_would_keep_nothing_are_refused() {
        assert_eq!(Rules::default().check(), Err(RulesError::NoRule));
        let large = Rules { keep_last: 1, keep_weekly: Rules::MAX_COUNT + 1, ..Rules::default() };
        assert_eq!(large.check(), Err(RulesError::TooLarge { rule: "keepWeekly", max: Rules::MAX_COUNT }));
        assert_eq!(Rules { keep_last: 1, ..Rules::default() }.check(), Ok(()));
    }

    #[test]
    fn a_rule_that_is_unknown_is_refused() {
        let read = |text| serde_json::from_str::<Rules>(text);
        assert!(read(r#"{"keepLast": 3, "keepWithin": "2w"}"#).is_err());
        assert!(read(r#"{"keepLast": -1}"#).is_err());
        assert_eq!(read(r#"{"keepLast": 3}"#).unwrap(), Rules { keep_last: 3, ..Rules::default() });
    }
}
