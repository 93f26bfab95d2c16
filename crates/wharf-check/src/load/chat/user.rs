//! One user's connection: bytes out, lines in.

use std::io;

use super::super::conversation::Failure;
use super::super::link::Link;
use super::super::report::Cause;
use super::dialect::Heard;
use super::ledger::Ledger;
use super::options::ChatDialect;

/// The longest line that a server may send: Wharf's longest, and the sender's name.
const LINE_MAX: usize = 128 * 1024;

/// One user.
#[derive(Debug)]
pub(super) struct User {
    link: Link,
    pub(super) name: Vec<u8>,
    pub(super) stage: Stage,
    pub(super) opened_at: u64,
    pub(super) ledger: Ledger,
    /// Messages that it may still send.
    pub(super) share: u64,
    /// Bytes to write, of which `written` are.
    out: Vec<u8>,
    written: usize,
    /// The start of a line whose end has not come.
    partial: Vec<u8>,
    /// It stands in the list of those who may have something to send.
    pub(super) is_listed: bool,
    random: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    LoggingIn,
    In,
}

impl User {
    pub(super) fn new(link: Link, name: Vec<u8>, ledger: Ledger, seed: u64) -> Self {
        User {
            link,
            name,
            stage: Stage::LoggingIn,
            opened_at: 0,
            ledger,
            share: u64::MAX,
            out: Vec::new(),
            written: 0,
            partial: Vec::new(),
            is_listed: false,
            // Any odd number is a good start for xorshift, zero is not.
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// What is to be written; new bytes go to its end.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Whether there are bytes that could not be written yet.
    pub(super) fn has_output(&self) -> bool {
        self.written < self.out.len()
    }

    /// Writes; returns how many bytes went out.
    pub(super) fn flush(&mut self, at_most: Option<usize>) -> Result<usize, Failure> {
        let before = self.written;
        while self.has_output() {
            let rest = &self.out[self.written..];
            let piece = &rest[..rest.len().min(at_most.unwrap_or(usize::MAX))];
            match self.link.write(piece) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
            if at_most.is_some() {
                // The others write a piece in between.
                break;
            }
        }
        let count = self.written - before;
        if !self.has_output() {
            self.out.clear();
            self.written = 0;
        }
        Ok(count)
    }

    /// Reads once into `space`; `None` if there is nothing.
    pub(super) fn read(&mut self, space: &mut [u8]) -> Result<Option<usize>, Failure> {
        match self.link.read(space) {
            Ok(0) => Err(Failure {
                cause: Cause::Closed,
                evidence: format!(
                    "the server ended the connection with {} messages on their way",
                    self.ledger.in_flight()
                ),
            }),
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the first whole line off `bytes`, which follow those of the last call;
    /// `None` if its end has not come.
    pub(super) fn line<'a, 'b: 'a>(
        &mut self,
        bytes: &mut &'b [u8],
        whole: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, Failure> {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            if self.partial.len() + bytes.len() > LINE_MAX {
                return Err(Failure {
                    cause: Cause::Wrong,
                    evidence: format!("a line of more than {LINE_MAX} bytes"),
                });
            }
            self.partial.extend_from_slice(bytes);
            *bytes = &[];
            return Ok(None);
        };
        let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
        *bytes = rest;
        if self.partial.is_empty() {
            return Ok(Some(line));
        }
        whole.clear();
        whole.append(&mut self.partial);
        whole.extend_from_slice(line);
        Ok(Some(whole))
    }

    /// A random number below `bound` (xorshift64*).
    pub(super) fn random_below(&mut self, bound: usize) -> usize {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let high = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((high * bound as u64) >> 32) as usize
    }

    /// What a line means before the login is through.
    pub(super) fn log_in(&mut self, line: &[u8], dialect: ChatDialect) -> Result<(), Failure> {
        match dialect.hear(line) {
            Heard::LoggedIn => self.stage = Stage::In,
            Heard::Ping(ping) => dialect.write_pong(ping, &mut self.out),
            Heard::Noise => {}
            _ => return Err(rejected("the login", line)),
        }
        Ok(())
    }
}

/// The failure of a user whose request was turned down.
pub(super) fn rejected(what: &str, line: &[u8]) -> Failure {
    Failure {
        cause: Cause::Rejected,
        evidence: format!("{what} was answered \"{}\"", shown(line)),
    }
}

/// The start of a line, for evidence.
pub(super) fn shown(line: &[u8]) -> String {
    line[..line.len().min(100)].escape_ascii().to_string()
}
