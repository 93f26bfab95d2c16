//! What a tap has seen, as frames that `wharf-wire` writes and draws.
//!
//! A link is tapped where frames enter it, each frame once; what happened to it on
//! the way stands beside it. Every frame says that it is simulated.

use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;

use wharf_wire::file::PcapngWriter;
use wharf_wire::frame::{Fate, Frame, Link, Origin, Timestamp};

use crate::core::{LinkId, NodeId, Place, Recorded};
use crate::lab::Report;
use crate::stack::Host;

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
    /// Whether it sees what happens at this place.
    pub fn sees(self, place: Place) -> bool {
        match (self, place) {
            (Tap::Link(tapped), Place::Link { link, .. }) => tapped.0 == link,
            (Tap::Medium(tapped), Place::Node(node)) => tapped.0 == node,
            _ => false,
        }
    }
}

impl Report {
    /// The frames that a tap has seen, in the order of time, at the lab's time of day.
    ///
    /// There are none if [`Lab::with_recording`](crate::Lab::with_recording) was not
    /// called.
    pub fn frames(&self, tap: Tap) -> impl Iterator<Item = Frame> {
        let recorded = self.recording().map(|it| it.frames()).unwrap_or_default();
        let name: Arc<str> = self.tap_name(tap).into();
        let seen = recorded.iter().filter(move |it| tap.sees(it.place));
        seen.map(move |it| self.frame(it, &name))
    }

    fn frame(&self, recorded: &Recorded, tap: &Arc<str>) -> Frame {
        let at = Timestamp::default() + self.day + recorded.at.since_start();
        let bytes = recorded.frame.bytes().to_vec();
        let mut frame = Frame::new(at, Link::Ethernet, Origin::Simulated, bytes);
        frame.interface = Some(Arc::clone(tap));
        let remark = recorded.remark;
        if let Some(cause) = remark.dropped {
            frame.fate = Fate::Dropped(cause.agent().to_owned());
        } else if let Some(byte) = remark.damaged {
            frame.fate = Fate::Damaged(format!("the link, in byte {byte}"));
        }
        if let Some(byte) = recorded.frame.damaged {
            frame
                .comments
                .push(format!("damaged before, in byte {byte}"));
        }
        if recorded.frame.is_copy {
            // Analysers take it for a retransmission.
            frame.comments.push("a copy: doubled before".to_owned());
        }
        for message in recorded.frame.messages() {
            frame.comments.push(format!("message {message}"));
        }
        if remark.doubled {
            frame.comments.push("doubled on the way".to_owned());
        }
        if remark.held_back {
            frame.comments.push("held back on the way".to_owned());
        }
        frame
    }

    /// Writes what a tap has seen as pcapng (draft-ietf-opsawg-pcapng), as Wireshark
    /// reads it, and gives the number of frames.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_capture(&self, tap: Tap, out: &mut impl Write) -> io::Result<u64> {
        let remark = format!("a network in memory, seed {}", self.fabric.seed());
        let mut writer = PcapngWriter::new(out, &remark)?;
        let mut count = 0;
        for frame in self.frames(tap) {
            writer.write(&frame)?;
            count += 1;
        }
        writer.flush()?;
        Ok(count)
    }

    /// The host that has this address.
    pub fn host_with(&self, ip: IpAddr) -> Option<&str> {
        let has = |host: &Host| host.addresses().iter().any(|(own, _)| *own == ip);
        let mut hosts = self.hosts.iter();
        let found = hosts.find(|(_, node)| self.fabric.node::<Host>(*node).is_some_and(has));
        found.map(|(name, _)| name.as_str())
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

/// Whether a frame belongs to the upkeep of the network, not to a conversation:
/// address resolution, group membership, spanning tree.
pub fn is_upkeep(frame: &[u8]) -> bool {
    let kind = frame
        .get(12..14)
        .map(|it| u16::from_be_bytes([it[0], it[1]]));
    match kind {
        Some(0x0800) => false,
        Some(0x86DD) => frame.get(20).is_none_or(|next| matches!(next, 0 | 58)),
        _ => true,
    }
}
