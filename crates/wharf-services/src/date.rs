//! Date and time of day in UTC, from seconds since 1970.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Whole seconds since 1970, negative before.
pub(crate) fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs() as i64,
        Err(before) => {
            let before = before.duration();
            let whole = -(before.as_secs() as i64);
            // Half a second before 1970 lies in the second that begins at -1.
            whole - i64::from(before.subsec_nanos() > 0)
        }
    }
}

/// A moment in UTC, to the second. `Display` is the form that RFC 867 shows:
/// `Saturday, November 21, 2026 08:29:00-UTC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Utc {
    year: i64,
    /// 0 is January.
    month: usize,
    day: i64,
    /// 0 is Sunday.
    weekday: usize,
    second_of_day: i64,
}

impl Utc {
    /// The moment `seconds` after 1970 began.
    pub(crate) fn from_unix(seconds: i64) -> Self {
        let days = seconds.div_euclid(DAY);
        let (year, month, day) = civil(days);
        Utc {
            year,
            month,
            day,
            // 1 January 1970 was a Thursday.
            weekday: (days + 4).rem_euclid(7) as usize,
            second_of_day: seconds.rem_euclid(DAY),
        }
    }

    /// As in ISO 8601, without the seconds: `2026-11-21 08:29`.
    #[cfg(feature = "page")]
    pub(crate) fn to_the_minute(self) -> String {
        let minutes = self.second_of_day / 60;
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}",
            self.year,
            self.month + 1,
            self.day,
            minutes / 60,
            minutes % 60
        )
    }
}

/// Year, month (from 0) and day (from 1) of the Gregorian calendar, `days` after
/// 1 January 1970.
///
/// Howard Hinnant's `civil_from_days` ("chrono-Compatible Low-Level Date
/// Algorithms"): years are counted from March, so that the leap day is the last
/// of its year, in eras of 400 years, which all have the same length.
fn civil(days: i64) -> (i64, usize, i64) {
    const ERA: i64 = 146_097;
    // Days from 1 March of year 0 to 1 January 1970.
    let days = days + 719_468;
    let era = days.div_euclid(ERA);
    let of_era = days.rem_euclid(ERA);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(month < 2);
    (year, month as usize, day)
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.second_of_day;
        write!(
            f,
            "{}, {} {}, {} {:02}:{:02}:{:02}-UTC",
            WEEKDAYS[self.weekday],
            MONTHS[self.month],
            self.day,
            self.year,
            second / 3_600,
            second / 60 % 60,
            second % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn known_moments_have_their_names() {
        // From `date -u -d @N '+%A, %B %-d, %Y %T-UTC'`.
        for (seconds, text) in [
            (0, "Thursday, January 1, 1970 00:00:00-UTC"),
            (-1, "Wednesday, December 31, 1969 23:59:59-UTC"),
            (383_262_703, "Monday, February 22, 1982 21:51:43-UTC"),
            (951_782_400, "Tuesday, February 29, 2000 00:00:00-UTC"),
            (1_795_249_740, "Saturday, November 21, 2026 08:29:00-UTC"),
            (4_107_542_400, "Monday, March 1, 2100 00:00:00-UTC"),
            (-2_208_988_800, "Monday, January 1, 1900 00:00:00-UTC"),
        ] {
            assert_eq!(Utc::from_unix(seconds).to_string(), text);
        }
    }

    #[test]
    fn every_day_of_800_years_follows_the_one_before() {
        let mut before = civil(-1);
        for days in 0..292_194 {
            let today = civil(days);
            let (year, month, day) = before;
            let first_of_next = match month {
                11 => (year + 1, 0, 1),
                _ => (year, month + 1, 1),
            };
            assert!(today == (year, month, day + 1) || today == first_of_next);
            assert!(today.2 <= 31);
            before = today;
        }
        // 400 years are 146,097 days, and so the year after 800 begins here.
        assert_eq!(civil(292_194), (2770, 0, 1));
    }

    #[test]
    fn time_before_1970_is_rounded_down() {
        let half = UNIX_EPOCH - Duration::from_millis(500);
        assert_eq!(unix_seconds(half), -1);
        assert_eq!(unix_seconds(UNIX_EPOCH - Duration::from_secs(2)), -2);
    }
}
