//! The client with the server of this crate, and with servers that misbehave.

use tokio::time::timeout;
use wharf::connection::Listener;
use wharf::network::{ListenOptions, MemoryNetwork, memory::Delivery};
use wharf::server::{Running, Server};

use super::*;
use crate::Chat;
use crate::chat::{Refused, Rules};
use crate::password::{self, Cost, Door, Hash, Users};
use crate::testing::EVERYWHERE;

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(600);

const HERE: &str = "tcp:127.0.0.1:1";

async fn serve(network: &MemoryNetwork, rules: Rules) -> Running {
    Server::on(network.clone())
        .serve("chat", HERE.parse().unwrap(), Chat::new(rules, |_| {}))
        .start()
        .await
        .unwrap()
}

fn client(network: &MemoryNetwork) -> ChatClient<MemoryNetwork> {
    ChatClient::on(network.clone(), HERE.parse().unwrap())
}

/// What a server that misbehaves listens with.
async fn listen(network: &MemoryNetwork) -> Listener {
    let at = "127.0.0.1:1".parse::<std::net::SocketAddr>().unwrap();
    let options = ListenOptions::default();
    network.listen(&at.into(), &options).await.unwrap()
}

async fn hear(client: &mut ChatClient<MemoryNetwork>) -> String {
    let event = timeout(DEADLINE, client.next()).await.expect("an event");
    match event {
        Event::Connected(_) => "Connected".to_owned(),
        Event::Lost { why, again } => format!("Lost, {why}, again: {}", again.is_some()),
        Event::Message(message) => format!("{}: {}", message.from, message.text),
        event => format!("{event:?}"),
    }
}

async fn hears(client: &mut ChatClient<MemoryNetwork>, expected: &[&str]) {
    for expected in expected {
        assert_eq!(hear(client).await, *expected);
    }
}

async fn user(network: &MemoryNetwork, name: &str) -> ChatClient<MemoryNetwork> {
    let mut client = client(network);
    client.log_in(name);
    let logged_in = format!("LoggedIn({name:?})");
    hears(&mut client, &["Connected", &logged_in]).await;
    client
}

