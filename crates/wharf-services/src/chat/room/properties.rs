//! What holds whatever members do, in whatever order.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use wharf::framing::{Decoder, Framing, Limits, OnTooLong};

use super::*;

const NAMES: [&str; 4] = ["ann", "ben", "carl", "echobot"];

/// Something that one of a few members does.
#[derive(Clone, Debug)]
enum Step {
    Hello(usize),
    Send(usize),
    Other(&'static str),
    Read,
    Leave,
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        2 => (0..NAMES.len()).prop_map(Step::Hello),
        6 => (0..NAMES.len()).prop_map(Step::Send),
        1 => prop_oneof![Just("WHO"), Just("LIST"), Just(""), Just("SEND")].prop_map(Step::Other),
        2 => Just(Step::Read),
        1 => Just(Step::Leave),
    ];
    (0..5usize, step)
}

/// The lines of what a member took.
fn lines(bytes: Vec<u8>) -> Vec<String> {
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "whole lines");
    text.lines().map(str::to_owned).collect()
}

/// A member of the world below.
struct Player {
    id: MemberId,
    name: Option<&'static str>,
    /// Deliveries that were promised by SEND-OK and not read yet, by sender.
    owed: BTreeMap<String, VecDeque<String>>,
    rung: bool,
}

/// A room and what it must do.
struct World {
    room: Room<usize>,
    players: Vec<Player>,
    sent: usize,
}

impl World {
    fn new() -> Self {
        let mut room = Room::new(Rules {
            max_waiting_messages: 8,
            ..Rules::default()
        });
        let player = |seat| Player {
            id: room.enter(seat, None),
            name: None,
            owed: BTreeMap::new(),
            rung: false,
        };
        let players = (0..5).map(player).collect();
        let sent = 0;
        World {
            room,
            players,
            sent,
        }
    }

    fn step(&mut self, seat: usize, step: &Step) {
        let mut fx = Effects::default();
        match step {
            Step::Hello(name) => self.hello(seat, NAMES[*name], &mut fx),
            Step::Send(to) => self.send(seat, NAMES[*to], &mut fx),
            Step::Other(line) => {
                self.room
                    .line(self.players[seat].id, line.as_bytes(), &mut fx);
                self.read(seat);
            }
            Step::Read => {
                self.read(seat);
            }
            Step::Leave => self.leave(seat, &mut fx),
        }
        self.note_rings(fx);
    }

    fn note_rings(&mut self, fx: Effects<usize>) {
        for seat in fx.rung {
            let was_cut = self.room.check(self.players[seat].id).is_err();
            let again = self.players[seat].rung && !was_cut;
            assert!(!again, "rung twice before it took anything");
            self.players[seat].rung = true;
        }
    }

    fn holder(&self, name: &str) -> Option<usize> {
        let holders = |player: &Player| player.name == Some(name);
        let mut seats = (0..self.players.len()).filter(|seat| holders(&self.players[*seat]));
        let first = seats.next();
        assert_eq!(seats.next(), None, "a name is logged in at most once");
        first
    }

    fn hello(&mut self, seat: usize, name: &'static str, fx: &mut Effects<usize>) {
        self.read(seat);
        let line = format!("HELLO-FROM {name}");
        self.room.line(self.players[seat].id, line.as_bytes(), fx);
        let heard = self.read(seat);
        let expected = match (self.players[seat].name, self.holder(name)) {
            (Some(_), _) => "BAD-RQST-HDR".to_owned(),
            (None, Some(_)) => "IN-USE".to_owned(),
            (None, None) if name == "echobot" => "IN-USE".to_owned(),
            (None, None) => {
                self.players[seat].name = Some(name);
                format!("HELLO {name}")
            }
        };
        assert_eq!(heard, [expected]);
    }

    fn send(&mut self, seat: usize, to: &'static str, fx: &mut Effects<usize>) {
        self.read(seat);
        self.sent += 1;
        let text = format!("message {}", self.sent);
        let line = format!("SEND {to} {text}");
        self.room.line(self.players[seat].id, line.as_bytes(), fx);
        let receiver = self.holder(to);
        let from = self.players[seat].name;
        if let Some(from) = from
            && let Some(receiver) = receiver
            && let Some(owed) = self.promise(seat, receiver)
        {
            owed.entry(from.to_owned()).or_default().push_back(text);
        } else if from.is_some() && to == "echobot" {
            let owed = self.players[seat].owed.entry(to.to_owned()).or_default();
            owed.push_back(text);
        }
        let heard = self.read(seat);
        let expected = match (from, receiver) {
            (None, _) => "BAD-RQST-HDR",
            (_, Some(receiver)) if self.players[receiver].name.is_some() => "SEND-OK",
            (Some(_), _) if to == "echobot" => "SEND-OK",
            _ => "UNKNOWN",
        };
        let first = heard[0].replace("BAD-DEST-USER", "UNKNOWN");
        assert_eq!(first, expected);
    }

