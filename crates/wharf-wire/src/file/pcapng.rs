//! pcapng, draft-ietf-opsawg-pcapng: blocks of sections, interfaces and packets.

use std::io::Read;
use std::sync::Arc;

use super::buffer::Buffer;
use super::{Broken, Found, MAX_INTERFACES, MAX_RECORD};
use crate::frame::{Link, Timestamp};

pub(super) const SECTION: u32 = 0x0a0d_0d0a;
pub(super) const ORDER: u32 = 0x1a2b_3c4d;
pub(super) const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
pub(super) const PACKET: u32 = 6;

pub(super) const COMMENT: u16 = 1;
pub(super) const IF_NAME: u16 = 2;
pub(super) const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// No packet's comments are more than these; the rest is left out.
const MAX_COMMENTS: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Pcapng {
    is_big: bool,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Debug)]
struct Interface {
    link: Link,
    name: Option<Arc<str>>,
    snap: usize,
    unit: Unit,
    offset_seconds: i64,
}

/// What a tick of an interface's clock is.
#[derive(Clone, Copy, Debug)]
enum Unit {
    /// 10^-n seconds.
    Decimal(u8),
    /// 2^-n seconds.
    Binary(u8),
}

impl Pcapng {
    pub(super) fn next<R: Read>(
        &mut self,
        buffer: &mut Buffer<R>,
    ) -> Result<Option<Found>, Broken> {
        loop {
            let Some(head) = buffer.peek(8)? else {
                return match buffer.left() {
                    0 => Ok(None),
                    left => Err(buffer.broken(format!(
                        "the file ends in a block's header, after {left} of 8 bytes"
                    ))),
                };
            };
            let head: [u8; 8] = head.try_into().unwrap_or_default();
            let is_section = head[..4] == SECTION.to_be_bytes();
            if is_section {
                self.learn_order(buffer)?;
            }
            let kind = self.u32(&head, 0);
            let len = self.u32(&head, 4) as usize;
            if len < 12 || !len.is_multiple_of(4) || len > MAX_RECORD + 4096 {
                return Err(
                    buffer.broken(format!("a block of type {kind} says it has {len} bytes"))
                );
            }
            let Some(block) = buffer.peek(len)? else {
                let left = buffer.left();
                return Err(buffer.broken(format!(
                    "the file ends in a block of type {kind}, after {left} of {len} bytes"
                )));
            };
            if self.u32(block, len - 4) as usize != len {
                return Err(buffer.broken(format!(
                    "a block of type {kind} has two different lengths at its two ends"
                )));
            }
            let body = &block[8..len - 4];
            let outcome = match kind {
                _ if is_section => {
                    self.interfaces.clear();
                    Ok(None)
                }
                INTERFACE => self.interface(body).map(|()| None),
                PACKET | OLD_PACKET => self.packet(body, kind == OLD_PACKET).map(Some),
                SIMPLE_PACKET => self.simple_packet(body).map(Some),
                // Names, statistics and what others invented.
                _ => Ok(None),
            };
            let found = match outcome {
                Ok(found) => found,
                Err(what) => return Err(buffer.broken(what)),
            };
            let place = buffer.consume(len);
            if let Some((mut found, bytes)) = found {
                found.bytes = place.start + 8 + bytes.start..place.start + 8 + bytes.end;
                return Ok(Some(found));
            }
        }
    }

    fn learn_order<R: Read>(&mut self, buffer: &mut Buffer<R>) -> Result<(), Broken> {
        let order = match buffer.peek(12)? {
            Some(bytes) => [bytes[8], bytes[9], bytes[10], bytes[11]],
            None => return Err(buffer.broken("the file ends in a section's header")),
        };
        self.is_big = match order {
            _ if u32::from_be_bytes(order) == ORDER => true,
            _ if u32::from_le_bytes(order) == ORDER => false,
            _ => {
                return Err(
                    buffer.broken("a section's byte order is neither big nor little endian")
                );
            }
        };
        Ok(())
    }

