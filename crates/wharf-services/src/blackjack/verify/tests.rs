//! What a server could do to the lines of a round, and what it may.

mod away;
mod flight;
mod forged;

use super::*;
use crate::blackjack::fair::hash_of;

/// A transcript: `> ` before what was said, `< ` before what was heard.
type Lines = Vec<String>;

fn judged(transcript: &[String]) -> Vec<Verdict> {
    let mut verifier = Verifier::default();
    let mut verdicts = Vec::new();
    for line in transcript {
        match line.split_at(2) {
            ("> ", said) => verifier.say(said),
            (_, heard) => verdicts.extend(verifier.hear(heard)),
        }
    }
    verdicts.extend(verifier.finish());
    verdicts
}

/// All that is wrong, in words.
fn accused(transcript: &[String]) -> String {
    let verdicts = judged(transcript);
    let problems = verdicts.iter().flat_map(|verdict| &verdict.problems);
    problems.map(|problem| format!("{problem}\n")).collect()
}

/// All that is wrong or in doubt, in words.
fn wrong(transcript: &[String]) -> String {
    let verdicts = judged(transcript);
    let doubts = verdicts.iter().flat_map(|verdict| &verdict.doubts);
    let doubts: String = doubts.map(|doubt| format!("{doubt}\n")).collect();
    accused(transcript) + &doubts
}

fn is_fair(transcript: &[String]) -> bool {
    let verdicts = judged(transcript);
    !verdicts.is_empty() && verdicts.iter().all(Verdict::is_fair)
}

