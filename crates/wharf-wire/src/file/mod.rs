//! Capture files: pcap and pcapng, read and written as streams.
//!
//! A damaged file gives every record before the damage, and then a [`Broken`] that
//! says where it is and what is wrong there.

mod buffer;
mod pcap;
mod pcapng;
mod write;

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use crate::frame::{Fate, Frame, Link, Origin, Timestamp};
use buffer::Buffer;

pub use write::{PcapWriter, PcapngWriter};

/// The longest record or block that is read; a longer one is taken for damage.
/// Wireshark's own limit for a record is 256 KiB for common links.
pub const MAX_RECORD: usize = 16 << 20;

/// How many interfaces a section may describe.
pub const MAX_INTERFACES: usize = 4_096;

/// A frame in a file, borrowed from the reader's buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was captured.
    pub at: Timestamp,
    /// What its first byte belongs to.
    pub link: Link,
    /// Its bytes, as far as they were kept.
    pub bytes: &'a [u8],
    /// How many there were on the link.
    pub original_len: usize,
    /// The interface's name.
    pub interface: Option<Arc<str>>,
    /// What was noted about it.
    pub comments: Vec<String>,
}

/// How comments begin that carry what Wharf knows about a frame: they bring honesty
/// labels through files and other programs.
pub(crate) const MARK: &str = "wharf: ";

impl Record<'_> {
    /// The frame, with its own copy of the bytes. Labels that [`PcapngWriter`] wrote as
    /// comments are labels again.
    pub fn to_frame(&self) -> Frame {
        let mut frame = Frame::new(self.at, self.link, Origin::Captured, self.bytes.to_vec());
        frame.original_len = self.original_len;
        frame.interface = self.interface.clone();
        for comment in &self.comments {
            match comment
                .strip_prefix(MARK)
                .map(|mark| mark.split_once(": ").unwrap_or((mark, "")))
            {
                Some(("simulated", _)) => frame.origin = Origin::Simulated,
                Some(("modelled", _)) => frame.origin = Origin::Modelled,
                Some(("dropped", why)) => frame.fate = Fate::Dropped(why.to_owned()),
                Some(("damaged", why)) => frame.fate = Fate::Damaged(why.to_owned()),
                _ => frame.comments.push(comment.clone()),
            }
        }
        frame
    }
}

/// Where and how a file is damaged.
#[derive(Debug)]
pub struct Broken {
    /// How many bytes from the file's beginning.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
    /// The error of reading, if that is what failed.
    pub source: Option<io::Error>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken at byte {}: {}", self.offset, self.what)
    }
}

impl std::error::Error for Broken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

/// Which format a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The classic format, with microseconds or nanoseconds.
    Pcap,
    /// The newer one, with interfaces and comments.
    Pcapng,
}

/// Reads frames out of a capture file.
#[derive(Debug)]
pub struct Reader<R> {
    buffer: Buffer<R>,
    inner: Inner,
    is_over: bool,
}

#[derive(Debug)]
enum Inner {
    Pcap(pcap::Pcap),
    Pcapng(pcapng::Pcapng),
}

impl<R: Read> Reader<R> {
    /// Reads the file's header.
    ///
    /// # Errors
    /// If this is no capture file.
    pub fn open(input: R) -> Result<Self, Broken> {
        let mut buffer = Buffer::new(input);
        let magic = match buffer.peek(4)? {
            Some(bytes) => [bytes[0], bytes[1], bytes[2], bytes[3]],
            None => return Err(buffer.broken("it is empty or ends in its first four bytes")),
        };
        let inner = if magic == pcapng::SECTION.to_be_bytes() {
            Inner::Pcapng(pcapng::Pcapng::default())
        } else if let Some(order) = pcap::Order::of(magic) {
            Inner::Pcap(pcap::Pcap::open(&mut buffer, order)?)
        } else {
            return Err(buffer.broken(format!(
                "it begins with {:02x} {:02x} {:02x} {:02x}, as neither pcap nor pcapng does",
                magic[0], magic[1], magic[2], magic[3]
            )));
        };
        Ok(Reader {
            buffer,
            inner,
            is_over: false,
        })
    }

    /// The file's format.
    pub fn format(&self) -> Format {
        match self.inner {
            Inner::Pcap(_) => Format::Pcap,
            Inner::Pcapng(_) => Format::Pcapng,
        }
    }

    /// How many bytes of the file are read.
    pub fn offset(&self) -> u64 {
        self.buffer.offset()
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// Where the file is damaged. After that nothing more comes.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, Broken> {
        if self.is_over {
            return Ok(None);
        }
        let outcome = match &mut self.inner {
            Inner::Pcap(pcap) => pcap.next(&mut self.buffer),
            Inner::Pcapng(pcapng) => pcapng.next(&mut self.buffer),
        };
        let found = match outcome {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.is_over = true;
                return Ok(None);
            }
            Err(broken) => {
                self.is_over = true;
                return Err(broken);
            }
        };
        Ok(Some(Record {
            at: found.at,
            link: found.link,
            bytes: self.buffer.slice(found.bytes),
            original_len: found.original_len,
            interface: found.interface,
            comments: found.comments,
        }))
    }
}

/// A record, its bytes still in the buffer.
#[derive(Debug)]
struct Found {
    at: Timestamp,
    link: Link,
    bytes: std::ops::Range<usize>,
    original_len: usize,
    interface: Option<Arc<str>>,
    comments: Vec<String>,
}

#[cfg(test)]
mod tests;
