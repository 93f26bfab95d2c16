use proptest::prelude::*;

use super::*;

#[test]
fn requests_read_back_and_letter_case_makes_no_difference() {
    let hash = "a".repeat(64);
    let mut requests = vec![
        Request::Hello("ann", None),
        Request::Hello("ann", Some("key")),
        Request::Sit(Where::Anywhere),
        Request::Sit(Where::Table(3)),
        Request::Sit(Where::Alone),
        Request::Bet(10, Nonce::None),
        Request::Bet(10, Nonce::Open("x.1-_")),
        Request::Bet(10, Nonce::Hashed(&hash)),
        Request::Reveal("nonce"),
        Request::Leave,
        Request::Buy,
        Request::Balance,
        Request::Top,
        Request::Again,
        Request::Help,
        Request::Bye,
    ];
    requests.extend(Action::ALL.map(Request::Act));
    for request in requests {
        assert_eq!(Request::parse(&request.to_string()), Some(request));
        let lower = request.to_string().to_lowercase();
        assert_eq!(Request::parse(&lower), Some(request));
    }
    for bad in [
        "",
        "BET",
        "BET x",
        "BET -1",
        "BET 1 =ab",
        "BET 1 é",
        "HIT 1",
        "SIT x",
        // Two hyphens are neither a field nor dropped.
        "BET 10 --",
        "HELLO ann --",
        "REVEAL --",
        "SIT --",
        "HIT --",
    ] {
        assert_eq!(Request::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn replies_read_back() {
    let hash = "0123456789abcdef".repeat(4);
    let (name, hand, seat, round) = ("ann", 2, 7, 12);
    let (chips, card) = (Chips::whole(10).three_halves(), "10H".parse().unwrap());
    let mut replies = vec![
        Reply::Greeting {
            decks: 6,
            most: 500,
        },
        Reply::Welcome {
            name,
            key: "k",
            chips,
        },
        Reply::Seat { table: 1, seat },
        Reply::Sits { seat, name },
        Reply::Stood(name),
        Reply::Leaving,
        Reply::Bets {
            round,
            decks: 6,
            commitment: &hash,
        },
        Reply::Bet {
            seat,
            name,
            chips,
            nonce: Nonce::None,
        },
        Reply::Bet {
            seat,
            name,
            chips,
            nonce: Nonce::Hashed(&hash),
        },
        Reply::Closing(20),
        Reply::Reveal(15),
        Reply::Nonce {
            seat,
            name,
            nonce: "lucky",
        },
        Reply::Void { round, name },
        Reply::Deal { round, players: 3 },
        Reply::Card {
            who: DEALER,
            hand: 1,
            card: None,
        },
        Reply::Card {
            who: name,
            hand,
            card: Some(card),
        },
        Reply::Hole(card),
        Reply::Seed(&hash),
        Reply::End(round),
        Reply::Balance(chips),
        Reply::Idle,
        Reply::Top(3),
        Reply::Score {
            rank: 1,
            name,
            won: Chips::ZERO - chips,
        },
        Reply::Help("BET 10 -- or more"),
        Reply::Bye,
    ];
    replies.extend(No::ALL.iter().copied().map(Reply::No));
    replies.extend(Action::ALL.map(|action| Reply::Act { name, hand, action }));
    for outcome in Outcome::ALL {
        let (stake, paid) = (chips, chips);
        replies.push(Reply::Pay {
            name,
            hand,
            outcome,
            stake,
            paid,
        });
    }
    for can in [[false, false], [true, false], [true, true]] {
        replies.push(Reply::Turn {
            name,
            hand,
            seconds: 30,
            can,
        });
    }
    for reply in replies {
        assert_eq!(Reply::parse(&reply.to_string()), Some(reply), "{reply}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(line in ".{0,80}") {
        let _ = (Request::parse(&line), Reply::parse(&line));
    }
}
