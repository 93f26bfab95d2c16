//! What a server could say to who comes back, or pretend that somebody does, and what is
//! said in the clear too early.

use super::flight::{lines, with_a_turn};
use super::forged::{ANN, Bettor, NONCE, bet, bets_line, hidden, opened, played, seed, told_again};
use super::*;
use crate::blackjack::round::Action;
use crate::blackjack::verify::clear::Clear;

/// The connection of a round ends when `before` was heard, and with `sent` in flight. Who
/// comes back is told the round up to another line, and the round goes on from there.
fn cut(round: &[String], before: usize, sent: &[&str], up_to: usize, chips: u32) -> Lines {
    let mut cut = round[..before].to_vec();
    cut.extend(lines(sent));
    cut.extend(lines(&["< BLACKJACK 1 6 500", "> HELLO ann key"]));
    cut.push(format!("< WELCOME ann key {chips}"));
    cut.extend(told_again(round, up_to));
    // A turn is told before the balance.
    let turn = usize::from(round[up_to].starts_with("< TURN"));
    cut.extend_from_slice(&round[up_to..up_to + turn]);
    cut.push(format!("< BALANCE {chips}"));
    cut.extend_from_slice(&round[up_to + turn..]);
    cut
}

#[track_caller]
fn assert_elsewhere(transcript: &[String], line: &str) {
    let verdicts = judged(transcript);
    assert_eq!(verdicts.len(), 1, "{verdicts:?}");
    assert_eq!(verdicts[0].problems, []);
    assert_eq!(verdicts[0].doubts, [Doubt::Elsewhere(line.to_owned())]);
    assert!(verdicts[0].is_undecided());
}

/// A round in which somebody is asked again after a card.
fn with_a_card() -> Lines {
    let mut rounds = (0..).map(|number| hidden(&seed(number), &[Action::Hit]));
    let turns = |lines: &Lines| {
        let turns = lines.iter().filter(|line| line.starts_with("< TURN"));
        turns.count()
    };
    rounds.find(|lines| turns(lines) == 2).unwrap()
}

#[test]
fn what_was_done_while_somebody_was_away_was_said_before() {
    let round = with_a_card();
    let turn = at(&round, "< TURN");
    let next = turn + 1 + at(&round[turn + 1..], "< TURN");
    let forged = cut(&round, turn + 1, &[], next, 90);
    assert_elsewhere(&forged, "ACT ann 1 HIT");
    // Something else was in flight.
    let forged = cut(&round, turn + 1, &["> BALANCE", "> DOUBLE"], next, 90);
    assert_elsewhere(&forged, "ACT ann 1 HIT");
    // It was done before the connection ended.
    let forged = cut(&round, turn + 3, &[], next, 90);
    assert!(is_fair(&forged), "{}", wrong(&forged));
    // It was in flight.
    let honest = cut(&round, turn + 1, &["> BALANCE", "> HIT"], next, 90);
    assert!(is_fair(&honest), "{honest:#?}\n{}", wrong(&honest));
    // Also when the connection after that ends at once, or a key is wrong.
    for between in [
        &[
            "< BLACKJACK 1 6 500",
            "> HELLO ann key",
            "< WELCOME ann key 90",
        ][..],
        &["< BLACKJACK 1 6 500", "> HELLO ann kee", "< NO IN-USE"],
    ] {
        let mut twice = honest.clone();
        let back = turn + 3;
        assert_eq!(twice[back], "< BLACKJACK 1 6 500");
        twice.splice(back..back, lines(between));
        assert!(is_fair(&twice), "{twice:#?}\n{}", wrong(&twice));
    }
    // It was done once.
    let mut twice = honest;
    let end = at(&twice, "< BALANCE 90");
    assert!(twice[end - 1].starts_with("< TURN"));
    twice.insert(end - 1, "< ACT ann 1 HIT".to_owned());
    assert!(wrong(&twice).contains("not said in this transcript"));

    let mut rounds = (0..).map(|number| hidden(&seed(number), &[Action::Double]));
    let doubled = |round: &Lines| round.iter().any(|line| line == "> DOUBLE");
    let round = rounds.find(doubled).unwrap();
    let hole = at(&round, "< HOLE");
    let turn = at(&round, "< TURN");
    let forged = cut(&round, turn + 1, &[], hole, 80);
    assert_elsewhere(&forged, "ACT ann 1 DOUBLE");
    let honest = cut(&round, turn + 1, &["> DOUBLE"], hole, 80);
    assert!(is_fair(&honest), "{honest:#?}\n{}", wrong(&honest));
}

