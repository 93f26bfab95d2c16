//! The faces without a terminal: what is drawn and told for what a server said.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tokio::time::Instant;

use crossterm::event::KeyCode;

use super::blackjack::Blackjack;
use super::pictures::{Look, Marks};
use super::rps::Rps;
use super::table::{Company, Do, Heard, Table};

const UNICODE: Look = Look {
    marks: Marks::Unicode,
    colour: true,
};

const ASCII: Look = Look {
    marks: Marks::Ascii,
    colour: false,
};

/// What a terminal of this size shows.
fn drawn(table: &dyn Table, columns: u16, rows: u16) -> String {
    drawn_at(table, columns, rows, Instant::now())
}

fn drawn_at(table: &dyn Table, columns: u16, rows: u16, now: Instant) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| table.draw(frame, now)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y: u16| {
        (0..columns)
            .map(|x| buffer[(x, y)].symbol())
            .collect::<String>()
    };
    (0..rows)
        .map(|y| row(y).trim_end().to_owned() + "\n")
        .collect()
}

fn hear(table: &mut dyn Table, lines: &[&str]) -> Vec<Heard> {
    let hear = |line: &&str| table.hear(line, Instant::now()).unwrap();
    lines.iter().map(hear).collect()
}

const MATCH: [&str; 7] = [
    "RPS 1 3 -- hello",
    "WELCOME ann key",
    "MATCH ann ben 3",
    "ROUND 1 30 0 0",
    "MOVED PAPER",
    "RESULT 1 PAPER ROCK WIN 1 0",
    "ROUND 2 30 1 0",
];

#[test]
fn a_match_says_whose_turn_it_is_and_what_was_shown() {
    let mut rps = Rps::new("ann".to_owned(), None, Company::Others, UNICODE);
    let heard = hear(&mut rps, &MATCH);
    assert_eq!(heard[0].send, ["HELLO ann"]);
    assert_eq!(heard[1].send, ["PLAY"]);
    assert_eq!(
        heard[5].tell.as_deref(),
        Some("round 1: your paper beats rock (1:0)")
    );
    let screen = drawn(&rps, 80, 24);
    for part in [
        "ann   1 : 0   ben",
        "▶ your move in round 2",
        "~~~~~~~~",
        "r rock",
        "q quit",
    ] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
    assert_eq!(rps.key(KeyCode::Char('s')), Do::Send("SCISSORS".to_owned()));
}

fn playing(lines: &[&str]) -> Rps {
    let mut rps = Rps::new("ann".to_owned(), None, Company::Others, UNICODE);
    hear(&mut rps, lines);
    rps
}

fn press(table: &mut dyn Table, letter: char) -> Do {
    table.key(KeyCode::Char(letter))
}

fn send(line: &str) -> Do {
    Do::Send(line.to_owned())
}

#[test]
fn a_move_that_is_in_stays_in_when_the_other_comes_back() {
    let mut rps = playing(&MATCH);
    hear(&mut rps, &["MOVED ROCK", "AWAY ben 30"]);
    assert!(drawn(&rps, 80, 24).contains("ben is gone, and has 30 s"));
    for told in [&["ROUND 2 12 1 0", "MOVED ROCK"][..], &["ROUND 2 12 1 0"]] {
        hear(&mut rps, &["BACK ben"]);
        hear(&mut rps, told);
        let screen = drawn(&rps, 80, 24);
        assert!(screen.contains("waiting for ben   12 s"), "{screen}");
    }
}

