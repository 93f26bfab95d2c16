//! A game over datagrams: one datagram is one request, and its answer one or more.
//!
//! ```text
//!   "#7 ROCK" ──▶ new?  ──▶ game ──▶ "#7\nMOVED -- …\n"
//!                  └ asked before: the same answer again, and nothing is done
//!   "#8"      ──▶ what was sent without a number since: "#8\nREADY ben -- …\n"
//! ```
//! Datagrams get lost and doubled. A client that numbers its requests can send one
//! again until it is answered: it is done once. What happens to it in between is
//! sent as it happens, and told again with the next answer, so that it arrives once and
//! in order in what has numbers. `AGAIN` asks how things stand.

use std::sync::Arc;

use tokio::time::Instant;
use wharf::datagram::{Batch, Conversation, DatagramService, Outbox, Sessions};
use wharf::network::Endpoint;
use wharf::service::Context;

use super::{Door, Ending, Game, Hall, MAX_LINE, MemberId};
use crate::loops::may_loop;

/// The longest answer in one datagram: it fits into any Ethernet frame and any IPv6
/// packet. Longer ones are sent as several datagrams of whole lines.
const MAX_ANSWER: usize = 1_200;

/// Room for the line with the number of an answer, `#4294967295 64/64`.
const HEADER: usize = 18;

/// How many bytes that were sent without a number are kept, to be told again. A round
/// is some 200 bytes; of more than this the oldest lines are dropped.
const MAX_UNHEARD: usize = 4 * 1024;

/// What is told to a peer whose player is somewhere else now.
const DISMISSED: &[u8] = b"BYE -- somebody with your key plays under your name now\n";

/// A game over datagrams.
pub(crate) struct Letters<G: Game> {
    hall: Arc<Hall<G>>,
    sessions: Sessions<Open<G>, Correspondent<G>>,
}

type Open<G> = Box<dyn Fn(&Endpoint) -> Correspondent<G> + Send + Sync>;

impl<G: Game> Letters<G> {
    pub(crate) fn new(hall: Arc<Hall<G>>) -> Self {
        let shared = Arc::clone(&hall);
        let open: Open<G> = Box::new(move |peer| Correspondent::new(Arc::clone(&shared), peer));
        let sessions = Sessions::new(open);
        Letters { hall, sessions }
    }
}

impl<G: Game> DatagramService for Letters<G> {
    fn receive(&self, batch: &mut Batch, context: &Context) {
        self.hall.stir(context);
        self.sessions.receive(batch, context);
    }

    fn deadline(&self) -> Option<Instant> {
        self.sessions.deadline()
    }

    fn timeout(&self, now: Instant, batch: &mut Batch, context: &Context) {
        self.sessions.timeout(now, batch, context);
    }
}

/// One peer's session.
pub(crate) struct Correspondent<G: Game> {
    hall: Arc<Hall<G>>,
    peer: Endpoint,
    id: MemberId,
    /// The number of the last request that had one, and its answer.
    answered: Option<(u32, Vec<u8>)>,
    /// What it was sent without a number since then, if it numbers its requests.
    unheard: Vec<u8>,
    /// It was let go, and told so. Its session ends by silence.
    is_dismissed: bool,
}

impl<G: Game> Correspondent<G> {
    fn new(hall: Arc<Hall<G>>, peer: &Endpoint) -> Self {
        let id = hall.lock().desk_mut().enter(Door::Peer(peer.clone()));
        Correspondent {
            hall,
            peer: peer.clone(),
            id,
            answered: None,
            unheard: Vec::new(),
            is_dismissed: false,
        }
    }

    /// Changes the game; gives what then waits for this peer, and whether it is to
    /// be let go.
    fn change(
        &self,
        out: &mut Outbox,
        change: impl FnOnce(&mut G, MemberId),
    ) -> (Vec<u8>, Option<Ending>) {
        let mut game = self.hall.lock();
        change(&mut game, self.id);
        let output = game.desk_mut().take(self.id);
        let ending = game.desk().ending(self.id);
        self.hall.carry_out(game, |peer| {
            if *peer != self.peer {
                out.wake(peer);
            }
        });
        (output, ending)
    }
}

