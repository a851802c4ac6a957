//! Times of day in the rules of notifications.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, ZonedDateTime};
use serde::{Deserialize, Serialize};

/// A time of day: `22:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClockTime(Time);

/// When nothing is told at once. Can go past midnight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuietHours {
    /// `22:00`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub from: ClockTime,
    /// `07:00`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub until: ClockTime,
}

/// A regular message about how everything stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = NotificationDigest))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Digest {
    /// How often. A weekly one is sent on Mondays.
    pub every: Frequency,
    /// When: `08:00`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub at: ClockTime,
}

/// How often a digest is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DigestFrequency))]
#[serde(rename_all = "camelCase")]
pub enum Frequency {
    /// Every day.
    Day,
    /// Every Monday.
    Week,
}

impl FromStr for ClockTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a time of day. Use hours and minutes, such as 22:30");
        let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
        let is_number = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(hour) || !is_number(minute) {
            return Err(wrong());
        }
        let (hour, minute) = (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
        Time::new(hour, minute, 0, 0).map(Self).map_err(|_| wrong())
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

impl TryFrom<String> for ClockTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ClockTime> for String {
    fn from(time: ClockTime) -> Self {
        time.to_string()
    }
}

/// Returns a time in a time zone; in UTC if the time zone is not known, which another version may have stored.
fn local(now: Timestamp, time_zone: &str) -> ZonedDateTime {
    now.to_zoned_datetime(TimeZone::get(time_zone).unwrap_or(TimeZone::UTC))
}

impl QuietHours {
    /// Returns whether a time is within them.
    pub fn cover(&self, now: Timestamp, time_zone: &str) -> bool {
        let time = local(now, time_zone).time();
        let (from, until) = (self.from.0, self.until.0);
        if from <= until { from <= time && time < until } else { from <= time || time < until }
    }
}

impl Digest {
    /// Returns when the last one was due, now at the latest.
    pub fn last_due(&self, now: Timestamp, time_zone: &str) -> Option<Timestamp> {
        let now = local(now, time_zone);
        (0..=7).find_map(|days| {
            let day = now.date().checked_sub(i64::from(days).days()).ok()?;
            let due = day.to_datetime(self.at.0).to_zoned_datetime(now.time_zone().clone()).ok()?;
            let fits = self.every == Frequency::Day || day.weekday() == Weekday::Monday;
            (fits && due <= now).then(|| due.timestamp())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn quiet_hours_go_past_midnight_and_follow_the_time_zone() {
        let night = QuietHours { from: "22:00".parse().unwrap(), until: "07:00".parse().unwrap() };
        for (time, quiet) in [("20:59", false), ("21:00", true), ("23:30", true), ("05:59", true), ("06:00", false)] {
            assert_eq!(night.cover(at(&format!("2026-01-15T{time}:00Z")), "Europe/Berlin"), quiet, "{time}");
        }
        // Summer time: an hour earlier.
        assert!(night.cover(at("2026-07-15T20:00:00Z"), "Europe/Berlin"));
        let noon = QuietHours { from: "12:00".parse().unwrap(), until: "13:00".parse().unwrap() };
        assert!(noon.cover(at("2026-01-15T12:30:00Z"), "UTC") && !noon.cover(at("2026-01-15T13:00:00Z"), "UTC"));
    }

    #[test]
    fn a_digest_is_due_once_a_day_or_on_mondays() {
        let daily = Digest { every: Frequency::Day, at: "08:00".parse().unwrap() };
        let due = |digest: &Digest, now: &str| digest.last_due(at(now), "Europe/Berlin").unwrap().to_string();
        assert_eq!(due(&daily, "2026-01-15T06:59:00Z"), "2026-01-14T07:00:00Z");
        assert_eq!(due(&daily, "2026-01-15T07:00:00Z"), "2026-01-15T07:00:00Z");
        // The clocks change on the 29th of March.
        assert_eq!(due(&daily, "2026-03-29T12:00:00Z"), "2026-03-29T06:00:00Z");
        let weekly = Digest { every: Frequency::Week, ..daily };
        assert_eq!(due(&weekly, "2026-01-15T12:00:00Z"), "2026-01-12T07:00:00Z");
        assert_eq!(due(&weekly, "2026-01-12T06:00:00Z"), "2026-01-05T07:00:00Z");
    }

    #[test]
    fn times_are_hours_and_minutes() {
        assert_eq!("07:05".parse::<ClockTime>().unwrap().to_string(), "07:05");
        for wrong in ["7:05", "24:00", "07:60", "07", "07:0x", "+7:00", ""] {
            assert!(wrong.parse::<ClockTime>().is_err(), "{wrong}");
        }
    }
}
