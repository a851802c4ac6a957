//! How far away, how narrow and how slow the emulated Dropbox is.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

use crate::units::{format_duration, format_speed, parse_duration, parse_speed, settings};

/// Network conditions and the server's own time, the same for all calls. The default is none of it.
///
/// On the command line and in the control API: `latency=80ms,connection=12MiB/s,total=100MiB/s,append=500ms,commit=100ms`,
/// any of them, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// Added once to each request, before its answer begins.
    pub latency: Duration,
    /// Bytes per second of each connection, in each direction.
    pub connection: Option<u64>,
    /// Bytes per second of all connections together, in each direction.
    pub total: Option<u64>,
    /// Spent once by each upload call that carried data, between its body and its answer.
    pub append: Duration,
    /// How long a call that changes the namespace locks it. Another such call that comes meanwhile is refused with 429
    /// `too_many_write_operations`.
    pub commit: Duration,
}

impl FromStr for Weather {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut weather = Weather::default();
        if text.trim() == "none" {
            return Ok(weather);
        }
        for setting in settings(text) {
            let (name, value) = setting?;
            match name {
                "latency" => weather.latency = parse_duration(value)?,
                "connection" => weather.connection = Some(parse_speed(value)?),
                "total" => weather.total = Some(parse_speed(value)?),
                "append" => weather.append = parse_duration(value)?,
                "commit" => weather.commit = parse_duration(value)?,
                _ => return Err(format!("no weather is called \"{name}\": {NAMES}")),
            }
        }
        Ok(weather)
    }
}

const NAMES: &str = "there are latency, connection, total, append, commit, or none alone";

/// What [`Weather::from_str`] reads; `none` if there is none.
impl Display for Weather {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let duration = |duration: Duration| (!duration.is_zero()).then(|| format_duration(duration));
        let settings = [
            ("latency", duration(self.latency)),
            ("connection", self.connection.map(format_speed)),
            ("total", self.total.map(format_speed)),
            ("append", duration(self.append)),
            ("commit", duration(self.commit)),
        ];
        let set = settings.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name}={value}")));
        let set: Vec<String> = set.collect();
        formatter.write_str(if set.is_empty() { "none".to_owned() } else { set.join(",") }.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weather_is_written_as_it_is_read() {
        for text in [
            "none",
            "latency=80ms,connection=12MiB/s,total=100MiB/s,append=500ms,commit=100ms",
            "connection=1500B/s",
            "total=3MB/s",
        ] {
            assert_eq!(text.parse::<Weather>().unwrap().to_string(), text);
        }
        let loose: Weather = " latency = 2s , total=1GiB/s,".parse().unwrap();
        assert_eq!((loose.latency, loose.total), (Duration::from_secs(2), Some(1 << 30)));
        assert_eq!("".parse::<Weather>().unwrap(), Weather::default());
    }

    #[test]
    fn what_is_no_weather_is_told_so() {
        for (text, words) in [
            ("wind=3", "no weather is called \"wind\": there are latency, "),
            ("latency", "expected name=value"),
            ("latency=80", "expected a duration such as 80ms or 2s"),
            ("latency=-1s", "expected a duration"),
            ("total=12MiB", "expected a speed such as 12MiB/s"),
            ("connection=0MiB/s", "more than 0"),
            ("connection=99999999999GiB/s", "expected a speed"),
        ] {
            let problem = text.parse::<Weather>().unwrap_err();
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }
}