    fn interface(&mut self, body: &[u8]) -> Result<(), String> {
        if body.len() < 8 {
            return Err("an interface's description is too short".into());
        }
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(format!(
                "more than {MAX_INTERFACES} interfaces in a section"
            ));
        }
        let mut interface = Interface {
            link: Link::from_number(self.u16(body, 0)),
            name: None,
            snap: self.u32(body, 4) as usize,
            unit: Unit::Decimal(6),
            offset_seconds: 0,
        };
        for (code, value) in self.options(&body[8..]) {
            match (code, value) {
                (IF_NAME, name) => interface.name = Some(text(name).into()),
                (IF_TSRESOL, [unit, ..]) => {
                    interface.unit = match unit & 0x80 {
                        0 => Unit::Decimal(*unit),
                        _ => Unit::Binary(unit & 0x7f),
                    }
                }
                (IF_TSOFFSET, offset) if offset.len() >= 8 => {
                    let eight: [u8; 8] = offset[..8].try_into().unwrap_or_default();
                    interface.offset_seconds = match self.is_big {
                        true => i64::from_be_bytes(eight),
                        false => i64::from_le_bytes(eight),
                    };
                }
                _ => {}
            }
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn packet(&self, body: &[u8], is_old: bool) -> Result<(Found, std::ops::Range<usize>), String> {
        if body.len() < 20 {
            return Err("a packet's block is too short".into());
        }
        let number = match is_old {
            true => u32::from(self.u16(body, 0)),
            false => self.u32(body, 0),
        };
        let interface = self.interface_of(number as usize)?;
        let ticks = u64::from(self.u32(body, 4)) << 32 | u64::from(self.u32(body, 8));
        let kept = self.u32(body, 12) as usize;
        let original = self.u32(body, 16) as usize;
        if kept > body.len() - 20 {
            return Err(format!(
                "a packet says it has {kept} bytes, its block has room for {}",
                body.len() - 20
            ));
        }
        let options = body
            .get(20 + kept.next_multiple_of(4)..)
            .unwrap_or_default();
        let comments = self.options(options).filter(|(code, _)| *code == COMMENT);
        let found = Found {
            at: interface.time(ticks),
            link: interface.link,
            bytes: 0..0,
            original_len: original.max(kept),
            interface: interface.name.clone(),
            comments: comments
                .take(MAX_COMMENTS)
                .map(|(_, value)| text(value))
                .collect(),
        };
        Ok((found, 20..20 + kept))
    }

    /// A packet without time and interface: it is the first interface's.
    fn simple_packet(&self, body: &[u8]) -> Result<(Found, std::ops::Range<usize>), String> {
        let interface = self.interface_of(0)?;
        let original = self.u32(body, 0) as usize;
        let snap = if interface.snap == 0 {
            usize::MAX
        } else {
            interface.snap
        };
        let kept = original.min(snap).min(body.len().saturating_sub(4));
        let found = Found {
            at: Timestamp::default(),
            link: interface.link,
            bytes: 0..0,
            original_len: original.max(kept),
            interface: interface.name.clone(),
            comments: Vec::new(),
        };
        Ok((found, 4..4 + kept))
    }

    fn interface_of(&self, number: usize) -> Result<&Interface, String> {
        let known = self.interfaces.len();
        let interface = self.interfaces.get(number);
        interface
            .ok_or_else(|| format!("a packet of interface {number}, but {known} are described"))
    }

    /// The options behind the fixed part; damaged ones end the list.
    fn options<'b>(&self, mut bytes: &'b [u8]) -> impl Iterator<Item = (u16, &'b [u8])> {
        let is_big = self.is_big;
        std::iter::from_fn(move || {
            let head = bytes.get(..4)?;
            let (code, len) = match is_big {
                true => (
                    u16::from_be_bytes([head[0], head[1]]),
                    u16::from_be_bytes([head[2], head[3]]),
                ),
                false => (
                    u16::from_le_bytes([head[0], head[1]]),
                    u16::from_le_bytes([head[2], head[3]]),
                ),
            };
            let len = usize::from(len);
            let value = bytes.get(4..4 + len)?;
            bytes = bytes.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
            (code != 0).then_some((code, value))
        })
    }

    fn u32(&self, bytes: &[u8], at: usize) -> u32 {
        let four = bytes
            .get(at..at + 4)
            .and_then(|four| four.try_into().ok())
            .unwrap_or_default();
        match self.is_big {
            true => u32::from_be_bytes(four),
            false => u32::from_le_bytes(four),
        }
    }

    fn u16(&self, bytes: &[u8], at: usize) -> u16 {
        let two = bytes
            .get(at..at + 2)
            .and_then(|two| two.try_into().ok())
            .unwrap_or_default();
        match self.is_big {
            true => u16::from_be_bytes(two),
            false => u16::from_le_bytes(two),
        }
    }
}

impl Interface {
    fn time(&self, ticks: u64) -> Timestamp {
        let ticks = u128::from(ticks);
        let nanos = match self.unit {
            Unit::Decimal(digits @ 0..=9) => ticks * 10u128.pow(u32::from(9 - digits)),
            Unit::Decimal(digits) => ticks / 10u128.pow(u32::from(digits - 9).min(30)),
            Unit::Binary(bits) => ticks.saturating_mul(1_000_000_000) >> bits.min(120),
        };
        let offset = i128::from(self.offset_seconds) * 1_000_000_000;
        let nanos = i128::try_from(nanos)
            .unwrap_or(i128::MAX)
            .saturating_add(offset);
        Timestamp::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_end_matches('\0')
        .to_owned()
}
