//! Whatever several connections say at once, the room does what the protocol says.
//!
//! The input is a program: its first byte chooses the rules, then each instruction is
//! a byte for what happens (the lower three bits) and to whom (the next three), and,
//! when something is said, a byte for how many bytes follow that are said.
//!
//! Where everybody reads at once, every answer and every delivery is compared with
//! those of a model: all of `SEND-OK` and `DELIVERY` in order, to the right users, no
//! name twice. Where somebody does not, memory must stay bounded.
#![no_main]

use std::collections::BTreeMap;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use wharf::framing::{Decoder, Framing, Limits, OnTooLong};
use wharf_services::chat::fuzzing::{Bench, WasCut};
use wharf_services::chat::{
    BACKPRESSURE_BYTES, BadRequest, Bots, Dialect, PIECE_PAUSE, Refused, Reply, Request, Rules,
    Verb, is_name,
};

const SEATS: usize = 6;
const MAX_LINE: usize = 200;
const MAX_NAME: usize = 12;
const MAX_USERS: usize = 5;
/// What a user's own requests may add once its output is clogged: one batch's last
/// answer, a list of all names.
const LAST_ANSWER: usize = (MAX_NAME + 1) * (MAX_USERS + 2) + 32;

fuzz_target!(|data: &[u8]| {
    let [first, program @ ..] = data else {
        return;
    };
    let reads_at_once = first & 1 == 0;
    let rules = Rules {
        bots: if first & 2 == 0 { Bots::Present } else { Bots::Absent },
        refused: if first & 4 == 0 { Refused::Keep } else { Refused::Close },
        dialect: if first & 8 == 0 { Dialect::Who } else { Dialect::List },
        max_users: MAX_USERS,
        max_name: MAX_NAME,
        max_line: MAX_LINE,
        max_waiting_bytes: if reads_at_once { 1 << 20 } else { 1_000 },
        max_waiting_messages: if reads_at_once { 1 << 16 } else { 20 },
        ..Rules::default()
    };
    if reads_at_once {
        compare(rules, program);
    } else {
        stay_bounded(rules, program);
    }
});

/// One instruction.
enum Step<'a> {
    Connect,
    Say(&'a [u8]),
    Leave,
    Wait,
    Read,
}

fn next<'a>(program: &mut &'a [u8]) -> Option<(usize, Step<'a>)> {
    let (first, rest) = program.split_first()?;
    *program = rest;
    let seat = usize::from(first >> 3 & 7) % SEATS;
    let step = match first & 7 {
        0 => Step::Leave,
        1 => Step::Wait,
        2 => Step::Read,
        3 => Step::Connect,
        _ => {
            let (length, rest) = program.split_first()?;
            let (said, rest) = rest.split_at(rest.len().min(usize::from(*length)));
            *program = rest;
            Step::Say(said)
        }
    };
    Some((seat, step))
}

/// Nobody reads unless the program says so.
fn stay_bounded(rules: Rules, mut program: &[u8]) {
    let most = rules.max_waiting_bytes.max(BACKPRESSURE_BYTES) + LAST_ANSWER + MAX_LINE;
    let mut bench = Bench::new(rules, SEATS);
    let read = |bench: &mut Bench, seat: usize| match bench.take(seat) {
        Ok(bytes) => assert!(bytes.len() <= most),
        Err(WasCut) => drop(bench.leave(seat)),
    };
    while let Some((seat, step)) = next(&mut program) {
        match step {
            Step::Connect => bench.connect(seat),
            Step::Say(bytes) => {
                bench.connect(seat);
                bench.say(seat, bytes);
            }
            Step::Leave => assert!(bench.leave(seat).len() <= most),
            Step::Wait => bench.wait(PIECE_PAUSE),
            Step::Read => read(&mut bench, seat),
        }
        assert!(bench.users() <= MAX_USERS);
    }
    for seat in 0..SEATS {
        assert!(bench.leave(seat).len() <= most);
    }
    assert_eq!(bench.users(), 0);
}

