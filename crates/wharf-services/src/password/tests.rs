//! The dialogue with the door, as peers see it.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};
use wharf::connection::{CloseReason, Connection};
use wharf::network::{Endpoint, Machine, MemoryNetwork, Platform, memory::Delivery};
use wharf::service::{Context, Drain, Service, ServiceError};

use super::users::tests::cheap;
use super::*;
use crate::testing::{
    EVERYWHERE, STREAMS, client_of, context, conversation, everything, heard, heard_at, stage,
};
use crate::{Chat, Echo};

fn ann() -> Users {
    let mut users = Users::none();
    users.set("ann", cheap("open sesame")).unwrap();
    users
}

fn one() -> Users {
    Users::one(cheap("open sesame"))
}

fn door(users: Users) -> Door {
    Door::new(users, |_| {})
}

/// Without delays, for tests that are about something else.
fn patient(users: Users) -> Door {
    door(users).rules(Rules {
        first_delay: Duration::ZERO,
        ..Rules::default()
    })
}

async fn said(delivery: Delivery, door: Door, words: &str) -> (String, Option<CloseReason>) {
    let (heard, outcome) = conversation(Password::new(door), delivery, &[words]).await;
    let reason = outcome.err().map(|error| error.reason());
    (String::from_utf8(heard).unwrap(), reason)
}

#[tokio::test]
async fn the_two_answers_are_exactly_those_of_the_lecture() {
    for delivery in EVERYWHERE {
        for (words, answer) in [
            ("open sesame", "access granted"),
            ("open sesame\n", "access granted\n"),
            ("open sesame\r\n", "access granted\n"),
            ("Open sesame", "access denied"),
            ("open sesame \n", "access denied\n"),
            ("\n", "access denied\n"),
            ("", ""),
        ] {
            let (heard, reason) = said(delivery, door(one()), words).await;
            assert_eq!((&*heard, reason), (answer, None), "{words:?}");
        }
        let (heard, _) = said(delivery, door(ann()), "ann open sesame\n").await;
        assert_eq!(heard, "access granted\n");
    }
}