#[test]
fn a_hand_that_stood_while_somebody_was_away_may_have_waited_for_something_else() {
    let round = with_a_turn(|seed| hidden(seed, &[]));
    let (turn, hole) = (at(&round, "< TURN"), at(&round, "< HOLE"));
    for sent in [&[][..], &["> STAND"], &["> BALANCE"]] {
        let honest = cut(&round, turn + 1, sent, hole, 90);
        assert!(is_fair(&honest), "{sent:?}: {}", wrong(&honest));
    }
    let late = cut(&round, turn + 1, &["> HIT"], hole, 90);
    assert_eq!(accused(&late), "");
    assert!(wrong(&late).contains("you sent HIT"), "{}", wrong(&late));
}

#[test]
fn a_bet_and_a_nonce_that_are_told_to_who_comes_back_were_said() {
    let round = hidden(&seed(0), &[]);
    let hash = hash_of(NONCE);
    let told = at(&round, "< REVEAL");
    let before = at(&round, "> BET");
    assert_elsewhere(
        &cut(&round, before, &[], told, 90),
        &format!("BET 1 ann 10 ={hash}"),
    );
    let other = format!("> BET 20 ={hash}");
    assert_elsewhere(
        &cut(&round, before, &[&other], told, 90),
        &format!("BET 1 ann 10 ={hash}"),
    );
    let own = format!("> BET 10 ={hash}");
    let honest = cut(&round, before, &[&own], told, 90);
    assert!(is_fair(&honest), "{honest:#?}\n{}", wrong(&honest));

    let told = at(&round, "< NONCE");
    let (before, reveal) = (at(&round, "> REVEAL"), format!("> REVEAL {NONCE}"));
    let (after, told_nonce) = (told + 1, format!("NONCE 1 ann {NONCE}"));
    assert_elsewhere(&cut(&round, before, &[], after, 90), &told_nonce);
    let honest = cut(&round, before, &[&reveal], after, 90);
    assert!(is_fair(&honest), "{honest:#?}\n{}", wrong(&honest));
    // It did not arrive, as the server says.
    let mut void = opened(&seed(0));
    void.extend(bet());
    void.extend(lines(&["< BLACKJACK 1 6 500", "> HELLO ann key"]));
    void.push("< WELCOME ann key 90".to_owned());
    void.extend(told_again(&void.clone(), at(&void, "> REVEAL")));
    void.push("< VOID 1 ann".to_owned());
    void.push("< BALANCE 90".to_owned());
    assert!(wrong(&void).contains("you sent REVEAL"), "{}", wrong(&void));
}

#[test]
fn who_comes_back_and_leaves_has_said_so() {
    // Whoever leaves is not asked.
    let all = with_a_turn(|seed| hidden(seed, &[]));
    let reveal = at(&all, "< REVEAL");
    let quiet = |line: &&String| !line.starts_with("< TURN") && *line != "> STAND";
    let round: Lines = all.iter().filter(quiet).cloned().collect();
    let left = |sent: &[&str]| {
        let mut left = cut(&round, reveal, sent, reveal, 90);
        let told = at(&left, "< BALANCE 90");
        left.insert(told, "< LEAVING".to_owned());
        left
    };
    assert_elsewhere(&left(&[]), "LEAVING");
    let honest = left(&["> LEAVE"]);
    assert!(is_fair(&honest), "{honest:#?}\n{}", wrong(&honest));
    // It was told so before.
    let honest = left(&["> LEAVE", "< LEAVING"]);
    assert!(is_fair(&honest), "{honest:#?}\n{}", wrong(&honest));
}

#[test]
fn without_a_key_nobody_comes_back() {
    let round = hidden(&seed(0), &[]);
    let bets = at(&round, "< BETS");
    let mut new = lines(&["< BLACKJACK 1 6 500", "> HELLO ann", "< WELCOME ann key 90"]);
    new.extend(lines(&["< SEAT 1 1", "< SITS 1 ann"]));
    new.push(round[bets].clone());
    new.push("< BET 1 ann 10 -".to_owned());
    new.extend(played(1, &seed(0), &[(1, "ann", 10, "-")], &[]));
    assert!(accused(&new).contains("SEAT 1 1   was not asked for"));
    // With a key that may be, and somebody else has the bet.
    new[1] = "> HELLO ann key".to_owned();
    let end = at(&new, "< DEAL");
    new.insert(end, "< BALANCE 90".to_owned());
    assert_elsewhere(&new, "BET 1 ann 10 -");
    // Nor does who asks for a seat at the same time.
    new[1] = "> HELLO ann".to_owned();
    new.insert(2, "> SIT".to_owned());
    assert!(accused(&new).contains("BET 1 ann 10 -   is not what you sent"));
}

