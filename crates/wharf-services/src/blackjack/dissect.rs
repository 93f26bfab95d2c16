//! The table's and the players' lines taken apart for pictures, by the grammar of both.

use wharf_wire::application::{Dissect, Dissected, Hint, Transport};

use super::{Reply, Request, Where};
use crate::games::dissect::{Said, Speaker, message};

/// The standard port.
const PORT: u16 = 5380;

/// Blackjack, over streams.
#[derive(Clone, Copy, Debug)]
pub struct DissectBlackjack;

impl Dissect for DissectBlackjack {
    fn name(&self) -> &'static str {
        "BLACKJACK"
    }

    fn claims(&self, bytes: &[u8], hint: &Hint) -> bool {
        hint.transport == Transport::Tcp
            && (hint.has_port(PORT)
                || hint.spoke(self.name())
                || bytes.starts_with(b"BLACKJACK 1 "))
    }

    fn port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn dissect(&self, bytes: &[u8], hint: &Hint) -> Dissected {
        message(bytes, hint, PORT, "docs/protocols/blackjack.md", understand)
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
const CHIPS: (&str, &str) = ("chips", "how many");
const SEAT: (&str, &str) = ("seat", "from 1");
const HAND: (&str, &str) = ("hand", "from 1");
const ROUND: (&str, &str) = ("round", "from 1 at each table");
const SECONDS: (&str, &str) = ("seconds", "for so long");
const NONCE: (&str, &str) = (
    "nonce",
    "what the player adds to the shuffle: = and its SHA-256, or - for nothing",
);

fn asked(request: &Request<'_>) -> Said {
    match request {
        Request::Hello(name, _) => Said::new(format!("{name} wants to log in"), &[NAME, KEY]),
        Request::Sit(Where::Anywhere) => "wants a seat".into(),
        Request::Sit(_) => Said::new("wants a seat at a certain table", &[("table", "which")]),
        Request::Bet(chips, _) => Said::new(format!("bets {chips}"), &[CHIPS, NONCE]),
        Request::Reveal(_) => Said::new(
            "reveals its nonce",
            &[("nonce", "what the hash in the bet was made of")],
        ),
        Request::Act(action) => Said::new(format!("plays {}", action.word()), &[]),
        Request::Leave => "gives the seat up".into(),
        Request::Buy => "asks for new chips".into(),
        Request::Balance => "asks how many chips it has".into(),
        Request::Top => "asks who has most".into(),
        Request::Again => "asks how things stand".into(),
        Request::Help => "asks what can be said".into(),
        Request::Bye => "ends the connection".into(),
    }
}

fn answered(line: &str, reply: &Reply<'_>) -> Said {
    match reply {
        Reply::Card { who, card, .. } => {
            let fields = &[
                ("who", "a player, or DEALER"),
                HAND,
                ("card", "?? is face down"),
            ];
            return match card {
                Some(card) => Said::new(format!("{who} is dealt {card}"), fields),
                None => Said::new(format!("{who} is dealt a card face down"), fields),
            };
        }
        Reply::Act { name, action, .. } => {
            let fields = &[NAME, HAND, ("action", "what was played")];
            return Said::new(format!("{name} plays {}", action.word()), fields);
        }
        _ => {}
    }
    // Without the words for people the line itself has to do.
    let own = if line.contains(" -- ") { "" } else { line };
    let fields: &'static [(&'static str, &'static str)] = match reply {
        Reply::Greeting { .. } => &[
            ("version", "of this protocol"),
            ("decks", "in the shoe"),
            ("most", "chips of a bet"),
        ],
        Reply::Welcome { .. } => &[NAME, KEY, CHIPS],
        Reply::Seat { .. } => &[("table", "from 1"), SEAT],
        Reply::Sits { .. } => &[SEAT, NAME],
        Reply::Stood(_) => &[NAME],
        Reply::Bets { .. } => &[
            ROUND,
            ("decks", "in the shoe"),
            (
                "commitment",
                "the SHA-256 of the seed that the cards follow from",
            ),
        ],
        Reply::Bet { .. } => &[SEAT, NAME, CHIPS, NONCE],
        Reply::Closing(_) | Reply::Reveal(_) => &[SECONDS],
        Reply::Nonce { .. } => &[SEAT, NAME, ("nonce", "what its hash was made of")],
        Reply::Void { .. } => &[ROUND, NAME],
        Reply::Deal { .. } => &[ROUND, ("players", "who take part")],
        Reply::Turn { .. } => &[NAME, HAND, SECONDS, ("actions", "what is possible")],
        Reply::Hole(_) => &[("card", "the dealer's hidden one")],
        Reply::Pay { .. } => &[
            NAME,
            HAND,
            ("outcome", "how the hand ended"),
            ("stake", "chips"),
            ("paid", "chips, the stake included"),
        ],
        Reply::Seed(_) => &[("seed", "what the commitment was made of: check it")],
        Reply::End(_) => &[ROUND],
        Reply::Balance(_) => &[CHIPS],
        Reply::Top(_) => &[("rows", "so many lines follow")],
        Reply::Score { .. } => &[
            ("rank", "from 1"),
            NAME,
            ("won", "chips since the first login"),
        ],
        Reply::No(_) => &[("reason", "why it was not done")],
        Reply::Leaving
        | Reply::Idle
        | Reply::Help(_)
        | Reply::Bye
        | Reply::Card { .. }
        | Reply::Act { .. } => &[],
    };
    Said::new(own, fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_wire::application::Gate;
    use wharf_wire::application::Message;

    const TO_CLIENT: Hint = Hint {
        transport: Transport::Tcp,
        source: PORT,
        destination: 40_000,
        is_whole: true,
        spoken: None,
        gate: Gate::Unknown,
    };

    const TO_SERVER: Hint = Hint {
        source: 40_000,
        destination: PORT,
        ..TO_CLIENT
    };

    fn said(bytes: &[u8], hint: Hint) -> Message {
        match DissectBlackjack.dissect(bytes, &hint) {
            Dissected::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_sides_are_taken_apart() {
        let bet = said(b"BET 10 lucky\nHIT\n", TO_SERVER);
        assert_eq!((bet.len, bet.summary.as_str()), (13, "bets 10"));
        assert_eq!(bet.parts[2].name, "nonce");
        assert_eq!(bet.parts[2].bytes, 7..12);
        let card = said(b"CARD DEALER 1 ??\n", TO_CLIENT);
        assert_eq!(card.summary, "DEALER is dealt a card face down");
        assert_eq!(card.parts[3].bytes, 14..16);
        // The same word means something else from the other side.
        let taken = said(b"BET 1 ann 10 - -- ann bets 10\n", TO_CLIENT);
        assert_eq!(taken.summary, "ann bets 10");
        assert_eq!(
            DissectBlackjack.dissect(b"BET 1 ann 10 -\n", &TO_SERVER),
            Dissected::Foreign
        );
        assert_eq!(
            DissectBlackjack.dissect(b"CARD ann", &TO_CLIENT),
            Dissected::Partial
        );
    }
}
