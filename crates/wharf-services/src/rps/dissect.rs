//! The referee's and the players' lines taken apart for pictures, by the grammar of both.

use wharf_wire::application::{Dissect, Dissected, Hint};

use super::{Reply, Request};
use crate::games::dissect::{Said, Speaker, is_numbered, message};

/// The standard port.
const PORT: u16 = 5379;

/// Rock, paper, scissors, over streams and over datagrams.
#[derive(Clone, Copy, Debug)]
pub struct DissectRps;

impl Dissect for DissectRps {
    fn name(&self) -> &'static str {
        "RPS"
    }

    fn claims(&self, bytes: &[u8], hint: &Hint) -> bool {
        hint.has_port(PORT)
            || hint.spoke(self.name())
            || bytes.starts_with(b"RPS 1 ")
            || is_numbered(bytes, hint, understand)
    }

    fn port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn dissect(&self, bytes: &[u8], hint: &Hint) -> Dissected {
        message(bytes, hint, PORT, "docs/protocols/rps.md", understand)
    }
}

fn understand(line: &str, speaker: Speaker) -> Option<Said> {
    match speaker {
        Speaker::Client => Request::parse(line).map(|request| asked(&request)),
        Speaker::Server => Reply::parse(line).map(|reply| answered(line, &reply)),
    }
}

const NAME: (&str, &str) = ("name", "the player's");
const KEY: (&str, &str) = (
    "key",
    "proves the name later; whoever reads it on the way can use it",
);
const SECONDS: (&str, &str) = ("seconds", "for so long");
const OWN: (&str, &str) = ("own", "rounds that the receiver has won");
const OTHER: (&str, &str) = ("other", "rounds that the other has won");

fn asked(request: &Request<'_>) -> Said {
    match request {
        Request::Hello(name, _) => Said::new(format!("{name} wants to log in"), &[NAME, KEY]),
        Request::Play(None) => "wants a match with anybody".into(),
        Request::Play(Some(name)) => Said::new(format!("wants a match with {name}"), &[NAME]),
        Request::Move(shown) => Said::new(format!("shows {}", shown.word()), &[]),
        Request::Leave => "leaves the match, or waits no more".into(),
        Request::Top => "asks who has won most".into(),
        Request::Again => "asks how things stand".into(),
        Request::Help => "asks what can be said".into(),
        Request::Bye => "ends the connection".into(),
    }
}

