//! The network card, as the stack sees it.

use std::rc::Rc;

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium, PacketMeta};
use smoltcp::time::Instant;

use crate::core::{Frame, HEADER};

/// One frame in, any number of frames out.
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
    Changed(Rc<Vec<u8>>),
}

impl Bytes {
    pub(super) fn get(&self) -> &[u8] {
        match self {
            Bytes::AsSent(frame) => frame.bytes(),
            Bytes::Changed(bytes) => bytes,
        }
    }
}

/// A frame from the stack.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
    pub(super) message: u32,
}

pub(super) struct Incoming(Received);

pub(super) struct Outgoing<'a> {
    sent: &'a mut Vec<Sent>,
    message: u32,
}

impl phy::RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0.bytes.get())
    }

    fn meta(&self) -> PacketMeta {
        let mut meta = PacketMeta::default();
        meta.id = self.0.message;
        meta
    }
}

impl phy::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut bytes = vec![0; length];
        let result = fill(&mut bytes);
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
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + HEADER;
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
