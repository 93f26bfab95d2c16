//! The games by hand: two people with nc, and what they read and type.

mod support;

use std::process::Command;

use support::{Process, Server, Stream, run, wharf};

/// Somebody with nc.
struct Hand {
    nc: Process,
}

impl Hand {
    fn at(port: &str) -> Hand {
        Hand {
            nc: Process::start(Command::new("nc").args(["127.0.0.1", port])),
        }
    }

    fn over_udp(port: &str) -> Hand {
        Hand {
            nc: Process::start(Command::new("nc").args(["-u", "127.0.0.1", port])),
        }
    }

    fn says(&mut self, line: &str) -> &mut Self {
        self.nc.type_in(&format!("{line}\n"));
        self
    }

    /// Reads on to a line that begins so; gives its fields, without the words for people.
    fn reads(&mut self, beginning: &str) -> String {
        self.nc.wait_for(|stream, line| {
            let fields = line.split(" -- ").next().unwrap_or_default();
            (stream == Stream::Out && fields.starts_with(beginning)).then(|| fields.to_owned())
        })
    }

    /// The next line must be this one.
    #[track_caller]
    fn reads_next(&mut self, expected: &str) -> &mut Self {
        let next = self.nc.wait_for(|_, line| Some(line.to_owned()));
        let fields = next.split(" -- ").next().unwrap_or_default();
        assert_eq!(fields, expected, "{next}");
        self
    }
}

#[test]
fn two_people_with_nc_play_rock_paper_scissors() {
    let mut server = Server::start(["rps", "tcp:127.0.0.1:0"]);
    let port = server.port();
    let (mut ann, mut ben) = (Hand::at(&port), Hand::at(&port));
    ann.reads_next("RPS 1 3").says("HELLO ann tulip");
    ann.reads_next("WELCOME ann tulip").says("PLAY");
    ann.reads_next("WAITING 300");
    ben.reads_next("RPS 1 3").says("hello ben");
    ben.reads("WELCOME ben ");
    ben.says("play ann").reads_next("MATCH ben ann 3");
    ben.reads_next("ROUND 1 30 0 0");
    ann.reads_next("MATCH ann ben 3")
        .reads_next("ROUND 1 30 0 0");
    // A move is secret until both are in, and stands.
    ann.says("rock").reads_next("MOVED ROCK");
    ben.reads_next("READY ann");
    ann.says("paper").reads_next("NO MOVED");
    ben.says("s").reads_next("MOVED SCISSORS");
    ben.reads_next("RESULT 1 SCISSORS ROCK LOSE 0 1")
        .reads_next("ROUND 2 30 0 1");
    ann.reads_next("RESULT 1 ROCK SCISSORS WIN 1 0")
        .reads_next("ROUND 2 30 1 0");
    ben.says("p").reads_next("MOVED PAPER");
    ann.reads_next("READY ben").says("p");
    ann.reads_next("MOVED PAPER")
        .reads_next("RESULT 2 PAPER PAPER DRAW 1 0")
        .reads_next("ROUND 3 30 1 0");
    ben.reads("ROUND 3 30 0 1");
    ben.says("r").reads_next("MOVED ROCK");
    ann.reads_next("READY ben").says("p");
    ann.reads_next("MOVED PAPER")
        .reads_next("RESULT 3 PAPER ROCK WIN 2 0")
        .reads_next("OVER SCORE WIN 2 0");
    ben.reads("OVER SCORE LOSE 0 2");
    ben.says("TOP").reads_next("TOP 2");
    ben.reads_next("SCORE 1 ann 1 0 0")
        .reads_next("SCORE 2 ben 0 1 0");
    ann.says("BYE").reads_next("BYE");
    assert_eq!(server.closed(), "finished");
}

#[test]
fn somebody_with_nc_comes_back_to_a_match_with_the_key() {
    let mut server = Server::start(["rps", "tcp:127.0.0.1:0"]);
    let port = server.port();
    let mut ann = Hand::at(&port);
    ann.says("HELLO ann tulip").says("PLAY house");
    ann.reads("ROUND 1 30 0 0");
    drop(ann);
    let mut ann = Hand::at(&port);
    ann.says("HELLO ann tulip");
    ann.reads("WELCOME ann tulip");
    ann.reads_next("MATCH ann house 3");
    ann.reads("ROUND 1 ");
    ann.says("ROCK").reads_next("MOVED ROCK");
    ann.reads("RESULT 1 ROCK ");
}

#[test]
fn rock_paper_scissors_with_nc_over_udp() {
    let mut server = Server::start(["rps", "udp:127.0.0.1:0", "--best-of", "1"]);
    let port = server.port();
    let (mut ann, mut ben) = (Hand::over_udp(&port), Hand::over_udp(&port));
    ann.says("HELLO ann tulip").reads_next("WELCOME ann tulip");
    ann.says("PLAY").reads_next("WAITING 300");
    ben.says("HELLO ben rose").reads_next("WELCOME ben rose");
    ben.says("#1 PLAY").reads_next("#1");
    ben.reads_next("MATCH ben ann 1")
        .reads_next("ROUND 1 30 0 0");
    ann.reads("ROUND 1 30 0 0");
    ann.says("ROCK").reads_next("MOVED ROCK");
    ben.reads_next("READY ann").says("#2 PAPER");
    // Who numbers its requests is told again what was sent meanwhile.
    ben.reads_next("#2")
        .reads_next("READY ann")
        .reads_next("MOVED PAPER")
        .reads_next("RESULT 1 PAPER ROCK WIN 1 0")
        .reads_next("OVER SCORE WIN 1 0");
    ann.reads("OVER SCORE LOSE 0 1");
    // The datagram was doubled, as networks do: it is answered again and not done again.
    ben.says("#2 PAPER").reads_next("#2");
    ben.reads_next("READY ann").reads_next("MOVED PAPER");
}

