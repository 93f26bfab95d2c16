//! The chat on the wire: what clients send and what they must hear.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use wharf::connection::{CloseReason, Connection};
use wharf::framing::{Decoder, Framing, Limits};
use wharf::network::{ConnectOptions, MemoryNetwork, Network, Os, memory::Delivery};
use wharf::server::{Event, Running, Server};

use super::*;
use crate::testing::{EVERYWHERE, client_of, client_to, conversation, everything, heard, heard_at};

mod table;

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// A client that reads lines.
struct Client {
    connection: Connection,
    decoder: Decoder,
    lines: std::collections::VecDeque<String>,
}

impl Client {
    fn new(connection: Connection) -> Self {
        let limits = Limits {
            max_message: 1 << 20,
            ..Limits::default()
        };
        Client {
            connection,
            decoder: Decoder::new(&Framing::default(), limits),
            lines: Default::default(),
        }
    }

    async fn say(&mut self, text: &str) {
        self.connection.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next line; `None` at the end of the stream.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            let chunk = timeout(DEADLINE, self.connection.read_chunk()).await;
            let chunk = chunk.expect("an answer in time").unwrap()?;
            let mut input = &chunk[..];
            while let Some(line) = self.decoder.next(&mut input) {
                let line = String::from_utf8(line.unwrap().to_vec()).unwrap();
                self.lines.push_back(line);
            }
        }
    }

    async fn hears(&mut self, expected: &str) {
        assert_eq!(self.line().await.as_deref(), Some(expected));
    }

    async fn hears_the_end(&mut self) {
        assert_eq!(self.line().await, None);
    }

    async fn log_in(mut self, name: &str) -> Self {
        self.say(&format!("HELLO-FROM {name}\n")).await;
        self.hears(&format!("HELLO {name}")).await;
        self
    }
}

/// A served room, what it shows and how its connections ended.
struct Place<N: Network> {
    network: N,
    running: Running,
    shown: Arc<Mutex<Vec<String>>>,
    closed: Arc<Mutex<Vec<CloseReason>>>,
}

impl<N: Network + Clone> Place<N> {
    async fn open(network: N, address: &str, rules: Rules) -> Self {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let closed = Arc::new(Mutex::new(Vec::new()));
        let (show, close) = (Arc::clone(&shown), Arc::clone(&closed));
        let chat = Chat::new(rules, move |shown: &Shown<'_>| {
            show.lock().unwrap().push(shown.to_string());
        });
        let running = Server::on(network.clone())
            .serve("chat", address.parse().unwrap(), chat)
            .observer(move |event: &Event<'_>| {
                if let Event::Closed { reason, .. } = event {
                    close.lock().unwrap().push(*reason);
                }
            })
            .start()
            .await
            .unwrap();
        Place {
            network,
            running,
            shown,
            closed,
        }
    }

    async fn connect(&self) -> Client {
        let to = &self.running.endpoints()[0].local;
        let options = ConnectOptions::default();
        Client::new(self.network.connect(to, &options).await.unwrap())
    }

    async fn user(&self, name: &str) -> Client {
        self.connect().await.log_in(name).await
    }

    fn has_shown(&self, words: &str) -> bool {
        let shown = self.shown.lock().unwrap();
        shown.iter().any(|line| line.contains(words))
    }
}

async fn in_memory(rules: Rules) -> Place<MemoryNetwork> {
    Place::open(MemoryNetwork::new(), "tcp:127.0.0.1:1", rules).await
}

/// The lecture's own bytes.
const LECTURE: [&str; 4] = [
    "HELLO-FROM JES",
    "SE\nWHO\n",
    "SEND ECHOBOT H",
    "ELLO WORLD\n",
];

const LECTURE_HEARD: &str = "HELLO JESSE\nWHO-OK echobot,delaybot,JESSE\nSEND-OK\n\
                             DELIVERY echobot HELLO WORLD\n";

#[tokio::test]
async fn the_lectures_dialogue_in_four_pieces() {
    for delivery in EVERYWHERE {
        let heard = heard(Chat::default(), delivery, &LECTURE).await;
        assert_eq!(String::from_utf8(heard).unwrap(), LECTURE_HEARD);
    }
    for address in [
        "tcp:127.0.0.1:0",
        "tls:127.0.0.1:0,self-signed",
        "unix:@chat",
    ] {
        let heard = heard_at(address, Chat::default(), LECTURE.concat().as_bytes()).await;
        assert_eq!(
            String::from_utf8(heard).unwrap(),
            LECTURE_HEARD,
            "{address}"
        );
    }
}

