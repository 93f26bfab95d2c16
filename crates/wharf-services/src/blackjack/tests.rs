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

/// The transcript of the documentation, as one player wrote it down.
fn transcript() -> Vec<(bool, String)> {
    let page = include_str!("../../../../docs/protocols/blackjack.md");
    let (_, example) = page.split_once("```blackjack\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let of_ann = example.lines().filter_map(|line| line.strip_prefix("A: "));
    let split = |line: &str| (line.starts_with('>'), line[2..].to_owned());
    of_ann.map(split).collect()
}

fn judged(transcript: &[(bool, String)]) -> Vec<Verdict> {
    let mut verifier = Verifier::default();
    let mut verdicts = Vec::new();
    for (said, line) in transcript {
        match said {
            true => verifier.say(line),
            false => verdicts.extend(verifier.hear(line)),
        }
    }
    verdicts
}

#[test]
fn a_changed_transcript_is_found_out() {
    let honest = transcript();
    let verdicts = judged(&honest);
    assert_eq!(verdicts.len(), 1);
    assert_eq!(
        (verdicts[0].kind, &verdicts[0].problems[..]),
        (Kind::Dealt, &[][..])
    );
    let end = honest
        .iter()
        .position(|(_, line)| line.starts_with("END"))
        .unwrap();
    for index in 0..end {
        let (said, line) = &honest[index];
        let code = line.split(' ').next().unwrap_or_default();
        let changed = match code {
            // One more point, another stake, a different nonce, another digit.
            "CARD" | "HOLE" if line.ends_with("3C") => line.replace("3C", "4C"),
            "CARD" | "HOLE" => {
                let (rest, _) = line.rsplit_once(' ').unwrap();
                format!("{rest} 3C")
            }
            "BETS" | "SEED" => match line.replacen('0', "1", 1) {
                // A seed is all of its digits, a line may have none of one kind.
                same if same == *line => line.replacen('2', "3", 1),
                changed => changed,
            },
            "PAY" => format!("{line}.5"),
            "NONCE" => format!("{line}x"),
            "BET" if !said => line
                .replacen(" ann 10 ", " ann 20 ", 1)
                .replacen(" 5 ", " 6 ", 1),
            _ => continue,
        };
        assert_ne!(changed, *line);
        let mut forged = honest.clone();
        forged[index].1 = changed.clone();
        let problems = judged(&forged).pop().map(|verdict| verdict.problems);
        assert!(
            problems.is_none_or(|problems| !problems.is_empty()),
            "{changed}"
        );
        forged.remove(index);
        let problems = judged(&forged).pop().map(|verdict| verdict.problems);
        assert!(
            problems.is_none_or(|problems| !problems.is_empty()),
            "without {line}"
        );
    }
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
    judged: usize,
}

impl Script {
    async fn send(&mut self, line: &str) {
        self.client.said(line);
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
            let reply = self.client.receive(&line, Instant::now());
            let reply = reply.unwrap_or_else(|_| panic!("{line:?} is a reply"));
            match reply {
                Reply::Bets { .. } if self.judged == rounds => return,
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
                    let verdict = self.client.verdict.clone().expect("a verdict");
                    assert_eq!(verdict.problems, []);
                    let took_part = self.client.own().is_some_and(|own| own.stake.is_some());
                    self.judged += usize::from(took_part);
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
                self.send(&bet).await;
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
    // 30 tables with seven players each, and 70 with one as in the lecture's game.
    const FULL: usize = 30;
    const ALONE: usize = 70;
    const ROUNDS: usize = 10;
    let network = MemoryNetwork::new();
    network.deliver(Delivery::ByteByByte);
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
            judged: 0,
        };
        players.push(tokio::spawn(script.play(format!("p{number}"), sit, ROUNDS)));
    }
    for player in players {
        player.await.unwrap();
    }
    let dealt = *dealt.lock().unwrap();
    assert!(dealt >= 1_000, "{dealt}");
    let (bought, there) = tables.hall.looked_at(House::books);
    assert_eq!(bought, there, "chips are neither made nor lost");
}
