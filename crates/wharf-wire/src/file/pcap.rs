//! pcap, draft-ietf-opsawg-pcap: a header, and records that follow each other.

use std::io::Read;

use super::buffer::Buffer;
use super::{Broken, Found, MAX_RECORD};
use crate::frame::{Link, Timestamp};

pub(super) const MICROS: u32 = 0xa1b2_c3d4;
pub(super) const NANOS: u32 = 0xa1b2_3c4d;

/// What the first four bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) is_big: bool,
    pub(super) nanos_per_unit: u64,
}

impl Order {
    pub(super) fn of(magic: [u8; 4]) -> Option<Order> {
        let unit = |number| match number {
            MICROS => Some(1_000),
            NANOS => Some(1),
            _ => None,
        };
        let big = unit(u32::from_be_bytes(magic)).map(|nanos_per_unit| Order {
            is_big: true,
            nanos_per_unit,
        });
        big.or_else(|| {
            unit(u32::from_le_bytes(magic)).map(|nanos_per_unit| Order {
                is_big: false,
                nanos_per_unit,
            })
        })
    }

    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let four = bytes
            .get(at..at + 4)
            .and_then(|four| four.try_into().ok())
            .unwrap_or_default();
        match self.is_big {
            true => u32::from_be_bytes(four),
            false => u32::from_le_bytes(four),
        }
    }
}

#[derive(Debug)]
pub(super) struct Pcap {
    order: Order,
    link: Link,
}

impl Pcap {
    pub(super) fn open<R: Read>(buffer: &mut Buffer<R>, order: Order) -> Result<Self, Broken> {
        let Some(header) = buffer.peek(24)? else {
            return Err(buffer.broken("the file ends in its header of 24 bytes"));
        };
        // The upper bits tell of a frame check sequence.
        let link = Link::from_number((order.u32(header, 20) & 0xffff) as u16);
        buffer.consume(24);
        Ok(Pcap { order, link })
    }

    pub(super) fn next<R: Read>(
        &mut self,
        buffer: &mut Buffer<R>,
    ) -> Result<Option<Found>, Broken> {
        let Some(header) = buffer.peek(16)? else {
            return match buffer.left() {
                0 => Ok(None),
                left => Err(buffer.broken(format!(
                    "the file ends in a record's header, after {left} of 16 bytes"
                ))),
            };
        };
        let seconds = u64::from(self.order.u32(header, 0));
        let fraction = u64::from(self.order.u32(header, 4));
        let kept = self.order.u32(header, 8) as usize;
        let original = self.order.u32(header, 12) as usize;
        if kept > MAX_RECORD {
            return Err(buffer.broken(format!(
                "a record says it has {kept} bytes, more than {MAX_RECORD}"
            )));
        }
        if buffer.peek(16 + kept)?.is_none() {
            let left = buffer.left().saturating_sub(16);
            return Err(buffer.broken(format!(
                "the file ends in a record, after {left} of {kept} bytes"
            )));
        }
        let place = buffer.consume(16 + kept);
        Ok(Some(Found {
            at: Timestamp::from_nanos(
                seconds * 1_000_000_000 + fraction * self.order.nanos_per_unit,
            ),
            link: self.link,
            bytes: place.start + 16..place.end,
            original_len: original.max(kept),
            interface: None,
            comments: Vec::new(),
        }))
    }
}
