//! The room without I/O, as fuzz targets drive it: bytes of several connections go in,
//! bytes for them come out. Built with `--cfg fuzzing` only.

use tokio::time::Instant;
use wharf::framing::{Decoder, Framing, Limits, OnTooLong};

use super::room::{Effects, MemberId, Room, SlowReader, Verdict};
use super::rules::Rules;

/// A room and its connections, all of them in one place.
#[derive(Debug)]
pub struct Bench {
    room: Room<usize>,
    seats: Vec<Option<Seat>>,
    max_line: usize,
    now: Instant,
}

#[derive(Debug)]
struct Seat {
    id: MemberId,
    decoder: Decoder,
    closes: bool,
}

/// The connection does not read, and was taken out of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasCut;

impl Bench {
    /// A room without anybody, and so many places for connections.
    pub fn new(rules: Rules, seats: usize) -> Self {
        Bench {
            max_line: rules.max_line,
            room: Room::new(rules),
            seats: (0..seats).map(|_| None).collect(),
            now: Instant::now(),
        }
    }

    /// Somebody connects, if nobody is there yet.
    pub fn connect(&mut self, seat: usize) {
        if self.seats[seat].is_none() {
            let limits = Limits {
                max_message: self.max_line,
                on_too_long: OnTooLong::Skip,
            };
            self.seats[seat] = Some(Seat {
                id: self.room.enter(seat, None),
                decoder: Decoder::new(&Framing::default(), limits),
                closes: false,
            });
        }
    }

    /// A connection's bytes come; returns how many of them were taken. The rest waits
    /// until the connection has read what waits for it.
    pub fn say(&mut self, seat: usize, bytes: &[u8]) -> usize {
        let Some(Some(at)) = self.seats.get_mut(seat) else {
            return 0;
        };
        let mut rest = bytes;
        while !at.closes && !self.room.is_clogged(at.id) {
            let mut fx = Effects::default();
            match at.decoder.next(&mut rest) {
                Some(Ok(line)) => {
                    at.closes = self.room.line(at.id, &line, &mut fx) != Verdict::Stays;
                }
                Some(Err(_)) => self.room.line_too_long(at.id),
                None => break,
            }
        }
        bytes.len() - rest.len()
    }

    /// Takes what is to be written to a connection now.
    pub fn take(&mut self, seat: usize) -> Result<Vec<u8>, WasCut> {
        let Some(Some(at)) = self.seats.get(seat) else {
            return Ok(Vec::new());
        };
        let taken = self.room.take(at.id, self.now);
        let output = taken.map_err(|SlowReader(_)| WasCut)?;
        Ok(output.map_or(Vec::new(), |output| output.bytes))
    }

    /// A connection ends; what waits for it is returned.
    pub fn leave(&mut self, seat: usize) -> Vec<u8> {
        let Some(mut at) = self.seats[seat].take() else {
            return Vec::new();
        };
        let mut fx = Effects::default();
        match at.decoder.finish() {
            Some(Ok(line)) => drop(self.room.line(at.id, &line, &mut fx)),
            Some(Err(_)) => self.room.line_too_long(at.id),
            None => {}
        }
        let mut rest = self.room.leave(at.id, &mut fx);
        rest.take(self.now)
            .map_or(Vec::new(), |output| output.bytes)
    }

    /// Time passes.
    pub fn wait(&mut self, time: std::time::Duration) {
        self.now += time;
    }

    /// Whether the connection is to be closed once what waits for it is written.
    pub fn closes(&self, seat: usize) -> bool {
        self.seats[seat].as_ref().is_some_and(|at| at.closes)
    }

    /// Whether something waits for a connection, now or later.
    pub fn has_output(&self, seat: usize) -> bool {
        self.seats[seat]
            .as_ref()
            .is_some_and(|at| self.room.has_output(at.id))
    }

    /// How many users are logged in.
    pub fn users(&self) -> usize {
        self.room.users()
    }
}
