//! Sizes for people: binary units, one decimal.

const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/// `0 B`, `1023 B`, `1.0 KiB`, `4.2 GiB`.
pub fn human(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Reads `5`, `128MiB`, `1.5 GiB`: binary units only, the fraction cut off. None if it is no size.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = (text.get(..digits)?, text.get(digits..)?.trim());
    let unit = if unit.is_empty() { 0 } else { UNITS.iter().position(|known| known.eq_ignore_ascii_case(unit))? };
    let bytes = number.parse::<f64>().ok()? * 1024_f64.powi(i32::try_from(unit).ok()?);
    (bytes < u64::MAX as f64).then_some(bytes as u64)
}

/// A number of things, for people: `1 table`, `3 tables`.
pub fn counted(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let good = [("5", 5), ("128MiB", 128 << 20), (" 1.5 gib ", 3 << 29), ("0", 0), ("2 B", 2)];
        for (text, bytes) in good {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for bad in ["", "MiB", "5 MB", "-1", "1.2.3", "5 é", "99999999 PiB", "1e5", "."] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn reads_well_at_every_size() {
        let sizes = [0, 1023, 1024, 1_048_525, 1_048_576, 2_147_483_648, u64::MAX];
        let texts = sizes.map(human);
        assert_eq!(texts, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 MiB", "2.0 GiB", "16384.0 PiB"]);
    }
}
