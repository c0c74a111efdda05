//! Durations as policies write them: a whole number and one unit.
//!
//! Units as Prometheus and Kubernetes spell them: `M` for months is too near to `m` for minutes, so there is none. There is
//! no zero, no fraction and no sum: each duration has one spelling in its unit.

use std::time::Duration;

use super::InvalidTerm;

const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];
/// A million days is longer than anything that policies speak of.
const MAX_DIGITS: usize = 6;

/// Reads `30s`, `5m`, `1h` or `30d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, InvalidTerm> {
    let read = || {
        let (unit, seconds) = UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
        let digits = text.strip_suffix(unit)?;
        let plain = (1..=MAX_DIGITS).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        let count = digits.bytes().fold(0, |count: u64, digit| count * 10 + u64::from(digit.wrapping_sub(b'0')));
        plain.then(|| Duration::from_secs(count * seconds))
    };
    // Without a bound, a long text of digits would overflow before it is seen to be long.
    let read = if text.len() <= MAX_DIGITS + 1 { read() } else { None };
    read.ok_or_else(|| InvalidTerm(format!("`{text}` is not a duration such as `30s`, `5m`, `1h` or `30d`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_plain_number_and_one_unit() {
        let check = |text, seconds| assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        check("30s", 30);
        check("5m", 300);
        check("1h", 3600);
        check("30d", 2_592_000);
        check("999999d", 999_999 * 86_400);
        for bad in ["", "s", "5", "0m", "05m", "5M", "1.5h", "1h30m", "-5m", "+5m", " 5m", "5 m", "1000000s", "5é"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        assert!(parse_duration(&format!("{}s", "9".repeat(1000))).is_err());
    }
}