    /// The book of what a receiver is owed; `None` where it was cut instead.
    fn promise(
        &mut self,
        sender: usize,
        receiver: usize,
    ) -> Option<&mut BTreeMap<String, VecDeque<String>>> {
        let player = &mut self.players[receiver];
        let waiting: usize = player.owed.values().map(VecDeque::len).sum();
        if sender != receiver && waiting >= 8 {
            player.name = None;
            player.owed.clear();
            return None;
        }
        Some(&mut player.owed)
    }

    /// Takes all that waits; checks every delivery, gives the other lines.
    fn read(&mut self, seat: usize) -> Vec<String> {
        let player = &mut self.players[seat];
        player.rung = false;
        let mut heard = Vec::new();
        loop {
            match self.room.take(player.id, Instant::now()) {
                Ok(Some(output)) => heard.extend(output.bytes),
                Ok(None) => break,
                Err(SlowReader(_)) => {
                    // It was cut: its connection ends, and another one comes.
                    self.room.leave(player.id, &mut Effects::default());
                    player.id = self.room.enter(seat, None);
                    assert_eq!(player.name, None);
                    return Vec::new();
                }
            }
        }
        let others = check(lines(heard), &mut player.owed);
        assert!(
            player.owed.values().all(VecDeque::is_empty),
            "all delivered"
        );
        others
    }

    fn leave(&mut self, seat: usize, fx: &mut Effects<usize>) {
        let player = &mut self.players[seat];
        let mut rest = self.room.leave(player.id, fx);
        let mut heard = Vec::new();
        while let Some(output) = rest.take(Instant::now()) {
            heard.extend(output.bytes);
        }
        check(lines(heard), &mut player.owed);
        assert!(
            player.owed.values().all(VecDeque::is_empty),
            "all delivered"
        );
        *player = Player {
            id: self.room.enter(seat, None),
            name: None,
            owed: BTreeMap::new(),
            rung: false,
        };
    }
}

/// Ticks deliveries off; gives the other lines.
fn check(lines: Vec<String>, owed: &mut BTreeMap<String, VecDeque<String>>) -> Vec<String> {
    let mut others = Vec::new();
    for line in lines {
        match Reply::parse(&line) {
            Some(Reply::Delivery { from, text }) => {
                let next = owed.get_mut(from).and_then(VecDeque::pop_front);
                assert_eq!(next.as_deref(), Some(text), "once and in order");
            }
            reply => {
                assert!(reply.is_some(), "{line:?}");
                others.push(line);
            }
        }
    }
    others
}

/// What one member hears that sends `bytes` in chunks of these sizes.
fn heard(bytes: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut room = Room::new(Rules::default());
    let mut fx = Effects::default();
    let id = room.enter(0, None);
    let limits = Limits {
        max_message: 40,
        on_too_long: OnTooLong::Skip,
    };
    let mut decoder = Decoder::new(&Framing::default(), limits);
    let mut heard = Vec::new();
    let mut say = |line: Option<&[u8]>| {
        match line {
            Some(line) => drop(room.line(id, line, &mut fx)),
            None => room.line_too_long(id),
        }
        while let Some(output) = room.take(id, Instant::now()).unwrap() {
            heard.extend(output.bytes);
        }
    };
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes
            .next()
            .map_or(rest.len(), |size| *size)
            .min(rest.len());
        let (mut chunk, after) = rest.split_at(size);
        rest = after;
        while let Some(line) = decoder.next(&mut chunk) {
            say(line.ok().map(|line| line.as_bytes()));
        }
    }
    if let Some(line) = decoder.finish() {
        say(line.ok().map(|line| line.as_bytes()));
    }
    heard
}

/// Bytes that are mostly requests.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just(b"HELLO-FROM ann".to_vec()),
        Just(b"WHO".to_vec()),
        Just(b"LIST\r".to_vec()),
        Just("SEND ann  grün\u{1F600} ".as_bytes().to_vec()),
        Just(b"SEND echobot hello".to_vec()),
        prop::collection::vec(any::<u8>(), 0..60),
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join(&b'\n'))
}

proptest! {
    #[test]
    fn a_send_ok_is_one_delivery_in_order_and_a_name_has_one_user(
        steps in prop::collection::vec(step(), 0..120)
    ) {
        let mut world = World::new();
        for (seat, step) in steps {
            world.step(seat, &step);
        }
        for seat in 0..world.players.len() {
            world.read(seat);
        }
    }

    #[test]
    fn splits_make_no_difference(
        bytes in conversation(),
        sizes in prop::collection::vec(1..20usize, 1..6)
    ) {
        prop_assert_eq!(heard(&bytes, &sizes), heard(&bytes, &[]));
    }
}
