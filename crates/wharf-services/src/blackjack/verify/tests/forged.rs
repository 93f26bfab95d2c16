//! Rounds that a server could make, with the seeds that it could look for.

use super::*;
use crate::blackjack::fair::{Share, shoe};
use crate::blackjack::grammar::DEALER;
use crate::blackjack::round::{Action, Round, most_hands};
use crate::blackjack::table::narrate;
use crate::blackjack::{Chips, Reply};

pub(super) const NONCE: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";

/// The seeds that a server could choose from.
pub(super) fn seed(number: usize) -> String {
    hash_of(&format!("seed {number}"))
}

pub(super) fn bets_line(round: u64, seed: &str) -> String {
    format!("< BETS {round} 6 {}", hash_of(seed))
}

/// A player of a round: seat, name, stake and nonce.
pub(super) type Bettor = (usize, &'static str, u32, &'static str);

pub(super) const ANN: Bettor = (1, "ann", 10, NONCE);

/// A round as the seed makes it, from the deal to the payments. `ann` does these things,
/// and all others stand.
pub(super) fn played(round: u64, seed: &str, bettors: &[Bettor], acts: &[Action]) -> Lines {
    let shares = bettors.iter().map(|(seat, name, _, nonce)| Share {
        seat: *seat,
        name,
        nonce,
    });
    let stakes = bettors.iter().map(|(_, _, stake, _)| Chips::whole(*stake));
    let names: Vec<String> = bettors.iter().map(|bettor| bettor.1.to_owned()).collect();
    let mut lines = vec![format!("< DEAL {round} {}", bettors.len())];
    let tell = |lines: &mut Lines, seen: &mut Vec<_>| {
        for event in seen.drain(..) {
            lines.push(format!("< {}", fields(&narrate(&event, &names))));
        }
    };
    let mut seen = Vec::new();
    let mut game = Round::deal(shoe(seed, shares, 6), stakes, most_hands(6), &mut seen);
    tell(&mut lines, &mut seen);
    let mut acts = acts.iter().copied();
    while let Some((player, hand)) = game.turn() {
        let mut action = Action::Stand;
        if bettors[player].1 == "ann" {
            lines.push(format!("< TURN ann {} 30 HIT,STAND,DOUBLE", hand + 1));
            action = acts.next().unwrap_or(Action::Stand);
            lines.push(format!("> {}", action.word()));
        }
        game.act(action, &mut seen).unwrap();
        tell(&mut lines, &mut seen);
    }
    lines.extend([format!("< SEED {seed}"), format!("< END {round}")]);
    lines
}

/// The balance after a round that began with 100 chips.
fn balance(lines: &[String]) -> String {
    let mut chips = Chips::whole(100);
    for line in lines {
        if let Some(Reply::Pay {
            name: "ann",
            stake,
            paid,
            ..
        }) = Reply::parse(&line[2..])
        {
            chips += paid - stake;
        }
    }
    format!("< BALANCE {chips}")
}

/// Somebody sits down alone.
pub(super) fn seated() -> Lines {
    let lines = [
        "< BLACKJACK 1 6 500",
        "> HELLO ann key",
        "< WELCOME ann key 100",
        "> SIT ALONE",
        "< SEAT 1 1",
        "< SITS 1 ann",
    ];
    lines.map(str::to_owned).to_vec()
}

/// A round begins there.
pub(super) fn opened(seed: &str) -> Lines {
    let mut lines = seated();
    lines.extend([bets_line(1, seed), "< BALANCE 100".to_owned()]);
    lines
}

pub(super) fn bet() -> Lines {
    let hash = hash_of(NONCE);
    vec![
        format!("> BET 10 ={hash}"),
        format!("< BET 1 ann 10 ={hash}"),
        "< REVEAL 15".to_owned(),
        format!("> REVEAL {NONCE}"),
    ]
}

fn told_nonce() -> String {
    format!("< NONCE 1 ann {NONCE}")
}