#[tokio::test]
async fn each_of_the_four_pieces_is_answered_as_soon_as_it_makes_a_line() {
    let (connection, _running) = client_of("tcp:127.0.0.1:0", Chat::default()).await;
    let mut client = Client::new(connection);
    client.say(LECTURE[0]).await;
    client.say(LECTURE[1]).await;
    client.hears("HELLO JESSE").await;
    client.hears("WHO-OK echobot,delaybot,JESSE").await;
    client.say(LECTURE[2]).await;
    client.say(LECTURE[3]).await;
    client.hears("SEND-OK").await;
    client.hears("DELIVERY echobot HELLO WORLD").await;
}

#[tokio::test]
async fn the_dialogue_of_the_documentation() {
    let text = include_str!("../../../../docs/protocols/chat.md");
    let (_, example) = text.split_once("```chat\n").expect("an example");
    let (example, _) = example.split_once("```").unwrap();
    let place = in_memory(Rules::default()).await;
    let mut clients = BTreeMap::new();
    for line in example.lines() {
        let (who, what) = line.split_at(2);
        let words = what.get(3..).unwrap_or_default();
        if !clients.contains_key(who) {
            clients.insert(who, place.connect().await);
        }
        let client = clients.get_mut(who).unwrap();
        match what.trim_end().get(..3) {
            Some(" > ") | Some(" >") => client.say(&format!("{words}\n")).await,
            Some(" < ") => client.hears(words).await,
            _ => panic!("{line:?} is neither said nor heard"),
        }
    }
    assert_eq!(clients.len(), 2);
}

#[tokio::test]
async fn a_send_ok_and_the_delivery_it_caused_come_in_two_writes() {
    // Packets keep the boundaries of writes.
    let (mut client, _running) = client_of("seqpacket:@chat", Chat::default()).await;
    client
        .write_all(b"HELLO-FROM ann\nSEND ann 1\nSEND echobot 2\nWHO\n")
        .await
        .unwrap();
    for expected in [
        "HELLO ann\nSEND-OK\n",
        "DELIVERY ann 1\nSEND-OK\n",
        "DELIVERY echobot 2\nWHO-OK echobot,delaybot,ann\n",
    ] {
        let chunk = client.read_chunk().await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&chunk), expected);
    }
}

#[tokio::test]
async fn what_is_answered_and_what_others_said_meanwhile_is_one_write() {
    // Packets keep the boundaries of writes.
    let (ann, running) = client_of("seqpacket:@chat", Chat::default()).await;
    let ben = client_to(&running.endpoints()[0]).await;
    let mut ann = Client::new(ann).log_in("ann").await;
    let mut ben = Client::new(ben).log_in("ben").await;
    // Both have said it before the server looks.
    ann.say("SEND ben x\n").await;
    ben.say("SEND ann y\n").await;
    for (client, delivery) in [
        (&mut ann, "DELIVERY ben y\n"),
        (&mut ben, "DELIVERY ann x\n"),
    ] {
        let packet = client.connection.read_chunk().await.unwrap().unwrap();
        let packet = String::from_utf8_lossy(&packet).into_owned();
        let either = [
            format!("SEND-OK\n{delivery}"),
            format!("{delivery}SEND-OK\n"),
        ];
        assert!(either.contains(&packet), "{packet:?}");
    }
    // Who says nothing hears it too.
    ann.say("SEND ben z\n").await;
    let packet = ben.connection.read_chunk().await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&packet), "DELIVERY ann z\n");
}