/// Everybody reads at once, and must read what the model says.
fn compare(rules: Rules, mut program: &[u8]) {
    let mut bench = Bench::new(rules.clone(), SEATS);
    let mut model = Model::new(rules);
    while let Some((seat, step)) = next(&mut program) {
        match step {
            Step::Connect => {
                bench.connect(seat);
                model.connect(seat);
            }
            Step::Say(bytes) => {
                bench.connect(seat);
                model.connect(seat);
                say(&mut bench, &mut model, seat, bytes);
            }
            Step::Leave => {
                let rest = bench.leave(seat);
                model.leave(seat);
                model.heard(seat, &rest);
                model.seats[seat] = None;
            }
            Step::Wait => bench.wait(PIECE_PAUSE),
            Step::Read => {}
        }
        for seat in 0..SEATS {
            drain(&mut bench, &mut model, seat);
            if bench.closes(seat) {
                assert!(model.closes(seat), "closed without a reason");
                bench.leave(seat);
                model.leave(seat);
                model.seats[seat] = None;
            }
        }
        assert_eq!(bench.users(), model.names.len());
    }
}

/// Says everything: what is not taken at once waits until the answers are read.
fn say(bench: &mut Bench, model: &mut Model, seat: usize, mut bytes: &[u8]) {
    while !bytes.is_empty() && !bench.closes(seat) {
        let taken = bench.say(seat, bytes);
        if taken == 0 {
            // Answers of delaybot are owed, and take their time.
            bench.wait(Duration::from_secs(3_600));
        }
        model.say(seat, &bytes[..taken]);
        bytes = &bytes[taken..];
        drain(bench, model, seat);
    }
}

fn drain(bench: &mut Bench, model: &mut Model, seat: usize) {
    loop {
        let bytes = bench.take(seat).expect("everybody reads");
        if bytes.is_empty() {
            break;
        }
        model.heard(seat, &bytes);
    }
    if !bench.has_output(seat) {
        model.is_even(seat);
    }
}

/// What the protocol says, written once more and as simply as can be.
struct Model {
    rules: Rules,
    seats: [Option<Seat>; SEATS],
    /// Users by name, with their seats and when they came.
    names: BTreeMap<String, (usize, usize)>,
    logins: usize,
}

struct Seat {
    decoder: Decoder,
    name: Option<String>,
    dialect: Dialect,
    /// What it must hear next.
    due: Vec<u8>,
    closes: bool,
    /// It wrote to delaybot: what it hears comes in another order.
    is_slow: bool,
}

impl Model {
    fn new(rules: Rules) -> Self {
        Model {
            rules,
            seats: Default::default(),
            names: BTreeMap::new(),
            logins: 0,
        }
    }

    fn connect(&mut self, seat: usize) {
        let limits = Limits {
            max_message: MAX_LINE,
            on_too_long: OnTooLong::Skip,
        };
        let dialect = self.rules.dialect;
        self.seats[seat].get_or_insert_with(|| Seat {
            decoder: Decoder::new(&Framing::default(), limits),
            name: None,
            dialect,
            due: Vec::new(),
            closes: false,
            is_slow: false,
        });
    }

    fn closes(&self, seat: usize) -> bool {
        self.seats[seat].as_ref().is_some_and(|at| at.closes)
    }

    fn at(&mut self, seat: usize) -> &mut Seat {
        self.seats[seat].as_mut().expect("somebody is there")
    }

    fn tell(&mut self, seat: usize, reply: Reply<'_>) {
        reply.write(&mut self.at(seat).due);
    }

    fn say(&mut self, seat: usize, mut bytes: &[u8]) {
        loop {
            let at = self.at(seat);
            if at.closes {
                return;
            }
            match at.decoder.next(&mut bytes) {
                Some(Ok(line)) => {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    self.line(seat, &line);
                }
                Some(Err(_)) => self.tell(seat, Reply::BadBody),
                None => return,
            }
        }
    }