#[test]
fn a_match_is_not_given_up_by_one_key() {
    let mut rps = playing(&MATCH);
    assert_eq!(press(&mut rps, 'l'), Do::Draw);
    let screen = drawn(&rps, 80, 24);
    for part in [
        "your move in round 2",
        "give the match up?",
        "y give up",
        "n play on",
    ] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
    assert_eq!(press(&mut rps, 'n'), Do::Draw);
    assert!(!drawn(&rps, 80, 24).contains("give the match up?"));
    // Without the question it means nothing.
    assert_eq!(press(&mut rps, 'y'), Do::Draw);
    press(&mut rps, 'l');
    assert_eq!(press(&mut rps, 'y'), send("LEAVE"));
    // The question goes with the match; a move is a move, asked or not.
    press(&mut rps, 'l');
    assert_eq!(press(&mut rps, 'p'), send("PAPER"));
    press(&mut rps, 'l');
    hear(&mut rps, &["OVER AWAY WIN 1 0"]);
    assert!(!drawn(&rps, 80, 24).contains("give the match up?"));
}

#[test]
fn who_comes_back_plays_and_who_waits_can_play_the_house() {
    let key = Some("key".to_owned());
    let mut rps = Rps::new("ann".to_owned(), key.clone(), Company::Others, UNICODE);
    let heard = hear(
        &mut rps,
        &["RPS 1 3", "WELCOME ann key", "IDLE", "WAITING 300"],
    );
    let sent: Vec<&str> = heard
        .iter()
        .flat_map(|heard| &heard.send)
        .map(|line| &**line)
        .collect();
    assert_eq!(sent, ["HELLO ann key", "AGAIN", "PLAY"]);
    assert!(drawn(&rps, 80, 24).contains("h play the house"));
    assert_eq!(press(&mut rps, 'h'), send("PLAY house"));
    // Later, nothing is played that was not asked for.
    assert!(hear(&mut rps, &["IDLE"])[0].send.is_empty());

    // Where there is a match it goes on.
    let mut rps = Rps::new("ann".to_owned(), key.clone(), Company::Others, UNICODE);
    hear(
        &mut rps,
        &[
            "RPS 1 3",
            "WELCOME ann key",
            "MATCH ann ben 3",
            "ROUND 1 30 0 0",
        ],
    );
    let again = hear(
        &mut rps,
        &["MATCH ann ben 3", "ROUND 1 30 0 0", "OVER LEFT WIN 0 0"],
    );
    assert_eq!(again[0].tell, None, "it was told");
    assert!(again.iter().all(|heard| heard.send.is_empty()));

    let mut table = Blackjack::new("ann".to_owned(), key, Company::Others, UNICODE);
    let heard = hear(
        &mut table,
        &["BLACKJACK 1 6 500", "WELCOME ann key 100", "IDLE"],
    );
    assert_eq!(heard[1].send, ["AGAIN"]);
    assert_eq!(heard[2].send, ["SIT"]);
}

#[test]
fn help_and_scores_go_with_a_key_which_means_what_it_says() {
    let mut rps = playing(&MATCH);
    assert_eq!(press(&mut rps, '?'), Do::Draw);
    assert!(drawn(&rps, 80, 24).contains("Paper wraps rock"));
    assert_eq!(press(&mut rps, 't'), send("TOP"));
    hear(&mut rps, &["TOP 1", "SCORE 1 ben 3 2 1"]);
    let screen = drawn(&rps, 80, 24);
    assert!(
        screen.contains("player") && !screen.contains("wraps"),
        "{screen}"
    );
    assert_eq!(press(&mut rps, 'r'), send("ROCK"));
    assert!(!drawn(&rps, 80, 24).contains("player"));
    // The key that opened it closes it, and so does Esc.
    for (open, close) in [('?', KeyCode::Char('?')), ('?', KeyCode::Esc)] {
        press(&mut rps, open);
        assert_eq!(rps.key(close), Do::Draw);
        assert!(!drawn(&rps, 80, 24).contains("wraps"));
    }

    let mut table = Blackjack::new("ann".to_owned(), None, Company::Others, UNICODE);
    hear(&mut table, &ROUND[..6]);
    press(&mut table, '?');
    assert!(drawn(&table, 80, 24).contains("Closer to 21"));
    let Do::Send(bet) = table.key(KeyCode::Enter) else {
        panic!("Enter bets");
    };
    assert!(bet.starts_with("BET 10 ="), "{bet}");
    hear(&mut table, &["TOP 1", "SCORE 1 ben 30"]);
    assert_eq!(press(&mut table, 't'), Do::Draw);
    hear(&mut table, &["TOP 1", "SCORE 1 ben 30"]);
    assert_eq!(press(&mut table, 'q'), Do::Quit);
}