/// An honest round with a hidden nonce.
pub(super) fn hidden(seed: &str, acts: &[Action]) -> Lines {
    let mut lines = opened(seed);
    lines.extend(bet());
    lines.push(told_nonce());
    lines.extend(played(1, seed, &[ANN], acts));
    lines.push(balance(&lines));
    lines
}

/// The first seed with which the house would win; a server has all the time it needs.
fn ground(lose: impl Fn(&str) -> Lines) -> (String, Lines) {
    for number in 0.. {
        let seed = seed(number);
        let lines = lose(&seed);
        if lines
            .iter()
            .any(|line| line.starts_with("< PAY ann 1 LOSE"))
        {
            return (seed, lines);
        }
    }
    unreachable!()
}

#[test]
fn honest_rounds_are_fair_whatever_is_done() {
    use Action::{Double, Hit, Stand};
    for number in 0..20 {
        for acts in [&[Stand][..], &[Hit], &[Double], &[]] {
            let lines = hidden(&seed(number), acts);
            assert!(is_fair(&lines), "{lines:#?}\n{}", wrong(&lines));
        }
    }
}

#[test]
fn a_server_that_looks_for_a_seed_when_it_knows_the_nonce_is_found_out() {
    // In a round of another number, told as if the one before had not been.
    let (other, cards) = ground(|seed| played(2, seed, &[ANN], &[]));
    let mut lines = opened(&seed(1_000));
    lines.extend(bet());
    lines.push(bets_line(2, &other));
    lines.push(format!("< BET 1 ann 10 ={}", hash_of(NONCE)));
    lines.push(told_nonce());
    lines.extend(cards);
    let found = wrong(&lines);
    assert!(found.contains("before the round is over"), "{found}");
    assert!(!judged(&lines).iter().any(Verdict::is_fair), "{lines:#?}");

    // In the same round, before the bet is told.
    let (other, cards) = ground(|seed| played(1, seed, &[ANN], &[]));
    let mut lines = opened(&seed(1_000));
    lines.push(format!("> BET 10 {NONCE}"));
    lines.push(bets_line(1, &other));
    lines.push(format!("< BET 1 ann 10 {NONCE}"));
    lines.extend(cards);
    let found = wrong(&lines);
    assert!(found.contains("before the round is over"), "{found}");
    assert!(found.contains("before the commitment came"), "{found}");
    assert!(!judged(&lines).iter().any(Verdict::is_fair), "{lines:#?}");

    // The first commitment comes late.
    lines.remove(6);
    let found = wrong(&lines);
    assert!(found.contains("before the commitment came"), "{found}");
    // What is hidden may be sent before.
    let mut lines = hidden(&seed(1), &[]);
    let bet = lines.remove(at(&lines, "> BET"));
    lines.insert(at(&lines, "< BETS"), bet);
    assert!(is_fair(&lines), "{}", wrong(&lines));
}

#[test]
fn a_player_who_was_not_there_when_the_bets_were_in_is_found_out() {
    let ghost = (2, "bob", 1, "g0");
    let (seed, cards) = ground(|seed| played(1, seed, &[ANN, ghost], &[]));
    let mut lines = opened(&seed);
    lines.extend(bet());
    lines.push(told_nonce());
    lines.extend(["< SITS 2 bob", "< BET 2 bob 1 g0"].map(str::to_owned));
    lines.extend(cards);
    assert!(wrong(&lines).contains("when all bets were in"));

    // Before the bets were in, it is seen that the table was to be for one.
    let bob = lines.remove(at(&lines, "< BET 2"));
    let before = at(&lines, "< REVEAL");
    lines.insert(before, bob);
    let found = wrong(&lines);
    assert!(found.contains("at a table of your own"), "{found}");
    // With company that is no secret.
    lines[3] = "> SIT".to_owned();
    assert_eq!(wrong(&lines), "");

    // The same player twice.
    let twice = (7, "ann", 10, NONCE);
    let open = format!("> BET 10 {NONCE}");
    let mut lines = opened(&seed);
    lines.push(open);
    lines.push(format!("< BET 1 ann 10 {NONCE}"));
    lines.push(format!("< BET 7 ann 10 {NONCE}"));
    lines.extend(played(1, &seed, &[ANN, twice], &[]));
    assert!(wrong(&lines).contains("second bet"));

    // Another seat makes another shoe.
    let moved = (5, "ann", 10, NONCE);
    let mut lines = opened(&seed);
    lines.push(format!("> BET 10 {NONCE}"));
    lines.push(format!("< BET 5 ann 10 {NONCE}"));
    lines.extend(played(1, &seed, &[moved], &[]));
    assert!(wrong(&lines).contains("not at your seat"));
}