/// What a hand is worth: the cards of `hand` of `who` in what was read.
fn points(cards: &[String]) -> u32 {
    let ranks = cards.iter().map(|card| &card[..card.len() - 1]);
    let (mut sum, mut aces) = (0, 0);
    for rank in ranks {
        match rank {
            "A" => {
                sum += 1;
                aces += 1;
            }
            "J" | "Q" | "K" => sum += 10,
            number => sum += number.parse::<u32>().unwrap(),
        }
    }
    if aces > 0 && sum <= 11 { sum + 10 } else { sum }
}

/// Plays one round as the dealer does: hits to 16. Gives what was read from the deal on.
fn plays_round(hand: &mut Hand, name: &str, bet: &str) -> Vec<String> {
    hand.says(bet);
    hand.reads(&format!("BET 1 {name} "));
    let mut read = vec![hand.reads("DEAL ")];
    let mut cards = Vec::new();
    let own = format!("CARD {name} 1 ");
    loop {
        let line = hand.reads("");
        read.push(line.clone());
        if let Some(card) = line.strip_prefix(&own) {
            cards.push(card.to_owned());
        }
        if line.starts_with(&format!("TURN {name} 1 ")) {
            hand.says(if points(&cards) < 17 { "hit" } else { "stand" });
        }
        if line.starts_with("END ") {
            return read;
        }
    }
}

#[test]
fn somebody_with_nc_plays_blackjack_and_checks_the_cards_afterwards() {
    let mut server = Server::start(["blackjack", "tcp:127.0.0.1:0"]);
    let mut ann = Hand::at(&server.port());
    ann.reads_next("BLACKJACK 1 6 500").says("HELLO ann tulip");
    ann.reads_next("WELCOME ann tulip 100").says("BET 10");
    ann.reads_next("NO SEAT").says("SIT ALONE");
    ann.reads("SEAT ");
    let mut balance = 100.0;
    for (round, bet) in ["BET 10 lucky", "BET 5", "BET 1 seven"].iter().enumerate() {
        ann.reads(&format!("BETS {} 6 ", round + 1));
        let read = plays_round(&mut ann, "ann", bet);
        let pay = read
            .iter()
            .find_map(|line| line.strip_prefix("PAY ann 1 "))
            .unwrap_or_else(|| panic!("a hand is paid: {read:?}"));
        let fields: Vec<&str> = pay.split(' ').collect();
        let (stake, paid): (f64, f64) = (fields[1].parse().unwrap(), fields[2].parse().unwrap());
        let due = match fields[0] {
            "NATURAL" => 2.5 * stake,
            "WIN" => 2.0 * stake,
            "PUSH" => stake,
            "LOSE" | "BUST" => 0.0,
            other => panic!("{other} is no outcome"),
        };
        assert_eq!(paid, due, "{pay}");
        balance += paid - stake;
        let told = ann.reads("BALANCE ");
        assert_eq!(told, format!("BALANCE {balance}"));
    }
    ann.says("LEAVE").says("BYE");
    ann.reads("BYE");
    assert_eq!(server.closed(), "finished");
    // What nc wrote is a transcript.
    let written = ann.nc.end().stdout;
    let verified = run(&mut wharf(["play", "verify", "-"]), &written);
    assert_eq!(verified.code(), 0, "{verified:?}\n{written}");
    assert_eq!(
        verified.stdout.matches(": fair. ").count(),
        3,
        "{verified:?}"
    );
    let pay = written
        .lines()
        .find(|line| line.starts_with("PAY "))
        .unwrap();
    let forged = written.replacen(pay, "PAY ann 1 WIN 10 999", 1);
    let verified = run(&mut wharf(["play", "verify", "-"]), &forged);
    assert_eq!(verified.code(), 5, "{verified:?}");
}

#[test]
fn two_people_with_nc_sit_at_one_table() {
    let mut server = Server::start(["blackjack", "tcp:127.0.0.1:0"]);
    let port = server.port();
    let (mut ann, mut ben) = (Hand::at(&port), Hand::at(&port));
    ann.says("HELLO ann").says("SIT");
    ann.reads("BALANCE 100");
    ben.says("HELLO ben").says("SIT");
    ben.reads("BALANCE 100");
    ann.reads_next("SITS 2 ben").says("BET 10 lucky");
    ben.reads_next("BET 1 ann 10 lucky");
    ben.reads("CLOSING 20");
    // What the other does is told to both, in the same words.
    ben.says("BET 5");
    ann.reads("BET 2 ben 5 -");
    ann.reads("DEAL 1 2");
    ben.reads("DEAL 1 2");
    let (mut lines, mut heard) = (Vec::new(), Vec::new());
    let is_end = |line: &String| line.starts_with("END ");
    while !lines.last().is_some_and(is_end) {
        lines.push(ann.reads(""));
        match &**lines.last().unwrap() {
            turn if turn.starts_with("TURN ann ") => {
                ann.says("STAND");
            }
            turn if turn.starts_with("TURN ben ") => {
                ben.says("STAND");
            }
            _ => {}
        }
    }
    while !heard.last().is_some_and(is_end) {
        heard.push(ben.reads(""));
    }
    assert_eq!(lines, heard);
}