#[test]
fn who_logs_in_twice_is_told_again_and_nothing_new() {
    let round = with_a_card();
    let turn = at(&round, "< TURN");
    let next = turn + 1 + at(&round[turn + 1..], "< TURN");
    for hello in ["> HELLO ann", "> hello Ann key"] {
        let again = |told: &[String]| {
            let mut again = round[..=next].to_vec();
            again.extend(lines(&[hello, "< WELCOME ann key 90"]));
            again.extend_from_slice(told);
            again.push(round[next].clone());
            again.push("< BALANCE 90".to_owned());
            again.extend_from_slice(&round[next + 1..]);
            again
        };
        let mut told = told_again(&round, next);
        let honest = again(&told);
        assert!(is_fair(&honest), "{honest:#?}\n{}", wrong(&honest));
        told.push("< ACT ann 1 HIT".to_owned());
        assert!(!is_fair(&again(&told)), "{hello}");
        let accuses = accused(&again(&told)).contains("HIT   is not what you sent");
        assert_eq!(accuses, hello == "> HELLO ann");
    }
}

/// A round for one at which somebody else takes part, and a line before the own bet.
fn company(hello: &str, no: &str) -> Lines {
    const EVE: Bettor = (2, "eve", 5, "g0");
    let mut company = opened(&seed(0));
    company[1] = hello.to_owned();
    let mut bet = bet();
    bet.insert(1, no.to_owned());
    bet.insert(3, "< BET 2 eve 5 g0".to_owned());
    company.extend(bet);
    company.push(format!("< NONCE 1 ann {NONCE}"));
    company.extend(played(1, &seed(0), &[ANN, EVE], &[]));
    company
}

#[test]
fn a_table_for_one_stays_one_whatever_is_refused() {
    for hello in ["> HELLO ann", "> HELLO ann key"] {
        for no in ["< NO TABLE", "< CLOSING 20"] {
            let found = accused(&company(hello, no));
            assert!(found.contains("a table of your own"), "{no}: {found}");
        }
    }
    // Without a key, it can only be the bet that was refused.
    let found = accused(&company("> HELLO ann", "< NO NOT-NOW"));
    assert!(found.contains("is not what you sent"), "{found}");
    // Who came back has its seat from before.
    let back = company("> HELLO ann key", "< NO NOT-NOW");
    assert_eq!(accused(&back), "");
    assert_eq!(
        judged(&back)[0].doubts,
        [Doubt::Late("SIT ALONE".to_owned())]
    );
    // At a seat that was asked for, company is no secret.
    let mut asked = back;
    asked[3] = "> SIT".to_owned();
    asked.insert(at(&asked, "< BETS"), "> SIT ALONE".to_owned());
    assert!(is_fair(&asked), "{}", wrong(&asked));
}

#[test]
fn a_table_for_one_stays_one_for_who_comes_back() {
    let round = company("> HELLO ann key", "< CLOSING 20");
    let eve = at(&round, "< BET 2 eve");
    let again = cut(&round, eve, &[], eve + 1, 90);
    let found = accused(&again);
    assert!(found.contains("a table of your own"), "{found}");
}

#[test]
fn a_nonce_that_was_refused_is_known_all_the_same() {
    let open: Bettor = (1, "ann", 10, "lucky");
    let mut round = opened(&seed(0));
    round.extend(lines(&["> BET 10 lucky", "< BET 1 ann 10 lucky"]));
    round.extend(played(1, &seed(0), &[open], &[]));
    assert!(is_fair(&round), "{}", wrong(&round));
    // It was said before the commitment came.
    for (line, no) in [
        ("> BET 10 lucky", "< NO SEAT"),
        ("> BET 7 lucky", "< NO SEAT"),
        ("> REVEAL lucky", "< NO SEAT"),
    ] {
        let mut early = round.clone();
        early.splice(3..3, lines(&[line, no]));
        assert_eq!(accused(&early), "", "{line}");
        let line = "BET 1 ann 10 lucky".to_owned();
        assert_eq!(judged(&early)[0].doubts, [Doubt::Early(line)]);
    }
    // A hidden one is known when it was revealed.
    let mut early = hidden(&seed(0), &[]);
    early.splice(3..3, [format!("> REVEAL {NONCE}"), "< NO SEAT".to_owned()]);
    let line = format!("NONCE 1 ann {NONCE}");
    assert_eq!(judged(&early)[0].doubts, [Doubt::Early(line)]);
    // After the commitment came, it does no harm.
    let mut late = round;
    let bets = at(&late, "> BET");
    late.splice(bets..bets, lines(&["> REVEAL lucky", "< NO NOT-NOW"]));
    assert!(is_fair(&late), "{}", wrong(&late));
}

