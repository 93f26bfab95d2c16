//! Whatever datagrams several peers send, the unreliable chat answers only who sent
//! something, with whole lines as long as no damage was set, and nothing is due for ever.
//!
//! The input is a program: its first byte is the seed of the damage, then each
//! instruction is a byte for who (the lower three bits; 7 lets time go on to the next
//! deadline) and a byte for how many bytes follow as the datagram.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf::datagram::{Batch, DatagramService};
use wharf::network::{Endpoint, Network, Os};
use wharf::service::{Context, Drain};
use wharf_services::chat::{Reply, Rules, UnreliableChat};

const MAX_LINE: usize = 200;
const MAX_NAME: usize = 12;
const MAX_USERS: usize = 5;
const TIME_PASSES: u8 = 7;
/// The longest datagram: a message with its sender, or everybody's names; twice,
/// because bytes that are no UTF-8 become three each.
const LONGEST: usize = 3 * (MAX_LINE + MAX_NAME) + (MAX_NAME + 1) * (MAX_USERS + 2) + 64;

fuzz_target!(|data: &[u8]| {
    let [seed, program @ ..] = data else {
        return;
    };
    let rules = Rules {
        max_users: MAX_USERS,
        max_name: MAX_NAME,
        max_line: MAX_LINE,
        max_waiting_bytes: 2_000,
        max_waiting_messages: 20,
        ..Rules::default()
    };
    let mut scene = Scene {
        chat: UnreliableChat::new(rules, u64::from(*seed), |shown| drop(shown.to_string())),
        context: Context::new(Os.platform(), Drain::new()),
        batch: Batch::with_slots(16, 65_535),
        has_sent: [false; 8],
        is_damaged: false,
    };
    let mut program = program;
    while let Some((who, datagram)) = next(&mut program) {
        if who == TIME_PASSES {
            scene.wait();
        } else {
            scene.say(who, datagram);
        }
    }
    // All that is late comes in the end; sessions that are silent end.
    for _ in 0..1_000 {
        scene.wait();
    }
    assert_eq!(scene.chat.deadline(), None, "something is due for ever");
});

fn next<'a>(program: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (first, rest) = program.split_first()?;
    if first & 7 == TIME_PASSES {
        *program = rest;
        return Some((TIME_PASSES, &[]));
    }
    let (length, rest) = rest.split_first()?;
    let (datagram, rest) = rest.split_at(rest.len().min(usize::from(*length)));
    *program = rest;
    Some((first & 7, datagram))
}

struct Scene {
    chat: UnreliableChat,
    context: Context,
    batch: Batch,
    has_sent: [bool; 8],
    is_damaged: bool,
}

impl Scene {
    fn say(&mut self, who: u8, datagram: &[u8]) {
        self.has_sent[usize::from(who)] = true;
        // A setting that is refused changes nothing; it is not worth telling apart here.
        self.is_damaged |= datagram.starts_with(b"SET ");
        let peer = Endpoint::Inet(([127, 0, 0, 1], 1_000 + u16::from(who)).into());
        self.batch.clear();
        assert!(self.batch.push_received(datagram, &peer, None));
        self.chat.receive(&mut self.batch, &self.context);
        self.look();
    }

    fn wait(&mut self) {
        if let Some(due) = self.chat.deadline() {
            self.batch.clear();
            self.chat.timeout(due, &mut self.batch, &self.context);
            self.look();
        }
    }

    fn look(&mut self) {
        while let Some(outgoing) = self.batch.next_outgoing() {
            let to = outgoing.to.port().expect("a peer has a port") - 1_000;
            assert!(self.has_sent[usize::from(to)], "a stranger is written to");
            assert!(outgoing.payload.len() <= LONGEST);
            if !self.is_damaged {
                is_said(outgoing.payload);
            }
            self.batch.note_sent(1);
        }
    }
}

/// What is not damaged is one line of the protocol.
fn is_said(datagram: &[u8]) {
    let text = std::str::from_utf8(datagram).expect("text is sent as text");
    let line = text.strip_suffix('\n').expect("a line has its end");
    assert!(!line.contains('\n'));
    let is_setting = line.starts_with("VALUE ") || line == "SET-OK";
    assert!(is_setting || Reply::parse(line).is_some(), "{line:?}");
}
