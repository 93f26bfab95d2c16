//! Numbers as people write them on a command line: `10k`, `5s`, `100ms`, `64KiB`.

use std::num::{IntErrorKind, ParseIntError};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The longest duration: a century, which every clock can show.
const LONGEST: Duration = Duration::from_secs(876_000 * 3_600);

/// A duration: a number with `us`, `ms`, `s`, `min` or `h`; without a unit, seconds. At
/// most a century.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    const SHAPE: &str = "a duration is a number with a unit, for example 500ms or 5s";
    let (number, unit) = split(text);
    if number.is_empty() {
        return Err(SHAPE.to_owned());
    }
    let seconds = match unit {
        "" | "s" | "sec" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" => 1e-6,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        _ => {
            return Err(format!(
                "unknown unit {unit:?}; units are us, ms, s, min, h"
            ));
        }
    };
    let number: f64 = number.parse().map_err(|_| SHAPE.to_owned())?;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        _ => Err("a duration is at most 876000h, a hundred years".to_owned()),
    }
}

/// A duration that is not 0.
pub(crate) fn parse_period(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("0 leaves no time at all".to_owned()),
        time => Ok(time),
    }
}

/// A duration, or `none`.
pub(crate) fn parse_timeout(text: &str) -> Result<Timeout, String> {
    match text {
        "none" | "never" | "off" => Ok(Timeout(None)),
        _ => match parse_duration(text)? {
            Duration::ZERO => Err("0 leaves no time at all; say none for no limit".to_owned()),
            time => Ok(Timeout(Some(time))),
        },
    }
}

/// A duration that may be absent on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeout(pub(crate) Option<Duration>);

/// A count: `500`, `10k`, `2M`.
pub(crate) fn parse_count(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    if number.is_empty() {
        return Err("it is a whole number, for example 500 or 10k".to_owned());
    }
    let factor: usize = match unit {
        "" => 1,
        "k" | "K" => 1_000,
        "M" | "m" => 1_000_000,
        _ => return Err(format!("unknown unit {unit:?}; units are k and M")),
    };
    whole(number, factor)
}

/// A count within a range.
pub(crate) fn count_in(
    range: RangeInclusive<usize>,
) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match parse_count(text)? {
        count if range.contains(&count) => Ok(count),
        _ if *range.end() == usize::MAX => Err(format!("it is {} or more", range.start())),
        _ => Err(format!("it goes from {} to {}", range.start(), range.end())),
    }
}

/// A cap on clients: a count that lets at least one of them in.
pub(crate) fn parse_cap(text: &str) -> Result<usize, String> {
    match parse_count(text)? {
        0 => Err("it would serve nobody".to_owned()),
        cap => Ok(cap),
    }
}

/// A size in bytes: `512`, `64KiB`, `1M`.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    if number.is_empty() {
        return Err("a size is a whole number of bytes, for example 512 or 64KiB".to_owned());
    }
    let factor: usize = match unit {
        "" | "B" => 1,
        "k" | "kB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "K" | "Ki" | "KiB" => 1 << 10,
        "Mi" | "MiB" => 1 << 20,
        "Gi" | "GiB" => 1 << 30,
        _ => {
            return Err(format!(
                "unknown unit {unit:?}; units are B, k, M, G, KiB, MiB, GiB"
            ));
        }
    };
    whole(number, factor)
}

fn whole(number: &str, factor: usize) -> Result<usize, String> {
    let too_large = || "it is too large".to_owned();
    let number: usize = number
        .parse()
        .map_err(|error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => too_large(),
            _ => format!("{number:?} is not a whole number"),
        })?;
    number.checked_mul(factor).ok_or_else(too_large)
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(parse_duration("2min"), Ok(Duration::from_secs(120)));
        assert!(parse_duration("5 parsecs").unwrap_err().contains("parsecs"));
        assert!(parse_duration("s").is_err());
        assert_eq!(parse_duration("876000h"), Ok(LONGEST));
        for long in [
            "876001h",
            "10000000000000000000s",
            "99999999999999999999999h",
        ] {
            assert!(
                parse_duration(long).unwrap_err().contains("876000h"),
                "{long}"
            );
        }
        assert_eq!(parse_timeout("none"), Ok(Timeout(None)));
        assert!(parse_timeout("0").is_err());
        assert!(parse_period("0ms").is_err());
    }

    #[test]
    fn counts_and_sizes_have_units() {
        assert_eq!(parse_count("10k"), Ok(10_000));
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("1M"), Ok(1_000_000));
        assert!(parse_size("1.5M").is_err());
        assert!(parse_count("99999999999999999999k").is_err());
        assert!(parse_count("-5").unwrap_err().contains("whole number"));
        assert_eq!(count_in(1..=5)("5"), Ok(5));
        assert_eq!(count_in(1..=5)("0"), Err("it goes from 1 to 5".to_owned()));
        assert_eq!(
            count_in(1..=usize::MAX)("0"),
            Err("it is 1 or more".to_owned())
        );
    }
}