#[test]
fn more_nonces_than_are_remembered_are_in_doubt_and_used_ones_are_forgotten_first() {
    let mut used = Clear::default();
    for number in 0..1_000 {
        let nonce = format!("n{number}");
        used.grow_old();
        used.say(&nonce);
        assert!(!used.was_known(&nonce), "{nonce} is new");
    }
    used.grow_old();
    assert!(used.was_known("n999"));

    let mut refused = Clear::default();
    for number in 0..256 {
        refused.say(&format!("n{number}"));
    }
    assert!(!refused.was_known("n0"), "it is of this round");
    refused.grow_old();
    assert!(refused.was_known("n255") && !refused.was_known("m"));
    let mut refused = Clear::default();
    for number in 0..257 {
        refused.say(&format!("n{number}"));
    }
    assert!(refused.was_known("m"));
}

#[test]
fn who_comes_back_has_what_it_had() {
    let round = hidden(&seed(4), &[]);
    let welcomed = |round: &[String], more: &[&str]| {
        let mut lines = round.to_vec();
        lines.extend(more.iter().map(|line| (*line).to_owned()));
        lines
    };
    let back = [
        "< BLACKJACK 1 6 500",
        "> HELLO ann key",
        "< WELCOME ann key 3",
    ];
    let poorer = welcomed(&round, &back);
    assert_eq!(accused(&poorer), "");
    assert!(
        wrong(&poorer).contains("are welcomed with 3"),
        "{}",
        wrong(&poorer)
    );
    let richer = welcomed(&round, &[back[0], back[1], "< WELCOME ann key 1000"]);
    assert!(is_fair(&richer), "{}", wrong(&richer));
    // Who was not away missed nothing.
    let found = accused(&welcomed(&round, &back[1..]));
    assert!(found.contains("you have 3 chips, and must have"), "{found}");
    // The connection ends before the payment is told.
    let unpaid = &round[..round.len() - 1];
    let cut = welcomed(unpaid, &back);
    assert_eq!(accused(&cut), "");
    assert!(
        wrong(&cut).contains("what you have after it is not told"),
        "{}",
        wrong(&cut)
    );
    let found = accused(&welcomed(unpaid, &back[1..]));
    assert!(found.contains("where your balance must be told"), "{found}");
}

#[test]
fn a_table_for_one_is_one_in_the_round_after_somebody_came_back_too() {
    const EVE: Bettor = (2, "eve", 5, "g0");
    let first = hidden(&seed(0), &[]);
    assert!(first.iter().any(|line| line == "> SIT ALONE"));
    let deal = at(&first, "< DEAL");
    let mut lines = cut(&first, deal, &[], deal, 90);
    assert!(is_fair(&lines), "{}", wrong(&lines));
    lines.push(bets_line(2, &seed(1)));
    let mut bet = bet();
    bet.insert(2, "< BET 2 eve 5 g0".to_owned());
    lines.extend(bet);
    lines.push(format!("< NONCE 1 ann {NONCE}"));
    lines.extend(played(2, &seed(1), &[ANN, EVE], &[]));
    let found = accused(&lines);
    assert!(found.contains("a table of your own"), "{found}");
}

#[test]
fn nobody_bets_at_a_seat_that_was_not_told() {
    let round = hidden(&seed(0), &[]);
    let seat = at(&round, "< SEAT");
    for refusal in ["< NO NOT-NOW", "< SITS 1 ann"] {
        let mut lines = round.clone();
        lines[seat] = refusal.to_owned();
        let found = accused(&lines);
        assert!(
            found.contains("before you were told a seat"),
            "{refusal}: {found}"
        );
    }
}
