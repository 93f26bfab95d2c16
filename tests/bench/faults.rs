//! A server with a planted fault: each is found, named, and no exit code is 0.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::support::{Ended, run, wharf};
use crate::{bench, find};

/// What a server does with a message.
enum Act {
    Reply(Vec<u8>),
    /// And hangs up.
    LastReply(Vec<u8>),
    /// Nothing.
    Lose,
    Reset,
}

/// Echoes messages of 64 bytes as `act` says of the message of this number on its
/// connection, from 1 on.
fn server(act: fn(usize, Vec<u8>) -> Act) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream, act));
        }
    });
    at
}

fn serve(mut stream: TcpStream, act: fn(usize, Vec<u8>) -> Act) {
    let mut message = vec![0; 64];
    for number in 1.. {
        if stream.read_exact(&mut message).is_err() {
            return;
        }
        match act(number, message.clone()) {
            // The client may have hung up on a wrong reply.
            Act::Reply(reply) => drop(stream.write_all(&reply)),
            Act::LastReply(reply) => return drop(stream.write_all(&reply)),
            Act::Lose => {}
            Act::Reset => {
                // Closed at once, without a farewell (SO_LINGER of 0, socket(7)).
                let socket = socket2::SockRef::from(&stream);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
                return;
            }
        }
    }
}

/// Loads a server and expects this to be found, and this exit code.
#[track_caller]
fn found(at: &str, options: &[&str], cause: &str, evidence: &str, code: i32) {
    let options = [&["-n", "40", "--json"], options].concat();
    let ended = bench(at, &options);
    assert_eq!(ended.code(), code, "{}", ended.stderr);
    let errors = &find("result", &ended)["errors"];
    assert!(errors[cause]["count"].as_u64().unwrap_or(0) > 0, "{errors}");
    let first = errors[cause]["first"].as_str().unwrap();
    assert!(first.contains(evidence), "{first}");
    assert_eq!(find("error", &ended)["exit"], code);
}