const ROUND: [&str; 13] = [
    "BLACKJACK 1 6 500 -- hello",
    "WELCOME ann key 100",
    "SEAT 1 1",
    "SITS 1 ann",
    "SITS 2 ben",
    "BETS 1 6 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "BET 1 ann 10 lucky",
    "BET 2 ben 5 -",
    "DEAL 1 2",
    "CARD ann 1 10H",
    "CARD DEALER 1 AS",
    "CARD ann 1 7C",
    "CARD DEALER 1 ??",
];

#[test]
fn cards_are_drawn_and_the_hidden_one_stays_hidden() {
    let mut table = Blackjack::new("ann".to_owned(), None, Company::Others, UNICODE);
    hear(&mut table, &ROUND);
    hear(&mut table, &["TURN ann 1 30 HIT,STAND,DOUBLE"]);
    for (columns, rows) in [(80, 24), (200, 60)] {
        let screen = drawn(&table, columns, rows);
        for part in [
            "│10♥  │",
            "│A ♠  │",
            "│░░░░░│",
            "▶ you   17",
            "▶ your turn",
            "d double",
            "ben",
            "the shuffle is fixed by 0123456789abcdef",
        ] {
            assert!(screen.contains(part), "{part}\n{screen}");
        }
    }
}

#[test]
fn without_unicode_everything_is_ascii() {
    let mut table = Blackjack::new("ann".to_owned(), None, Company::Others, ASCII);
    hear(&mut table, &ROUND);
    hear(&mut table, &["TURN ann 1 30 HIT,STAND"]);
    let mut rps = Rps::new("ann".to_owned(), None, Company::Others, ASCII);
    hear(&mut rps, &MATCH);
    for screen in [drawn(&table, 80, 24), drawn(&rps, 80, 24)] {
        assert!(screen.is_ascii(), "{screen}");
    }
    assert!(drawn(&table, 80, 24).contains("|10H  |"));
}

#[test]
fn a_terminal_of_any_size_is_drawn_on() {
    let mut table = Blackjack::new("ann".to_owned(), None, Company::Others, UNICODE);
    hear(&mut table, &ROUND);
    let mut rps = Rps::new("ann".to_owned(), None, Company::Others, UNICODE);
    hear(&mut rps, &MATCH);
    for columns in [1, 5, 20, 79, 300] {
        for rows in [1, 2, 5, 12, 80] {
            drawn(&table, columns, rows);
            drawn(&rps, columns, rows);
        }
    }
}

#[test]
fn what_no_server_says_is_refused() {
    let mut rps = Rps::new("ann".to_owned(), None, Company::House, UNICODE);
    assert!(
        rps.hear("220 mail.example.org ESMTP", Instant::now())
            .is_err()
    );
    assert!(rps.hear("MATCH ann \u{1b}[2J 3", Instant::now()).is_err());
}

