//! Captures in the pcapng format (draft-ietf-opsawg-pcapng), as Wireshark reads them.
//!
//! ```text
//!   section header │ interface: one for each tapped link │ packet │ packet │ …
//! ```
//! A link is tapped where frames enter it, each frame once; what happened to it on
//! the way is a comment on its packet. Times have nanoseconds.

use std::io::{self, Write};

use crate::core::{LinkId, NodeId, Place, Recorded};
use crate::lab::Report;

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1A2B_3C4D;
const ETHERNET: u16 = 1;

/// Options: the end of the list, a comment, an interface's name, its time resolution.
const END: u16 = 0;
const COMMENT: u16 = 1;
const NAME: u16 = 2;
const RESOLUTION: u16 = 9;

/// Where to tap a network.
///
/// One tap sees each frame once. A frame that crosses several links would stand in
/// a capture of all of them several times, and analysers would take the copies for
/// retransmissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// One link, in both directions.
    Link(LinkId),
    /// A shared medium: what was sent on it without a collision.
    Medium(NodeId),
}

impl Tap {
    fn sees(self, place: Place) -> bool {
        match (self, place) {
            (Tap::Link(tapped), Place::Link { link, .. }) => tapped.0 == link,
            (Tap::Medium(tapped), Place::Node(node)) => tapped.0 == node,
            _ => false,
        }
    }
}

impl Report {
    /// Writes what a tap has seen, and gives the number of frames.
    ///
    /// Nothing was seen if [`Lab::with_recording`](crate::Lab::with_recording) was
    /// not called.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_capture(&self, tap: Tap, out: &mut impl Write) -> io::Result<u64> {
        let frames = self.recording().map(|it| it.frames()).unwrap_or_default();
        let mut file = Vec::new();
        section_header(&mut file);
        interface(&mut file, &self.tap_name(tap));
        out.write_all(&file)?;
        let mut count = 0;
        for recorded in frames.iter().filter(|it| tap.sees(it.place)) {
            file.clear();
            packet(&mut file, recorded);
            out.write_all(&file)?;
            count += 1;
        }
        Ok(count)
    }

    /// A tap's name: that of its medium, or of both ends of its link.
    pub fn tap_name(&self, tap: Tap) -> String {
        match tap {
            Tap::Link(link) => match self.fabric.links().nth(link.0 as usize) {
                Some(view) => format!("{}-{}", view.first, view.second),
                None => String::new(),
            },
            Tap::Medium(node) => {
                let name = self.fabric.names().nth(node.0 as usize);
                name.unwrap_or_default().to_owned()
            }
        }
    }

    /// All taps: every link that is no attachment, and every shared medium.
    pub fn taps(&self) -> Vec<Tap> {
        let nodes = 0..self.fabric.names().len() as u32;
        let shared = nodes
            .map(NodeId)
            .filter(|&node| matches!(self.fabric.kind(node), "bus" | "hub"));
        let links = self.fabric.links().enumerate();
        let real = links.filter(|(_, view)| view.link.bits_per_second().is_some());
        let links = real.map(|(index, _)| Tap::Link(LinkId(index as u32)));
        links.chain(shared.map(Tap::Medium)).collect()
    }
}

fn section_header(file: &mut Vec<u8>) {
    block(file, SECTION_HEADER, |body| {
        body.extend(BYTE_ORDER.to_le_bytes());
        // Version 1.0, and a section of unknown length.
        body.extend([1, 0, 0, 0]);
        body.extend([0xFF; 8]);
    });
}

fn interface(file: &mut Vec<u8>, name: &str) {
    block(file, INTERFACE, |body| {
        body.extend(ETHERNET.to_le_bytes());
        body.extend([0, 0]);
        // No limit to the length of packets.
        body.extend([0; 4]);
        option(body, NAME, name.as_bytes());
        option(body, RESOLUTION, &[9]);
        option(body, END, &[]);
    });
}

fn packet(file: &mut Vec<u8>, recorded: &Recorded) {
    block(file, ENHANCED_PACKET, |body| {
        let bytes = recorded.frame.bytes();
        let length = bytes.len() as u32;
        let time = recorded.at.0;
        // Interface 0, the halves of the time, the captured and the original length.
        for word in [0, (time >> 32) as u32, time as u32, length, length] {
            body.extend(word.to_le_bytes());
        }
        body.extend(bytes);
        pad(body);
        let message = recorded
            .frame
            .message
            .map(|number| format!("message {number}"));
        let comments = message.into_iter().chain(recorded.remark.comment());
        let comment = comments.collect::<Vec<String>>().join("; ");
        if !comment.is_empty() {
            option(body, COMMENT, comment.as_bytes());
            option(body, END, &[]);
        }
    });
}

/// A block has its type, and its length before and behind it.
fn block(file: &mut Vec<u8>, kind: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = file.len();
    file.extend(kind.to_le_bytes());
    file.extend([0; 4]);
    fill(file);
    pad(file);
    let length = (file.len() - start + 4) as u32;
    file[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    file.extend(length.to_le_bytes());
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

/// Everything begins at a multiple of four bytes. Blocks are written one by one
/// or one after the other, and each has such a length, so the offset may be counted
/// from the start of either.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}
