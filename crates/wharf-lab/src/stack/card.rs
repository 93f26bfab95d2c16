//! The network card, as the stack sees it.

use std::rc::Rc;

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium, PacketMeta};
use smoltcp::time::Instant;

use crate::core::{Frame, HEADER};

/// What the memory of a frame is made from; longer ones than any MTU allows are rare.
static ZEROS: [u8; 9_216] = [0; 9_216];

/// One packet in, any number of packets out.
#[derive(Debug, Default)]
pub(super) struct Card {
    pub(super) mtu: usize,
    pub(super) received: Option<Received>,
    pub(super) sent: Vec<Sent>,
}

/// A frame for the stack.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    /// The message that it carries, as the stack hands it on with a datagram.
    pub(super) message: u32,
}

/// The frame as it came, or with what the shim changed.
#[derive(Debug)]
pub(super) enum Bytes {
    AsSent(Frame),
    Changed(Rc<[u8]>),
}

impl Bytes {
    /// The packet in the frame: the stack sees no header of the link.
    fn packet(&self) -> &[u8] {
        match self {
            Bytes::AsSent(frame) => frame.payload(),
            Bytes::Changed(bytes) => bytes.get(HEADER..).unwrap_or_default(),
        }
    }
}

/// A packet from the stack, with room for the header of its frame before it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) bytes: Rc<[u8]>,
    pub(super) message: u32,
}

pub(super) struct Incoming(Received);

pub(super) struct Outgoing<'a> {
    sent: &'a mut Vec<Sent>,
    message: u32,
}

impl phy::RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0.bytes.packet())
    }

    fn meta(&self) -> PacketMeta {
        let mut meta = PacketMeta::default();
        meta.id = self.0.message;
        meta
    }
}

impl phy::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        // One piece of memory, which travels as it is.
        let mut bytes: Rc<[u8]> = match ZEROS.get(..HEADER + length) {
            Some(zeros) => Rc::from(zeros),
            None => vec![0; HEADER + length].into(),
        };
        let result = fill(&mut Rc::make_mut(&mut bytes)[HEADER..]);
        self.sent.push(Sent {
            bytes,
            message: self.message,
        });
        result
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.message = meta.id;
    }
}

impl Device for Card {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        // Checksums are left on: frames can be damaged on their way.
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }

    fn receive(&mut self, _: Instant) -> Option<(Incoming, Outgoing<'_>)> {
        let received = self.received.take()?;
        let outgoing = Outgoing {
            sent: &mut self.sent,
            message: 0,
        };
        Some((Incoming(received), outgoing))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing {
            sent: &mut self.sent,
            message: 0,
        })
    }
}