#[tokio::test]
async fn it_speaks_over_every_stream_of_the_system() {
    for address in STREAMS {
        let password = Password::new(door(one()));
        let heard = heard_at(address, password, b"open sesame").await;
        assert_eq!(heard, b"access granted", "{address}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_a_newline_ends_300_ms_after_its_last_byte() {
    let (mut client, mut server) = MemoryNetwork::new().pair();
    let serving = tokio::spawn(async move {
        let password = Password::new(door(one()));
        password.serve(&mut server, &context()).await
    });
    let began = Instant::now();
    client.write_all(b"open ").await.unwrap();
    sleep(Duration::from_millis(299)).await;
    client.write_all(b"sesame").await.unwrap();
    assert_eq!(everything(&mut client).await, b"access granted");
    assert_eq!(began.elapsed().as_millis(), 299 + 300);
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn three_attempts_are_answered_and_then_the_door_is_shut() {
    for delivery in EVERYWHERE {
        let words = "a\nb\nc\nopen sesame\n";
        let (heard, reason) = said(delivery, patient(one()), words).await;
        assert_eq!(heard, "access denied\n".repeat(3));
        assert_eq!(reason, Some(CloseReason::Denied));
        let (heard, reason) = said(delivery, patient(one()), "a\nb\nopen sesame\nmore").await;
        assert_eq!(heard, "access denied\naccess denied\naccess granted\n");
        assert_eq!(reason, None);
    }
}

#[tokio::test]
async fn an_attempt_that_is_too_long_is_denied() {
    for words in [
        "x".repeat(MAX_ATTEMPT + 1),
        format!("{}\n", "x".repeat(5000)),
    ] {
        let (heard, reason) = said(Delivery::AsSent, door(one()), &words).await;
        assert_eq!(heard, "access denied\n");
        assert_eq!(reason, Some(CloseReason::MessageTooLong));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_or_drips_is_closed_as_idle() {
    let (mut client, mut server) = MemoryNetwork::new().pair();
    let password = Password::new(door(one()));
    let began = Instant::now();
    let outcome = password.serve(&mut server, &context()).await;
    assert_eq!(outcome.unwrap_err().reason(), CloseReason::Idle);
    assert_eq!(began.elapsed(), ATTEMPT_TIMEOUT);
    // Whoever goes on dripping has made its attempt when the time is over.
    let (mut dripping, mut server) = MemoryNetwork::new().pair();
    let drops = tokio::spawn(async move {
        while dripping.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(200)).await;
        }
    });
    let began = Instant::now();
    let once = Password::new(door(one()).rules(Rules {
        attempts: 1,
        ..Rules::default()
    }));
    let outcome = once.serve(&mut server, &context()).await;
    assert_eq!(outcome.unwrap_err().reason(), CloseReason::Denied);
    assert!(began.elapsed() <= ATTEMPT_TIMEOUT + PAUSE);
    drops.abort();
    let _ = client.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_at_once_and_the_next_attempt_waits() {
    let (mut client, mut server) = MemoryNetwork::new().pair();
    let serving = tokio::spawn(async move {
        let password = Password::new(door(one()));
        password.serve(&mut server, &context()).await
    });
    let began = Instant::now();
    for (seconds, attempt, answer) in [
        (0, "wrong", "access denied\n"),
        (1, "wrong", "access denied\n"),
        (3, "open sesame", "access granted\n"),
    ] {
        client
            .write_all(format!("{attempt}\n").as_bytes())
            .await
            .unwrap();
        let heard = client.read_chunk().await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), answer);
        assert_eq!(began.elapsed().as_secs(), seconds);
    }
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_comes_in_is_shown_and_what_was_tried_is_not() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    let door = Door::new(ann(), move |shown| {
        log.lock().unwrap().push(shown.to_string())
    });
    let door = door.rules(Rules {
        first_delay: Duration::ZERO,
        ..Rules::default()
    });
    said(
        Delivery::AsSent,
        door,
        "hunter2 x\nann x\nann open sesame\n",
    )
    .await;
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 3);
    assert!(
        seen[0].starts_with("denied ") && seen[1].starts_with("denied "),
        "{seen:?}"
    );
    assert!(seen[2].starts_with("let ann in from "), "{seen:?}");
    assert!(!seen.concat().contains("hunter2"));
}

#[tokio::test]
async fn a_gate_hands_over_what_follows_the_attempt() {
    for delivery in EVERYWHERE {
        let gate = Gate::new(door(ann()), Echo::default());
        let heard = heard(gate, delivery, &["ann open sesame\nhello"]).await;
        assert_eq!(heard, b"access granted\nhello");
        let gate = Gate::new(door(ann()), Chat::default());
        let words = ["ann open sesame\nHELLO-FROM ann\nWHO\n"];
        let heard = String::from_utf8(crate::testing::heard(gate, delivery, &words).await).unwrap();
        assert_eq!(
            heard,
            "access granted\nHELLO ann\nWHO-OK echobot,delaybot,ann\n"
        );
    }
    // An attempt that ended by the end of the stream: the service sees that end.
    let gate = Gate::new(door(ann()), Echo::default());
    let heard = heard(gate, Delivery::AsSent, &["ann open sesame"]).await;
    assert_eq!(heard, b"access granted");
}

#[tokio::test]
async fn a_gate_that_stays_shut_lets_nothing_through() {
    struct Never;
    impl Service for Never {
        async fn serve(&self, _: &mut Connection, _: &Context) -> Result<(), ServiceError> {
            panic!("somebody came in");
        }
    }
    for words in ["", "a\nb\nc\nd\n", "open sesame\nx\nx\n"] {
        let gate = Gate::new(patient(ann()), Never);
        let (heard, _) = conversation(gate, Delivery::AsSent, &[words]).await;
        assert!(!String::from_utf8_lossy(&heard).contains("granted"));
    }
}

#[tokio::test]
async fn the_client_opens_a_gate_and_leaves_what_follows() {
    for address in STREAMS {
        let gate = Gate::new(door(ann()), crate::Daytime);
        let (mut client, _running) = client_of(address, gate).await;
        log_in(&mut client, &Secret::new("ann open sesame").unwrap())
            .await
            .unwrap();
        let rest = String::from_utf8(everything(&mut client).await).unwrap();
        assert!(
            rest.ends_with("\r\n") && rest.len() > 20,
            "{address}: {rest:?}"
        );
    }
}

#[tokio::test]
async fn the_client_tells_a_shut_gate_from_none_and_from_a_silent_end() {
    let log_in_at = async |service: wharf::service::AnyService| {
        let (mut client, _running) = client_of("tcp:127.0.0.1:0", service).await;
        log_in(&mut client, &Secret::new("ann open").unwrap())
            .await
            .unwrap_err()
    };
    assert!(matches!(
        log_in_at(wharf::service::AnyService::new(Gate::new(
            door(ann()),
            Echo::default()
        )))
        .await,
        LoginError::Denied
    ));
    let no_gate = log_in_at(wharf::service::AnyService::new(Echo::default())).await;
    assert!(matches!(no_gate, LoginError::NoGate));
    assert!(!format!("{no_gate} {no_gate:?}").contains("ann open"));
    assert!(matches!(
        log_in_at(wharf::service::AnyService::new(crate::Daytime)).await,
        LoginError::NoGate
    ));
    struct Silent;
    impl Service for Silent {
        async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
            peer.read_chunk().await?;
            Ok(())
        }
    }
    assert!(matches!(
        log_in_at(wharf::service::AnyService::new(Silent)).await,
        LoginError::Closed
    ));
}