#[tokio::test(start_paused = true)]
async fn half_a_line_of_delaybot_keeps_no_talker_from_hearing_much() {
    for ann_is_first in [true, false] {
        let place = in_memory(Rules::default()).await;
        let mut ann = place.user("ann").await;
        let mut ben = place.user("ben").await;
        ben.say("SEND delaybot hello\n").await;
        let half = ben.connection.read_chunk().await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&half), "SEND-OK\nDELIVERY del");
        // A bell rings, and lines of its own come at the same moment.
        if ann_is_first {
            ann.say("SEND ben x\n").await;
            ben.say("WHO\n").await;
        } else {
            ben.say("WHO\n").await;
            ann.say("SEND ben x\n").await;
        }
        ann.hears("SEND-OK").await;
        let began = Instant::now();
        let long = "y".repeat(50_000);
        ann.say(&format!("SEND ben {long}\nSEND ben {long}\n"))
            .await;
        let rest = ben.connection.read_chunk().await.unwrap().unwrap();
        assert!(rest.starts_with(b"aybot hello\nDELIVERY delaybot hello\n"));
        assert_eq!(began.elapsed(), Duration::ZERO, "first {ann_is_first}");
    }
}

#[tokio::test(start_paused = true)]
async fn delaybot_answers_in_three_pieces_half_a_second_apart() {
    let place = in_memory(Rules::default()).await;
    let mut ann = place.user("ann").await;
    let mut ben = place.user("ben").await;
    ann.say("SEND delaybot hello\n").await;
    let began = Instant::now();
    // The network in memory joins what is written in one moment.
    for (tenths, expected) in [
        (0, "SEND-OK\nDELIVERY del"),
        (5, "aybot hello\nDELIVERY del"),
        (10, "aybot hello\nDELIVERY ben hi\nDELIVERY ben hi\n"),
    ] {
        let chunk = ann.connection.read_chunk().await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&chunk), expected);
        assert_eq!(began.elapsed().as_millis() / 100, tenths);
        // What comes meanwhile stands behind the whole line.
        ben.say("SEND ann hi\n").await;
        ben.hears("SEND-OK").await;
    }
    ann.hears("DELIVERY ben hi").await;
}

#[tokio::test]
async fn what_comes_before_a_half_close_is_answered_also_without_a_newline() {
    for delivery in EVERYWHERE {
        let words = ["HELLO-FROM ann\r\nSEND echobot hi"];
        let heard = heard(Chat::default(), delivery, &words).await;
        assert_eq!(
            String::from_utf8(heard).unwrap(),
            "HELLO ann\nSEND-OK\nDELIVERY echobot hi\n"
        );
    }
}

#[tokio::test]
async fn a_long_line_passes_and_one_that_is_too_long_is_skipped() {
    let long = format!("SEND ann {}", "x".repeat(MAX_LINE - "SEND ann ".len()));
    let longer = format!("{long}x");
    let words = [format!("HELLO-FROM ann\n{long}\n{longer}\nWHO\n")];
    let heard = heard(Chat::default(), Delivery::AsSent, &words).await;
    let heard = String::from_utf8(heard).unwrap();
    let lines: Vec<&str> = heard.lines().collect();
    assert_eq!(lines[..2], ["HELLO ann", "SEND-OK"]);
    assert_eq!(lines[2].replacen("DELIVERY", "SEND", 1), long);
    assert_eq!(lines[3..], ["BAD-RQST-BODY", "WHO-OK echobot,delaybot,ann"]);
}

#[tokio::test]
async fn the_strict_policy_closes_on_the_wire() {
    let strict = || {
        let rules = Rules {
            refused: Refused::Close,
            ..Rules::default()
        };
        Chat::new(rules, |_| {})
    };
    for (words, expected) in [
        ("HELLO-FROM a b\nHELLO-FROM ann\n", "BAD-RQST-BODY\n"),
        ("HELLO-FROM EchoBot\nHELLO-FROM ann\n", "IN-USE\n"),
    ] {
        let (mut client, _running) = client_of("tcp:127.0.0.1:0", strict()).await;
        client.write_all(words.as_bytes()).await.unwrap();
        assert_eq!(everything(&mut client).await, expected.as_bytes());
    }
}

