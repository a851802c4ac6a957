//! Periods of the calendar, in the job's time zone.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// What a calendar rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Period {
    /// An hour. Where the clock is set back, the hour that comes twice is two.
    Hour,
    /// A day.
    Day,
    /// An ISO week, from Monday to Sunday.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Period {
    /// Returns the name of the period that a time is in: `2026-03-29T02+02`, `2026-03-29`, `2026-W13`, `2026-03`, `2026`.
    pub fn name_of(self, time: Timestamp, zone: &TimeZone) -> String {
        let local = time.to_zoned_datetime(zone.clone());
        let date = local.date();
        match self {
            Self::Hour => format!("{date}T{:02}{}", local.hour(), local.offset()),
            Self::Day => date.to_string(),
            Self::Week => {
                let week = date.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Self::Month => format!("{:04}-{:02}", date.year(), date.month()),
            Self::Year => format!("{:04}", date.year()),
        }
    }
}

/// Returns the time so many days ago, by the calendar: the same time of day, also where the clock was set meanwhile. A time before the
/// calendar begins is its beginning.
pub(super) fn days_before(now: Timestamp, days: u32, zone: &TimeZone) -> Timestamp {
    let before = |span: Span| now.to_zoned_datetime(zone.clone()).checked_sub(span);
    Span::new().try_days(days).and_then(before).map_or(Timestamp::MIN, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(period: Period, time: &str, zone: &str) -> String {
        period.name_of(time.parse().unwrap(), &TimeZone::get(zone).unwrap())
    }

    #[test]
    fn weeks_are_iso_weeks_also_at_the_turn_of_the_year() {
        for (time, week) in [
            ("2024-12-29T12:00:00Z", "2024-W52"),
            ("2024-12-30T12:00:00Z", "2025-W01"),
            ("2020-12-31T12:00:00Z", "2020-W53"),
            ("2021-01-03T12:00:00Z", "2020-W53"),
            ("2021-01-04T12:00:00Z", "2021-W01"),
        ] {
            assert_eq!(name(Period::Week, time, "UTC"), week, "{time}");
        }
    }

    #[test]
    fn a_leap_day_is_a_day_of_its_month_and_year() {
        assert_eq!(name(Period::Day, "2028-02-29T23:59:59Z", "UTC"), "2028-02-29");
        assert_eq!(name(Period::Month, "2028-02-29T23:59:59Z", "UTC"), "2028-02");
        assert_eq!(name(Period::Day, "2028-03-01T00:00:00Z", "UTC"), "2028-03-01");
    }

    // S-07
    #[test]
    fn borders_are_those_of_the_jobs_time_zone() {
        assert_eq!(name(Period::Year, "2026-12-31T23:30:00Z", "Europe/Berlin"), "2027");
        assert_eq!(name(Period::Year, "2026-12-31T23:30:00Z", "America/New_York"), "2026");
        assert_eq!(name(Period::Day, "2026-06-01T22:30:00Z", "Europe/Berlin"), "2026-06-02");
        assert_eq!(name(Period::Day, "2026-06-01T22:30:00Z", "UTC"), "2026-06-01");
    }

    #[test]
    fn an_hour_that_comes_twice_is_two_and_a_day_of_23_or_25_hours_is_one() {
        let hour = |time| name(Period::Hour, time, "Europe/Berlin");
        assert_eq!(hour("2026-10-25T00:30:00Z"), "2026-10-25T02+02");
        assert_eq!(hour("2026-10-25T01:30:00Z"), "2026-10-25T02+01");
        assert_eq!(hour("2026-03-29T00:59:59Z"), "2026-03-29T01+01");
        assert_eq!(hour("2026-03-29T01:00:00Z"), "2026-03-29T03+02");
        for (first, last) in
            [("2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z"), ("2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z")]
        {
            assert_eq!(name(Period::Day, first, "Europe/Berlin"), name(Period::Day, last, "Europe/Berlin"));
        }
    }

    #[test]
    fn days_before_now_end_at_the_same_time_of_day() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let before = |now: &str, days| days_before(now.parse().unwrap(), days, &zone).to_string();
        // 23 and 25 hours.
        assert_eq!(before("2026-03-29T10:00:00Z", 1), "2026-03-28T11:00:00Z");
        assert_eq!(before("2026-10-25T11:00:00Z", 1), "2026-10-24T10:00:00Z");
        assert_eq!(before("2028-03-01T12:00:00Z", 1), "2028-02-29T12:00:00Z");
        assert!(days_before("2026-01-01T00:00:00Z".parse().unwrap(), u32::MAX, &zone) < Timestamp::UNIX_EPOCH);
    }
}