impl<G: Game> Conversation for Correspondent<G> {
    fn receive(&mut self, message: &[u8], now: Instant, out: &mut Outbox) {
        if may_loop(&self.peer) {
            return out.end();
        }
        let (number, line) = request(message);
        match (number, &self.answered) {
            (Some(number), Some((last, answer))) if number == *last => {
                return answer_to(number, answer, out);
            }
            // An old one that was overtaken.
            (Some(number), Some((last, _))) if number < *last => return,
            _ => {}
        }
        let (output, ending) = self.change(out, |game, id| {
            game.advance(now);
            match number {
                // It asks for what is new; a stranger, for what this is.
                Some(_) if line.is_empty() => {
                    if game.desk().player_of(id).is_none() {
                        game.greet(id);
                    }
                }
                _ if line.len() > MAX_LINE => game.line_too_long(id),
                _ => game.line(id, &String::from_utf8_lossy(line), now),
            }
        });
        let Some(number) = number else {
            send(&output, out);
            return self.end_if_over(ending, out);
        };
        let mut answer = std::mem::take(&mut self.unheard);
        answer.extend_from_slice(&output);
        answer_to(number, &answer, out);
        self.answered = Some((number, answer));
        if !self.is_dismissed {
            self.end_if_over(ending, out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.hall.lock().deadline(self.id)
    }

    fn timeout(&mut self, now: Instant, out: &mut Outbox) {
        let (output, ending) = self.change(out, |game, _| game.advance(now));
        send(&output, out);
        if self.answered.is_some() {
            self.tell_again(&output);
        }
        match ending {
            None => {}
            // It is told with the next answer, which can be repeated. A client that took
            // its session for lost would log in again, and take the name back.
            Some(_) if self.answered.is_some() => {
                self.is_dismissed = true;
                self.tell_again(DISMISSED);
                out.push(DISMISSED);
            }
            Some(_) => out.end(),
        }
    }
}

impl<G: Game> Correspondent<G> {
    fn end_if_over(&self, ending: Option<Ending>, out: &mut Outbox) {
        let is_player = self.hall.lock().desk().player_of(self.id).is_some();
        if ending.is_some() || !is_player {
            // None keeps a place before it logs in.
            out.end();
        }
    }

    /// Keeps lines for the next answer, the newest ones.
    fn tell_again(&mut self, lines: &[u8]) {
        self.unheard.extend_from_slice(lines);
        if self.unheard.len() > MAX_UNHEARD {
            let excess = self.unheard.len() - MAX_UNHEARD;
            let mut rest = self.unheard[excess..].iter();
            let end = rest.position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            self.unheard.drain(..excess + end);
        }
    }
}

impl<G: Game> Drop for Correspondent<G> {
    fn drop(&mut self) {
        let mut game = self.hall.lock();
        game.hang_up(self.id, Instant::now());
        game.desk_mut().leave(self.id);
        // Whoever this concerns hears of it at its next deadline: the table of
        // sessions cannot be asked while one of them is being dropped.
        self.hall.carry_out(game, |_| {});
    }
}

/// A datagram's number, if it has one, and its first line without the end.
pub(super) fn request(message: &[u8]) -> (Option<u32>, &[u8]) {
    let line = message
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or(message);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let numbered = || {
        let rest = line.strip_prefix(b"#")?;
        let end = rest.iter().position(|byte| *byte == b' ');
        let (number, line) = match end {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        let number = std::str::from_utf8(number).ok()?.parse().ok()?;
        Some((Some(number), line))
    };
    numbered().unwrap_or((None, line))
}

/// Sends whole lines in as few datagrams as they fit into.
fn send(lines: &[u8], out: &mut Outbox) {
    for piece in pieces(lines, MAX_ANSWER) {
        out.push(piece);
    }
}

/// The same as the answer to a request; each datagram says which part of it it is, if
/// there are several.
fn answer_to(number: u32, lines: &[u8], out: &mut Outbox) {
    let pieces = pieces(lines, MAX_ANSWER - HEADER);
    match &pieces[..] {
        [] => out.push(format!("#{number}\n").as_bytes()),
        [only] => out.push(&[format!("#{number}\n").as_bytes(), only].concat()),
        several => {
            let all = several.len();
            for (index, piece) in several.iter().enumerate() {
                let header = format!("#{number} {}/{all}\n", index + 1);
                out.push(&[header.as_bytes(), piece].concat());
            }
        }
    }
}

/// Cuts between lines, into pieces of at most so many bytes if their lines are not
/// longer.
fn pieces(lines: &[u8], most: usize) -> Vec<&[u8]> {
    let (mut pieces, mut rest) = (Vec::new(), lines);
    while !rest.is_empty() {
        let mut end = 0;
        for line in rest.split_inclusive(|byte| *byte == b'\n') {
            if end > 0 && end + line.len() > most {
                break;
            }
            end += line.len();
        }
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_have_a_number() {
        assert_eq!(request(b"ROCK\n"), (None, &b"ROCK"[..]));
        assert_eq!(request(b"#12 ROCK\r\nmore"), (Some(12), &b"ROCK"[..]));
        assert_eq!(request(b"#12\n"), (Some(12), &b""[..]));
        for odd in [&b"#x ROCK"[..], b"#", b"#-1 ROCK", b"#99999999999 ROCK"] {
            assert_eq!(request(odd), (None, odd));
        }
    }

    #[test]
    fn long_answers_are_cut_between_lines() {
        let line = [b"x".repeat(499), b"\n".to_vec()].concat();
        let mut out = Outbox::new();
        send(&line.repeat(5), &mut out);
        let lengths: Vec<usize> = out.messages().map(<[u8]>::len).collect();
        assert_eq!(lengths, [1_000, 1_000, 500]);
        let mut out = Outbox::new();
        answer_to(7, &line.repeat(3), &mut out);
        let parts: Vec<&[u8]> = out.messages().map(|part| &part[..7]).collect();
        assert_eq!(parts, [b"#7 1/2\n", b"#7 2/2\n"]);
    }
}
