//! What an honest server says when requests and its own lines cross on the way, and what
//! it would have to be to say something else.

use super::forged::{ANN, Bettor, NONCE, bet, bets_line, hidden, opened, played, seated, seed};
use super::*;
use crate::blackjack::round::Action;

pub(super) fn lines(text: &[&str]) -> Lines {
    text.iter().map(|line| (*line).to_owned()).collect()
}

/// A round of a player who sends nothing and has no nonce, up to the balance.
fn silent(seed: &str) -> Lines {
    const NONE: Bettor = (1, "ann", 10, "-");
    let round = played(1, seed, &[NONE], &[]);
    round
        .into_iter()
        .filter(|line| !line.starts_with('>'))
        .collect()
}

/// The first round whose seed lets a player stand.
pub(super) fn with_a_turn(round: impl Fn(&str) -> Lines) -> Lines {
    let rounds = (0..).map(|number| round(&seed(number)));
    let mut with_turns =
        rounds.filter(|lines| lines.iter().any(|line| line.starts_with("< TURN ann")));
    with_turns.next().unwrap()
}

#[test]
fn everything_can_be_sent_at_once() {
    let piped = ["> HELLO ann key", "> SIT ALONE", "> BET 10", "> STAND"];
    let greeting = "< BLACKJACK 1 6 500".to_owned();
    for place in 0..=piped.len() {
        let mut sent = lines(&piped);
        sent.insert(place, greeting.clone());
        let round = with_a_turn(|seed| {
            let mut round = sent.clone();
            round.extend(lines(&[
                "< WELCOME ann key 100",
                "< SEAT 1 1",
                "< SITS 1 ann",
            ]));
            round.push(bets_line(1, seed));
            round.extend(lines(&["< BALANCE 100", "< BET 1 ann 10 -"]));
            round.extend(silent(seed));
            round
        });
        assert!(is_fair(&round), "{round:#?}\n{}", wrong(&round));
        // It is at a table of its own, and its bet is what it sent.
        let mut company = round.clone();
        let bet = at(&round, "< BET 1");
        company.insert(bet + 1, "< BET 2 bob 1 g0".to_owned());
        assert!(accused(&company).contains("a table of your own"));
        let mut other = round.clone();
        other[bet] = "< BET 1 ann 20 -".to_owned();
        assert!(accused(&other).contains("is not what you sent"));
    }
}

#[test]
fn a_bet_that_is_told_before_the_seat_was_asked_for_is_found_out() {
    // As if it came back to it; but it has asked for a seat, and is not answered.
    let round = with_a_turn(|seed| {
        let mut round = lines(&["> HELLO ann key", "> SIT", "< BLACKJACK 1 6 500"]);
        round.extend(lines(&[
            "< WELCOME ann key 90",
            "< SEAT 1 1",
            "< SITS 1 ann",
        ]));
        round.push(bets_line(1, seed));
        round.push("< BET 1 ann 10 -".to_owned());
        let cards = silent(seed);
        let turn = cards.iter().position(|line| line.starts_with("< TURN"));
        let turn = turn.unwrap_or(cards.len());
        round.extend_from_slice(&cards[..turn]);
        round.push("< BALANCE 90".to_owned());
        round.extend_from_slice(&cards[turn..]);
        round
    });
    assert_eq!(accused(&round), "");
    assert!(wrong(&round).contains("you sent SIT"), "{}", wrong(&round));
    // Who had a seat is told so, and with the bet there is nothing in doubt.
    let mut back = seated();
    back[3] = "> SIT".to_owned();
    back.push(round[at(&round, "< BETS")].clone());
    back.extend(lines(&["< BALANCE 100", "> BET 10"]));
    back.extend(round);
    back.insert(at(&back, "< BALANCE 90") + 1, "< NO NOT-NOW".to_owned());
    assert!(is_fair(&back), "{}", wrong(&back));
    // Who asks again was there: there is nothing that it does not know.
    let mut again = opened(&seed(0));
    again.extend(lines(&["> AGAIN", "< SEAT 1 1", "< SITS 1 ann"]));
    again.push(bets_line(1, &seed(0)));
    again.push("< BET 1 ann 10 -".to_owned());
    assert!(accused(&again).contains("is not what you sent"));
}

#[test]
fn a_seat_that_is_taken_away_answers_nothing() {
    let (other, own) = (seed(0), seed(1));
    let mut crossed = opened(&other);
    crossed[3] = "> SIT".to_owned();
    crossed.extend(lines(&["< SITS 2 bob", "< BET 2 bob 5 g0"]));
    // The third round without a bet of its own: while this is on its way, the seat is free.
    crossed.extend(lines(&["> LEAVE", "> SIT ALONE", "> BET 10 lucky"]));
    crossed.extend(played(1, &other, &[(2, "bob", 5, "g0")], &[]));
    crossed.extend(lines(&[
        "< IDLE",
        "< NO SEAT",
        "< SEAT 2 1",
        "< SITS 1 ann",
    ]));
    crossed.push(bets_line(1, &own));
    crossed.extend(lines(&["< BALANCE 100", "< BET 1 ann 10 lucky"]));
    crossed.extend(played(1, &own, &[(1, "ann", 10, "lucky")], &[]));
    assert_eq!(accused(&crossed), "");
    assert!(wrong(&crossed).contains("before the commitment came"));
    // A table of its own has no company.
    let mut company = crossed.clone();
    let bet = at(&crossed, "< BET 1 ann 10 lucky");
    company.insert(bet + 1, "< BET 2 bob 1 g0".to_owned());
    assert!(accused(&company).contains("a table of your own"));
}

