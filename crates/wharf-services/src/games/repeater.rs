//! The player's side of a game over datagrams: requests are repeated until they are
//! answered, and what is heard is heard once and in order. No I/O and no clock.
//!
//! ```text
//!   say ──▶ waiting ──▶ "#7 ROCK" ══▶ server      one at a time, again until "#7" comes
//!   lines ◀── parts of the answer "#7" ◀══┘
//!                 a datagram without a number, or a second of silence ──▶ "#8": what is new?
//! ```
//! What the server sends without a number may be lost, doubled or late, so it is only
//! taken as a sign that there is something new: the next answer has it once more.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::rtt::Rtt;

/// How long a server may answer nothing before it counts as gone.
pub const SILENCE: Duration = Duration::from_secs(20);

/// How often is asked what is new, when nothing says that there is.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many requests may wait for those before them.
const MAX_WAITING: usize = 64;

/// How many datagrams an answer may have: as many as a server can send at once.
const MAX_PARTS: usize = wharf::datagram::OUTBOX;

/// One player's requests and what came of them.
#[derive(Debug)]
pub(crate) struct Repeater {
    /// The number of the last request.
    number: u32,
    asked: Option<Asked>,
    waiting: VecDeque<String>,
    heard: VecDeque<String>,
    /// Something came without a number since the last question.
    has_news: bool,
    /// When to ask what is new in any case.
    look_at: Instant,
    /// When the server said something last.
    heard_at: Instant,
    rtt: Rtt,
}

/// A request that is not answered.
#[derive(Debug)]
struct Asked {
    datagram: Vec<u8>,
    since: Instant,
    transmissions: u32,
    due: Instant,
    /// The parts of the answer that have come.
    parts: Vec<Option<Vec<u8>>>,
}

/// Which part of an answer a datagram is, counted from 0, and of how many.
type Part = (usize, usize);

impl Repeater {
    /// A player that begins by asking what this is.
    pub(crate) fn new(now: Instant) -> Self {
        Repeater {
            number: 0,
            asked: None,
            waiting: VecDeque::new(),
            heard: VecDeque::new(),
            has_news: true,
            look_at: now,
            heard_at: now,
            rtt: Rtt::default(),
        }
    }

    /// Says a line, once those before it are answered; `false` where too many wait.
    pub(crate) fn say(&mut self, line: &str) -> bool {
        let has_room = self.waiting.len() < MAX_WAITING;
        if has_room {
            self.waiting.push_back(line.to_owned());
        }
        has_room
    }

    /// Says nothing any more but this.
    pub(crate) fn say_last(&mut self, line: &str) {
        self.waiting.clear();
        self.waiting.push_back(line.to_owned());
    }

    /// The next line of the server.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        self.heard.pop_front()
    }

    /// What is to be sent now, if anything is.
    pub(crate) fn transmit(&mut self, now: Instant) -> Option<&[u8]> {
        if self.asked.is_none() {
            self.ask(now);
        }
        let asked = self.asked.as_mut().filter(|asked| asked.due <= now)?;
        asked.transmissions += 1;
        asked.due = now + self.rtt.wait(asked.transmissions);
        Some(&asked.datagram)
    }

    fn ask(&mut self, now: Instant) {
        let line = self.waiting.pop_front();
        if line.is_none() && !self.has_news && now < self.look_at {
            return;
        }
        self.has_news = false;
        self.number += 1;
        let number = self.number;
        let text = line.map_or(format!("#{number}\n"), |line| format!("#{number} {line}\n"));
        self.asked = Some(Asked {
            datagram: text.into_bytes(),
            since: now,
            transmissions: 0,
            due: now,
            parts: Vec::new(),
        });
    }

    /// When to [transmit](Repeater::transmit) next.
    pub(crate) fn deadline(&self) -> Instant {
        match &self.asked {
            Some(asked) => asked.due,
            None if self.has_news || !self.waiting.is_empty() => self.heard_at,
            None => self.look_at,
        }
    }

    /// Repeats what is not answered without waiting, because it goes elsewhere now.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if let Some(asked) = &mut self.asked {
            asked.due = now;
        }
    }

    /// Whether the server has answered nothing for so long that it counts as gone.
    pub(crate) fn is_forsaken(&self, now: Instant) -> bool {
        let since = |asked: &Asked| asked.since.max(self.heard_at);
        self.asked
            .as_ref()
            .is_some_and(|asked| since(asked) + SILENCE <= now)
    }

    /// Takes a datagram of the server.
    pub(crate) fn receive(&mut self, datagram: &[u8], now: Instant) {
        self.heard_at = now;
        let Some((number, (index, all), lines)) = answer(datagram) else {
            self.has_news = true;
            return;
        };
        let Some(asked) = self.asked.as_mut().filter(|_| number == self.number) else {
            // An answer that was overtaken, or came twice.
            return;
        };
        if asked.parts.is_empty() {
            asked.parts = vec![None; all];
        }
        if asked.parts.len() != all {
            return;
        }
        asked.parts[index] = Some(lines.to_vec());
        if asked.parts.iter().any(Option::is_none) {
            return;
        }
        if asked.transmissions == 1 {
            self.rtt.measured(now.duration_since(asked.since));
        }
        let whole: Vec<u8> = asked.parts.drain(..).flatten().flatten().collect();
        self.asked = None;
        self.look_at = now + LOOK_EVERY;
        let lines = String::from_utf8_lossy(&whole).into_owned();
        self.heard.extend(lines.lines().map(str::to_owned));
    }
}