#[test]
fn a_round_is_void_only_where_a_nonce_is_missing() {
    let seed = seed(2);
    let end = [
        "< VOID 1 ann".to_owned(),
        format!("< SEED {seed}"),
        "< END 1".to_owned(),
        "< BALANCE 90".to_owned(),
    ];
    let mut lines = opened(&seed);
    lines.extend(bet());
    // The nonce came, and is said not to have.
    let mut late = lines.clone();
    late.extend(end.clone());
    assert!(wrong(&late).contains("you sent REVEAL"), "{}", wrong(&late));
    // It was told.
    let mut told = lines.clone();
    told.push(told_nonce());
    told.extend(end.clone());
    assert!(wrong(&told).contains("whose nonce is there"));
    assert!(judged(&told).iter().all(|verdict| !verdict.is_fair()));
    // The cards were dealt, and are not liked.
    let mut dealt = lines.clone();
    dealt.push(told_nonce());
    let cards = played(1, &seed, &[ANN], &[]);
    let before = cards.iter().take_while(|line| !line.starts_with("< SEED"));
    dealt.extend(before.cloned());
    dealt.extend(end.clone());
    assert!(wrong(&dealt).contains("after the deal"));
    // It did not come: void, not wrong, and no proof of anything.
    lines.remove(at(&lines, "> REVEAL"));
    lines.extend(end);
    let verdicts = judged(&lines);
    assert_eq!(wrong(&lines), "");
    assert_eq!((verdicts.len(), verdicts[0].kind), (1, Kind::Void));
    assert_eq!(verdicts[0].late, ["ann"]);
    assert!(!verdicts[0].is_fair());
    // The stake is what it costs, and no more.
    *lines.last_mut().unwrap() = "< BALANCE 80".to_owned();
    assert!(wrong(&lines).contains("must have 90"));
}

/// A round of two, in which the other does not reveal.
fn void_of_two() -> Lines {
    let seed = seed(3);
    let hash = hash_of("other");
    let mut lines = opened(&seed);
    lines[3] = "> SIT".to_owned();
    lines.push(format!("< BET 2 bob 10 ={hash}"));
    lines.extend(bet());
    lines.push(told_nonce());
    lines.push("< VOID 1 bob".to_owned());
    lines.extend([format!("< SEED {seed}"), "< END 1".to_owned()]);
    lines.push("< BALANCE 100".to_owned());
    lines
}

#[test]
fn a_void_round_names_all_who_are_late_and_gives_the_others_their_stakes_back() {
    let lines = void_of_two();
    assert_eq!(wrong(&lines), "");
    assert_eq!(judged(&lines)[0].late, ["bob"]);
    let mut kept = lines.clone();
    *kept.last_mut().unwrap() = "< BALANCE 90".to_owned();
    assert!(wrong(&kept).contains("must have 100"), "{}", wrong(&kept));
    let mut third = lines.clone();
    let carl = format!("< BET 3 carl 10 ={}", hash_of("third"));
    third.insert(at(&lines, "< REVEAL"), carl);
    assert!(wrong(&third).contains("missing: VOID 1 carl"));
    let mut twice = lines;
    twice.insert(at(&twice, "< SEED"), "< VOID 1 bob".to_owned());
    assert!(wrong(&twice).contains("comes twice"));
}

