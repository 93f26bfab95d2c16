//! A frame: bytes that were, or would have been, on a link at a moment, and how we
//! come to know them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A moment in nanoseconds since 1970-01-01 UTC; reaches to the year 2554.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From nanoseconds since 1970-01-01 UTC.
    pub const fn from_nanos(nanos: u64) -> Self {
        Timestamp(nanos)
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` until now; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Nanoseconds from `other` until now, negative if `other` is later: frames of a
    /// file need not stand in the order of their times.
    pub fn delta(self, other: Timestamp) -> i64 {
        let difference = i128::from(self.0) - i128::from(other.0);
        difference.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;

    /// Later by `after`; stops at the end of the range.
    fn add(self, after: Duration) -> Timestamp {
        let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_add(nanos))
    }
}

/// What the first byte of a frame belongs to: the link-layer header types of
/// <https://www.tcpdump.org/linktypes.html> that Wharf reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// Ethernet II (LINKTYPE_ETHERNET, 1).
    Ethernet,
    /// The address family in the byte order of the machine that captured
    /// (LINKTYPE_NULL, 0): loopback on the BSDs and macOS.
    Null,
    /// The address family in network byte order (LINKTYPE_LOOP, 108): OpenBSD.
    Loop,
    /// IPv4 or IPv6 without a link header (LINKTYPE_RAW, 101).
    Raw,
    /// IPv4 without a link header (LINKTYPE_IPV4, 228).
    Ipv4,
    /// IPv6 without a link header (LINKTYPE_IPV6, 229).
    Ipv6,
    /// Linux cooked capture, version 1 (LINKTYPE_LINUX_SLL, 113).
    Cooked,
    /// Linux cooked capture, version 2 (LINKTYPE_LINUX_SLL2, 276).
    Cooked2,
    /// Something else, by its number; its bytes are shown as they are.
    Other(u16),
}

impl Link {
    /// The link type of this LINKTYPE_ number.
    pub fn from_number(number: u16) -> Link {
        match number {
            0 => Link::Null,
            1 => Link::Ethernet,
            // 12 and 14 are what DLT_RAW is called inside of files by mistake.
            12 | 14 | 101 => Link::Raw,
            108 => Link::Loop,
            113 => Link::Cooked,
            228 => Link::Ipv4,
            229 => Link::Ipv6,
            276 => Link::Cooked2,
            other => Link::Other(other),
        }
    }

    /// The LINKTYPE_ number.
    pub fn number(self) -> u16 {
        match self {
            Link::Null => 0,
            Link::Ethernet => 1,
            Link::Raw => 101,
            Link::Loop => 108,
            Link::Cooked => 113,
            Link::Ipv4 => 228,
            Link::Ipv6 => 229,
            Link::Cooked2 => 276,
            Link::Other(number) => number,
        }
    }
}

/// How we come to know a frame. Every view says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// These bytes were read from a link.
    #[default]
    Captured,
    /// These bytes travelled in a network that exists only in memory.
    Simulated,
    /// Nobody saw these bytes: they were rebuilt from socket calls, and what the
    /// kernel does beyond that (acknowledgements, retransmission) is assumed.
    Modelled,
}

impl Origin {
    /// One word, the same in every view.
    pub fn word(self) -> &'static str {
        match self {
            Origin::Captured => "captured",
            Origin::Simulated => "simulated",
            Origin::Modelled => "modelled",
        }
    }

    /// What the word means, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Origin::Captured => "captured: these very bytes were read from the link",
            Origin::Simulated => "simulated: these bytes travelled in a network in memory",
            Origin::Modelled => {
                "modelled: rebuilt from the socket calls; nobody saw these bytes on a link"
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What became of a frame on its way, as far as somebody knows who saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is known against its arrival.
    #[default]
    Travelled,
    /// It was lost, with the reason: `fault loss=5%`.
    Dropped(String),
    /// It arrived with other bytes, with the reason.
    Damaged(String),
}

/// A frame with everything that is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When it was on the link.
    pub at: Timestamp,
    /// What its first byte belongs to.
    pub link: Link,
    /// Its bytes, possibly cut off at the end.
    pub bytes: Vec<u8>,
    /// How many bytes it had on the link.
    pub original_len: usize,
    /// How we come to know it.
    pub origin: Origin,
    /// What became of it.
    pub fate: Fate,
    /// The interface's name.
    pub interface: Option<Arc<str>>,
    /// What people or programs noted about it.
    pub comments: Vec<String>,
    /// What the kernel said about the connection at this moment (`rtt 27 us`,
    /// `cwnd 10`): shown as *from the kernel*, never as read from the frame.
    pub kernel: Vec<(&'static str, String)>,
}

impl Frame {
    /// A whole frame without remarks.
    pub fn new(at: Timestamp, link: Link, origin: Origin, bytes: Vec<u8>) -> Self {
        Frame {
            at,
            link,
            original_len: bytes.len(),
            bytes,
            origin,
            fate: Fate::Travelled,
            interface: None,
            comments: Vec::new(),
            kernel: Vec::new(),
        }
    }

    /// This frame with what became of it.
    #[must_use]
    pub fn with_fate(mut self, fate: Fate) -> Self {
        self.fate = fate;
        self
    }

    /// This frame with one more comment.
    #[must_use]
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comments.push(comment.into());
        self
    }

    /// How many bytes at its end were not kept.
    pub fn cut_off(&self) -> usize {
        self.original_len.saturating_sub(self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_types_have_the_numbers_of_the_registry() {
        for number in [0, 1, 101, 108, 113, 228, 229, 276, 147] {
            assert_eq!(Link::from_number(number).number(), number);
        }
        assert_eq!(Link::from_number(12), Link::Raw);
    }

    #[test]
    fn times_before_the_first_are_negative() {
        let (early, late) = (Timestamp::from_nanos(5), Timestamp::from_nanos(9));
        assert_eq!(early.delta(late), -4);
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(Timestamp::from_nanos(u64::MAX).delta(early), i64::MAX);
    }
}
