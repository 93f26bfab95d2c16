//! One frame on its way.

use std::rc::Rc;

/// The number of a frame, given in the order in which frames come into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u64);

/// An Ethernet frame from the destination address to the end of the payload;
/// preamble and frame check sequence are not part of it, as in captures.
///
/// Copies share their bytes. A switch passes a frame on as it is, so it keeps its
/// number; whatever makes a new frame out of one (a router, a duplication, a
/// damage) gives it a number of its own and names the parent.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its number.
    pub id: FrameId,
    /// The frame that it was made from.
    pub parent: Option<FrameId>,
    /// The application's write whose bytes it carries, if it carries some; see
    /// [`Journal`](crate::core::Journal).
    ///
    /// If it carries bytes of several, this is the first; see [`Frame::pieces`].
    pub message: Option<u32>,
    /// Where in the payload the bytes of each message end, if there are several.
    pieces: Option<Pieces>,
    /// The byte that an earlier link has damaged.
    pub(crate) damaged: Option<usize>,
    /// The monitor bit of a token ring's access control field (IEEE 802.5): the
    /// monitor station sets it, and removes what passes with the bit set. Ethernet
    /// has no such field, so it is carried beside the bytes.
    pub monitored: bool,
    /// Whether it, or what it was made from, is the second of two: an earlier link has
    /// doubled it.
    pub(crate) is_copy: bool,
    bytes: Rc<[u8]>,
}

/// Where the bytes of each message end in a payload, and its number.
pub(super) type Pieces = Rc<[(u16, u32)]>;

/// The messages of one frame or entry: the one, or those of the pieces.
pub(super) fn messages(
    message: Option<u32>,
    pieces: Option<&[(u16, u32)]>,
) -> impl Iterator<Item = u32> {
    let several = pieces.into_iter().flatten().map(|(_, message)| *message);
    message
        .filter(|_| pieces.is_none())
        .into_iter()
        .chain(several)
}

/// The length of an Ethernet header.
pub(crate) const HEADER: usize = 14;

impl Frame {
    /// A frame of these bytes. One that is shorter than a header goes nowhere.
    pub fn new(id: FrameId, bytes: Vec<u8>) -> Self {
        Frame::of(id, bytes.into())
    }

    /// A frame of these bytes, which are not copied.
    pub(crate) fn of(id: FrameId, bytes: Rc<[u8]>) -> Self {
        Frame {
            id,
            parent: None,
            message: None,
            pieces: None,
            damaged: None,
            monitored: false,
            is_copy: false,
            bytes,
        }
    }

    /// A new frame that was made out of this one.
    #[must_use]
    pub fn child(&self, id: FrameId, bytes: Vec<u8>) -> Self {
        Frame {
            id,
            parent: Some(self.id),
            message: self.message,
            pieces: self.pieces.clone(),
            damaged: None,
            monitored: self.monitored,
            is_copy: self.is_copy,
            bytes: bytes.into(),
        }
    }

    /// The same bytes under a new number, of a link that doubled it.
    #[must_use]
    pub(crate) fn twin(&self, id: FrameId) -> Self {
        Frame {
            id,
            parent: Some(self.id),
            is_copy: true,
            ..self.clone()
        }
    }

    /// Says which messages its payload carries: for each where its bytes end.
    pub(crate) fn set_pieces(&mut self, pieces: &[(u16, u32)]) {
        self.message = pieces.first().map(|(_, message)| *message);
        self.pieces = (pieces.len() > 1).then(|| pieces.into());
    }

    /// Where in the payload of its segment the bytes of each message end, and the number
    /// of that message, if there are several.
    pub fn pieces(&self) -> Option<&[(u16, u32)]> {
        self.pieces.as_deref()
    }

    pub(super) fn shared_pieces(&self) -> Option<Pieces> {
        self.pieces.clone()
    }

    /// The messages of which it carries bytes.
    pub fn messages(&self) -> impl Iterator<Item = u32> {
        messages(self.message, self.pieces())
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All bytes, as they are shared.
    pub(crate) fn into_bytes(self) -> Rc<[u8]> {
        self.bytes
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The hardware address that it is for.
    pub fn destination(&self) -> Mac {
        self.address(0)
    }

    /// Addresses it to `to`.
    pub(crate) fn set_destination(&mut self, to: Mac) {
        if let Some(place) = Rc::make_mut(&mut self.bytes).get_mut(..6) {
            place.copy_from_slice(&to.0);
        }
    }

    /// The hardware address that it says it comes from.
    pub fn source(&self) -> Mac {
        self.address(6)
    }

    /// What the frame carries, as the number of its EtherType field.
    pub fn ether_type(&self) -> u16 {
        match self.bytes.get(12..14) {
            Some(field) => u16::from_be_bytes([field[0], field[1]]),
            None => 0,
        }
    }

    /// What comes after the header.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    fn address(&self, at: usize) -> Mac {
        let mut address = [0; 6];
        if let Some(bytes) = self.bytes.get(at..at + 6) {
            address.copy_from_slice(bytes);
        }
        Mac(address)
    }
}

/// Memory of frames that are gone, for new ones: most frames of a conversation are of
/// two lengths, and each new one would otherwise be allocated, zeroed and given back.
///
/// It goes from hand to hand with every turn of a host, so it is small itself.
#[derive(Debug, Default)]
pub(crate) struct Spare(Box<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    kept: Vec<Rc<[u8]>>,
    /// Which place is used next when all are taken.
    next: usize,
}

/// How many pieces of memory are kept.
const KEPT: usize = 16;

/// As far as headers reach: what is used again is zero up to here, as new memory is.
/// What comes after them is written whole.
const HEADERS: usize = 192;

impl Spare {
    /// Memory of this length.
    pub(crate) fn take(&mut self, length: usize) -> Rc<[u8]> {
        let kept = &mut self.0.kept;
        let found = kept.iter().rposition(|bytes| bytes.len() == length);
        let Some(found) = found else {
            return std::iter::repeat_n(0, length).collect();
        };
        let mut bytes = kept.swap_remove(found);
        if let Some(bytes) = Rc::get_mut(&mut bytes) {
            let (head, rest) = bytes.split_at_mut(length.min(HEADERS));
            head.fill(0);
            // Nobody may count on zeros there: where they would be seen, tests see this.
            if cfg!(debug_assertions) {
                rest.fill(0xA5);
            }
        }
        bytes
    }

    /// Memory that nobody else looks at yet, to be written.
    #[inline]
    pub(crate) fn exclusive(bytes: &mut Rc<[u8]>) -> &mut [u8] {
        Rc::get_mut(bytes).expect("what was taken for a new frame is shared with nobody")
    }

    /// Keeps the memory of a frame, unless somebody still looks at it.
    pub(crate) fn keep(&mut self, mut bytes: Rc<[u8]>) {
        if Rc::get_mut(&mut bytes).is_none() {
            return;
        }
        let shelf = &mut *self.0;
        if shelf.kept.len() < KEPT {
            return shelf.kept.push(bytes);
        }
        shelf.kept[shelf.next] = bytes;
        shelf.next = (shelf.next + 1) % KEPT;
    }
}

/// A hardware address (EUI-48).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Everybody.
    pub const BROADCAST: Mac = Mac([0xFF; 6]);

    /// The address of port `port` of node `node`: locally administered, unicast.
    pub fn of(node: u32, port: u8) -> Mac {
        let [_, b, c, d] = node.to_be_bytes();
        Mac([0x02, 0, port, b, c, d])
    }

    /// Whether it names a group (broadcast is the group of all).
    pub fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
