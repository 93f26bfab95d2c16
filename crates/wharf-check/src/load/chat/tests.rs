//! The users against Wharf's own chat, and against servers with planted faults.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use wharf::server::Server;
use wharf_services::chat::Rules;

use super::super::{Amount, Messages, Options, Pacing, Report, Target, run};
use super::*;

/// Wharf's chat, in a thread of its own.
fn wharf_chat(rules: Rules) -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let chat = wharf_services::Chat::new(rules, |_| {});
            let at = "tcp:127.0.0.1:0".parse().unwrap();
            let running = Server::new().serve("chat", at, chat).start().await.unwrap();
            let local = running.endpoints()[0].local.to_string();
            tell.send(local.parse().unwrap()).unwrap();
            running.ended().await;
        });
    });
    told.recv().unwrap()
}

/// What a planted fault makes of the deliveries of one message.
type Fault = fn(usize, String) -> Vec<String>;

/// A chat that does to every delivery what `fault` says; as slow as it is simple.
fn faulty_chat(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let room: Arc<Mutex<(usize, HashMap<String, TcpStream>)>> = Arc::default();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let room = Arc::clone(&room);
            thread::spawn(move || serve(stream, &room, fault));
        }
    });
    at
}

fn serve(stream: TcpStream, room: &Mutex<(usize, HashMap<String, TcpStream>)>, fault: Fault) {
    let mut name = String::new();
    for line in BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok)
    {
        let mut room = room.lock().unwrap();
        let (count, users) = &mut *room;
        if let Some(wanted) = line.strip_prefix("HELLO-FROM ") {
            name = wanted.to_owned();
            let _ = (&stream).write_all(format!("HELLO {name}\n").as_bytes());
            users.insert(name.clone(), stream.try_clone().unwrap());
        } else if let Some((to, text)) = line[5..].split_once(' ') {
            let _ = (&stream).write_all(b"SEND-OK\n");
            *count += 1;
            for delivery in fault(*count, format!("DELIVERY {name} {text}\n")) {
                // The users may have hung up.
                let _ = (&users[to]).write_all(delivery.as_bytes());
            }
        }
    }
}

fn options(at: SocketAddr, users: usize, each: u64) -> Options {
    let mut options = Options::new(Target::Tcp(at));
    options.connections = users;
    options.messages = Messages::Chat(Chat::default());
    options.messages_per_connection = Some(each);
    options.amount = Amount::Requests {
        count: users as u64 * each,
        at_most: Duration::from_secs(20),
    };
    options.warm_up = Duration::ZERO;
    options.reply_timeout = Duration::from_secs(2);
    options.errors_at_most = 3;
    options
}

fn chat(options: &mut Options) -> &mut Chat {
    match &mut options.messages {
        Messages::Chat(chat) => chat,
        _ => unreachable!("the options above are those of a chat"),
    }
}

fn counts(report: &Report) -> ChatCounts {
    report.chat.unwrap()
}

#[test]
fn every_message_of_a_right_chat_is_accounted_for() {
    let at = wharf_chat(Rules::default());
    for (prefix, users, depth, size) in [
        ("a", 2, 1, 10),
        ("b", 30, 1, 64),
        ("c", 20, 8, 300),
        ("d", 5, 3, 20_000),
    ] {
        let mut options = options(at, users, 40);
        options.pacing = Pacing::Closed { depth };
        chat(&mut options).size = size;
        chat(&mut options).prefix = prefix.to_owned();
        let report = run(&options).unwrap();
        assert!(report.errors.is_empty(), "{}", report.errors);
        assert_eq!(report.messages, users as u64 * 40);
        assert_eq!(counts(&report).users, users);
        // Each message is a SEND-OK and a DELIVERY; logins are not measured.
        assert_eq!(counts(&report).lines, users as u64 * 40 * 2);
        assert_eq!(report.latency.histogram().len(), users as u64 * 40);
        assert_eq!(report.acknowledgement.histogram().len(), users as u64 * 40);
    }
}

#[test]
fn users_that_write_byte_by_byte_are_understood() {
    let mut options = options(wharf_chat(Rules::default()), 20, 5);
    chat(&mut options).write_at_most = Some(1);
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.messages, 100);
}