#[test]
fn a_secret_is_one_attempt_and_is_not_shown() {
    assert_eq!(Secret::new("").unwrap_err(), BadSecret::Empty);
    assert_eq!(Secret::new("a\nb").unwrap_err(), BadSecret::Lines);
    assert_eq!(
        Secret::new(vec![b'x'; MAX_ATTEMPT + 1]).unwrap_err(),
        BadSecret::TooLong
    );
    assert_eq!(format!("{:?}", Secret::new("hunter2").unwrap()), "Secret");
}

#[tokio::test]
async fn a_file_that_changes_is_read_again_and_a_broken_one_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let add = |name: &str| {
        change(&path, |users| users.set(name, cheap("open sesame")))
            .unwrap()
            .unwrap();
    };
    add("ann");
    let stale = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&stale);
    let door = Door::of_file(&path, move |shown| {
        count.fetch_add(
            usize::from(matches!(shown, Shown::Stale { .. })),
            Ordering::Relaxed,
        );
    })
    .unwrap()
    .rules(Rules {
        first_delay: Duration::ZERO,
        ..Rules::default()
    });
    let opens = async |name: &str| {
        let (heard, _) = said(
            Delivery::AsSent,
            door.clone(),
            &format!("{name} open sesame"),
        )
        .await;
        heard == "access granted"
    };
    assert!(opens("ann").await && !opens("ben").await);
    add("ben");
    assert!(opens("ben").await);
    change(&path, |users| Ok::<_, ()>(users.remove("ann")))
        .unwrap()
        .unwrap();
    assert!(!opens("ann").await);
    std::fs::write(&path, "nonsense\n").unwrap();
    assert!(opens("ben").await && opens("ben").await);
    assert_eq!(stale.load(Ordering::Relaxed), 1);
    std::fs::remove_file(&path).unwrap();
    assert!(opens("ben").await && opens("ben").await);
    assert_eq!(stale.load(Ordering::Relaxed), 2);
    add("cy");
    assert!(opens("cy").await && !opens("ben").await);
}

/// A machine on which every hash takes 25 ms of the paused clock, and that counts them.
#[derive(Default)]
struct Hashing {
    done: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

const HASH_TIME: Duration = Duration::from_millis(25);

impl Machine for Hashing {
    fn wall_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(4);
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        let now = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        let (at_once, done) = (Arc::clone(&self.at_once), Arc::clone(&self.done));
        tokio::spawn(async move {
            sleep(HASH_TIME).await;
            at_once.fetch_sub(1, Ordering::Relaxed);
            done.fetch_add(1, Ordering::Relaxed);
            work();
        });
    }
}

/// One attempt from an address; what it was answered.
fn attempt_from(
    address: Ipv6Addr,
    words: &'static str,
    door: &Door,
    platform: &Platform,
) -> tokio::task::JoinHandle<String> {
    let (near, far) = tokio::io::duplex(256);
    let peer: Endpoint = SocketAddr::from((address, 50_000)).into();
    let here: Endpoint = SocketAddr::from((Ipv6Addr::LOCALHOST, 11_268)).into();
    let mut server = Connection::new(far, here.clone(), peer.clone());
    let mut client = Connection::new(near, peer, here);
    let password = Password::new(door.clone());
    let context = Context::new(platform.clone(), Drain::new());
    tokio::spawn(async move {
        client.write_all(words.as_bytes()).await.unwrap();
        client.finish().await.unwrap();
        let serving = async {
            let _ = password.serve(&mut server, &context).await;
            server.close().await.unwrap();
        };
        let (heard, ()) = tokio::join!(everything(&mut client), serving);
        String::from_utf8(heard).unwrap()
    })
}

