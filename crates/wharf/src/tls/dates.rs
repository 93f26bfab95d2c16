//! A certificate's dates, said the way a person says them.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A certificate is used outside its dates. Its `Display` continues "the certificate …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateProblem {
    /// It was good until `not_after`.
    Expired {
        /// The last second of the certificate.
        not_after: SystemTime,
        /// The moment of the check.
        now: SystemTime,
    },
    /// It will be good from `not_before` on.
    NotYetValid {
        /// The first second of the certificate.
        not_before: SystemTime,
        /// The moment of the check.
        now: SystemTime,
    },
}

impl DateProblem {
    pub(super) fn from_rustls(error: &CertificateError) -> Option<Self> {
        match error {
            CertificateError::ExpiredContext { time, not_after } => Some(Self::Expired {
                not_after: system_time(*not_after),
                now: system_time(*time),
            }),
            CertificateError::NotValidYetContext { time, not_before } => Some(Self::NotYetValid {
                not_before: system_time(*not_before),
                now: system_time(*time),
            }),
            _ => None,
        }
    }
}

impl fmt::Display for DateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { not_after, now } => {
                let ago = span(now.duration_since(*not_after).unwrap_or_default());
                write!(f, "expired {ago} ago, on {}", date(*not_after))
            }
            Self::NotYetValid { not_before, now } => {
                let ahead = span(not_before.duration_since(*now).unwrap_or_default());
                write!(f, "becomes valid in {ahead}, on {}", date(*not_before))
            }
        }
    }
}

/// X.509 dates end in the year 9999, so the sum is far from overflowing.
fn system_time(time: UnixTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.as_secs())
}

/// A duration in its largest whole unit: "3 days", "1 hour".
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds {
        DAY.. => (seconds / DAY, "day"),
        HOUR.. => (seconds / HOUR, "hour"),
        MINUTE.. => (seconds / MINUTE, "minute"),
        _ => (seconds, "second"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// The date in UTC, as in ISO 8601: 2026-11-18.
fn date(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let (year, month, day) = civil_from_days(seconds / DAY);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a count of days since 1970-01-01.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`:
/// the year is taken to begin in March, so that the leap day is its last.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn dates_are_civil() {
        for (seconds, text) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_795_046_399, "2026-11-18"),
            (4_107_542_400, "2100-03-01"),
            (253_402_300_799, "9999-12-31"),
        ] {
            assert_eq!(date(at(seconds)), text);
        }
    }

    #[test]
    fn distances_use_one_unit() {
        let expired = |seconds| {
            DateProblem::Expired {
                not_after: at(1_795_046_399),
                now: at(1_795_046_399 + seconds),
            }
            .to_string()
        };
        assert_eq!(expired(3 * DAY + 5), "expired 3 days ago, on 2026-11-18");
        assert_eq!(expired(DAY), "expired 1 day ago, on 2026-11-18");
        assert_eq!(expired(2 * HOUR), "expired 2 hours ago, on 2026-11-18");
        assert_eq!(expired(61), "expired 1 minute ago, on 2026-11-18");
        assert_eq!(expired(2), "expired 2 seconds ago, on 2026-11-18");
    }
}