#[test]
fn what_is_refused_is_said_without_a_word_of_the_protocol() {
    let is_shouted = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
    let check = |table: &mut dyn Table, line: &str| {
        let now = Instant::now();
        let before = drawn_at(table, 80, 24, now);
        let heard = table.hear(line, now).unwrap();
        let after = drawn_at(table, 80, 24, now);
        for words in [heard.tell, heard.over, Some(after.clone())]
            .into_iter()
            .flatten()
        {
            let mut all = words.split(|c: char| !c.is_ascii_alphanumeric());
            assert!(!all.any(is_shouted), "{line}: {words}");
        }
        // What is said stands beside the rest: no row of before is gone.
        if !matches!(line, "NO NO-MATCH" | "NO NOBODY") {
            for row in before
                .lines()
                .filter(|row| !row.contains("the shuffle is fixed"))
            {
                assert!(after.contains(row), "{line}: {row}\n{after}");
            }
        }
    };
    for known in [0, 1, 2, MATCH.len()] {
        for no in wharf_services::rps::No::ALL {
            let mut table = Rps::new("ann".to_owned(), None, Company::House, UNICODE);
            hear(&mut table, &MATCH[..known]);
            check(&mut table, &format!("NO {}", no.word()));
        }
    }
    for known in [0, 1, 2, 3, ROUND.len()] {
        for no in wharf_services::blackjack::No::ALL {
            let mut table = Blackjack::new("ann".to_owned(), None, Company::House, UNICODE);
            hear(&mut table, &ROUND[..known]);
            check(&mut table, &format!("NO {}", no.word()));
        }
    }
}

#[test]
fn the_verdict_on_a_round_is_told_with_the_balance_after_it() {
    let mut table = Blackjack::new("ann".to_owned(), None, Company::Others, ASCII);
    hear(&mut table, &ROUND);
    let end = hear(
        &mut table,
        &[
            "SEED 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "END 1",
            "BALANCE 90",
        ],
    );
    assert_eq!(end[1].tell, None);
    let told = end[2].tell.as_deref().unwrap();
    assert!(told.starts_with("NOT FAIR: "), "{told}");
    assert!(drawn(&table, 80, 40).contains("!! NOT FAIR: "));
}

#[test]
fn a_refusal_goes_with_the_next_key_or_after_a_moment() {
    let words = "a bet is a whole number of chips";
    let mut table = Blackjack::new("ann".to_owned(), None, Company::Others, UNICODE);
    let now = Instant::now();
    for line in ROUND[..6].iter().chain(&["NO CHIPS"]) {
        table.hear(line, now).unwrap();
    }
    let screen = drawn_at(&table, 80, 24, now);
    for part in [words, "your bet:  10   for round 1"] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
    assert!(table.ticks(now));
    let later = now + std::time::Duration::from_secs(2);
    assert!(!drawn_at(&table, 80, 24, later).contains(words));
    table.hear("NO CHIPS", now).unwrap();
    table.key(KeyCode::Char('+'));
    assert!(!drawn_at(&table, 80, 24, now).contains(words));

    // Nobody sits there for five minutes to see why the wait is over.
    let mut rps = playing(&["RPS 1 3", "WELCOME ann key", "WAITING 300", "NO NO-MATCH"]);
    let later = Instant::now() + std::time::Duration::from_secs(600);
    assert!(drawn_at(&rps, 80, 24, later).contains("nobody came"));
    rps.key(KeyCode::Esc);
    assert!(!drawn(&rps, 80, 24).contains("nobody came"));
}

#[test]
fn a_key_that_crossed_a_reply_shows_nothing() {
    let now = Instant::now();
    let mut rps = playing(&MATCH);
    let before = drawn_at(&rps, 80, 24, now);
    for line in ["NO NOT-NOW", "NO MOVED"] {
        rps.hear(line, now).unwrap();
        assert_eq!(drawn_at(&rps, 80, 24, now), before, "{line}");
    }
    let mut table = Blackjack::new("ann".to_owned(), None, Company::Others, UNICODE);
    hear(&mut table, &ROUND);
    hear(&mut table, &["TURN ann 1 30 HIT,STAND,DOUBLE"]);
    let before = drawn_at(&table, 80, 24, now);
    for line in ["NO NOT-NOW", "NO TURN", "NO BET", "NO HAND"] {
        table.hear(line, now).unwrap();
        assert_eq!(drawn_at(&table, 80, 24, now), before, "{line}");
    }
}

