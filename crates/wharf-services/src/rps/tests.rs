//! The referee on the wire: what players send and what they must hear.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use wharf::connection::CloseReason;
use wharf::network::{
    BindOptions, MemoryNetwork, Network, Os, memory::DatagramFault, memory::Delivery,
};
use wharf::server::{Event, Server};

use super::*;
use crate::games::MAX_ROWS;
use crate::games::testing::{Chance, Client as Lines, connect, replay, served};
use crate::testing::{EVERYWHERE, STREAMS, client_of, everything, heard, heard_at};

#[tokio::test]
async fn the_dialogue_of_the_documentation() {
    let page = include_str!("../../../../docs/protocols/rps.md");
    assert_eq!(replay(page, "rps", Rps::default()).await, 2);
}

#[tokio::test(start_paused = true)]
async fn the_dialogue_of_the_documentation_about_coming_back() {
    let page = include_str!("../../../../docs/protocols/rps.md");
    assert_eq!(replay(page, "rps-back", Rps::default()).await, 3);
}

/// What is said in one go, as by `printf … | nc`.
const PIPED: &str = "hello ann key\nplay house\nrock\nleave\nbye\n";

#[tokio::test]
async fn a_match_against_the_house_over_every_kind_of_stream() {
    let check = |heard: Vec<u8>, place: &str| {
        let heard = String::from_utf8(heard).unwrap();
        let codes: Vec<&str> = heard
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        let expected = [
            "RPS", "WELCOME", "MATCH", "ROUND", "MOVED", "RESULT", "ROUND", "OVER", "BYE",
        ];
        assert_eq!(codes, expected, "{place}: {heard}");
        assert!(
            heard.lines().all(|line| Reply::parse(line).is_some()),
            "{heard}"
        );
    };
    for delivery in EVERYWHERE {
        check(heard(Rps::default(), delivery, &[PIPED]).await, "memory");
    }
    for address in STREAMS {
        check(
            heard_at(address, Rps::default(), PIPED.as_bytes()).await,
            address,
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_ends_its_stream_in_a_match_still_hears_how_it_ends() {
    let network = MemoryNetwork::new();
    let (_running, to) = served(&network, Rps::default()).await;
    let mut ann = connect(&network, &to).await;
    let mut ben = connect(&network, &to).await;
    for (client, name) in [(&mut ann, "ann"), (&mut ben, "ben")] {
        client.say(&format!("HELLO {name} key")).await;
        client.hears("RPS 1 3").await;
        client.hears(&format!("WELCOME {name} key")).await;
    }
    ann.say("PLAY").await;
    ann.hears("WAITING 300").await;
    ben.say("PLAY").await;
    ben.hears("MATCH ben ann 3").await;
    ben.hears("ROUND 1 30 0 0").await;
    ann.say("ROCK").await;
    ben.hears("READY ann").await;
    ann.connection.finish().await.unwrap();
    ben.hears("AWAY ann 30").await;
    ben.say("SCISSORS").await;
    for line in ["MATCH ann ben 3", "ROUND 1 30 0 0", "MOVED ROCK"] {
        ann.hears(line).await;
    }
    ann.hears("RESULT 1 ROCK SCISSORS WIN 1 0").await;
    ann.hears("ROUND 2 30 1 0").await;
    // She cannot say anything more, and after the grace the match is his.
    ann.hears("OVER AWAY LOSE 1 0").await;
    assert_eq!(ann.line().await, None);
    for line in [
        "MOVED SCISSORS",
        "RESULT 1 SCISSORS ROCK LOSE 0 1",
        "ROUND 2 30 0 1",
    ] {
        ben.hears(line).await;
    }
    ben.hears("OVER AWAY WIN 0 1").await;
}

#[tokio::test(start_paused = true)]
async fn a_player_comes_back_with_its_key_on_another_connection() {
    let network = MemoryNetwork::new();
    let (_running, to) = served(&network, Rps::default()).await;
    let mut ann = connect(&network, &to).await;
    ann.say("HELLO ann key").await;
    ann.say("PLAY house").await;
    ann.say("AGAIN").await;
    while ann.fields().await.unwrap() != "MATCH ann house 3" {}
    drop(ann);
    sleep(Duration::from_secs(20)).await;
    let mut ann = connect(&network, &to).await;
    ann.hears("RPS 1 3").await;
    ann.say("HELLO ann key").await;
    for line in ["WELCOME ann key", "MATCH ann house 3", "ROUND 1 30 0 0"] {
        ann.hears(line).await;
    }
}

#[tokio::test]
async fn a_long_line_and_bytes_that_are_no_text_are_answered() {
    let long = format!("{}\n", "x".repeat(600));
    let words = [long.as_bytes(), b"\xff\xfe\x00\n", b"hello ann key"];
    let heard = heard(Rps::default(), Delivery::AsSent, &words).await;
    let heard = String::from_utf8(heard).unwrap();
    let fields: Vec<&str> = heard
        .lines()
        .filter_map(|line| line.split(" -- ").next())
        .collect();
    assert_eq!(
        fields,
        ["RPS 1 3", "NO LINE", "NO REQUEST", "WELCOME ann key"]
    );
}

#[tokio::test]
async fn who_asks_and_never_reads_is_held_up_alone() {
    let network = MemoryNetwork::new();
    let (_running, to) = served(&network, Rps::default()).await;
    let mut loud = connect(&network, &to).await;
    let asking = tokio::spawn(async move {
        while loud
            .connection
            .write_all(b"HELP\nHELP\nHELP\n")
            .await
            .is_ok()
        {}
    });
    let mut ann = connect(&network, &to).await;
    ann.hears("RPS 1 3").await;
    for _ in 0..100 {
        ann.say("PLAY").await;
        ann.hears("NO LOGIN").await;
    }
    asking.abort();
}

#[tokio::test]
async fn a_player_that_never_reads_is_let_go_as_a_slow_reader() {
    let network = MemoryNetwork::new();
    let closed = Arc::new(Mutex::new(Vec::new()));
    let close = Arc::clone(&closed);
    let running = Server::on(network.clone())
        .serve("rps", "tcp:127.0.0.1:1".parse().unwrap(), Rps::default())
        .observer(move |event: &Event<'_>| {
            if let Event::Closed { reason, .. } = event {
                close.lock().unwrap().push(*reason);
            }
        })
        .start()
        .await
        .unwrap();
    let to = running.endpoints()[0].local.clone();
    let mut deaf = connect(&network, &to).await;
    deaf.say("HELLO deaf").await;
    let mut ann = connect(&network, &to).await;
    ann.hears("RPS 1 3").await;
    ann.say("HELLO ann").await;
    ann.hears("WELCOME ann [..]").await;
    // Each invitation is a line for the deaf one.
    while closed.lock().unwrap().is_empty() {
        ann.say("PLAY deaf\nLEAVE").await;
        // There is nobody to wait for once it is gone, or nothing to leave.
        while !["IDLE", "NO NOT-NOW"].contains(&&*ann.fields().await.unwrap()) {}
    }
    assert_eq!(*closed.lock().unwrap(), [CloseReason::SlowReader]);
}

#[tokio::test]
async fn a_drain_says_goodbye() {
    let (connection, running) = client_of("tcp:127.0.0.1:0", Rps::default()).await;
    let mut ann = Lines::new(connection);
    ann.say("HELLO ann").await;
    ann.say("PLAY house").await;
    while !ann.fields().await.unwrap().starts_with("ROUND") {}
    let draining = tokio::spawn(async move { running.drain().await });
    ann.hears("BYE").await;
    assert!(everything(&mut ann.connection).await.is_empty());
    drop(ann);
    assert_eq!(draining.await.unwrap().cut_off, 0);
}

/// Plays one match with whoever comes; gives how it ended.
async fn play_one(mut player: Lines, number: u64) -> Outcome {
    let mut chance = Chance(number);
    player.say(&format!("HELLO p{number}")).await;
    player.say("PLAY").await;
    loop {
        let line = player.line().await.expect("the match goes on");
        match Reply::parse(&line).unwrap_or_else(|| panic!("{line:?} is a reply")) {
            Reply::Round { .. } => {
                // The line comes in two pieces with a pause, and late now and then.
                let word = Move::ALL[chance.below(3) as usize].word();
                let (head, tail) = word.split_at(chance.below(4) as usize);
                let pause = match chance.below(50) {
                    0 => 31_000,
                    _ => chance.below(400),
                };
                player.connection.write_all(head.as_bytes()).await.unwrap();
                sleep(Duration::from_millis(pause)).await;
                player.say(tail).await;
            }
            Reply::Over { outcome, .. } => return outcome,
            Reply::No(no) => assert!(matches!(no, No::Moved | No::NotNow), "{line}"),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_matches_at_once_over_a_network_that_splits_and_delays() {
    const MATCHES: u64 = 1_000;
    let network = MemoryNetwork::new();
    network.deliver(Delivery::Late {
        seed: 1,
        most: Duration::from_millis(20),
    });
    let shown = Arc::new(Mutex::new([0_u64; 2]));
    let show = Arc::clone(&shown);
    let referee = Rps::new(Rules::default(), move |words| {
        let row = usize::from(words.contains(" drew "));
        if row == 1 || words.contains(" beat ") {
            show.lock().unwrap()[row] += 1;
        }
    });
    let (_running, to) = served(&network, referee.clone()).await;
    let mut players = Vec::new();
    for number in 0..2 * MATCHES {
        let player = connect(&network, &to).await;
        players.push(tokio::spawn(play_one(player, number)));
    }
    let mut outcomes = [0_u64; 3];
    for player in players {
        outcomes[match player.await.unwrap() {
            Outcome::Win => 0,
            Outcome::Lose => 1,
            Outcome::Draw => 2,
        }] += 1;
    }
    let [won, lost, drawn] = outcomes;
    let [decided, drawn_matches] = *shown.lock().unwrap();
    assert_eq!(
        (won, lost),
        (decided, decided),
        "every win is somebody's loss"
    );
    assert_eq!(drawn, 2 * drawn_matches);
    assert_eq!(decided + drawn_matches, MATCHES);
    // The same stands in the accounts and, as far as it goes, in the table of scores.
    assert_eq!(referee.hall.looked_at(Referee::totals), outcomes);
    let mut last = connect(&network, &to).await;
    last.say("HELLO last").await;
    last.say("TOP").await;
    while !last.fields().await.unwrap().starts_with("WELCOME") {}
    last.hears(&format!("TOP {MAX_ROWS}")).await;
    for rank in 1..=MAX_ROWS {
        last.hears(&format!("SCORE {rank} p[..] 1 0 0")).await;
    }
}

/// How a match over datagrams went: how it ended, and every line that was heard.
async fn play_by_courier(mut courier: Courier<MemoryNetwork>, number: u64) -> (Outcome, String) {
    let mut player = Client::default();
    let (mut chance, mut heard) = (Chance(number), String::new());
    loop {
        let line = courier.next().await.unwrap().expect("the match goes on");
        heard += &format!("{line}\n");
        match player.receive(&line, Instant::now()).unwrap() {
            Reply::Greeting { .. } => assert!(courier.say(&format!("HELLO p{number}"))),
            Reply::Welcome { .. } => assert!(courier.say("PLAY")),
            Reply::Round { .. } => {
                assert!(courier.say(Move::ALL[chance.below(3) as usize].word()));
            }
            Reply::Over { outcome, .. } => {
                courier.leave().await;
                return (outcome, heard);
            }
            Reply::No(no) => panic!("{no:?} in {heard}"),
            _ => {}
        }
    }
}

/// That nothing was heard twice, out of order, or not at all.
fn is_whole(heard: &str) {
    let fields = heard.lines().filter_map(|line| line.split(" -- ").next());
    let fields: Vec<Vec<&str>> = fields.map(|line| line.split(' ').collect()).collect();
    let (mut round, mut result) = (0, 0);
    for line in &fields {
        match line[..] {
            ["ROUND", number, ..] => {
                round += 1;
                assert_eq!(number, round.to_string(), "{heard}");
                assert_eq!(result + 1, round, "{heard}");
            }
            ["RESULT", number, ..] => {
                result += 1;
                assert_eq!(number, result.to_string(), "{heard}");
            }
            _ => {}
        }
    }
    assert_eq!(round, result, "{heard}");
    for once in ["RPS", "WELCOME", "MATCH", "OVER"] {
        let times = fields.iter().filter(|line| line[0] == once).count();
        assert_eq!(times, 1, "{once} in {heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn over_datagrams_that_are_lost_doubled_and_overtaken_every_line_counts_once() {
    let network = MemoryNetwork::new();
    let played = Arc::new(Mutex::new(Vec::new()));
    let show = Arc::clone(&played);
    let referee = DatagramRps::new(Rules::default(), move |words| {
        if words.contains(" beat ") || words.contains(" drew ") {
            show.lock().unwrap().push(words.to_owned());
        }
    });
    let address: wharf::address::Address = "udp:127.0.0.1:1".parse().unwrap();
    let running = Server::on(network.clone())
        .serve_datagrams("rps", address.clone(), referee)
        .start()
        .await
        .unwrap();
    let to = running.endpoints()[0].local.clone();
    let mut chance = Chance(3);
    let mut faults = |count: usize| {
        let fault = |_| match chance.below(10) {
            0 | 1 => DatagramFault::Drop,
            2 | 3 => DatagramFault::Duplicate,
            4 => DatagramFault::Overtaken,
            _ => DatagramFault::Deliver,
        };
        (0..count).map(fault).collect::<Vec<_>>()
    };
    network.fault_datagrams(&to, faults(20_000));
    let mut players = Vec::new();
    for number in 0..100 {
        let client = wharf::client::Client::on(network.clone());
        let courier = Courier::on(client, address.clone()).await.unwrap();
        network.fault_datagrams(courier.local(), faults(500));
        players.push(tokio::spawn(play_by_courier(courier, number)));
    }
    let mut outcomes = [0; 3];
    for player in players {
        let (outcome, heard) = player.await.unwrap();
        is_whole(&heard);
        outcomes[match outcome {
            Outcome::Win => 0,
            Outcome::Lose => 1,
            Outcome::Draw => 2,
        }] += 1;
    }
    let played = played.lock().unwrap();
    assert_eq!(played.len(), 50);
    assert_eq!(outcomes[0], outcomes[1], "every win is somebody's loss");
    // Nobody lost by leaving or by silence: every move arrived in the end.
    assert!(
        played.iter().all(|words| !words.contains(',')),
        "{played:?}"
    );
}

/// A referee over datagrams on a network in memory.
async fn posted(network: &MemoryNetwork) -> (wharf::server::Running, wharf::address::Address) {
    let address: wharf::address::Address = "udp:127.0.0.1:1".parse().unwrap();
    let referee = DatagramRps::new(Rules::default(), |_| {});
    let running = Server::on(network.clone())
        .serve_datagrams("rps", address.clone(), referee)
        .start()
        .await
        .unwrap();
    (running, address)
}

/// Reads on to a line that begins so.
async fn reads(courier: &mut Courier<MemoryNetwork>, beginning: &str) {
    loop {
        let line = courier.next().await.unwrap().expect("it goes on");
        if line.starts_with(beginning) {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_name_over_with_its_key_keeps_it_and_the_other_is_told() {
    let network = MemoryNetwork::new();
    let (_running, address) = posted(&network).await;
    let open = || {
        let client = wharf::client::Client::on(network.clone());
        Courier::on(client, address.clone())
    };
    let mut here = open().await.unwrap();
    reads(&mut here, "RPS ").await;
    assert!(here.say("HELLO ann key") && here.say("PLAY house"));
    reads(&mut here, "ROUND 1 ").await;
    let mut there = open().await.unwrap();
    reads(&mut there, "RPS ").await;
    assert!(there.say("hello ann key"));
    reads(&mut there, "ROUND 1 ").await;
    // The answers that say so get lost, more than once.
    network.fault_datagrams(here.local(), vec![DatagramFault::Drop; 3]);
    reads(&mut here, "BYE ").await;
    assert_eq!(here.next().await.unwrap(), None);
    assert!(there.say("ROCK"));
    reads(&mut there, "RESULT 1 ROCK ").await;
}

#[tokio::test(start_paused = true)]
async fn over_datagrams_too_a_move_is_told_again_when_the_other_comes_back() {
    let network = MemoryNetwork::new();
    let (_running, address) = posted(&network).await;
    let open = || {
        let client = wharf::client::Client::on(network.clone());
        Courier::on(client, address.clone())
    };
    let (mut ann, mut ben) = (open().await.unwrap(), open().await.unwrap());
    reads(&mut ann, "RPS ").await;
    reads(&mut ben, "RPS ").await;
    assert!(ann.say("HELLO ann key") && ann.say("PLAY"));
    reads(&mut ann, "WAITING ").await;
    assert!(ben.say("HELLO ben key") && ben.say("PLAY"));
    reads(&mut ben, "ROUND 1 ").await;
    assert!(ben.say("SCISSORS"));
    reads(&mut ben, "MOVED SCISSORS ").await;
    ann.leave().await;
    reads(&mut ben, "AWAY ann ").await;
    let mut ann = open().await.unwrap();
    reads(&mut ann, "RPS ").await;
    assert!(ann.say("HELLO ann key"));
    reads(&mut ann, "READY ben ").await;
    for line in ["BACK ann ", "ROUND 1 ", "MOVED SCISSORS "] {
        let heard = ben.next().await.unwrap().unwrap();
        assert!(heard.starts_with(line), "{heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_courier_that_nobody_answers_gives_up() {
    let network = MemoryNetwork::new();
    let at: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
    let _silent = network
        .bind(&at.into(), &BindOptions::default())
        .await
        .unwrap();
    let client = wharf::client::Client::on(network.clone());
    let address = "udp:127.0.0.1:1".parse().unwrap();
    let mut courier = Courier::on(client, address).await.unwrap();
    let began = Instant::now();
    let silent = courier.next().await.unwrap_err();
    assert!(matches!(silent, CourierError::Silent), "{silent}");
    assert_eq!(began.elapsed().as_secs(), 20);
}

/// Answers the next request, which must begin so.
async fn answers(socket: &mut wharf::datagram::Datagrams, asked: &str, answer: &str) {
    let mut request = Vec::new();
    let from = socket.receive_from(&mut request).await.unwrap();
    assert!(request.starts_with(asked.as_bytes()), "{request:?}");
    let number = asked.split(' ').next().unwrap();
    let answer = format!("{number}\n{answer}\n");
    socket.send_to(answer.as_bytes(), &from).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_referee_that_starts_anew_is_waited_for_and_one_that_is_gone_is_not() {
    let network = MemoryNetwork::new();
    let at: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
    let (at, options) = (at.into(), BindOptions::default());
    let mut referee = network.bind(&at, &options).await.unwrap();
    let client = wharf::client::Client::on(network.clone());
    let address = "udp:127.0.0.1:1".parse().unwrap();
    let mut courier = Courier::on(client, address).await.unwrap();
    let (line, ()) = tokio::join!(courier.next(), answers(&mut referee, "#1", "RPS 1 3"));
    assert_eq!(line.unwrap().unwrap(), "RPS 1 3");

    // A second without it.
    drop(referee);
    assert!(courier.say("HELLO ann"));
    let nothing = timeout(Duration::from_secs(1), courier.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    let mut referee = network.bind(&at, &options).await.unwrap();
    let welcome = answers(&mut referee, "#2 HELLO ann", "WELCOME ann key");
    let (line, ()) = tokio::join!(courier.next(), welcome);
    assert_eq!(line.unwrap().unwrap(), "WELCOME ann key");

    // What was refused before does not count any more.
    drop(referee);
    let began = Instant::now();
    let gone = courier.next().await.unwrap_err();
    assert!(matches!(gone, CourierError::Gone), "{gone}");
    let took = began.elapsed().as_secs();
    assert!((2..8).contains(&took), "{took} s");
}

#[tokio::test]
async fn a_courier_is_refused_where_nothing_listens() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = format!("udp:{}", free.local_addr().unwrap());
    drop(free);
    let mut courier = Courier::open(address.parse().unwrap()).await.unwrap();
    let refused = courier.next().await.unwrap_err();
    assert!(matches!(refused, CourierError::Refused), "{refused}");
}

#[tokio::test]
async fn over_udp_of_the_operating_system_by_hand() {
    let running = Server::on(Os)
        .serve_datagrams(
            "rps",
            "udp:127.0.0.1:0".parse().unwrap(),
            DatagramRps::new(Rules::default(), |_| {}),
        )
        .start()
        .await
        .unwrap();
    let to = running.endpoints()[0].local.clone();
    let at = "127.0.0.1:0"
        .parse::<std::net::SocketAddr>()
        .unwrap()
        .into();
    let mut socket = Os.bind(&at, &BindOptions::default()).await.unwrap();
    let mut heard = Vec::new();
    for (said, expected) in [
        ("PLAY house\n", "NO LOGIN -- "),
        ("hello ann key", "WELCOME ann key -- "),
        ("PLAY house\n", "MATCH ann house 3 -- "),
        ("#1 ROCK", "#1\nMOVED ROCK -- "),
        ("#1 ROCK", "#1\nMOVED ROCK -- "),
        ("BYE\r\n", "BYE -- "),
        ("AGAIN", "NO LOGIN -- "),
    ] {
        socket.send_to(said.as_bytes(), &to).await.unwrap();
        socket.receive_from(&mut heard).await.unwrap();
        let heard = String::from_utf8_lossy(&heard);
        assert!(heard.starts_with(expected), "{said:?}: {heard}");
        assert_eq!(
            heard.matches("RESULT").count(),
            usize::from(said == "#1 ROCK")
        );
    }
}
