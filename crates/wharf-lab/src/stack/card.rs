//! The network card, as the stack sees it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium, PacketMeta};
use smoltcp::time::Instant;

use crate::core::{HEADER, Spare};

/// One packet in, any number of packets out.
#[derive(Debug, Default)]
pub(super) struct Card {
    pub(super) mtu: usize,
    pub(super) received: Option<Received>,
    pub(super) sent: VecDeque<Sent>,
    /// Memory for frames: that of the network, while the host has its turn. The stack
    /// holds a token for a packet in and one for a packet out at the same time.
    pub(super) spare: RefCell<Spare>,
}

/// A frame for the stack, which sees the packet in it: no header of the link.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Rc<[u8]>,
    /// The message that it carries, as the stack hands it on with a datagram.
    pub(super) message: u32,
}

/// A packet from the stack, with room for the header of its frame before it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) bytes: Rc<[u8]>,
    pub(super) message: u32,
}

impl Sent {
    pub(super) fn packet(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }
}

pub(super) struct Incoming<'a> {
    received: Received,
    spare: &'a RefCell<Spare>,
}

pub(super) struct Outgoing<'a> {
    sent: &'a mut VecDeque<Sent>,
    spare: &'a RefCell<Spare>,
    message: u32,
}

impl phy::RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        let bytes = self.received.bytes;
        let result = take(bytes.get(HEADER..).unwrap_or_default());
        self.spare.borrow_mut().keep(bytes);
        result
    }

    fn meta(&self) -> PacketMeta {
        let mut meta = PacketMeta::default();
        meta.id = self.received.message;
        meta
    }
}

impl phy::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        // One piece of memory, which travels as it is.
        let mut bytes = self.spare.borrow_mut().take(HEADER + length);
        let result = fill(&mut Spare::exclusive(&mut bytes)[HEADER..]);
        self.sent.push_back(Sent {
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
    type RxToken<'a> = Incoming<'a>;
    type TxToken<'a> = Outgoing<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        // Checksums are left on: frames can be damaged on their way.
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }

    fn receive(&mut self, _: Instant) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        let incoming = Incoming {
            received: self.received.take()?,
            spare: &self.spare,
        };
        let outgoing = Outgoing {
            sent: &mut self.sent,
            spare: &self.spare,
            message: 0,
        };
        Some((incoming, outgoing))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing {
            sent: &mut self.sent,
            spare: &self.spare,
            message: 0,
        })
    }
}
