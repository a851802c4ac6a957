//! How full destinations are, and when they will be full.

use catalog::SpaceOfDay;
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// Maximum number of days that a forecast looks ahead.
const MAX_FORECAST: i64 = 3650;
/// Minimum number of days between two measurements for a rate.
const MIN_SPAN: i64 = 3;
/// Fuller than this, or full within so many days, needs attention.
const NEARLY_FULL: f64 = 0.9;
const SOON: i64 = 30;

/// How full a destination is, and was.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DestinationSpace {
    pub(crate) destination_id: String,
    name: String,
    /// Bytes in use when it was last looked at.
    pub(crate) used: i64,
    /// Bytes allowed; absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allowed: Option<i64>,
    days: Vec<SpaceDay>,
    /// The day on which it is full at the current rate; absent if it does not fill, or that cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) full_on: Option<String>,
    #[serde(skip)]
    full_day: Option<i64>,
}

/// How full it was on a day (UTC).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SpaceDay {
    date: String,
    /// Bytes in use.
    used: i64,
    /// Bytes allowed; absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<i64>,
}

impl DestinationSpace {
    /// Returns the share in use, from 0 to 1.
    pub(crate) fn share(&self) -> Option<f64> {
        self.allowed.filter(|allowed| *allowed > 0).map(|allowed| self.used as f64 / allowed as f64)
    }

    /// Returns whether it is nearly full, or soon will be.
    pub(crate) fn is_short(&self, now: Timestamp) -> bool {
        let today = catalog::day_of(now, "UTC");
        self.share().is_some_and(|share| share > NEARLY_FULL) || self.full_day.is_some_and(|day| day - today < SOON)
    }
}

/// Returns the date of a day that counts from 1970-01-01, as answers show it.
pub(crate) fn date(day: i64) -> Option<String> {
    civil(day).map(|date| date.to_string())
}

/// Returns the date of a day that counts from 1970-01-01.
pub(crate) fn civil(day: i64) -> Option<Date> {
    Date::constant(1970, 1, 1).checked_add(Span::new().try_days(day).ok()?).ok()
}

/// Returns how full a destination is, from its days and from what its storage said last. Returns `None` if neither is known.
pub(crate) fn destination_space(
    id: &str,
    name: &str,
    days: &[SpaceOfDay],
    now: Option<(u64, Option<u64>)>,
) -> Option<DestinationSpace> {
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let (used, allowed) = match now {
        Some((used, allowed)) => (bytes(used), allowed.map(bytes)),
        None => days.last().map(|day| (day.used, day.allowed))?,
    };
    let full_day = full_on(days);
    let day = |day: &SpaceOfDay| Some(SpaceDay { date: date(day.day)?, used: day.used, allowed: day.allowed });
    Some(DestinationSpace {
        destination_id: id.to_owned(),
        name: name.to_owned(),
        used,
        allowed,
        days: days.iter().filter_map(day).collect(),
        full_on: full_day.and_then(date),
        full_day,
    })
}

/// Returns the day on which the line through the first and the last day reaches what is allowed.
fn full_on(days: &[SpaceOfDay]) -> Option<i64> {
    let (first, last) = (days.first()?, days.last()?);
    let (span, growth) = (last.day - first.day, last.used - first.used);
    let free = last.allowed?.saturating_sub(last.used).max(0);
    if span < MIN_SPAN || growth <= 0 {
        return None;
    }
    let wait = i128::from(free) * i128::from(span) / i128::from(growth);
    i64::try_from(wait).ok().filter(|wait| *wait <= MAX_FORECAST).map(|wait| last.day + wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(day: i64, used: i64) -> SpaceOfDay {
        SpaceOfDay { destination_id: "d".to_owned(), day, used, allowed: Some(1000) }
    }

    #[test]
    fn a_destination_is_full_where_its_line_meets_what_is_allowed() {
        assert_eq!(full_on(&[used(0, 100), used(5, 300), used(10, 500)]), Some(22));
        assert_eq!(full_on(&[used(0, 100), used(4, 2000)]), Some(4));
        for days in [&[used(0, 100), used(2, 500)][..], &[used(0, 500), used(9, 100)], &[used(0, 1), used(9, 2)], &[]] {
            assert_eq!(full_on(days).filter(|day| *day < 5000), None, "{days:?}");
        }
    }

    #[test]
    fn the_space_of_a_folder_counts_as_that_of_any_other_storage() {
        let now = "1970-01-10T00:00:00Z".parse().unwrap();
        let short = |days: &[SpaceOfDay], now_used| destination_space("d", "D", days, now_used).unwrap().is_short(now);
        assert!(short(&[used(0, 940)], None), "of a folder only the days are known");
        assert!(short(&[], Some((95, Some(100)))));
        assert!(!short(&[], Some((5, Some(100)))));
        assert!(!short(&[], Some((5, None))));
        assert!(short(&[used(0, 100), used(9, 600)], None), "full within the month");
        assert!(!short(&[used(0, 100), used(9, 110)], None));
        assert_eq!(date(31), Some("1970-02-01".to_owned()));
    }
}