#[test]
fn a_hand_that_stood_was_told_to_or_its_time_was_up() {
    let mut lines = with_a_turn(|seed| hidden(seed, &[]));
    assert!(is_fair(&lines));
    // Its time was up, and the request came too late.
    lines.push("< NO TURN".to_owned());
    assert!(is_fair(&lines), "{}", wrong(&lines));
    // But it was sent once.
    lines.push("< NO TURN".to_owned());
    assert!(accused(&lines).contains("was not asked for"), "{lines:#?}");
}

#[test]
fn what_came_late_is_in_doubt_and_nobody_is_accused() {
    let honest = with_a_turn(|seed| hidden(seed, &[]));
    let mut late = honest.clone();
    late[at(&honest, "> STAND")] = "> HIT".to_owned();
    let verdicts = judged(&late);
    assert_eq!(verdicts[0].problems, []);
    assert_eq!(verdicts[0].doubts, [Doubt::Late("HIT".to_owned())]);
    assert!(!verdicts[0].is_fair() && verdicts[0].is_undecided());
    // It is refused then, and that decides nothing.
    late.push("< NO TURN".to_owned());
    assert_eq!(accused(&late), "");
}

#[test]
fn a_bet_that_was_refused_is_none() {
    let refusals = [
        ("NO SEAT", seated()[..3].to_vec()),
        ("NO LOGIN", seated()[..1].to_vec()),
        ("NO CHIPS", opened(&seed(0))),
        ("NO NOT-NOW", opened(&seed(0))),
    ];
    for (no, before) in refusals {
        let rest = hidden(&seed(0), &[]);
        let (before, rest) = rest.split_at(before.len());
        let mut refused = before.to_vec();
        refused.extend(["> BET 10 lucky".to_owned(), format!("< {no}")]);
        refused.extend_from_slice(rest);
        assert!(is_fair(&refused), "{no}: {refused:#?}\n{}", wrong(&refused));
        let bet = at(&refused, "< BET 1 ann");
        refused[bet] = "< BET 1 ann 10 lucky".to_owned();
        assert!(accused(&refused).contains("is not what you sent"), "{no}");
    }
}

#[test]
fn a_nonce_that_is_asked_for_is_not_refused() {
    let mut lines = opened(&seed(0));
    lines.extend(bet());
    for no in ["NO NONCE", "NO NOT-NOW", "NO SEAT", "NO LOGIN"] {
        let mut refused = lines.clone();
        refused.push(format!("< {no}"));
        assert!(accused(&refused).contains("it can be done"), "{no}");
    }
    // Another one is.
    lines.insert(lines.len() - 1, "> REVEAL rose".to_owned());
    lines.push("< NO NONCE".to_owned());
    lines.push(format!("< NONCE 1 ann {NONCE}"));
    lines.extend(played(1, &seed(0), &[ANN], &[Action::Stand]));
    assert!(is_fair(&lines), "{}", wrong(&lines));
}

#[test]
fn nobody_leaves_who_did_not_ask_for_it() {
    let honest = with_a_turn(|seed| hidden(seed, &[]));
    let mut left = honest.clone();
    left.insert(at(&honest, "< TURN"), "< LEAVING".to_owned());
    assert!(accused(&left).contains("LEAVING   was not asked for"));
    left.insert(at(&honest, "< TURN"), "> LEAVE".to_owned());
    assert_eq!(accused(&left), "");
}

#[test]
fn a_greeting_is_no_way_out() {
    let mut company = opened(&seed(0));
    company.push("< BLACKJACK 1 6 500".to_owned());
    company.extend(bet());
    assert!(accused(&company).contains("before you are welcomed"));
}

#[test]
fn what_is_wrong_after_the_last_round_is_told() {
    let mut lines = hidden(&seed(0), &[]);
    lines.push("< BALANCE 1".to_owned());
    let verdicts = judged(&lines);
    assert_eq!(verdicts.len(), 2, "{verdicts:?}");
    assert!(verdicts[0].is_fair());
    assert_eq!((verdicts[1].round, verdicts[1].kind), (1, Kind::Unfinished));
    assert!(accused(&lines).contains("you have 1 chips"));
    // Also where somebody has no seat any more.
    lines.insert(lines.len() - 1, "< IDLE".to_owned());
    assert!(accused(&lines).contains("you have 1 chips"));
}

#[test]
fn more_than_is_remembered_is_in_doubt() {
    let mut lines = opened(&seed(0));
    lines.extend(std::iter::repeat_n("> TOP".to_owned(), 300));
    lines.extend(bet());
    lines.extend(std::iter::repeat_n("< TOP 0".to_owned(), 300));
    let told = lines.remove(at(&lines, "< BET 1"));
    lines.extend([
        told,
        "< REVEAL 15".to_owned(),
        format!("< NONCE 1 ann {NONCE}"),
    ]);
    lines.remove(at(&lines, "< REVEAL"));
    lines.extend(played(1, &seed(0), &[ANN], &[]));
    let verdicts = judged(&lines);
    assert_eq!(
        (&*verdicts[0].problems, &*verdicts[0].doubts),
        (&[][..], &[Doubt::Flood][..])
    );
}