#[test]
fn in_little_room_words_stand_for_pictures_and_quit_is_there() {
    for (columns, rows) in [(80, 24), (60, 20), (40, 12), (30, 10), (20, 6)] {
        let screen = drawn(&playing(&MATCH), columns, rows);
        for part in ["1 : 0", "your move", "q quit"] {
            assert!(screen.contains(part), "{columns}x{rows} {part}\n{screen}");
        }
        assert_eq!(screen.contains("~~~~~"), columns >= 60, "{screen}");
    }
    let screen = drawn(&playing(&MATCH), 30, 10);
    for part in ["paper  :  rock", "r  p  s  l  q quit"] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
}

/// A table for seven, after a round in which ann split a pair.
fn full_table() -> Blackjack {
    let mut table = Blackjack::new("ann".to_owned(), None, Company::Others, UNICODE);
    hear(&mut table, &ROUND[..3]);
    let names = ["ann", "ben", "carl", "dora", "emil", "fay", "gus"];
    let mut lines = Vec::new();
    for (seat, name) in names.iter().enumerate() {
        lines.push(format!("SITS {} {name}", seat + 1));
    }
    lines.push(format!("BETS 3 6 {}", "01234567".repeat(8)));
    for (seat, name) in names.iter().enumerate() {
        lines.push(format!("BET {} {name} 10 -", seat + 1));
    }
    lines.push("DEAL 3 7".to_owned());
    for hand in ["1 8H", "2 8D", "1 KC", "2 10S", "2 QD"] {
        lines.push(format!("CARD ann {hand}"));
    }
    for name in &names[1..] {
        lines.extend(["10H", "9C"].map(|card| format!("CARD {name} 1 {card}")));
    }
    lines.extend(["10D", "8S"].map(|card| format!("CARD DEALER 1 {card}")));
    let lines: Vec<&str> = lines.iter().map(|line| &**line).collect();
    hear(&mut table, &lines);
    table
}

fn end_of_it(table: &mut Blackjack) {
    let mut lines = vec![
        "PAY ann 1 PUSH 10 10".to_owned(),
        "PAY ann 2 BUST 10 0".to_owned(),
    ];
    for name in ["ben", "carl", "dora", "emil", "fay", "gus"] {
        lines.push(format!("PAY {name} 1 WIN 10 20"));
    }
    lines.push(format!("SEED {}", "01234567".repeat(8)));
    lines.extend(["END 3".to_owned(), "BALANCE 90".to_owned()]);
    lines.push(format!("BETS 4 6 {}", "76543210".repeat(8)));
    let lines: Vec<&str> = lines.iter().map(|line| &**line).collect();
    hear(table, &lines);
}

#[test]
fn a_full_table_shows_everybody_and_the_verdict() {
    let mut table = full_table();
    // Above 21 it has ended, whatever the dealer has.
    let screen = drawn(&table, 80, 24);
    assert!(screen.contains("hand 2   28   bust"), "{screen}");
    end_of_it(&mut table);
    let whole = "as good as the dealer, 10 back";
    for (columns, rows, own) in [
        (80, 25, whole),
        (80, 24, "hand 1   18   equal"),
        (60, 20, whole),
        (60, 24, "hand 1   18   equal"),
    ] {
        let screen = drawn(&table, columns, rows);
        for part in [
            "table 1, round 3",
            "your bet:  10   for round 4",
            own,
            "bust, 0 back",
            "NOT FAIR: ",
            "ben",
            "carl",
            "dora",
            "emil",
            "fay",
            "gus",
            "q quit",
        ] {
            assert!(screen.contains(part), "{columns}x{rows} {part}\n{screen}");
        }
        assert_eq!(screen.contains("│8 ♥"), rows >= 24, "{screen}");
    }
    let screen = drawn(&table, 30, 10);
    for part in [
        "8♥ K♣ = 18 equal",
        "= 28 bust",
        "your bet:  10",
        "NOT FAIR",
        "and 6 more",
        "q quit",
    ] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
}
