//! Sizes, speeds, durations and lists of settings, as the command line and the control API write them.

use std::time::Duration;

/// Units of bytes, each with its size; whoever writes one takes the first that divides.
const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// The settings of a list such as `latency=80ms,append=500ms`.
pub(crate) fn settings(text: &str) -> impl Iterator<Item = Result<(&str, &str), String>> {
    text.split(',').map(str::trim).filter(|setting| !setting.is_empty()).map(|setting| {
        let pair = setting.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        pair.ok_or_else(|| format!("\"{setting}\": expected name=value"))
    })
}

/// A whole number.
pub(crate) fn parse_number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("\"{text}\": expected a whole number"))
}

/// A size such as `100KiB`; without a unit it is bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let problem = || format!("\"{text}\": expected a size such as 64KiB; the units are B, KiB, MiB, GiB, kB, MB, GB");
    let (number, unit) = split_unit(text);
    let unit = if unit.is_empty() { "B" } else { unit };
    let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(problem)?;
    number.parse().ok().and_then(|number: u64| number.checked_mul(*bytes)).ok_or_else(problem)
}

/// A speed such as `12MiB/s`, which is more than nothing.
pub(crate) fn parse_speed(text: &str) -> Result<u64, String> {
    let problem = || format!("\"{text}\": expected a speed such as 12MiB/s, more than 0");
    let speed = text.strip_suffix("/s").and_then(|size| parse_size(size).ok());
    speed.filter(|speed| *speed > 0).ok_or_else(problem)
}

/// A duration such as `80ms` or `2s`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let duration = match (number.parse(), unit) {
        (Ok(number), "ms") => Some(Duration::from_millis(number)),
        (Ok(number), "s") => Some(Duration::from_secs(number)),
        (Ok(0), "") => Some(Duration::ZERO),
        _ => None,
    };
    duration.ok_or_else(|| format!("\"{text}\": expected a duration such as 80ms or 2s"))
}

fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len()))
}

/// What [`parse_speed`] reads.
pub(crate) fn format_speed(speed: u64) -> String {
    let unit = SIZES.iter().find(|(_, bytes)| speed.is_multiple_of(*bytes));
    unit.map_or_else(|| format!("{speed}B/s"), |(name, bytes)| format!("{}{name}/s", speed / bytes))
}

/// What [`parse_duration`] reads.
pub(crate) fn format_duration(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
