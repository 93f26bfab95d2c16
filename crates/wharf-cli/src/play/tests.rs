//! The faces without a terminal: what is drawn and told for what a server said.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tokio::time::Instant;

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
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal
        .draw(|frame| table.draw(frame, Instant::now()))
        .unwrap();
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
    assert_eq!(
        rps.key(crossterm::event::KeyCode::Char('s')),
        Do::Send("SCISSORS".to_owned())
    );
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
        let heard = table.hear(line, Instant::now()).unwrap();
        for words in [heard.tell, heard.over].into_iter().flatten() {
            let mut all = words.split(|c: char| !c.is_ascii_alphanumeric());
            assert!(!all.any(is_shouted), "{line}: {words}");
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