#[tokio::test]
async fn a_full_room_says_busy_and_closes() {
    let place = in_memory(Rules {
        max_users: 1,
        ..Rules::default()
    })
    .await;
    let _ann = place.user("ann").await;
    let mut ben = place.connect().await;
    ben.say("HELLO-FROM ben\n").await;
    ben.hears("BUSY").await;
    ben.hears_the_end().await;
    drop(ben.connection);
    while place.closed.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(*place.closed.lock().unwrap(), [CloseReason::RefusedFull]);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_log_in_is_closed_under_both_policies() {
    for refused in [Refused::Keep, Refused::Close] {
        let place = in_memory(Rules {
            refused,
            ..Rules::default()
        })
        .await;
        let mut idle = place.connect().await;
        let mut ann = place.user("ann").await;
        let began = Instant::now();
        idle.hears_the_end().await;
        assert_eq!(began.elapsed().as_secs(), LOGIN_TIMEOUT.as_secs());
        ann.say("WHO\n").await;
        ann.hears("WHO-OK echobot,delaybot,ann").await;
    }
}

#[tokio::test]
async fn who_talks_without_end_must_log_in_too() {
    let network = MemoryNetwork::new();
    let chat = Chat::default().login_timeout(Some(Duration::from_millis(50)));
    let _running = Server::on(network.clone())
        .serve("chat", "tcp:127.0.0.1:1".parse().unwrap(), chat)
        .start()
        .await
        .unwrap();
    let to = "127.0.0.1:1".parse::<std::net::SocketAddr>().unwrap();
    let connection = network
        .connect(&to.into(), &ConnectOptions::default())
        .await;
    let (mut hear, mut say) = tokio::io::split(connection.unwrap());
    // A line at every look of the server, and never so many that it waits for a reader.
    let talks = async move {
        while say.write_all(b"x\n").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let listens = async move {
        let mut space = [0; 4_096];
        while hear.read(&mut space).await.is_ok_and(|count| count > 0) {}
    };
    let both = async { tokio::join!(talks, listens) };
    timeout(DEADLINE, both).await.expect("it is closed");
}

#[tokio::test(start_paused = true)]
async fn who_only_listens_stays() {
    for (silence, stays) in [(Silence::Allowed, true), (Silence::Ends, false)] {
        let network = MemoryNetwork::new();
        let _running = Server::on(network.clone())
            .serve(
                "chat",
                "tcp:127.0.0.1:1".parse().unwrap(),
                Chat::default().silence(silence),
            )
            .start()
            .await
            .unwrap();
        let to = "127.0.0.1:1"
            .parse::<std::net::SocketAddr>()
            .unwrap()
            .into();
        let connection = network.connect(&to, &ConnectOptions::default()).await;
        let mut ann = Client::new(connection.unwrap()).log_in("ann").await;
        let hour = timeout(Duration::from_secs(3_600), ann.connection.read_chunk()).await;
        assert_eq!(hour.is_err(), stays);
    }
}

#[tokio::test]
async fn who_comes_and_who_goes_is_shown_and_what_is_said_is_not() {
    let place = in_memory(Rules::default()).await;
    let ann = place.user("ann").await;
    let mut ben = place.user("ben").await;
    ben.say("SEND ann secret\n").await;
    ben.hears("SEND-OK").await;
    drop(ann);
    while !place.has_shown("ann left, 1 user") {
        tokio::task::yield_now().await;
    }
    assert!(place.has_shown("ann logged in from ") && place.has_shown("ben logged in from "));
    assert!(!place.has_shown("secret"));
    ben.say("WHO\n").await;
    ben.hears("WHO-OK echobot,delaybot,ben").await;
}

#[tokio::test]
async fn a_reader_that_never_reads_is_cut_and_nobody_waits_for_it() {
    let place = in_memory(Rules {
        max_waiting_bytes: 10_000,
        ..Rules::default()
    })
    .await;
    let mut deaf = place.user("deaf").await;
    let mut ann = place.user("ann").await;
    let mut ben = place.user("ben").await;
    let text = "x".repeat(1_000);
    let mut taken = 0;
    loop {
        ann.say(&format!("SEND deaf {text}\nSEND ben hi\n")).await;
        let answer = ann.line().await.unwrap();
        ann.hears("SEND-OK").await;
        ben.hears("DELIVERY ann hi").await;
        if answer == "UNKNOWN" {
            break;
        }
        assert_eq!(answer, "SEND-OK");
        taken += 1;
        assert!(taken < 1_000, "its queue has an end");
    }
    while place.closed.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(*place.closed.lock().unwrap(), [CloseReason::SlowReader]);
    assert!(place.has_shown("deaf left as a slow reader, 2 users"));
    // What it can still read is what the network held: whole messages in order.
    let mut heard = Vec::new();
    while let Ok(Some(chunk)) = deaf.connection.read_chunk().await {
        heard.extend_from_slice(&chunk);
    }
    assert!(heard.starts_with(b"DELIVERY ann xxx"));
}

#[tokio::test]
async fn one_that_reads_gets_whatever_one_sender_sends() {
    const MANY: usize = 20_000;
    let rules = Rules {
        max_waiting_messages: 2 * MAX_LINE / "SEND ben 00000\n".len(),
        ..Rules::default()
    };
    let place = in_memory(rules).await;
    let mut ann = place.user("ann").await;
    let mut ben = place.user("ben").await;
    let sending = tokio::spawn(async move {
        let mut accepted = 0;
        let batch: Vec<usize> = (0..MANY).collect();
        for batch in batch.chunks(500) {
            let text: String = batch.iter().map(|n| format!("SEND ben {n}\n")).collect();
            ann.say(&text).await;
            for _ in batch {
                ann.hears("SEND-OK").await;
                accepted += 1;
            }
        }
        accepted
    });
    // A task like the others: the runtime would let it read more seldom elsewhere.
    let reading = tokio::spawn(async move {
        for n in 0..MANY {
            ben.hears(&format!("DELIVERY ann {n}")).await;
        }
    });
    assert_eq!(sending.await.unwrap(), MANY);
    reading.await.unwrap();
}

#[tokio::test]
async fn one_that_asks_without_end_and_never_reads_holds_up_nobody_else() {
    let place = in_memory(Rules::default()).await;
    let mut loud = place.user("loud").await;
    let mut ann = place.user("ann").await;
    // It asks for more than the network and the room hold, and reads nothing.
    let asking = tokio::spawn(async move {
        loop {
            if loud
                .connection
                .write_all(b"WHO\nWHO\nWHO\nWHO\n")
                .await
                .is_err()
            {
                return;
            }
        }
    });
    for _ in 0..100 {
        ann.say("SEND echobot hi\n").await;
        ann.hears("SEND-OK").await;
        ann.hears("DELIVERY echobot hi").await;
    }
    asking.abort();
}

/// How many messages everyone sends to each.
const EACH: usize = 3;

/// Everyone sends to everyone, and hears what each sent in its order.
async fn everyone_to_everyone<N: Network + Clone>(place: &Place<N>, users: usize) {
    let mut clients = Vec::new();
    for number in 0..users {
        clients.push(place.user(&format!("u{number}")).await);
    }
    let talking = clients.into_iter().enumerate().map(|(me, mut client)| {
        tokio::spawn(async move {
            let all = (0..EACH).flat_map(|n| (0..users).map(move |to| (n, to)));
            let text: String = all
                .map(|(n, to)| format!("SEND u{to} {me}-{to}-{n}\n"))
                .collect();
            client.say(&text).await;
            let (mut accepted, mut delivered) = (0, vec![0; users]);
            let due = EACH * users;
            while accepted < due || delivered.iter().sum::<usize>() < due {
                let line = client.line().await.unwrap();
                match Reply::parse(&line) {
                    Some(Reply::SendOk) => accepted += 1,
                    Some(Reply::Delivery { from, text }) => {
                        let from: usize = from[1..].parse().unwrap();
                        assert_eq!(text, format!("{from}-{me}-{}", delivered[from]));
                        delivered[from] += 1;
                    }
                    _ => panic!("{line:?}"),
                }
            }
            assert_eq!(delivered, vec![EACH; users]);
            // Nothing more is on its way: the next answer is the next line.
            client.say("SEND nobody x\n").await;
            client.hears("UNKNOWN").await;
            client
        })
    });
    let talking: Vec<_> = talking.collect();
    for task in talking {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_hundred_users_send_to_everyone() {
    everyone_to_everyone(&in_memory(Rules::default()).await, 100).await;
}

#[tokio::test]
async fn twenty_users_whose_bytes_come_one_by_one() {
    let network = MemoryNetwork::new();
    network.deliver(Delivery::ByteByByte);
    let place = Place::open(network, "tcp:127.0.0.1:1", Rules::default()).await;
    everyone_to_everyone(&place, 20).await;
}

#[tokio::test]
async fn a_room_has_any_number_of_cores() {
    let chat = Chat::default();
    let running = Server::new()
        .cores(2)
        .serve("chat", "tcp:127.0.0.1:0".parse().unwrap(), chat)
        .start()
        .await
        .unwrap();
    let place = Place {
        network: Os,
        running,
        shown: Arc::default(),
        closed: Arc::default(),
    };
    everyone_to_everyone(&place, 40).await;
}

#[tokio::test]
async fn a_drain_delivers_what_was_accepted() {
    let place = Place::open(Os, "tcp:127.0.0.1:0", Rules::default()).await;
    let mut ann = place.user("ann").await;
    let mut ben = place.user("ben").await;
    let text: String = (0..1_000).map(|n| format!("SEND ben {n}\n")).collect();
    ann.say(&text).await;
    let draining = tokio::spawn(async move { place.running.drain().await });
    let mut accepted = 0;
    while let Some(line) = ann.line().await {
        if line == "SEND-OK" {
            accepted += 1;
        }
    }
    for n in 0..accepted {
        ben.hears(&format!("DELIVERY ann {n}")).await;
    }
    ben.hears_the_end().await;
    drop((ann, ben));
    assert_eq!(draining.await.unwrap().cut_off, 0);
    assert!(accepted > 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_neither_for_talkers_nor_for_half_a_line() {
    let place = in_memory(Rules::default()).await;
    let mut ann = place.user("ann").await;
    let mut ben = place.user("ben").await;
    let mut half = place.connect().await;
    half.say("HELLO-FROM half\nSEND ben hal").await;
    half.hears("HELLO half").await;
    let began = Instant::now();
    let draining = tokio::spawn(async move { place.running.drain().await });
    let mut accepted = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Once it is closed, nobody hears this.
        let said = ann.connection.write_all(b"SEND ben hi\n").await;
        match (said, ann.line().await) {
            (Ok(()), Some(line)) if line == "SEND-OK" => accepted += 1,
            _ => break,
        }
    }
    for _ in 0..accepted {
        ben.hears("DELIVERY ann hi").await;
    }
    ben.hears_the_end().await;
    half.hears_the_end().await;
    drop((ann, ben, half));
    let drained = draining.await.unwrap();
    assert_eq!(drained.cut_off, 0);
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    assert!(accepted > 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_delaybot_hurry() {
    let place = in_memory(Rules::default()).await;
    let mut ann = place.user("ann").await;
    ann.say(&"SEND delaybot hi\n".repeat(15)).await;
    let began = Instant::now();
    ann.hears("SEND-OK").await;
    let draining = tokio::spawn(async move { place.running.drain().await });
    let (mut accepted, mut delivered) = (1, 0);
    while let Some(line) = ann.line().await {
        match &*line {
            "SEND-OK" => accepted += 1,
            "DELIVERY delaybot hi" => delivered += 1,
            other => panic!("{other:?}"),
        }
    }
    drop(ann);
    assert_eq!(draining.await.unwrap().cut_off, 0);
    assert_eq!((accepted, delivered), (15, 30));
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn what_breaks_other_servers_breaks_nobody_here() {
    let place = Place::open(Os, "tcp:127.0.0.1:0", Rules::default()).await;
    let mut ann = place.user("ann").await;
    for _ in 0..5 {
        drop(place.connect().await);
    }
    let _idle = place.connect().await;
    let mut odd = place.connect().await;
    odd.say("\n").await;
    odd.hears("BAD-RQST-HDR").await;
    for piece in "HELLO-FROM odd\n".split_inclusive(|_| true) {
        odd.say(piece).await;
    }
    odd.hears("HELLO odd").await;
    let long = "y".repeat(20_000);
    odd.say(&format!("SEND ann {long}\nWHO\n")).await;
    odd.hears("SEND-OK").await;
    odd.hears("WHO-OK echobot,delaybot,ann,odd").await;
    ann.hears(&format!("DELIVERY odd {long}")).await;
    // It leaves with an answer unread, which is a reset.
    odd.say("WHO\n").await;
    odd.connection.fill().await.unwrap();
    drop(odd);
    loop {
        ann.say("WHO\n").await;
        if ann.line().await.as_deref() == Some("WHO-OK echobot,delaybot,ann") {
            break;
        }
    }
}

#[tokio::test]
async fn a_conversation_ends_well_when_the_peer_ends_it() {
    let words = ["HELLO-FROM ann\n"];
    let (heard, outcome) = conversation(Chat::default(), Delivery::AsSent, &words).await;
    assert_eq!(heard, b"HELLO ann\n");
    outcome.unwrap();
}
