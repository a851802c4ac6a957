//! When a job runs: five cron fields in a time zone.
//!
//! Daylight saving: a fixed time that the clock skips fires right after the gap, one that comes twice fires once.

use std::cmp::Ordering;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::time::{CivilDateTime, CronDateTime, Resolution, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

/// A schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    cron: Cron,
    zone: TimeZone,
    zone_name: String,
}

/// What is wrong with a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The five fields.
    #[error(
        "'{text}' is not a schedule: {reason}. Write minute, hour, day of month, month and day of week, as in '30 2 * * *' for 02:30 every day"
    )]
    Cron {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is well formed, and no date fits it.
    #[error("'{0}' never comes: no date fits it")]
    Never(String),
    /// The time zone.
    #[error("'{0}' is not a time zone: write its IANA name, as in Europe/Berlin or UTC")]
    TimeZone(String),
}

impl ScheduleError {
    /// Which of the two it is about: `cron` or `timeZone`.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Cron { .. } | Self::Never(_) => "cron",
            Self::TimeZone(_) => "timeZone",
        }
    }
}

impl Schedule {
    /// Reads five cron fields (or `@daily` and the like) and the name of a time zone.
    ///
    /// # Errors
    /// [`ScheduleError`] says which of the two is wrong.
    pub fn parse(cron: &str, time_zone: &str) -> Result<Self, ScheduleError> {
        let text = cron.trim().to_owned();
        let wrong = |reason: String| ScheduleError::Cron { text: text.clone(), reason };
        let fields = text.split_whitespace().count();
        if !text.starts_with('@') && fields != 5 {
            return Err(wrong(format!("it has {fields} fields, not five")));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(&text).map_err(|error| wrong(in_words(&error)))?;
        let zone = TimeZone::get(time_zone).map_err(|_| ScheduleError::TimeZone(time_zone.to_owned()))?;
        let schedule = Self { text, cron, zone, zone_name: time_zone.to_owned() };
        // A leap day comes within eight years of any day.
        match schedule.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never(schedule.text)),
        }
    }

    /// The first slot after a time.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let start = Local(time.to_zoned_datetime(self.zone.clone()));
        let next = self.cron.find_next_occurrence(&start, false).ok()?;
        Some(next.0.timestamp()).filter(|next| *next > time)
    }

    /// The first slots after a time.
    pub fn upcoming(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next_after(after), |slot| self.next_after(*slot)).take(count).collect()
    }

    /// The fields, as given.
    pub fn cron(&self) -> &str {
        &self.text
    }

    /// The time zone's name, as given.
    pub fn time_zone(&self) -> &str {
        &self.zone_name
    }
}

fn in_words(error: &CronError) -> String {
    match error {
        CronError::InvalidPattern(text) | CronError::IllegalCharacters(text) | CronError::ComponentError(text) => {
            text.trim_end_matches('.').to_owned()
        }
        error => error.to_string().trim_end_matches('.').to_owned(),
    }
}

/// croner's view of a time in a zone.
#[derive(Debug, Clone)]
struct Local(ZonedDateTime);

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let time = self.0.datetime();
        let part = |number: i8| u32::from(number.unsigned_abs());
        let (year, month, day) = (i32::from(time.year()), part(time.month()), part(time.day()));
        CivilDateTime::new(
            croner::time::CivilDate::from_parts_unchecked(year, month, day),
            croner::time::CivilTime::from_parts_unchecked(part(time.hour()), part(time.minute()), part(time.second())),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(u32::from(self.0.weekday().to_sunday_zero_offset().unsigned_abs()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let small = |number: u32| i8::try_from(number).map_err(|_| CronError::InvalidDate);
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let (month, day) = (small(civil.month())?, small(civil.day())?);
        let (hour, minute, second) = (small(civil.hour())?, small(civil.minute())?, small(civil.second())?);
        let time = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0)
            .map_err(|_| CronError::InvalidDate)?;
        let ambiguous = self.0.time_zone().to_ambiguous_zoned_datetime(time);
        let impossible = |_| CronError::InvalidTime;
        Ok(match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => {
                Resolution::Single(Self(ambiguous.unambiguous().map_err(impossible)?))
            }
            AmbiguousOffset::Fold { .. } => {
                let earlier = Self(ambiguous.clone().earlier().map_err(impossible)?);
                Resolution::Ambiguous(earlier, Self(ambiguous.later().map_err(impossible)?))
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(cron, zone).unwrap();
        schedule.upcoming(after.parse().unwrap(), count).iter().map(ToString::to_string).collect()
    }

    // S-03
    #[test]
    fn slots_follow_the_local_clock() {
        let after = "2026-07-01T00:00:00Z";
        assert_eq!(slots("30 2 * * *", "Europe/Berlin", after, 2), ["2026-07-01T00:30:00Z", "2026-07-02T00:30:00Z"]);
        assert_eq!(slots("@hourly", "UTC", after, 1), ["2026-07-01T01:00:00Z"]);
        assert_eq!(slots("0 0 29 2 *", "UTC", after, 1), ["2028-02-29T00:00:00Z"]);
        assert_eq!(
            slots("0 12 L * *", "UTC", "2026-02-01T00:00:00Z", 2),
            ["2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z"]
        );
        assert_eq!(slots("0 9 * * 1-5", "America/New_York", "2026-07-03T14:00:00Z", 1), ["2026-07-06T13:00:00Z"]);
        // The slot itself is not after itself.
        assert_eq!(slots("0 0 * * *", "UTC", "2026-07-01T00:00:00Z", 1), ["2026-07-02T00:00:00Z"]);
    }

    // S-03
    #[test]
    fn a_slot_in_the_gap_fires_after_it_and_one_in_the_overlap_once() {
        // Berlin: 2026-03-29 02:00 becomes 03:00; 2026-10-25 03:00 becomes 02:00.
        assert_eq!(
            slots("30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            slots("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // New York: 2026-03-08 and 2026-11-01.
        assert_eq!(
            slots("15 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", 2),
            ["2026-03-08T07:00:00Z", "2026-03-09T06:15:00Z"]
        );
        assert_eq!(
            slots("30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", 2),
            ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        let field = |cron: &str, zone: &str| Schedule::parse(cron, zone).unwrap_err();
        assert_eq!(field("0 0 31 2 *", "UTC"), ScheduleError::Never("0 0 31 2 *".to_owned()));
        assert_eq!(field("0 0 * * *", "Mars/Olympus").field(), "timeZone");
        for bad in ["", "* * * *", "0 0 0 * * *", "61 * * * *", "0 25 * * *", "a b c d e", "@never", "0 0 * * 9"] {
            assert_eq!(field(bad, "UTC").field(), "cron", "{bad}");
        }
        assert!(field("0 0 0 * * *", "UTC").to_string().contains("6 fields"));
    }
}