#[test]
fn what_was_sent_is_what_is_done() {
    let (seed, lines) = (0..)
        .map(|number| (seed(number), hidden(&seed(number), &[])))
        .find(|(_, lines)| lines.iter().any(|line| line == "> STAND"))
        .unwrap();
    // Sent was one thing, done another.
    let mut other = lines.clone();
    other[at(&lines, "> STAND")] = "> HIT".to_owned();
    let found = wrong(&other);
    assert!(
        found.contains("you sent HIT, and it was not done"),
        "{found}"
    );
    // The refusal in between explains nothing.
    other.insert(at(&other, "< ACT"), "< NO TURN".to_owned());
    let found = wrong(&other);
    assert!(found.contains("comes in your turn"), "{found}");
    // Nothing was sent: the time was up.
    let mut late = lines.clone();
    late.remove(at(&lines, "> STAND"));
    assert_eq!(wrong(&late), "");
    // But nobody doubles by doing nothing, and nobody is passed over.
    let mut doubled = hidden(&seed, &[Action::Double]);
    doubled.remove(at(&doubled, "> DOUBLE"));
    assert!(wrong(&doubled).contains("ACT ann 1 DOUBLE   is not what you sent"));
    let mut passed = late;
    passed.remove(at(&passed, "< TURN"));
    assert!(wrong(&passed).contains("without your turn"));
    // A bet and a nonce that were not sent.
    for (line, other) in [("> BET", "> BET 5 lucky"), ("> REVEAL", "> REVEAL lucky")] {
        let mut other_lines = lines.clone();
        other_lines[at(&lines, line)] = other.to_owned();
        assert!(
            wrong(&other_lines).contains("is not what you sent"),
            "{line}"
        );
    }
    // What the transcript does not have cannot be compared.
    let heard: Lines = lines
        .iter()
        .filter(|line| line.starts_with('<'))
        .cloned()
        .collect();
    assert!(is_fair(&heard), "{}", wrong(&heard));
}

#[test]
fn the_balance_is_what_the_payments_make_it() {
    let lines = hidden(&seed(4), &[]);
    let mut less = lines.clone();
    *less.last_mut().unwrap() = "< BALANCE 3".to_owned();
    let found = wrong(&less);
    assert!(found.contains("you have 3 chips, and must have"), "{found}");
    // Chips can be bought.
    let mut more = lines.clone();
    *more.last_mut().unwrap() = "< BALANCE 1000".to_owned();
    assert_eq!(wrong(&more), "");
    // It can only be left out at the end of the transcript.
    let mut without = lines;
    without.pop();
    assert!(is_fair(&without));
    without.push(bets_line(2, &seed(5)));
    assert!(wrong(&without).contains("where your balance must be told"));
}

#[test]
fn a_round_that_has_an_end_of_another_is_judged() {
    let mut lines = hidden(&seed(1_000), &[]);
    let (_, other) = ground(|seed| played(1, seed, &[ANN], &[]));
    let end = at(&lines, "< END");
    lines[end] = "< END 9".to_owned();
    let cards = at(&lines, "< DEAL");
    lines.splice(
        cards..end,
        other.into_iter().filter(|line| !line.starts_with("< END")),
    );
    lines.push(bets_line(2, &seed(1)));
    let found = wrong(&lines);
    assert!(found.contains("the end of another round"), "{found}");
    assert!(found.contains("does not have the hash"), "{found}");
}

/// The round so far, as it is told again when somebody asks for it after a line.
pub(super) fn told_again(lines: &[String], after: usize) -> Lines {
    let begin = at(lines, "< SEAT");
    let seats = lines[begin..after].iter().filter(|line| {
        line.starts_with("< SEAT") || line.starts_with("< SITS") || is_of_the_round(line)
    });
    seats.cloned().collect()
}

/// What there is after a line, which ends what is told again.
fn chips_after(lines: &[String], after: usize) -> String {
    let told = |start: &str| lines[..after].iter().any(|line| line.starts_with(start));
    match (told("< BET 1 ann"), told("< PAY ann")) {
        (true, false) => "< BALANCE 90".to_owned(),
        _ => balance(&lines[..after]),
    }
}