/// The example of the documentation, as one player wrote it down.
fn example(who: &str) -> Lines {
    let page = include_str!("../../../../../docs/protocols/blackjack.md");
    let (_, example) = page.split_once("```blackjack\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let own = example.lines().filter_map(|line| line.strip_prefix(who));
    own.map(|line| line.trim_start_matches(": ").to_owned())
        .collect()
}

fn at(transcript: &[String], start: &str) -> usize {
    let found = transcript.iter().position(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("{start} in {transcript:#?}"))
}

/// Whether the whole table is told a line, and told it again.
fn is_of_the_round(line: &str) -> bool {
    let codes = [
        "BETS ", "BET ", "NONCE ", "DEAL ", "CARD ", "ACT ", "HOLE ", "PAY ", "SEED ", "END ",
    ];
    let heard = line.strip_prefix("< ");
    heard.is_some_and(|line| codes.iter().any(|code| line.starts_with(code)))
}

#[test]
fn the_example_is_fair_for_both_players() {
    for who in ["A", "B"] {
        let verdicts = judged(&example(who));
        assert_eq!(verdicts.len(), 1, "{verdicts:?}");
        assert!(verdicts[0].is_fair(), "{verdicts:?}");
        assert_eq!(verdicts[0].counts, [2, 10, 2]);
    }
}

#[test]
fn no_line_can_be_changed_left_out_said_twice_or_moved() {
    let honest = example("A");
    let end = at(&honest, "< END");
    let round: Vec<usize> = (0..=end)
        .filter(|index| is_of_the_round(&honest[*index]))
        .collect();
    for (place, index) in round.iter().copied().enumerate() {
        let line = &honest[index];
        let check = |forged: &[String], what: &str| {
            let fair = judged(forged).iter().any(Verdict::is_fair);
            assert!(!fair, "{line} {what}");
        };
        let mut changed = honest.clone();
        let (rest, last) = line.rsplit_once(' ').unwrap();
        let other = match last.split_at(1) {
            ("1", rest) => format!("2{rest}"),
            (_, rest) => format!("1{rest}"),
        };
        changed[index] = format!("{rest} {other}");
        check(&changed, "is changed");
        changed.remove(index);
        check(&changed, "is left out");
        // Directly after itself, `BETS` is what is told again before any bet.
        if !line.starts_with("< BETS") && index != end {
            let mut doubled = honest.clone();
            doubled.insert(index + 1, line.clone());
            check(&doubled, "comes twice");
        }
        for later in &round[place + 1..] {
            let mut moved = honest.clone();
            moved.remove(index);
            moved.insert(*later, line.clone());
            // Who bets first makes no difference.
            let is_bet = |index: usize| honest[index].starts_with("< BET ");
            let only_bets = round[place + 1..]
                .iter()
                .take_while(|between| *between <= later)
                .all(|between| is_bet(*between));
            let before_reveal = *later < at(&honest, "< REVEAL");
            if !(is_bet(index) && only_bets && before_reveal) {
                check(&moved, &format!("is moved after {}", honest[*later]));
            }
        }
    }
}

#[test]
fn no_line_can_be_put_between() {
    let commitment = "0123456789abcdef".repeat(4);
    let other = format!("BETS 2 6 {commitment}");
    let again = format!("BETS 1 6 {commitment}");
    let seed = format!("SEED {commitment}");
    let bens = format!("BET 2 ben 5 ={}", hash_of("daisy"));
    for (line, before, why) in [
        // Another commitment, once bets are in or on their way.
        (&*other, "< BET 1 ann", "before the round is over"),
        (&again, "< BET 1 ann", "before the round is over"),
        (&other, "< BET 2 ben", "before the round is over"),
        (&other, "< NONCE", "before the round is over"),
        (&again, "< DEAL", "before the round is over"),
        (&again, "< ACT", "before the round is over"),
        (&other, "< SEED", "before the round is over"),
        // A bet that could be chosen to fit.
        ("BET 3 carl 1 g0", "< NONCE", "when all bets were in"),
        ("BET 3 carl 1 g0", "< DEAL", "when all bets were in"),
        ("BET 3 carl 1 g0", "< CARD DEALER", "when all bets were in"),
        ("BET 7 ann 10 lucky", "< CLOSING", "second bet"),
        ("BET 7 Ann 10 lucky", "< BET 2 ben", "second bet"),
        ("BET 1 carl 1 g0", "< BET 2 ben", "seat that is taken"),
        ("BET 8 carl 1 g0", "< BET 2 ben", "seat that does not exist"),
        (&bens, "< DEAL", "when all bets were in"),
        // A nonce that was no secret, or of nobody.
        ("NONCE 1 ann lucky", "< DEAL", "does not have the hash"),
        ("NONCE 3 carl g0", "< DEAL", "make no sense"),
        ("NONCE 2 ben daisy", "< CARD", "after the deal"),
        // A round that is void when the cards are bad.
        ("VOID 1 ann", "< NONCE", "whose nonce is there"),
        ("VOID 1 ben", "< DEAL", "whose nonce is there"),
        (
            "VOID 1 ben",
            "< BET 2 ben",
            "before the nonces were asked for",
        ),
        ("VOID 2 ben", "< NONCE", "about another round"),
        ("VOID 1 ben", "< CARD", "after the deal"),
        ("VOID 1 ben", "< SEED", "after the deal"),
        // Something done before or after its time.
        ("DEAL 1 1", "< BET 2 ben", "when all bets were in"),
        ("CARD ann 1 AS", "< NONCE", "before the deal"),
        ("ACT ann 1 STAND", "< ACT ann 1 HIT", "you sent HIT"),
        ("ACT ann 1 STAND", "< DEAL", "before the deal"),
        ("ACT ben 1 STAND", "< HOLE", "must be"),
        ("REVEAL 15", "< ACT", "after the deal"),
        (&seed, "< ACT", "after the seed"),
        (&seed, "< DEAL", "before the deal"),
        (&seed, "< END", "comes twice"),
        ("PAY ann 1 WIN 10 20", "< END", "after the seed"),
        ("END 9", "< SEED", "another round"),
        ("END 9", "< DEAL", "another round"),
        // What is told to one player.
        ("IDLE", "< ACT", "before the round is over"),
        ("WELCOME ann tulip 100", "< ACT", "not asked for"),
        ("SEAT 1 5", "< BET 1 ann", "another seat"),
        ("NO TURN", "< ACT ann", "comes in your turn"),
        ("NO HAND", "< ACT ann", "comes in your turn"),
        ("BALANCE 89", "< ACT", "must have 90"),
        ("BALANCE 89", "< BALANCE 90", "must have 90"),
        ("TURN ann 1 30 HIT,STAND", "< BALANCE 90", "your balance"),
    ] {
        let mut forged = example("A");
        let index = at(&forged, before);
        forged.insert(index, format!("< {line}"));
        let found = wrong(&forged);
        assert!(found.contains(why), "{line} before {before}: {found:?}");
        let fair = judged(&forged).iter().all(Verdict::is_fair);
        assert!(!fair, "{line} before {before}");
    }
}

mod any_lines {
    use proptest::prelude::*;

    use super::*;

    /// Lines that a server and a client could say, in any order.
    fn line() -> impl Strategy<Value = String> {
        let hash = hash_of("x");
        let lines: Vec<String> = [
            "> HELLO ann",
            "> HELLO ann k",
            "> LEAVE",
            "> SIT",
            "> SIT ALONE",
            "> REVEAL x",
            "> HIT",
            "> STAND",
            "> DOUBLE",
            "> BET 10 x",
            "< WELCOME ann k 100",
            "< WELCOME bob k 5",
            "< SEAT 1 1",
            "< SEAT 1 2",
            "< BET 1 ann 10 x",
            "< BET 2 bob 5 -",
            "< REVEAL 15",
            "< NONCE 1 ann x",
            "< DEAL 1 1",
            "< CARD ann 1 AS",
            "< CARD DEALER 1 ??",
            "< TURN ann 1 30 HIT,STAND",
            "< END 1",
            "< ACT ann 1 HIT",
            "< ACT ann 1 SPLIT",
            "< HOLE AS",
            "< PAY ann 1 WIN 10 20",
            "< VOID 1 ann",
            "< END 2",
            "< IDLE",
            "< BALANCE 90",
            "< NO TURN",
            "< NO CHIPS",
            "< NO NOT-NOW",
            "< NO TABLE",
            "< LEAVING",
            "< CLOSING 20",
            "< STOOD ann",
            "< BYE",
            "< BLACKJACK 1 6 500",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([
            format!("> BET 10 ={hash}"),
            format!("< BET 1 ann 10 ={hash}"),
            format!("< BETS 1 6 {hash}"),
            format!("< BETS 2 1 {}", hash_of(&hash)),
            format!("< SEED {hash}"),
        ])
        .collect();
        prop::sample::select(lines)
    }

    proptest! {
        #[test]
        fn have_a_verdict_and_nothing_panics(lines in prop::collection::vec(line(), 0..80)) {
            for verdict in judged(&lines) {
                prop_assert!(verdict.problems.len() <= 10, "{:?}", verdict);
            }
        }
    }
}
