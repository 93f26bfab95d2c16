//! Conditional requests and ranges: what of a file is sent, if anything (RFC 9110,
//! sections 13 and 14). Functions without I/O.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_range_header::{RangeUnsatisfiableError, parse_range_header};
use hyper::HeaderMap;
use hyper::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};

/// What is known of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) length: u64,
    pub(super) modified: Option<SystemTime>,
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it: 200.
    Whole,
    /// These bytes: 206.
    Part(RangeInclusive<u64>),
    /// The client has it already: 304.
    NotModified,
    /// It is not the one that the client means: 412.
    Failed,
    /// There are no such bytes: 416.
    Unsatisfiable,
}

impl Facts {
    /// The entity tag: another one whenever length or time of change is another.
    pub(super) fn tag(&self) -> Option<String> {
        let since = self.modified?.duration_since(UNIX_EPOCH).ok()?;
        Some(format!("\"{:x}-{:x}\"", since.as_nanos(), self.length))
    }

    /// The time of the last change in whole seconds, which is all that HTTP knows.
    pub(super) fn seconds(&self) -> Option<SystemTime> {
        let since = self.modified?.duration_since(UNIX_EPOCH).ok()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(since.as_secs()))
    }

    /// What a GET or HEAD with these headers comes to, in the order of RFC 9110,
    /// section 13.2.2.
    pub(super) fn judge(&self, headers: &HeaderMap) -> Verdict {
        if let Some(tags) = text(headers, IF_MATCH) {
            if !self.is_among(tags, Compare::Strong) {
                return Verdict::Failed;
            }
        } else if let Some(date) = date(headers, IF_UNMODIFIED_SINCE)
            && self.seconds().is_some_and(|changed| changed > date)
        {
            return Verdict::Failed;
        }
        if let Some(tags) = text(headers, IF_NONE_MATCH) {
            if self.is_among(tags, Compare::Weak) {
                return Verdict::NotModified;
            }
        } else if let Some(date) = date(headers, IF_MODIFIED_SINCE)
            && self.seconds().is_some_and(|changed| changed <= date)
        {
            return Verdict::NotModified;
        }
        match text(headers, RANGE) {
            Some(range) if self.range_holds(headers) => self.range(range),
            _ => Verdict::Whole,
        }
    }

    /// Whether a tag of a list is ours. A weak one is never strongly the same.
    fn is_among(&self, tags: &str, compare: Compare) -> bool {
        let Some(ours) = self.tag() else {
            return false;
        };
        tags.trim() == "*"
            || tags.split(',').map(str::trim).any(|tag| {
                let strong = match compare {
                    Compare::Weak => tag.strip_prefix("W/").unwrap_or(tag),
                    Compare::Strong => tag,
                };
                strong == ours
            })
    }

    /// Whether If-Range, where there is one, is about this file as it is.
    fn range_holds(&self, headers: &HeaderMap) -> bool {
        let Some(condition) = text(headers, IF_RANGE) else {
            return true;
        };
        match httpdate::parse_http_date(condition) {
            Ok(date) => self.seconds() == Some(date),
            Err(_) => Some(condition.trim()) == self.tag().as_deref(),
        }
    }

    fn range(&self, range: &str) -> Verdict {
        let checked = parse_range_header(range).and_then(|ranges| ranges.validate(self.length));
        match checked.as_deref() {
            Ok([one]) => Verdict::Part(one.clone()),
            // Several parts may be answered by the whole (RFC 9110, section 14.2).
            Ok(_) => Verdict::Whole,
            // What is no range of bytes is passed over.
            Err(RangeUnsatisfiableError::Invalid(_)) => Verdict::Whole,
            Err(_) => Verdict::Unsatisfiable,
        }
    }
}

#[derive(Clone, Copy)]
enum Compare {
    Strong,
    Weak,
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// A date; one that cannot be read is passed over.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changed at the moment that RFC 9110 has as its example, and half a second.
    fn file() -> Facts {
        Facts {
            length: 100,
            modified: Some(UNIX_EPOCH + Duration::from_millis(784_111_777_500)),
        }
    }

    fn judge(headers: &[(&'static str, &str)]) -> Verdict {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        file().judge(&map)
    }

    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    #[test]
    fn ranges_are_those_of_the_rfc() {
        let part = |range: &str| judge(&[("range", range)]);
        assert_eq!(part("bytes=0-9"), Verdict::Part(0..=9));
        assert_eq!(part("bytes=90-"), Verdict::Part(90..=99));
        assert_eq!(part("bytes=-5"), Verdict::Part(95..=99));
        assert_eq!(part("bytes=90-1000"), Verdict::Part(90..=99));
        assert_eq!(part("bytes=100-"), Verdict::Unsatisfiable);
        assert_eq!(part("bytes=0-1,5-6"), Verdict::Whole);
        assert_eq!(part("lines=0-1"), Verdict::Whole);
        assert_eq!(part("bytes=x"), Verdict::Whole);
    }

    #[test]
    fn a_client_that_has_the_file_does_not_get_it_again() {
        let tag = file().tag().unwrap();
        assert_eq!(judge(&[("if-none-match", &tag)]), Verdict::NotModified);
        assert_eq!(
            judge(&[("if-none-match", &format!("\"x\", W/{tag}"))]),
            Verdict::NotModified
        );
        assert_eq!(judge(&[("if-none-match", "*")]), Verdict::NotModified);
        assert_eq!(judge(&[("if-none-match", "\"x\"")]), Verdict::Whole);
        assert_eq!(judge(&[("if-modified-since", SAME)]), Verdict::NotModified);
        assert_eq!(judge(&[("if-modified-since", BEFORE)]), Verdict::Whole);
        assert_eq!(judge(&[("if-modified-since", "yesterday")]), Verdict::Whole);
        // The tag says more than the date.
        let both = [("if-none-match", "\"x\""), ("if-modified-since", SAME)];
        assert_eq!(judge(&both), Verdict::Whole);
    }

    #[test]
    fn a_client_that_means_another_file_is_told() {
        let tag = file().tag().unwrap();
        assert_eq!(judge(&[("if-match", &tag)]), Verdict::Whole);
        assert_eq!(judge(&[("if-match", &format!("W/{tag}"))]), Verdict::Failed);
        assert_eq!(judge(&[("if-match", "\"x\"")]), Verdict::Failed);
        assert_eq!(judge(&[("if-unmodified-since", BEFORE)]), Verdict::Failed);
        assert_eq!(judge(&[("if-unmodified-since", SAME)]), Verdict::Whole);
    }

    #[test]
    fn a_download_goes_on_only_where_the_file_is_the_same() {
        let tag = file().tag().unwrap();
        let go_on = |condition: &str| judge(&[("range", "bytes=50-"), ("if-range", condition)]);
        assert_eq!(go_on(&tag), Verdict::Part(50..=99));
        assert_eq!(go_on(SAME), Verdict::Part(50..=99));
        assert_eq!(go_on("\"x\""), Verdict::Whole);
        assert_eq!(go_on(BEFORE), Verdict::Whole);
        assert_eq!(go_on(&format!("W/{tag}")), Verdict::Whole);
    }
}