/// A tenth of the full attack (the limiter's own test runs it whole), with every layer
/// but the network: connections, the dialogue, hashes of 25 ms.
#[tokio::test(start_paused = true)]
async fn a_guessing_attack_over_connections_keeps_nobody_out() {
    let hashing = Hashing::default();
    let (done, most) = (Arc::clone(&hashing.done), Arc::clone(&hashing.most));
    let platform = Platform::new(hashing);
    let door = door(one());
    let friend = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);
    assert_eq!(
        attempt_from(friend, "open sesame", &door, &platform)
            .await
            .unwrap(),
        "access granted"
    );
    let attackers = 2_000_u16;
    let mut guesses = Vec::new();
    for guess in 0..10_000_u16 {
        // The last 64 bits change as well: they are one subscriber's.
        let from = Ipv6Addr::new(0x2001, 0xdb8, 0, guess % attackers, guess, 0, 0, 1);
        guesses.push(attempt_from(from, "guess", &door, &platform));
        if guess % 1_000 == 999 {
            sleep(Duration::from_millis(500)).await;
            let began = Instant::now();
            let answer = attempt_from(friend, "open sesame", &door, &platform)
                .await
                .unwrap();
            assert_eq!(answer, "access granted");
            let waited = began.elapsed();
            assert!(
                waited <= 2 * HASH_TIME,
                "one hash time in the queue, and its own: {waited:?}"
            );
        }
    }
    let began = Instant::now();
    let stranger = Ipv6Addr::new(0x2001, 0xdb8, 0xeeee, 0, 0, 0, 0, 1);
    let answer = attempt_from(stranger, "open sesame", &door, &platform)
        .await
        .unwrap();
    assert_eq!(answer, "access granted");
    let most_wait = HASH_TIME * u32::from(attackers).div_ceil(HASH_SLOTS as u32) + HASH_TIME;
    assert!(began.elapsed() <= most_wait, "{:?}", began.elapsed());
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    for guess in guesses {
        *answers.entry(guess.await.unwrap()).or_default() += 1;
    }
    assert_eq!(
        answers,
        BTreeMap::from([("access denied".to_owned(), 10_000)])
    );
    let hashed = done.load(Ordering::Relaxed);
    assert!(hashed < 10_000 / 2, "{hashed} of 10,000 were hashed");
    assert_eq!(most.load(Ordering::Relaxed), HASH_SLOTS + KNOWN_SLOTS);
    // However many were hashed: the memory of one hash for each slot (8 blocks of 1 KiB).
    assert_eq!(door.held(), [8 * 1024; HASH_SLOTS + KNOWN_SLOTS]);
}

#[tokio::test(start_paused = true)]
async fn the_dialogue_runs_in_a_simulated_network_and_a_hash_stops_nobody() {
    let platform = Platform::new(Hashing::default());
    let door = door(one());
    // Two slots are busy, a third client still makes its attempt and others are served.
    let address = |number| Ipv6Addr::new(0x2001, 0xdb8, 1, number, 0, 0, 0, 1);
    let first = attempt_from(address(1), "x", &door, &platform);
    let second = attempt_from(address(2), "x", &door, &platform);
    tokio::task::yield_now().await;
    let began = Instant::now();
    assert_eq!(
        heard(Echo::default(), Delivery::AsSent, &["hello"]).await,
        b"hello"
    );
    assert_eq!(began.elapsed(), Duration::ZERO);
    let third = attempt_from(address(3), "open sesame", &door, &platform);
    assert_eq!(third.await.unwrap(), "access granted");
    assert_eq!(began.elapsed(), 2 * HASH_TIME);
    assert_eq!(
        first.await.unwrap() + &second.await.unwrap(),
        "access deniedaccess denied"
    );
}

#[tokio::test]
async fn the_dialogues_of_the_documentation() {
    crate::testing::replay(
        include_str!("../../../../docs/protocols/password.md"),
        async |title| match title {
            "gate" => stage(Gate::new(patient(ann()), Echo::default())).await,
            "names" => stage(Password::new(patient(ann()))).await,
            _ => stage(Password::new(patient(one()))).await,
        },
    )
    .await;
}
