//! Quantities as people write them: `20ms`, `10mbit`, `1%`, `64KiB`.

use std::time::Duration;

/// The longest span that can be written: the lab counts nanoseconds in 64 bits, which
/// are 584 years, and adds spans to one another.
const LONGEST_SPAN: Duration = Duration::from_secs(876_000 * 3_600);

/// A span of time: a number with `ns`, `us`, `ms`, `s`, `min` or `h`; at most 876,000
/// hours, which are a hundred years.
///
/// # Errors
/// What is wrong, in words.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(wharf_lab::units::parse_span("1.5ms"), Ok(Duration::from_micros(1_500)));
/// ```
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let example = "write a time like 20ms or 1.5s";
    let (number, unit) = split(text).ok_or(example)?;
    let unit = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "min" | "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(example.into()),
    };
    match Duration::try_from_secs_f64(number * unit) {
        Ok(span) if span <= LONGEST_SPAN => Ok(span),
        _ => Err("a time is at most 876000h, a hundred years".into()),
    }
}

/// A rate in bits per second: a number with `bit`, `kbit`, `mbit` or `gbit`.
///
/// # Errors
/// What is wrong, in words.
pub fn parse_rate(text: &str) -> Result<u64, String> {
    let example = "write a rate like 56kbit or 10mbit, in bits per second";
    let lower = text.to_ascii_lowercase();
    let (number, unit) = split(&lower).ok_or(example)?;
    let unit = match unit.trim_end_matches("/s") {
        "" | "bit" => 1.0,
        "k" | "kbit" => 1e3,
        "m" | "mbit" => 1e6,
        "g" | "gbit" => 1e9,
        _ => return Err(example.into()),
    };
    let rate = number * unit;
    match (1.0..=1e12).contains(&rate) {
        true => Ok(rate as u64),
        false => Err("a rate is between 1 bit/s and 1000 Gbit/s".into()),
    }
}

/// A probability: `1%` or `0.01`.
///
/// # Errors
/// What is wrong, in words.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let example = "write a share like 1% or 0.01";
    let (number, unit) = split(text).ok_or(example)?;
    let share = match unit {
        "" => number,
        "%" => number / 100.0,
        _ => return Err(example.into()),
    };
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => Err("a share is between 0 and 1, or 0% and 100%".into()),
    }
}

/// A size in bytes: a number with nothing, `B`, `kB`, `KiB`, `MB` or `MiB`.
///
/// # Errors
/// What is wrong, in words.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let example = "write a size like 64KiB";
    let (number, unit) = split(text).ok_or(example)?;
    let unit = match unit {
        "" | "B" => 1.0,
        "k" | "kB" => 1e3,
        "KiB" | "K" => 1024.0,
        "M" | "MB" => 1e6,
        "MiB" => 1_048_576.0,
        _ => return Err(example.into()),
    };
    let size = number * unit;
    match size <= 1e9 {
        true => Ok(size as usize),
        false => Err("a size is at most 1 GB here".into()),
    }
}

/// The number at the beginning, and what follows it. Negative numbers are none.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_with_their_units() {
        assert_eq!(parse_span("20 ms"), Ok(Duration::from_millis(20)));
        assert_eq!(parse_span("876000h"), Ok(LONGEST_SPAN));
        assert_eq!(parse_rate("2400bit"), Ok(2_400));
        assert_eq!(parse_rate("1.5Mbit/s"), Ok(1_500_000));
        assert_eq!(parse_share("3%"), Ok(0.03));
        assert_eq!(parse_size("64KiB"), Ok(65_536));
    }

    #[test]
    fn mistakes_are_told() {
        for wrong in [
            "",
            "ms",
            "-1ms",
            "5",
            "1e9999s",
            "20 fortnights",
            "876001h",
            "99999999999999h",
        ] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
        assert!(parse_rate("0mbit").is_err() && parse_rate("ten").is_err());
        assert!(parse_share("101%").is_err() && parse_share("2").is_err());
        assert!(parse_size("64 cubits").is_err());
    }
}