    fn leave(&mut self, seat: usize) {
        let Some(at) = &mut self.seats[seat] else {
            return;
        };
        match at.decoder.finish() {
            Some(Ok(line)) => {
                let line = String::from_utf8_lossy(&line).into_owned();
                self.line(seat, &line);
            }
            Some(Err(_)) => self.tell(seat, Reply::BadBody),
            None => {}
        }
        if let Some(name) = self.at(seat).name.take() {
            self.names.remove(&name);
        }
    }

    fn line(&mut self, seat: usize, line: &str) {
        let name = self.at(seat).name.clone();
        match (Request::parse(line), name) {
            (Ok(Request::HelloFrom(name)), None) => self.hello(seat, name),
            (Err(BadRequest::Body(Verb::HelloFrom)), None) => {
                self.tell(seat, Reply::BadBody);
                self.at(seat).closes |= self.rules.refused == Refused::Close;
            }
            (Ok(Request::Users(dialect)), Some(_)) => {
                self.at(seat).dialect = dialect;
                let list = self.list();
                self.tell(seat, Reply::Users(dialect, &list));
            }
            (Ok(Request::Send { to, text }), Some(name)) => self.send(seat, &name, to, text),
            (Err(BadRequest::Body(Verb::Send)), Some(_)) => self.tell(seat, Reply::BadBody),
            _ => self.tell(seat, Reply::BadHeader),
        }
    }

    fn is_bot(&self, name: &str) -> bool {
        let bots = ["echobot", "delaybot"];
        self.rules.bots == Bots::Present && bots.iter().any(|bot| bot.eq_ignore_ascii_case(name))
    }

    fn hello(&mut self, seat: usize, name: &str) {
        let keeps = self.rules.refused == Refused::Keep;
        let (reply, closes) = if !is_name(name) || name.len() > MAX_NAME {
            (Reply::BadBody, !keeps)
        } else if self.names.len() >= MAX_USERS {
            (Reply::Busy, true)
        } else if self.names.contains_key(name) || self.is_bot(name) {
            (Reply::InUse, !keeps)
        } else {
            self.names.insert(name.to_owned(), (seat, self.logins));
            self.logins += 1;
            self.at(seat).name = Some(name.to_owned());
            (Reply::Hello(name), false)
        };
        self.tell(seat, reply);
        self.at(seat).closes = closes;
    }

    fn list(&self) -> String {
        let mut users: Vec<_> = self.names.iter().map(|(name, at)| (at.1, &**name)).collect();
        users.sort_unstable();
        let bots: &[&str] = match self.rules.bots {
            Bots::Present => &["echobot", "delaybot"],
            Bots::Absent => &[],
        };
        let users = users.into_iter().map(|(_, name)| name);
        bots.iter().copied().chain(users).collect::<Vec<_>>().join(",")
    }

    fn send(&mut self, seat: usize, from: &str, to: &str, text: &str) {
        if let Some((receiver, _)) = self.names.get(to).copied() {
            self.tell(seat, Reply::SendOk);
            self.tell(receiver, Reply::Delivery { from, text });
        } else if self.is_bot(to) {
            self.tell(seat, Reply::SendOk);
            if to.eq_ignore_ascii_case("echobot") {
                let from = "echobot";
                self.tell(seat, Reply::Delivery { from, text });
            } else {
                self.at(seat).is_slow = true;
            }
        } else {
            let dialect = self.at(seat).dialect;
            self.tell(seat, Reply::NoSuchUser(dialect));
        }
    }

    /// A connection hears something.
    fn heard(&mut self, seat: usize, bytes: &[u8]) {
        let Some(at) = &mut self.seats[seat] else {
            assert!(bytes.is_empty());
            return;
        };
        if at.is_slow {
            return;
        }
        assert!(
            at.due.starts_with(bytes),
            "seat {seat} heard {:?} and was to hear {:?}",
            String::from_utf8_lossy(bytes),
            String::from_utf8_lossy(&at.due)
        );
        at.due.drain(..bytes.len());
    }

    /// Nothing waits for a connection: nothing is due.
    fn is_even(&mut self, seat: usize) {
        if let Some(at) = &mut self.seats[seat] {
            assert!(at.is_slow || at.due.is_empty());
            if at.is_slow {
                at.due.clear();
            }
        }
    }
}
