//! Numbers as people write them on a command line: `10k`, `5s`, `100ms`, `64KiB`.

use std::time::Duration;

/// The longest duration: a century, which every clock can show.
const LONGEST: Duration = Duration::from_secs(876_000 * 3_600);

/// A duration: a number with `us`, `ms`, `s`, `min` or `h`; without a unit, seconds. At
/// most a century.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
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
    let number: f64 = number
        .parse()
        .map_err(|_| "a duration is a number with a unit, for example 500ms or 5s".to_owned())?;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        _ => Err("a duration is at most 876000h, a hundred years".to_owned()),
    }
}

/// A duration, or `none`.
pub(crate) fn parse_timeout(text: &str) -> Result<Timeout, String> {
    match text {
        "none" | "never" | "off" => Ok(Timeout(None)),
        _ => {
            let time = parse_duration(text)?;
            if time.is_zero() {
                return Err("0 would end everything at once; say none for no timeout".to_owned());
            }
            Ok(Timeout(Some(time)))
        }
    }
}

/// A duration that may be absent on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeout(pub(crate) Option<Duration>);

/// A count: `500`, `10k`, `2M`.
pub(crate) fn parse_count(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    let factor: usize = match unit {
        "" => 1,
        "k" | "K" => 1_000,
        "M" | "m" => 1_000_000,
        _ => return Err(format!("unknown unit {unit:?}; units are k and M")),
    };
    whole(number, factor)
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
    let number: usize = number
        .parse()
        .map_err(|_| format!("{number:?} is not a whole number"))?;
    number
        .checked_mul(factor)
        .ok_or_else(|| "out of range".to_owned())
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
    }

    #[test]
    fn counts_and_sizes_have_units() {
        assert_eq!(parse_count("10k"), Ok(10_000));
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("1M"), Ok(1_000_000));
        assert!(parse_size("1.5M").is_err());
        assert!(parse_count("99999999999999999999k").is_err());
    }
}