#[test]
fn a_wrong_byte() {
    let at = server(|number, mut message| {
        message[17] ^= u8::from(number == 9);
        Act::Reply(message)
    });
    found(&at, &[], "wrong_reply", "reply 9, byte 17 is", 4);
    found(&at, &["-d", "4", "-c", "3"], "wrong_reply", "byte 17 is", 4);
    let ended = bench(&at, &["-n", "40"]);
    // Also where stderr does not go.
    for words in ["× wrong reply (the", "reply 9, byte 17"] {
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    }
    assert!(
        ended
            .stderr
            .contains("× wrong reply (the first: connection 0: reply 9"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_lost_reply() {
    let at = server(|number, message| match number {
        9 => Act::Lose,
        _ => Act::Reply(message),
    });
    found(&at, &["-d", "4"], "lost_reply", "reply 9 did not come", 4);
    let short = ["--timeout", "300ms"];
    found(&at, &short, "no_reply_in_time", "after 8 replies", 28);
}

/// How long a server with this fault stalls. What counts is that this program looked for the
/// reply in vain, every 20 ms: on a busy machine some of 200 ms may not.
const STALL: Duration = Duration::from_millis(300);

/// Expects that a run failed since a reply stalled.
#[track_caller]
fn stalled(ended: &Ended) {
    assert_eq!(ended.code(), 28, "{}{}", ended.stdout, ended.stderr);
    let error = find("error", ended);
    let words = error["cause"].as_str().unwrap();
    assert!(words.starts_with("a stall of "), "{error}");
    let slowest = &find("result", ended)["slowest"];
    let unanswered = slowest["unanswered_seconds"].as_f64().unwrap();
    let took = slowest["seconds"].as_f64().unwrap();
    assert!(took >= STALL.as_secs_f64(), "{slowest}");
    assert!((0.15..=took).contains(&unanswered), "{slowest}");
}

#[test]
fn a_stall() {
    let at = server(|number, message| {
        if number == 9 {
            thread::sleep(STALL);
        }
        Act::Reply(message)
    });
    for options in [
        &["-n", "40"][..],
        &["-n", "200", "-c", "4"],
        &["-n", "200", "-c", "2", "--rate", "400"],
    ] {
        stalled(&bench(&at, &[options, &["--json"]].concat()));
    }

    found(&at, &["--late", "150ms"], "late_reply", "after ", 28);
    let limited = bench(
        &at,
        &["-n", "40", "--late", "none", "--fail-if", "max>150ms"],
    );
    assert_eq!(limited.code(), 5, "{}", limited.stderr);
    // It is told in any case.
    let told = bench(&at, &["-n", "40", "--late", "none"]);
    assert_eq!(told.code(), 0, "{}", told.stderr);
    assert!(
        told.stdout.contains("a stall: the slowest reply took "),
        "{}",
        told.stdout
    );
}

#[test]
fn a_stall_of_one_reply_in_ten() {
    let at = server(|number, message| {
        if number == 9 {
            thread::sleep(STALL);
        }
        Act::Reply(message)
    });
    // None of them excuses the others.
    stalled(&bench(&at, &["-n", "100", "-c", "10", "--json"]));
}

#[test]
fn a_stall_when_the_measured_time_ends() {
    let at = server(|number, message| {
        if number == 5 {
            thread::sleep(Duration::from_millis(1_200));
        }
        Act::Reply(message)
    });
    // Four replies take no time; the one that is owed comes after the end.
    let options = ["--duration", "400ms", "--fail-if", "max>1s", "--json"];
    let ended = bench(&at, &[&options[..], &["--late", "none"]].concat());
    assert_eq!(ended.code(), 5, "{}", ended.stderr);
    stalled(&bench(&at, &["--duration", "400ms", "--json"]));
    let result = find("result", &ended);
    assert_eq!(result["messages"], 4);
    assert!(
        result["latency"]["max"].as_f64().unwrap() >= 1.2,
        "{result}"
    );
}

/// A UDP server that does this before it answers the datagram of this number, if it does.
fn datagrams(answers: fn(usize) -> bool) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = format!("udp:{}", socket.local_addr().unwrap());
    thread::spawn(move || {
        let mut space = [0; 100];
        for number in 1.. {
            let (length, peer) = socket.recv_from(&mut space).unwrap();
            if answers(number) {
                // Who is gone needs no reply.
                let _ = socket.send_to(&space[..length], peer);
            }
        }
    });
    at
}

#[test]
fn a_stall_of_datagrams_that_were_given_up() {
    let pause = |number| {
        if number == 20 {
            thread::sleep(STALL);
        }
        true
    };
    let ended = bench(&datagrams(pause), &["--duration", "1s", "--json"]);
    stalled(&ended);
    let result = find("result", &ended);
    assert_eq!(result["datagrams"]["late"], 1, "{result}");
    // It is slower than any, and counted as such.
    let at = datagrams(pause);
    let late = ["--duration", "1s", "--late", "250ms", "--json"];
    let ended = bench(&at, &late);
    assert_eq!(ended.code(), 28, "{}", ended.stderr);
    let errors = &find("result", &ended)["errors"];
    assert_eq!(errors["late_reply"]["count"], 1, "{errors}");
}

#[test]
fn a_datagram_server_that_falls_silent() {
    let at = || datagrams(|number| number < 20);
    let ended = bench(&at(), &["--duration", "2s", "--json"]);
    assert_eq!(ended.code(), 28, "{}", ended.stderr);
    let error = find("error", &ended);
    let words = error["cause"].as_str().unwrap();
    assert!(words.ends_with(" fell silent"), "{error}");
    let result = find("result", &ended);
    assert!(result["silent_seconds"].as_f64().unwrap() > 1.0, "{result}");
    let waits = ["--duration", "2s", "--late", "none"];
    let ended = bench(&at(), &waits);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn a_datagram_server_that_is_slower_than_the_timeout() {
    let at = datagrams(|_| {
        thread::sleep(STALL);
        true
    });
    let ended = bench(&at, &["--duration", "1s", "--json"]);
    assert_eq!(ended.code(), 28, "{}", ended.stderr);
    let error = find("error", &ended);
    let found = error["evidence"]["found"].as_str().unwrap();
    assert!(found.ends_with("came later than --timeout"), "{error}");
}

#[test]
fn a_run_in_which_nothing_was_due() {
    let at = server(|_, message| Act::Reply(message));
    // The first one is of the warm-up, and the second one would come after the end.
    let mut command = wharf(["bench", &at, "--rate", "1", "--warmup", "500ms"]);
    let ended = run(command.args(["--duration", "100ms"]), "");
    assert_eq!(ended.code(), 28, "{}", ended.stderr);
    let cause = "error: no message was due within the measured time";
    assert!(ended.stderr.starts_with(cause), "{}", ended.stderr);
}

/// Answers 49 of 50, in no order.
fn loses_some(number: usize) -> bool {
    let mixed = number.wrapping_mul(2_654_435_761) % (1 << 32) / 1_024;
    !mixed.is_multiple_of(50)
}

#[test]
fn datagrams_that_are_lost_are_no_silence() {
    for options in [
        &["-n", "2000", "-c", "10"][..],
        &["-n", "2000", "-d", "16"],
        &["--duration", "1s", "-c", "10", "--timeout", "500ms"],
    ] {
        let ended = bench(&datagrams(loses_some), &[options, &["--json"]].concat());
        assert_eq!(ended.code(), 0, "{options:?}: {}", ended.stdout);
        let lost = &find("result", &ended)["datagrams"]["lost"];
        assert!(lost.as_u64().unwrap() > 0, "{options:?}: {lost}");
    }
}

#[test]
fn a_reset_and_an_end() {
    let at = server(|number, message| match number {
        9 => Act::Reset,
        _ => Act::Reply(message),
    });
    found(&at, &[], "connection_reset", "connection 0", 4);
}

#[test]
fn an_end_after_all_that_was_asked() {
    let at = server(|number, message| match number {
        5 => Act::LastReply(message),
        _ => Act::Reply(message),
    });
    for _ in 0..5 {
        let ended = bench(&at, &["-n", "5"]);
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
    }
    assert_eq!(bench(&at, &["-n", "6"]).code(), 4);
}

#[test]
fn more_than_was_asked_for() {
    let at = server(|number, mut message| {
        if number == 9 {
            message.push(b'!');
        }
        Act::Reply(message)
    });
    found(&at, &[], "unexpected_bytes", "1 byte after reply 9", 4);
}

#[test]
fn a_datagram_that_is_lost_doubled_or_wrong() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = format!("udp:{}", socket.local_addr().unwrap());
    thread::spawn(move || {
        let mut space = [0; 100];
        for number in 1.. {
            let (length, peer) = socket.recv_from(&mut space).unwrap();
            let copies = match number {
                9 => 0,
                20 => 2,
                _ => 1,
            };
            space[30] ^= u8::from(number > 100);
            for _ in 0..copies {
                socket.send_to(&space[..length], peer).unwrap();
            }
        }
    });
    let limits = ["--fail-if", "loss>0", "--fail-if", "duplicated>0"];
    let ended = bench(&at, &[&["-n", "40", "-d", "4"], &limits[..]].concat());
    assert_eq!(ended.code(), 5, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("loss>0: it is 2.500 %"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stdout.contains("none wrong, 1 missing"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stderr.contains("duplicated>0: it is 1"),
        "{}",
        ended.stderr
    );
    let many = ["-n", "80", "-d", "4", "--json"];
    let ended = bench(&at, &many);
    assert_eq!(ended.code(), 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("byte 30 is"), "{}", ended.stderr);
}
