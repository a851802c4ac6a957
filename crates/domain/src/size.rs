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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well_at_every_size() {
        let sizes = [0, 1023, 1024, 1_048_525, 1_048_576, 2_147_483_648, u64::MAX];
        let texts = sizes.map(human);
        assert_eq!(texts, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 MiB", "2.0 GiB", "16384.0 PiB"]);
    }
}