#[test]
fn what_is_told_again_is_what_was_told() {
    let lines = hidden(&seed(1), &[Action::Hit]);
    let (begin, end) = (at(&lines, "< BETS"), at(&lines, "< SEED"));
    // What was asked before is answered before.
    let is_quiet = |after: &usize| !lines[after - 1].starts_with('>');
    for after in (begin + 1..end).filter(is_quiet) {
        let again = told_again(&lines, after);
        let mut honest = lines[..after].to_vec();
        honest.push("> AGAIN".to_owned());
        honest.extend(again.clone());
        honest.push(chips_after(&lines, after));
        honest.extend_from_slice(&lines[after..]);
        assert!(is_fair(&honest), "{honest:#?}\n{}", wrong(&honest));
        // With one line less, or one that is another.
        for (index, line) in again.iter().enumerate() {
            if line.starts_with("< S") || line.starts_with("< BETS") {
                continue;
            }
            let mut forged = honest.clone();
            forged.remove(after + 1 + index);
            assert!(!is_fair(&forged), "without {line}: {forged:#?}");
            forged.insert(after + 1 + index, "< BET 4 dora 1 g7".to_owned());
            assert!(!is_fair(&forged), "without {line}: {forged:#?}");
        }
    }
}

#[test]
fn who_comes_back_is_told_what_was_done_and_may_have_missed_the_end() {
    let lines = hidden(&seed(1), &[]);
    let turn = at(&lines, "< TURN");
    let welcome = ["> HELLO ann key", "< WELCOME ann key 90"].map(str::to_owned);
    // The same file goes on, and another one begins with what was done before.
    for before in [&lines[..turn + 1], &[]] {
        let mut back = before.to_vec();
        back.extend(welcome.clone());
        back.extend(told_again(&lines, turn));
        back.push(lines[turn].clone());
        back.push("< BALANCE 90".to_owned());
        back.extend_from_slice(&lines[turn + 1..]);
        assert_eq!(accused(&back), "", "{back:#?}");
        assert_eq!(is_fair(&back), !before.is_empty(), "{}", wrong(&back));
        assert_eq!(
            wrong(&back).contains("not said in this transcript"),
            before.is_empty()
        );
    }
    // The round was over by then: nothing is wrong, and nothing known of it.
    for next in ["< IDLE".to_owned(), bets_line(7, &seed(9))] {
        let mut missed = lines[..=turn].to_vec();
        missed.extend(welcome.clone());
        missed.push(next.clone());
        let verdicts = judged(&missed);
        assert_eq!(verdicts[0].problems, []);
        assert_eq!(verdicts[0].kind, Kind::Unfinished);
        assert_eq!(verdicts[0].doubts, [Doubt::Cut]);
        assert!(verdicts[0].is_undecided());
        // Who was not away has missed nothing.
        let mut there = lines[..=turn].to_vec();
        there.push(next);
        assert!(wrong(&there).contains("before the round is over"));
    }
}

#[test]
fn a_verifier_is_bounded_and_takes_every_line() {
    let mut verifier = Verifier::default();
    for line in seated().iter().chain([&bets_line(1, &seed(0))]) {
        match line.split_at(2) {
            ("> ", said) => verifier.say(said),
            (_, heard) => assert_eq!(verifier.hear(heard), None),
        }
    }
    for number in 0..20_000 {
        verifier.say(&format!("BET {} x{number}", number % 7));
        verifier.say("REVEAL x");
        verifier.say("HIT");
        verifier.say(&format!("HELLO a{number}"));
        verifier.hear(&format!("DEAL 1 {number}"));
        verifier.hear(&format!("CARD {DEALER} 1 AS"));
        verifier.hear("VOID 1 ann");
    }
    let verdict = verifier.hear("END 1").unwrap();
    assert!((1..=8).contains(&verdict.problems.len()));
    assert!(verdict.counts[1] <= 4_096);
}
