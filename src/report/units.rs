//! Figures with their unit.

/// Bytes in the largest binary unit that leaves a number of at least one: `86.7 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut size = n as f64 / 1024.0;
    let mut unit = 0;
    // What would be rounded up to 1024 belongs to the next unit.
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// Seconds in a unit that fits: `340 ms`, `2.1 s`, `3 min 20 s`.
pub fn seconds(s: f64) -> String {
    match s {
        s if s < 0.0005 => format!("{:.0} µs", s * 1e6),
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 99.95 => format!("{s:.1} s"),
        s => {
            let whole = s.round() as u64;
            format!("{} min {} s", whole / 60, whole % 60)
        }
    }
}

/// A count and its noun: `1 change`, `2,310 changes`.
pub fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// A number with its thousands apart: `12,345`.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_unit() {
        assert_eq!(
            [bytes(0), bytes(1023), bytes(1024), bytes(90_912_345)],
            ["0 B", "1023 B", "1.0 KiB", "86.7 MiB"]
        );
        assert_eq!(bytes(1024 * 1024 - 1), "1.0 MiB");
        assert_eq!(
            [seconds(0.00002), seconds(0.34), seconds(2.06), seconds(200.0)],
            ["20 µs", "340 ms", "2.1 s", "3 min 20 s"]
        );
        assert_eq!(
            [count(1, "node"), count(0, "node"), count(12_345, "node")],
            ["1 node", "0 nodes", "12,345 nodes"]
        );
    }
}
