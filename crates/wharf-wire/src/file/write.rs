//! Writing capture files.

use std::io::{self, Write};
use std::sync::Arc;

use super::pcapng::{COMMENT, IF_NAME, IF_TSRESOL, INTERFACE, ORDER, PACKET, SECTION};
use super::{MARK, pcap};
use crate::frame::{Fate, Frame, Link, Origin};

/// No packet is cut off when it is written.
const SNAP: u32 = 262_144;

/// Options have a length of 16 bits.
const MAX_OPTION: usize = 65_532;

/// Writes pcapng: nanoseconds, an interface for each link and name, comments. The
/// honesty label of a frame that was not captured, and what became of one that did
/// not arrive, are written as comments, so that every reader sees them.
#[derive(Debug)]
pub struct PcapngWriter<W> {
    output: W,
    interfaces: Vec<(Link, Option<Arc<str>>)>,
}

impl<W: Write> PcapngWriter<W> {
    /// Begins a file with a remark about it, which may be empty.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn new(mut output: W, remark: &str) -> io::Result<Self> {
        let mut body = Vec::new();
        body.extend(ORDER.to_le_bytes());
        body.extend([1, 0, 0, 0]);
        body.extend(u64::MAX.to_le_bytes());
        // 4: shb_userappl.
        let options = [(COMMENT, remark.as_bytes()), (4, b"wharf")];
        put_options(
            &mut body,
            options.into_iter().filter(|(_, value)| !value.is_empty()),
        );
        put_block(&mut output, SECTION, &body)?;
        Ok(PcapngWriter {
            output,
            interfaces: Vec::new(),
        })
    }

    /// Writes a frame, and its interface if it is the first one there.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&mut self, frame: &Frame) -> io::Result<()> {
        let number = self.interface(frame.link, frame.interface.as_ref())?;
        let nanos = frame.at.nanos();
        let mut body = Vec::with_capacity(frame.bytes.len() + 64);
        body.extend(number.to_le_bytes());
        body.extend(((nanos >> 32) as u32).to_le_bytes());
        body.extend((nanos as u32).to_le_bytes());
        body.extend(len(frame.bytes.len()).to_le_bytes());
        body.extend(len(frame.original_len).to_le_bytes());
        body.extend(&frame.bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        let marks = marks(frame);
        let comments = marks.iter().chain(&frame.comments);
        put_options(
            &mut body,
            comments.map(|comment| (COMMENT, comment.as_bytes())),
        );
        put_block(&mut self.output, PACKET, &body)
    }

    /// Passes everything on.
    ///
    /// # Errors
    /// Those of the output.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    fn interface(&mut self, link: Link, name: Option<&Arc<str>>) -> io::Result<u32> {
        let known = self
            .interfaces
            .iter()
            .position(|(known, its)| *known == link && its.as_ref() == name);
        if let Some(number) = known {
            return Ok(len(number));
        }
        let mut body = Vec::new();
        body.extend(link.number().to_le_bytes());
        body.extend([0, 0]);
        body.extend(SNAP.to_le_bytes());
        let name_option = name.map(|name| (IF_NAME, name.as_bytes()));
        put_options(
            &mut body,
            name_option.into_iter().chain([(IF_TSRESOL, &[9u8][..])]),
        );
        put_block(&mut self.output, INTERFACE, &body)?;
        self.interfaces.push((link, name.cloned()));
        Ok(len(self.interfaces.len() - 1))
    }
}

/// What Wharf knows about a frame, as comments.
fn marks(frame: &Frame) -> Vec<String> {
    let mut marks = Vec::new();
    if frame.origin != Origin::Captured {
        let (word, meaning) = (frame.origin.word(), frame.origin.meaning());
        let meaning = meaning.strip_prefix(word).unwrap_or(meaning);
        marks.push(format!("{MARK}{word}{meaning}"));
    }
    match &frame.fate {
        Fate::Travelled => {}
        Fate::Dropped(why) => marks.push(format!("{MARK}dropped: {why}")),
        Fate::Damaged(why) => marks.push(format!("{MARK}damaged: {why}")),
    }
    for (name, value) in &frame.kernel {
        marks.push(format!("from the kernel: {name} {value}"));
    }
    marks
}

fn len(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn put_options<'a>(body: &mut Vec<u8>, options: impl Iterator<Item = (u16, &'a [u8])>) {
    let before = body.len();
    for (code, value) in options {
        let value = &value[..value.len().min(MAX_OPTION)];
        body.extend(code.to_le_bytes());
        body.extend((value.len() as u16).to_le_bytes());
        body.extend(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    if body.len() > before {
        // The end of options.
        body.extend([0; 4]);
    }
}

fn put_block(output: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let total = len(body.len() + 12).to_le_bytes();
    output.write_all(&kind.to_le_bytes())?;
    output.write_all(&total)?;
    output.write_all(body)?;
    output.write_all(&total)
}

/// Writes pcap with nanoseconds: one link type, no names, no comments.
#[derive(Debug)]
pub struct PcapWriter<W> {
    output: W,
    link: Link,
}

impl<W: Write> PcapWriter<W> {
    /// Begins a file for frames of this link.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn new(mut output: W, link: Link) -> io::Result<Self> {
        output.write_all(&pcap::NANOS.to_le_bytes())?;
        output.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        output.write_all(&SNAP.to_le_bytes())?;
        output.write_all(&u32::from(link.number()).to_le_bytes())?;
        Ok(PcapWriter { output, link })
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// Those of the output; a frame of another link, which has no place in the file.
    pub fn write(&mut self, frame: &Frame) -> io::Result<()> {
        if frame.link != self.link {
            let what = "a pcap file holds frames of one link type only; pcapng holds several";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let nanos = frame.at.nanos();
        self.output
            .write_all(&((nanos / 1_000_000_000) as u32).to_le_bytes())?;
        self.output
            .write_all(&((nanos % 1_000_000_000) as u32).to_le_bytes())?;
        self.output
            .write_all(&len(frame.bytes.len()).to_le_bytes())?;
        self.output
            .write_all(&len(frame.original_len).to_le_bytes())?;
        self.output.write_all(&frame.bytes)
    }

    /// Passes everything on.
    ///
    /// # Errors
    /// Those of the output.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