/// A datagram with a number: that, which part of the answer it is, and its lines.
fn answer(datagram: &[u8]) -> Option<(u32, Part, &[u8])> {
    let rest = datagram.strip_prefix(b"#")?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let header = std::str::from_utf8(&rest[..end]).ok()?;
    let lines = &rest[end + 1..];
    let Some((number, part)) = header.split_once(' ') else {
        return Some((header.parse().ok()?, (0, 1), lines));
    };
    let (index, all) = part.split_once('/')?;
    let (index, all): (usize, usize) = (index.parse().ok()?, all.parse().ok()?);
    if !(1..=MAX_PARTS).contains(&all) || !(1..=all).contains(&index) {
        return None;
    }
    Some((number.parse().ok()?, (index - 1, all), lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Talk {
        player: Repeater,
        now: Instant,
    }

    impl Talk {
        fn new() -> Talk {
            let now = Instant::now();
            let player = Repeater::new(now);
            Talk { player, now }
        }

        fn sends(&mut self) -> Option<String> {
            let datagram = self.player.transmit(self.now)?;
            Some(String::from_utf8(datagram.to_vec()).unwrap())
        }

        fn hears(&mut self, datagram: &str) -> Vec<String> {
            self.player.receive(datagram.as_bytes(), self.now);
            std::iter::from_fn(|| self.player.next_line()).collect()
        }

        fn after(&mut self, milliseconds: u64) -> &mut Self {
            self.now += Duration::from_millis(milliseconds);
            self
        }
    }

    #[test]
    fn a_request_is_repeated_until_it_is_answered_and_the_next_one_waits() {
        let mut talk = Talk::new();
        assert_eq!(talk.sends().as_deref(), Some("#1\n"));
        assert!(talk.player.say("HELLO ann") && talk.player.say("PLAY"));
        assert_eq!(talk.sends(), None);
        assert_eq!(talk.after(300).sends().as_deref(), Some("#1\n"));
        assert_eq!(talk.hears("#1\nRPS 1 3\n"), ["RPS 1 3"]);
        assert_eq!(talk.sends().as_deref(), Some("#2 HELLO ann\n"));
        // Late, or twice: it was heard.
        assert_eq!(talk.hears("#1\nRPS 1 3\n"), [""; 0]);
        assert_eq!(talk.hears("#2\nWELCOME ann k\n"), ["WELCOME ann k"]);
        assert_eq!(talk.hears("#2\nWELCOME ann k\n"), [""; 0]);
        assert_eq!(talk.sends().as_deref(), Some("#3 PLAY\n"));
    }

    #[test]
    fn what_has_no_number_is_a_sign_to_look_and_silence_is_one_too() {
        let mut talk = Talk::new();
        talk.sends();
        assert_eq!(talk.hears("#1\n"), [""; 0]);
        assert_eq!((talk.sends(), talk.after(999).sends()), (None, None));
        assert_eq!(talk.after(1).sends().as_deref(), Some("#2\n"));
        // A sign that comes while it is asked may be newer than the answer.
        assert_eq!(talk.after(5).hears("READY ben\n"), [""; 0]);
        assert_eq!(talk.after(5).hears("#2\n"), [""; 0]);
        assert_eq!(talk.sends().as_deref(), Some("#3\n"));
        assert_eq!(talk.hears("#3\nREADY ben\n"), ["READY ben"]);
        assert_eq!(talk.sends(), None);
        talk.hears("RESULT\n");
        assert_eq!(talk.sends().as_deref(), Some("#4\n"));
    }

    #[test]
    fn an_answer_in_parts_is_heard_when_all_have_come() {
        let mut talk = Talk::new();
        talk.sends();
        assert_eq!(talk.hears("#1 2/2\nc\n"), [""; 0]);
        for odd in [
            "#1 0/2\nx\n",
            "#1 3/2\nx\n",
            "#1 1/3\nx\n",
            "#1 1/999999\nx\n",
        ] {
            assert_eq!(talk.hears(odd), [""; 0], "{odd}");
        }
        assert_eq!(talk.after(300).sends().as_deref(), Some("#1\n"));
        assert_eq!(talk.hears("#1 1/2\na\nb\n"), ["a", "b", "c"]);
    }

    #[test]
    fn a_server_that_answers_nothing_is_gone_after_a_while() {
        let mut talk = Talk::new();
        let mut transmissions = 0;
        while !talk.player.is_forsaken(talk.now) {
            transmissions += u32::from(talk.sends().is_some());
            talk.now = talk.player.deadline();
        }
        assert!((20..40).contains(&transmissions), "{transmissions}");
        while talk.player.say("x") {}
        assert_eq!(talk.player.waiting.len(), MAX_WAITING);
        talk.player.say_last("BYE");
        assert_eq!(talk.player.waiting, ["BYE"]);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_borne_and_the_request_stays(
            datagrams in prop::collection::vec("#?[0-9]{0,3}[ /]{0,2}[0-9]{0,2}/?[0-9]{0,2}\n?[a-z\n]{0,5}", 0..50)
        ) {
            let mut talk = Talk::new();
            talk.sends();
            for datagram in datagrams {
                talk.hears(&datagram);
                let before = talk.player.number;
                talk.after(2_000);
                prop_assert!(talk.sends().is_some());
                prop_assert!(talk.player.number <= before + 1);
            }
        }
    }
}
