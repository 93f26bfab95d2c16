//! Blackjack on the wire: what players send and what they must hear.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wharf::network::{MemoryNetwork, memory::Delivery};

use super::*;
use crate::games::testing::{Chance, Client as Lines, connect, replay, served};
use crate::testing::{EVERYWHERE, STREAMS, heard, heard_at};

/// Tables whose cards are known.
fn seeded(seed: u8) -> Blackjack {
    use crate::games::Game;
    let mut house = House::new(Rules::default());
    house.desk_mut().dice().stir(&[seed; 32]);
    Blackjack {
        hall: Arc::new(Hall::stirred(house)),
    }
}

#[tokio::test]
async fn the_dialogue_of_the_documentation() {
    let page = include_str!("../../../../docs/protocols/blackjack.md");
    assert_eq!(replay(page, "blackjack", seeded(3)).await, 2);
}

/// The lecture's game in one go: one player, one dealer, hit or stand.
const PIPED: &str = "hello ann key\nsit alone\nbet 10\nhit\nstand\nbye\n";

#[tokio::test]
async fn the_lectures_game_over_every_kind_of_stream() {
    let check = |heard: Vec<u8>, place: &str| {
        let heard = String::from_utf8(heard).unwrap();
        assert!(
            heard.lines().all(|line| Reply::parse(line).is_some()),
            "{heard}"
        );
        let mut verifier = Verifier::default();
        let verdicts: Vec<Verdict> = heard
            .lines()
            .filter_map(|line| verifier.hear(line))
            .collect();
        assert_eq!(verdicts.len(), 1, "{place}: {heard}");
        assert_eq!(verdicts[0].problems, [], "{place}: {heard}");
        assert!(heard.ends_with("BYE -- goodbye\n"), "{place}: {heard}");
    };
    for delivery in EVERYWHERE {
        check(
            heard(Blackjack::default(), delivery, &[PIPED]).await,
            "memory",
        );
    }
    for address in STREAMS {
        check(
            heard_at(address, Blackjack::default(), PIPED.as_bytes()).await,
            address,
        );
    }
}

/// A scripted player: its connection, what it knows, and what it does by chance.
struct Script {
    lines: Lines,
    client: Client,
    chance: Chance,
    /// Rounds of which it was part.
    played: usize,
    /// Rounds that ended, and those that were judged.
    ended: usize,
    judged: usize,
}

impl Script {
    async fn send(&mut self, line: &str) {
        self.client.said(line);
        self.write(line).await;
    }

    async fn write(&mut self, line: &str) {
        // In two pieces with a pause between them.
        let at = self.chance.below(line.len() as u64 + 1) as usize;
        let (head, tail) = line.split_at(at);
        self.lines
            .connection
            .write_all(head.as_bytes())
            .await
            .unwrap();
        let pause = self.chance.below(300);
        sleep(Duration::from_millis(pause)).await;
        self.lines.say(tail).await;
    }

    /// Plays until it was dealt so many rounds, and checks each of them.
    async fn play(mut self, name: String, sit: &str, rounds: usize) {
        self.send(&format!("HELLO {name}")).await;
        self.send(sit).await;
        let mut balance = Chips::whole(START);
        loop {
            let line = self.lines.line().await.expect("the game goes on");
            let before = self.client.verdict.clone();
            let reply = self.client.receive(&line, Instant::now());
            let reply = reply.unwrap_or_else(|_| panic!("{line:?} is a reply"));
            // A deal takes the last verdict away.
            let is_new = |verdict: &&Verdict| Some(*verdict) != before.as_ref();
            if let Some(verdict) = self.client.verdict.as_ref().filter(is_new) {
                assert_eq!(verdict.problems, [], "{verdict:?}");
                self.judged += 1;
            }
            match reply {
                Reply::Bets { .. } if self.played == rounds => {
                    assert_eq!(self.judged, self.ended, "each round is judged");
                    return;
                }
                Reply::Bets { .. } if balance < Chips::whole(10) => {
                    self.send("BUY").await;
                    self.send("BET 1").await;
                }
                Reply::Bets { .. } => self.bet().await,
                Reply::Reveal(_) => {
                    if let Some(reveal) = self.client.reveal() {
                        self.send(&reveal).await;
                    }
                }
                Reply::Turn { .. } if self.client.is_own_turn() => self.turn().await,
                Reply::Balance(chips) => balance = chips,
                Reply::End(_) => {
                    let took_part = self.client.own().is_some_and(|own| own.stake.is_some());
                    self.played += usize::from(took_part);
                    self.ended += 1;
                }
                // What it said was for something that was over by then.
                Reply::No(No::NotBroke | No::Turn | No::NotNow | No::HasBet | No::Nonce) => {}
                Reply::No(No::Hand) | Reply::No(No::Chips) => self.send("STAND").await,
                Reply::No(no) => panic!("{no:?}"),
                Reply::Idle => panic!("it never sits out"),
                _ => {}
            }
        }
    }

    async fn bet(&mut self) {
        let number = self.chance.below(1_000_000);
        let nonce = format!("n{number}");
        let chips = 1 + self.chance.below(10) as u32;
        match self.chance.below(2) {
            0 => self.send(&format!("BET {chips} {nonce}")).await,
            _ => {
                let bet = self.client.bet(chips, &nonce);
                self.write(&bet).await;
            }
        }
    }

    async fn turn(&mut self) {
        let [double, split] = self.client.can;
        let action = match self.chance.below(4) {
            0 if split => Action::Split,
            1 if double => Action::Double,
            2 => Action::Hit,
            _ => Action::Stand,
        };
        self.send(action.word()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_rounds_at_once_over_a_network_that_splits_and_delays() {
    // 50 tables with seven players each, and 950 with one as in the lecture's game.
    const FULL: usize = 50;
    const ALONE: usize = 950;
    const ROUNDS: usize = 2;
    let network = MemoryNetwork::new();
    network.deliver(Delivery::Late {
        seed: 1,
        most: Duration::from_millis(20),
    });
    let dealt = Arc::new(Mutex::new(0));
    let deal = Arc::clone(&dealt);
    let tables = Blackjack::new(Rules::default(), move |words| {
        *deal.lock().unwrap() += usize::from(words.contains("has dealt"));
    });
    let (_running, to) = served(&network, tables.clone()).await;
    let mut players = Vec::new();
    for number in 0..FULL * SEATS + ALONE {
        let sit = match number < FULL * SEATS {
            true => "SIT",
            false => "SIT ALONE",
        };
        let script = Script {
            lines: connect(&network, &to).await,
            client: Client::default(),
            chance: Chance(number as u64),
            played: 0,
            ended: 0,
            judged: 0,
        };
        players.push(tokio::spawn(script.play(format!("p{number}"), sit, ROUNDS)));
    }
    for player in players {
        player.await.unwrap();
    }
    let dealt = *dealt.lock().unwrap();
    assert!(dealt >= ROUNDS * (FULL + ALONE), "{dealt}");
    let (bought, there) = tables.hall.looked_at(House::books);
    assert_eq!(bought, there, "chips are neither made nor lost");
}