fn answered(line: &str, reply: &Reply<'_>) -> Said {
    // Without the words for people the line itself has to do.
    let own = if line.contains(" -- ") { "" } else { line };
    let fields: &'static [(&'static str, &'static str)] = match reply {
        Reply::Greeting { .. } => &[
            ("version", "of this protocol"),
            (
                "best of",
                "rounds of a match at most, drawn ones not counted",
            ),
        ],
        Reply::Welcome { .. } => &[NAME, KEY],
        Reply::Waiting { .. } => &[SECONDS, ("name", "for whom, if not for anybody")],
        Reply::Invite { .. } => &[("name", "who wants to play"), SECONDS],
        Reply::Match { .. } => &[
            ("own name", "the receiver's"),
            ("other name", "the opponent's"),
            (
                "best of",
                "rounds of the match at most, drawn ones not counted",
            ),
        ],
        Reply::Round { .. } => &[("round", "its number, from 1"), SECONDS, OWN, OTHER],
        Reply::Moved(_) => &[("move", "the receiver's own, secret until the other's is in")],
        Reply::Ready(_) => &[("name", "whose move is in")],
        Reply::Result { .. } => &[
            ("round", "its number, from 1"),
            ("own move", "the receiver's; - if it did not come"),
            ("other move", "the opponent's; - if it did not come"),
            ("outcome", "for the receiver"),
            OWN,
            OTHER,
        ],
        Reply::Over { .. } => &[
            ("why", "why the match ended"),
            ("outcome", "for the receiver"),
            OWN,
            OTHER,
        ],
        Reply::Away { .. } => &[("name", "whose connection is gone"), SECONDS],
        Reply::Back(_) => &[("name", "who is back")],
        Reply::Top(_) => &[("rows", "so many lines follow")],
        Reply::Score { .. } => &[
            ("rank", "from 1"),
            NAME,
            ("won", "matches"),
            ("lost", "matches"),
            ("drawn", "matches"),
        ],
        Reply::No(_) => &[("reason", "why it was not done")],
        Reply::Idle | Reply::Help(_) | Reply::Bye => &[],
    };
    Said::new(own, fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_wire::application::Gate;
    use wharf_wire::application::{Message, Transport};

    const TO_SERVER: Hint = Hint {
        transport: Transport::Tcp,
        source: 40_000,
        destination: PORT,
        is_whole: true,
        spoken: None,
        gate: Gate::Unknown,
    };

    const TO_CLIENT: Hint = Hint {
        source: PORT,
        destination: 40_000,
        ..TO_SERVER
    };

    fn said(bytes: &[u8], hint: Hint) -> Message {
        match DissectRps.dissect(bytes, &hint) {
            Dissected::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn parts(message: &Message) -> Vec<(&str, std::ops::Range<usize>)> {
        let parts = message.parts.iter();
        parts.map(|part| (part.name, part.bytes.clone())).collect()
    }

    #[test]
    fn both_sides_are_taken_apart() {
        let hello = said(b"hello ann tulip\nPLAY\n", TO_SERVER);
        assert_eq!(
            (hello.len, hello.summary.as_str()),
            (16, "ann wants to log in")
        );
        assert_eq!(
            parts(&hello),
            [("code", 0..5), ("name", 6..9), ("key", 10..15)]
        );
        let round = said(b"ROUND 2 30 1 0 -- round 2, it stands 1:0\r\n", TO_CLIENT);
        assert_eq!(round.summary, "round 2, it stands 1:0");
        assert_eq!(
            parts(&round)[1..],
            [
                ("round", 6..7),
                ("seconds", 8..10),
                ("own", 11..12),
                ("other", 13..14),
                ("words", 18..40)
            ]
        );
        let score = said(b"SCORE 1 ann 3 2 1\n", TO_CLIENT);
        assert_eq!(score.summary, "SCORE 1 ann 3 2 1");
        assert_eq!(DissectRps.dissect(b"ROC", &TO_SERVER), Dissected::Partial);
        assert_eq!(
            DissectRps.dissect(b"DANCE\n", &TO_SERVER),
            Dissected::Foreign
        );
        // Only a referee says this, and only to players.
        assert_eq!(
            DissectRps.dissect(b"IDLE\n", &TO_SERVER),
            Dissected::Foreign
        );
    }

    #[test]
    fn the_words_tell_who_speaks_where_ports_do_not() {
        let elsewhere = |bytes| {
            let hint = Hint {
                source: 40_000,
                destination: 7_000,
                ..TO_SERVER
            };
            said(bytes, hint).summary
        };
        assert_eq!(elsewhere(b"BYE\n"), "ends the connection");
        assert_eq!(elsewhere(b"BYE -- goodbye\n"), "goodbye");
    }

    #[test]
    fn numbers_stand_before_what_datagrams_say() {
        let to_server = Hint {
            transport: Transport::Udp,
            ..TO_SERVER
        };
        let to_client = Hint {
            transport: Transport::Udp,
            ..TO_CLIENT
        };
        let shown = said(b"#7 ROCK", to_server);
        assert_eq!((shown.len, shown.summary.as_str()), (7, "shows ROCK"));
        assert_eq!(parts(&shown), [("number", 0..2), ("code", 3..7)]);
        let answer = said(b"#7\nMOVED ROCK -- it is in\n", to_client);
        assert_eq!(
            (answer.len, answer.summary.as_str()),
            (3, "the answer to request 7:")
        );
        let elsewhere = Hint {
            destination: 7_000,
            ..to_server
        };
        assert!(DissectRps.claims(b"#1 HELLO ann\n", &elsewhere));
        assert!(!DissectRps.claims(b"#1 hello, world\n", &elsewhere));
        assert!(!DissectRps.claims(b"HELLO ann\n", &elsewhere));
    }
}