#[tokio::test(start_paused = true)]
async fn two_clients_talk_however_bytes_arrive() {
    for delivery in EVERYWHERE {
        let network = MemoryNetwork::new();
        network.deliver(delivery);
        let _running = serve(&network, Rules::default()).await;
        let mut ann = user(&network, "ann").await;
        let mut ben = user(&network, "ben").await;
        ann.who();
        hears(
            &mut ann,
            &[r#"Users(["echobot", "delaybot", "ann", "ben"])"#],
        )
        .await;
        ann.send("ben", "grün, grün").unwrap();
        ann.send("carl", "hi").unwrap();
        hears(
            &mut ann,
            &[
                "Sent { ticket: Ticket(1), receipt: Queued }",
                "NotSent { ticket: Ticket(2), why: NoSuchUser }",
            ],
        )
        .await;
        hears(&mut ben, &["ann: grün, grün"]).await;
        ben.send("delaybot", "in pieces").unwrap();
        hears(
            &mut ben,
            &[
                "Sent { ticket: Ticket(1), receipt: Queued }",
                "delaybot: in pieces",
                "delaybot: in pieces",
            ],
        )
        .await;
        ben.leave().await;
        ann.who();
        hears(&mut ann, &[r#"Users(["echobot", "delaybot", "ann"])"#]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_in_use_is_followed_by_another_under_both_policies() {
    for refused in [Refused::Keep, Refused::Close] {
        let network = MemoryNetwork::new();
        let rules = Rules {
            refused,
            ..Rules::default()
        };
        let _running = serve(&network, rules).await;
        let _ann = user(&network, "ann").await;
        let mut second = client(&network);
        second.log_in("ann");
        let no = r#"Refused { name: "ann", why: InUse }"#;
        hears(&mut second, &["Connected", no]).await;
        if refused == Refused::Close {
            // That the server closes is no news: another name opens a new connection.
            let quiet = timeout(Duration::from_secs(5), second.next()).await;
            assert!(quiet.is_err());
        }
        second.log_in("anne");
        if refused == Refused::Close {
            hears(&mut second, &["Connected"]).await;
        }
        hears(&mut second, &[r#"LoggedIn("anne")"#]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_opened_anew_and_logged_in_again() {
    let network = MemoryNetwork::new();
    let running = serve(&network, Rules::default()).await;
    let mut ann = client(&network)
        .reconnect(Reconnect::AfterLogin)
        .who_every(Some(Duration::from_secs(10)));
    ann.log_in("ann");
    let there = r#"Users(["echobot", "delaybot", "ann"])"#;
    hears(&mut ann, &["Connected", r#"LoggedIn("ann")"#, there]).await;
    running.drain().await;
    let gone = "Lost, the server closed the connection, again: true";
    hears(&mut ann, &[gone]).await;
    assert_eq!(ann.send("ben", "hi"), Err(CannotSend::NotLoggedIn));
    for _ in 0..3 {
        let lost = hear(&mut ann).await;
        assert!(
            lost.contains("refused") && lost.contains("again: true"),
            "{lost}"
        );
    }
    let _running = serve(&network, Rules::default()).await;
    hears(&mut ann, &["Connected", r#"LoggedIn("ann")"#, there]).await;
    // The clock of WHO runs on.
    let asked = Instant::now();
    hears(&mut ann, &[there]).await;
    assert_eq!(asked.elapsed().as_secs(), 10);
}

/// A chat behind a gate that opens to one password.
async fn gated(network: &MemoryNetwork, password: &[u8]) -> Running {
    let hash = Hash::of(password, [0; 16], Cost::LEAST).unwrap();
    let door = Door::new(Users::one(hash), |_| {}).rules(password::Rules {
        first_delay: Duration::ZERO,
        ..password::Rules::default()
    });
    let chat = password::Gate::new(door, Chat::new(Rules::default(), |_| {}));
    Server::on(network.clone())
        .serve("chat", HERE.parse().unwrap(), chat)
        .start()
        .await
        .unwrap()
}

fn with_password(network: &MemoryNetwork, password: &str) -> ChatClient<MemoryNetwork> {
    let secret = Secret::new(password).unwrap();
    let mut client = client(network)
        .reconnect(Reconnect::Always)
        .gate(Some(secret));
    client.log_in("ann");
    client
}

#[tokio::test(start_paused = true)]
async fn a_gate_is_answered_on_every_connection_however_bytes_arrive() {
    for delivery in EVERYWHERE {
        let network = MemoryNetwork::new();
        network.deliver(delivery);
        let running = gated(&network, b"sesame").await;
        let mut ann = with_password(&network, "sesame");
        hears(&mut ann, &["Connected", r#"LoggedIn("ann")"#]).await;
        running.drain().await;
        let gone = "Lost, the server closed the connection, again: true";
        hears(&mut ann, &[gone]).await;
        let _running = gated(&network, b"sesame").await;
        hears(&mut ann, &["Connected", r#"LoggedIn("ann")"#]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_denies_is_not_asked_for_ever() {
    let network = MemoryNetwork::new();
    let running = gated(&network, b"sesame").await;
    let mut eve = with_password(&network, "guess");
    hears(&mut eve, &["Lost, access denied, again: false"]).await;
    assert!(timeout(DEADLINE, eve.next()).await.is_err());
    // Where it had opened before, others of the same address may be in the way.
    let mut ann = with_password(&network, "sesame");
    hears(&mut ann, &["Connected", r#"LoggedIn("ann")"#]).await;
    running.drain().await;
    let gone = "Lost, the server closed the connection, again: true";
    hears(&mut ann, &[gone]).await;
    let _running = gated(&network, b"changed").await;
    for _ in 1..MAX_DENIALS {
        hears(&mut ann, &["Lost, access denied, again: true"]).await;
    }
    hears(&mut ann, &["Lost, access denied, again: false"]).await;
    assert!(timeout(DEADLINE, ann.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_nobody_expected_and_one_that_is_missing_are_named() {
    let network = MemoryNetwork::new();
    let running = gated(&network, b"sesame").await;
    let mut ann = client(&network).reconnect(Reconnect::Always);
    ann.log_in("ann");
    let gated = "Lost, a gate stands before the server and wants a password, again: false";
    let refused = r#"Refused { name: "ann", why: Gated }"#;
    hears(&mut ann, &["Connected", refused, gated]).await;
    running.drain().await;
    let _running = serve(&network, Rules::default()).await;
    let mut ann = with_password(&network, "sesame");
    let words = "Lost, the peer answered the password with something else: there is no gate, \
                 again: false";
    hears(&mut ann, &[words]).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_on_its_way_when_the_connection_breaks_is_told() {
    let network = MemoryNetwork::new();
    let _running = serve(&network, Rules::default()).await;
    let mut ann = user(&network, "ann").await;
    ann.send("echobot", "hi").unwrap();
    network.reset_all();
    assert_eq!(
        hear(&mut ann).await,
        "NotSent { ticket: Ticket(1), why: Lost }"
    );
    let lost = hear(&mut ann).await;
    assert!(
        lost.starts_with("Lost, ") && lost.ends_with("again: false"),
        "{lost}"
    );
    let quiet = timeout(Duration::from_secs(60), ann.next()).await;
    assert!(quiet.is_err(), "it rests");
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_ends_it_where_nobody_ever_logged_in() {
    let network = MemoryNetwork::new();
    for (reconnect, again) in [
        (Reconnect::Never, "again: false"),
        (Reconnect::AfterLogin, "again: false"),
        (Reconnect::Always, "again: true"),
    ] {
        let mut ann = client(&network).reconnect(reconnect);
        ann.log_in("ann");
        let lost = hear(&mut ann).await;
        assert!(lost.ends_with(again), "{lost}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_server_is_asked_again() {
    let network = MemoryNetwork::new();
    let rules = Rules {
        max_users: 1,
        ..Rules::default()
    };
    let _running = serve(&network, rules).await;
    let ann = user(&network, "ann").await;
    let mut ben = client(&network).reconnect(Reconnect::Always);
    ben.log_in("ben");
    let full = "Lost, the server has enough users, again: true";
    let busy = r#"Refused { name: "ben", why: Busy }"#;
    hears(&mut ben, &["Connected", busy, full]).await;
    ann.leave().await;
    hears(&mut ben, &["Connected", r#"LoggedIn("ben")"#]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_lost() {
    let network = MemoryNetwork::new();
    let mut listener = listen(&network).await;
    let mut ann = client(&network);
    ann.log_in("ann");
    let began = Instant::now();
    hears(&mut ann, &["Connected"]).await;
    let silent = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
        drop(connection);
    });
    hears(
        &mut ann,
        &["Lost, the server did not answer for 20s, again: false"],
    )
    .await;
    assert_eq!(began.elapsed().as_secs(), ANSWER_TIMEOUT.as_secs());
    silent.abort();
}

#[tokio::test(start_paused = true)]
async fn a_server_may_say_anything_at_any_time() {
    let network = MemoryNetwork::new();
    network.deliver(Delivery::ByteByByte);
    let mut listener = listen(&network).await;
    let mut ann = client(&network);
    ann.log_in("ann");
    let serving = tokio::spawn(async move {
        let mut server = listener.accept().await.unwrap();
        let noise = b"\n\xff\xfe\nNONSENSE\nHELLO ann\r\nDELIVERY\nDELIVERY \x1b[2J\xff x\nDELIVERY ben last";
        server.write_all(noise).await.unwrap();
        server.close().await.unwrap();
    });
    let expected = [
        "Connected",
        r#"LoggedIn("ann")"#,
        "\u{1b}[2J\u{fffd}: x",
        "Lost, the server closed the connection, again: false",
    ];
    hears(&mut ann, &expected).await;
    assert_eq!(ann.skipped(), 5, "half a message is none");
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn half_a_list_of_users_is_no_list() {
    let network = MemoryNetwork::new();
    let mut listener = listen(&network).await;
    let mut ann = client(&network);
    ann.log_in("ann");
    hears(&mut ann, &["Connected"]).await;
    ann.who();
    let serving = tokio::spawn(async move {
        let mut server = listener.accept().await.unwrap();
        server.write_all(b"HELLO ann\nWHO-OK ann,be").await.unwrap();
        server.close().await.unwrap();
    });
    let expected = [
        r#"LoggedIn("ann")"#,
        "Lost, the server closed the connection, again: false",
    ];
    hears(&mut ann, &expected).await;
    assert_eq!(ann.skipped(), 1, "nobody here is called be");
    serving.await.unwrap();
}

/// The unreliable room on the network in memory.
async fn serve_datagrams(network: &MemoryNetwork) -> Running {
    let room = crate::chat::UnreliableChat::new(Rules::default(), 7, |_| {});
    Server::on(network.clone())
        .serve_datagrams("chat", "udp:127.0.0.1:2".parse().unwrap(), room)
        .start()
        .await
        .unwrap()
}

fn datagram_client(network: &MemoryNetwork) -> ChatClient<MemoryNetwork> {
    ChatClient::on(network.clone(), "udp:127.0.0.1:2".parse().unwrap())
}

/// Sets how bad the network is, as any client can.
async fn set(network: &MemoryNetwork, settings: &[&str]) {
    use wharf::network::{BindOptions, Endpoint};
    let at: Endpoint = "127.0.0.1:0"
        .parse::<std::net::SocketAddr>()
        .unwrap()
        .into();
    let to: Endpoint = "127.0.0.1:2"
        .parse::<std::net::SocketAddr>()
        .unwrap()
        .into();
    let mut socket = network.bind(&at, &BindOptions::default()).await.unwrap();
    let mut answer = Vec::new();
    socket.send_to(b"HELLO-FROM god\n", &to).await.unwrap();
    socket.receive_from(&mut answer).await.unwrap();
    for setting in settings {
        socket
            .send_to(format!("SET {setting}\n").as_bytes(), &to)
            .await
            .unwrap();
        socket.receive_from(&mut answer).await.unwrap();
        assert_eq!(answer, b"SET-OK\n", "{setting}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_messages_through_the_unreliable_room_arrive_once_and_in_order() {
    const MANY: usize = 1_000;
    let network = MemoryNetwork::new();
    let _running = serve_datagrams(&network).await;
    set(
        &network,
        &["DROP 0.2", "FLIP 0.001", "DELAY 0.2", "DELAY-LEN 0.05 0.3"],
    )
    .await;
    let mut ann = datagram_client(&network);
    let mut ben = datagram_client(&network);
    ann.log_in("ann");
    ben.log_in("ben");
    while ann.name().is_none() {
        ann.next().await;
    }
    while ben.name().is_none() {
        ben.next().await;
    }
    for number in 0..MANY {
        ann.send("ben", &format!("message {number}")).unwrap();
    }
    let (mut heard, mut acknowledged) = (Vec::new(), 0);
    while heard.len() < MANY || acknowledged < MANY {
        let event = tokio::select! {
            biased;
            event = ben.next() => event,
            event = ann.next() => event,
        };
        match event {
            Event::Message(message) => {
                assert_eq!((&*message.from, message.check), ("ann", Check::Checked));
                heard.push(message.text);
            }
            Event::Sent { receipt, .. } => {
                assert_eq!(receipt, Receipt::Acknowledged);
                acknowledged += 1;
            }
            event => panic!("{event:?}"),
        }
    }
    let expected: Vec<String> = (0..MANY)
        .map(|number| format!("message {number}"))
        .collect();
    assert_eq!(heard, expected);
    ben.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_room_of_datagrams_that_is_served_anew_is_joined_anew() {
    let network = MemoryNetwork::new();
    let running = serve_datagrams(&network).await;
    let mut ann = datagram_client(&network).reconnect(Reconnect::AfterLogin);
    ann.log_in("ann");
    hears(&mut ann, &["Connected", r#"LoggedIn("ann")"#]).await;
    ann.send("echobot", "one").unwrap();
    let receipt = "Sent { ticket: Ticket(1), receipt: Acknowledged }";
    hears(&mut ann, &["echobot: one", receipt]).await;
    running.drain().await;
    ann.send("echobot", "two").unwrap();
    let lost = hear(&mut ann).await;
    assert!(
        lost.starts_with("Lost, ") && lost.ends_with("again: true"),
        "{lost}"
    );
    let _running = serve_datagrams(&network).await;
    loop {
        let event = hear(&mut ann).await;
        if event == "echobot: two" {
            break;
        }
        let known = ["Lost", "Connected", "LoggedIn"];
        assert!(
            known.iter().any(|known| event.starts_with(known)),
            "{event}"
        );
    }
    hears(
        &mut ann,
        &["Sent { ticket: Ticket(2), receipt: Acknowledged }"],
    )
    .await;
}