#[test]
fn one_who_never_reads_is_cut_off_and_the_others_lose_nothing() {
    let at = wharf_chat(Rules {
        max_waiting_bytes: 1 << 20,
        ..Rules::default()
    });
    let mut options = options(at, 10, 400);
    options.pacing = Pacing::Closed { depth: 4 };
    chat(&mut options).size = 20_000;
    chat(&mut options).stalled = Stalled { users: 1, every: 3 };
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.messages, 4_000);
    let counts = counts(&report);
    assert_eq!(counts.users, 11);
    assert_eq!(counts.stalled_closed, 1, "{counts:?}");
    assert!(
        counts.to_stalled > 0 && counts.stalled_rejected > 0,
        "{counts:?}"
    );
}

#[test]
fn planted_faults_are_each_found_and_told_apart() {
    let lost: Fault = |number, line| if number == 7 { vec![] } else { vec![line] };
    let doubled: Fault = |number, line| {
        if number == 7 {
            vec![line.clone(), line]
        } else {
            vec![line]
        }
    };
    let altered: Fault = |number, line| match number {
        7 => vec![line.replace(".\n", "!\n")],
        _ => vec![line],
    };
    let forged: Fault = |number, line| match number {
        7 => vec![line, "DELIVERY nobody hi\n".to_owned()],
        _ => vec![line],
    };
    for (fault, cause) in [
        (lost, Cause::Lost),
        (doubled, Cause::Doubled),
        (altered, Cause::Wrong),
        (forged, Cause::Wrong),
    ] {
        let report = run(&options(faulty_chat(fault), 3, 20)).unwrap();
        assert_eq!(report.errors.count(cause), 1, "{cause}: {}", report.errors);
        assert_eq!(report.errors.total(), 1, "{cause}: {}", report.errors);
        let counts = counts(&report);
        let all = (counts.lost, counts.doubled, counts.altered);
        let expected = match cause {
            Cause::Lost => (1, 0, 0),
            Cause::Doubled => (0, 1, 0),
            _ => (0, 0, 1),
        };
        assert_eq!(all, expected, "{cause}");
    }
}

#[test]
fn a_lost_message_is_overtaken_by_none() {
    let lost: Fault = |number, line| if number == 7 { vec![] } else { vec![line] };
    // All go from one of two users to the other, and many follow the lost one.
    let mut options = options(faulty_chat(lost), 2, 40);
    options.pacing = Pacing::Closed { depth: 4 };
    let report = run(&options).unwrap();
    assert_eq!(report.errors.count(Cause::Lost), 1, "{}", report.errors);
    assert_eq!(report.errors.total(), 1, "{}", report.errors);
}

#[test]
fn a_message_that_overtakes_another_is_found() {
    static HELD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    // The first message of u0 is held back until the second one.
    let reordered: Fault = |_, line| {
        if !line.starts_with("DELIVERY u0 ") {
            return vec![line];
        }
        let mut held = HELD.lock().unwrap();
        held.push(line);
        match held.len() {
            2 => held.iter().rev().cloned().collect(),
            _ => vec![],
        }
    };
    // Two users at depth 2: both messages of the first are for the second.
    let mut options = options(faulty_chat(reordered), 2, 2);
    options.pacing = Pacing::Closed { depth: 2 };
    let report = run(&options).unwrap();
    assert_eq!(
        report.errors.count(Cause::Reordered),
        1,
        "{}",
        report.errors
    );
    assert_eq!(counts(&report).reordered, 1);
}

#[test]
fn a_name_in_use_is_a_rejected_login() {
    let at = wharf_chat(Rules::default());
    let mut other = TcpStream::connect(at).unwrap();
    other.write_all(b"HELLO-FROM u1\n").unwrap();
    let mut line = String::new();
    BufReader::new(other.try_clone().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "HELLO u1\n");
    let report = run(&options(at, 3, 20)).unwrap();
    assert_eq!(report.errors.count(Cause::Rejected), 1, "{}", report.errors);
    assert_eq!(counts(&report).users, 2);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let at = SocketAddr::from(([127, 0, 0, 1], 1));
    for change in [
        (|options| options.connections = 1) as fn(&mut Options),
        |options| options.connections = 70_000,
        |options| options.pacing = Pacing::Closed { depth: 2_000 },
        |options| chat(options).size = 9,
        |options| chat(options).size = 70_000,
        |options| chat(options).prefix = "a1".to_owned(),
        |options| chat(options).write_at_most = Some(0),
    ] {
        let mut options = options(at, 2, 1);
        change(&mut options);
        assert!(matches!(run(&options), Err(LoadError::Option(_))));
    }
}
