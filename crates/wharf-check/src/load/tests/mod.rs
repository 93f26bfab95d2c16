//! The engine against servers that answer rightly, and against planted faults.

mod datagrams;
mod open_loop;
mod secure;

use super::*;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;

fn options(target: Target) -> Options {
    let mut options = Options::new(target);
    options.warm_up = Duration::ZERO;
    options.amount = requests(200);
    options.connect_timeout = Duration::from_secs(2);
    options.reply_timeout = Duration::from_secs(2);
    options.errors_at_most = 3;
    options
}

fn requests(count: u64) -> Amount {
    Amount::Requests {
        count,
        at_most: Duration::from_secs(10),
    }
}

/// A TCP server with a thread per connection, until the test process ends.
fn tcp(serve: impl Fn(TcpStream) + Send + Clone + 'static) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (serve, stream) = (serve.clone(), stream.unwrap());
            thread::spawn(move || serve(stream));
        }
    });
    Target::Tcp(at)
}

/// Echoes messages of 64 bytes after `change`; `None` sends nothing for it.
fn echo_with(
    change: impl Fn(usize, Vec<u8>) -> Option<Vec<u8>> + Send + Clone + 'static,
) -> Target {
    tcp(move |mut stream| {
        let mut message = vec![0; 64];
        for number in 1.. {
            if stream.read_exact(&mut message).is_err() {
                return;
            }
            if let Some(reply) = change(number, message.clone()) {
                // The engine may have hung up on a wrong reply.
                let _ = stream.write_all(&reply);
            }
        }
    })
}

/// An echo on tokio, in a thread of its own.
fn tokio_echo() -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut input, mut output) = stream.split();
                    let _ = tokio::io::copy(&mut input, &mut output).await;
                });
            }
        });
    });
    told.recv().unwrap()
}

fn only(report: &Report, cause: Cause) {
    assert!(report.errors.count(cause) > 0, "{}", report.errors);
    assert_eq!(
        report.errors.count(cause),
        report.errors.total(),
        "{}",
        report.errors
    );
}

#[test]
fn every_reply_of_a_right_server_is_counted() {
    let mut options = options(Target::Tcp(tokio_echo()));
    for (connections, depth, size) in [(1, 1, 1), (10, 1, 64), (7, 16, 100), (3, 2, 300_000)] {
        options.connections = connections;
        options.pacing = Pacing::Closed { depth };
        options.messages = Messages::Size(size);
        let report = run(&options).unwrap();
        assert!(report.errors.is_empty(), "{}", report.errors);
        assert_eq!(report.messages, 200);
        assert_eq!(report.sent_bytes, 200 * size as u64);
        assert_eq!(report.received_bytes, 200 * size as u64);
        assert_eq!(report.latency.histogram().len(), 200);
        assert!(report.latency.quantile(0.5) > Duration::ZERO);
    }
}

#[test]
fn a_run_by_time_takes_that_long() {
    let mut options = options(Target::Tcp(tokio_echo()));
    options.connections = 5;
    options.warm_up = Duration::from_millis(50);
    options.amount = Amount::Time(Duration::from_millis(200));
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert!(report.messages > 0 && !report.cut_short);
    assert!(
        (200..1_000).contains(&report.elapsed.as_millis()),
        "{report:?}"
    );
    assert!(report.cpu > Duration::ZERO && report.cpu <= report.elapsed * 2);
}

#[test]
fn churn_opens_a_connection_for_each_message() {
    let mut options = options(Target::Tcp(tokio_echo()));
    options.connections = 4;
    options.messages_per_connection = Some(1);
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!((report.messages, report.connections), (200, 200));
}

#[test]
fn a_server_of_one_client_at_a_time_owes_nothing_at_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut output = stream.try_clone().unwrap();
            let _ = std::io::copy(&mut stream, &mut output);
        }
    });
    let mut options = options(Target::Tcp(at));
    options.connections = 20;
    options.messages_per_connection = Some(1_000_000);
    options.amount = Amount::Time(Duration::from_millis(100));
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert!(report.messages > 0);
}

#[test]
fn unix_sockets_are_loaded_as_well() {
    let path = std::env::temp_dir().join(format!("wharf-load-{}.sock", std::process::id()));
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
        }
    });
    let mut options = options(Target::Unix(path.clone()));
    options.connections = 3;
    let report = run(&options).unwrap();
    std::fs::remove_file(path).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.messages, 200);
}

#[test]
fn upper_case_and_computed_replies_are_expected_as_asked() {
    let mut options = options(echo_with(|_, message| Some(message.to_ascii_uppercase())));
    options.expect = Expect::AsciiUpper;
    assert!(run(&options).unwrap().errors.is_empty());
    options.expect = Expect::Function(|message| message.to_ascii_uppercase());
    assert!(run(&options).unwrap().errors.is_empty());
    options.expect = Expect::Echo;
    only(&run(&options).unwrap(), Cause::Wrong);
}

#[test]
fn messages_of_any_size_out_of_a_range() {
    let mut options = options(Target::Tcp(tokio_echo()));
    options.messages = Messages::Sizes(1..=5_000);
    options.pacing = Pacing::Closed { depth: 5 };
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.messages, 200);
    assert!(report.sent_bytes > 200 * 1_000, "{}", report.sent_bytes);
    assert_eq!(report.sent_bytes, report.received_bytes);
}

/// Messages in lines, with replies that are only known by a rule.
fn asked(rule: fn(&[u8]) -> bool) -> Messages {
    Messages::Asked(Asked {
        requests: vec![b"one\n".to_vec(), b"and two\n".to_vec()],
        framing: "lines".parse().unwrap(),
        longest: 100,
        rule: Rule::new(rule),
    })
}

#[test]
fn replies_are_judged_by_a_rule_where_their_bytes_are_not_known() {
    let counting = || {
        tcp(|mut stream| {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for (number, line) in lines.map_while(Result::ok).enumerate() {
                let reply = format!("{number}: {line}\n");
                let (first, second) = reply.split_at(2);
                let _ = stream.write_all(first.as_bytes());
                let _ = stream.write_all(second.as_bytes());
            }
        })
    };
    let mut options = options(counting());
    options.pacing = Pacing::Closed { depth: 3 };
    options.messages = asked(|reply| reply.contains(&b':'));
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.messages, 200);

    options.target = counting();
    options.messages = asked(|reply| !reply.starts_with(b"7:"));
    let report = run(&options).unwrap();
    only(&report, Cause::Wrong);
    assert!(
        report
            .errors
            .to_string()
            .contains("reply 8 is \"7: and two\""),
        "{}",
        report.errors
    );

    options.target = tcp(|mut stream| {
        for _ in BufReader::new(stream.try_clone().unwrap()).lines() {
            let _ = stream.write_all(b"one\nand another\n");
        }
    });
    options.pacing = Pacing::Closed { depth: 1 };
    options.messages = asked(|_| true);
    only(&run(&options).unwrap(), Cause::Unexpected);
}

#[test]
fn bytes_of_the_warm_up_do_not_count_among_so_many_messages() {
    let mut options = options(Target::Tcp(tokio_echo()));
    options.warm_up = Duration::from_millis(30);
    options.pacing = Pacing::Closed { depth: 16 };
    options.messages = Messages::Size(50_000);
    options.amount = requests(40);
    let bytes = |options: &Options| {
        let report = run(options).unwrap();
        assert!(report.errors.is_empty(), "{}", report.errors);
        assert_eq!(report.messages, 40);
        (report.sent_bytes, report.received_bytes)
    };
    for _ in 0..5 {
        assert_eq!(bytes(&options), (2_000_000, 2_000_000));
    }
    // Nor do those of replies whose length is not known before.
    options.messages = Messages::Asked(Asked {
        requests: vec![[&[b'x'; 29_999][..], b"\n"].concat()],
        framing: "lines".parse().unwrap(),
        longest: 30_000,
        rule: Rule::new(|reply| reply.len() == 29_999),
    });
    for _ in 0..5 {
        assert_eq!(bytes(&options), (1_200_000, 1_200_000));
    }
}

#[test]
fn connections_come_one_by_one_in_a_ramp() {
    let mut options = options(Target::Tcp(tokio_echo()));
    options.connections = 4;
    options.ramp_up = Duration::from_millis(120);
    options.amount = Amount::Time(Duration::from_millis(50));
    let mut phases = Vec::new();
    let report = run_with(&options, Duration::from_millis(20), &mut |now| {
        phases.push((now.phase, now.elapsed));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    let begins = phases.iter().find(|(phase, _)| *phase == Phase::Measuring);
    assert!(begins.unwrap().1 >= options.ramp_up, "{phases:?}");
}

#[test]
fn a_script_has_requests_and_replies_of_any_length() {
    let target = tcp(|mut stream| {
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            // The engine may hang up at any time.
            let Ok(line) = line else { return };
            let _ = stream.write_all(format!("{}\n", line.len() + 1).as_bytes());
        }
    });
    let exchange = |request: &str, reply: &str| Exchange {
        request: request.into(),
        reply: reply.into(),
    };
    let mut options = options(target);
    options.pacing = Pacing::Closed { depth: 5 };
    options.messages = Messages::Script(vec![
        exchange("a\n", "2\n"),
        exchange("a longer line\n", "14\n"),
        exchange("\n", "1\n"),
    ]);
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.messages, 200);
    options.messages = Messages::Script(vec![exchange("a\n", "3\n")]);
    only(&run(&options).unwrap(), Cause::Wrong);
}

#[test]
fn a_wrong_byte_is_found_and_named() {
    let target = echo_with(|number, mut message| {
        if number == 5 {
            message[7] ^= 1;
        }
        Some(message)
    });
    let report = run(&options(target)).unwrap();
    only(&report, Cause::Wrong);
    assert!(
        report.errors.to_string().contains("reply 5, byte 7 is"),
        "{}",
        report.errors
    );
}

#[test]
fn a_wrong_byte_in_a_later_piece_of_a_reply_is_named_the_same() {
    let target = tcp(|mut stream| {
        let mut message = vec![0; 200_000];
        while stream.read_exact(&mut message).is_ok() {
            message[150_000] ^= 1;
            let _ = stream.write_all(&message);
        }
    });
    let mut options = options(target);
    options.messages = Messages::Size(200_000);
    let report = run(&options).unwrap();
    only(&report, Cause::Wrong);
    assert!(
        report
            .errors
            .to_string()
            .contains("reply 1, byte 150000 is"),
        "{}",
        report.errors
    );
}

#[test]
fn a_lost_reply_is_told_from_a_wrong_one() {
    let mut options = options(echo_with(|number, message| {
        (number != 5).then_some(message)
    }));
    options.pacing = Pacing::Closed { depth: 8 };
    let report = run(&options).unwrap();
    only(&report, Cause::Lost);
    assert!(
        report.errors.to_string().contains("reply 5 did not come"),
        "{}",
        report.errors
    );
}

#[test]
fn a_stall_is_no_reply_in_time() {
    let mut options = options(echo_with(|number, message| (number < 5).then_some(message)));
    options.reply_timeout = Duration::from_millis(300);
    let report = run(&options).unwrap();
    only(&report, Cause::NoReply);
    assert!(
        report
            .errors
            .to_string()
            .contains("after 4 replies, with 1 owed"),
        "{}",
        report.errors
    );
}

#[test]
fn a_short_stall_is_a_late_reply() {
    let mut options = options(echo_with(|number, message| {
        if number == 5 {
            thread::sleep(Duration::from_millis(250));
        }
        Some(message)
    }));
    options.late_after = Some(Duration::from_millis(200));
    let report = run(&options).unwrap();
    only(&report, Cause::Late);
    assert_eq!(report.messages, 200);
    assert!(report.latency.max() >= Duration::from_millis(250));
}

#[test]
fn every_late_reply_counts_also_those_that_come_together() {
    let target = tcp(|mut stream| {
        let mut messages = vec![0; 4 * 64];
        while stream.read_exact(&mut messages).is_ok() {
            thread::sleep(Duration::from_millis(60));
            let _ = stream.write_all(&messages);
        }
    });
    let mut options = options(target);
    options.pacing = Pacing::Closed { depth: 4 };
    options.amount = requests(8);
    options.late_after = Some(Duration::from_millis(50));
    options.errors_at_most = 100;
    let report = run(&options).unwrap();
    only(&report, Cause::Late);
    assert_eq!(report.errors.count(Cause::Late), 8, "{}", report.errors);
}

#[test]
fn a_run_that_ends_in_its_warm_up_has_measured_nothing() {
    let mut options = options(echo_with(|number, mut message| {
        message[0] ^= u8::from(number == 50);
        Some(message)
    }));
    options.warm_up = Duration::from_secs(20);
    options.errors_at_most = 1;
    options.errors_at_first = 1;
    let report = run(&options).unwrap();
    only(&report, Cause::Wrong);
    assert!(report.cut_short);
    let counts = (report.messages, report.sent_bytes, report.received_bytes);
    assert_eq!((report.elapsed, counts), (Duration::ZERO, (0, 0, 0)));
    assert_eq!(report.latency.histogram().len(), 0);
}

#[test]
fn more_than_was_asked_for_is_unexpected() {
    let report = run(&options(echo_with(|_, mut message| {
        message.push(b'!');
        Some(message)
    })));
    let report = report.unwrap();
    only(&report, Cause::Unexpected);
}

#[test]
fn a_peer_that_closes_and_one_that_resets_are_told_apart() {
    let closes = tcp(|mut stream| {
        let mut message = [0; 64];
        // All is read, so close(2) sends a FIN.
        let _ = stream.read_exact(&mut message);
    });
    only(&run(&options(closes)).unwrap(), Cause::Closed);
    let resets = tcp(|mut stream| {
        // Unread input turns close(2) into a reset.
        let _ = stream.read_exact(&mut [0; 10]);
    });
    only(&run(&options(resets)).unwrap(), Cause::Reset);
}

#[test]
fn a_run_against_nobody_ends_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let mut options = options(Target::Tcp(at));
    options.connections = 2;
    let report = run(&options).unwrap();
    only(&report, Cause::Refused);
    assert!(report.cut_short && report.messages == 0);
    options.target = Target::Udp(at);
    options.errors_at_most = 2;
    only(&run(&options).unwrap(), Cause::Refused);
}

#[test]
fn the_run_can_be_watched_and_stopped() {
    let mut options = options(Target::Tcp(tokio_echo()));
    options.amount = Amount::Time(Duration::from_secs(60));
    let mut seen = Vec::new();
    let report = run_with(&options, Duration::from_millis(20), &mut |snapshot| {
        seen.push((
            snapshot.phase,
            snapshot.interval_messages,
            snapshot.latency.histogram().len(),
        ));
        if seen.len() < 4 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })
    .unwrap();
    assert!(report.cut_short && report.errors.is_empty());
    let last = seen.last().unwrap();
    assert_eq!(last.0, Phase::Measuring);
    assert!(last.1 > 0 && last.1 == last.2, "{seen:?}");
    let shown: u64 = seen.iter().map(|one| one.1).sum();
    assert!(report.messages >= shown && report.latency.histogram().len() == report.messages);
}

/// A UDP server that answers each datagram with what `replies` makes of it.
fn udp(mut replies: impl FnMut(usize, Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) -> Target {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut space = vec![0; 65_536];
        for number in 1.. {
            let (length, peer) = socket.recv_from(&mut space).unwrap();
            for reply in replies(number, space[..length].to_vec()) {
                socket.send_to(&reply, peer).unwrap();
            }
        }
    });
    Target::Udp(at)
}

#[test]
fn what_the_server_uses_is_read_if_its_process_is_known() {
    let mut options = options(Target::Tcp(tokio_echo()));
    options.server = Some(std::process::id());
    // The kernel counts in steps for which other runs here are too short.
    options.amount = Amount::Time(Duration::from_millis(150));
    let used = run(&options).unwrap().server.unwrap();
    assert_eq!(used.pid, std::process::id());
    assert!(used.cpu.is_some() && used.memory.unwrap().private > 0);
}

#[test]
fn an_abstract_unix_socket_is_loaded_as_well() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("wharf-load-{}", std::process::id()).into_bytes();
    let at = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let listener = std::os::unix::net::UnixListener::bind_addr(&at).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
        }
    });
    let report = run(&options(Target::Abstract(name))).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.messages, 200);
}

#[test]
fn idle_connections_are_held_and_their_memory_is_read() {
    let mut options = IdleOptions::new(Target::Tcp(tokio_echo()), 20);
    options.hold = Duration::from_millis(10);
    options.server = Some(std::process::id());
    let report = hold(&options).unwrap();
    assert_eq!(
        (
            report.open,
            report.closed,
            report.spoke,
            report.failure.as_ref()
        ),
        (20, 0, 0, None)
    );
    assert_eq!(report.held, options.hold);
    assert!(report.bytes_per_connection().is_some());
    assert_eq!(report.first, 10);

    options.target = tcp(|mut stream| {
        let mut byte = [0; 64];
        let count = stream.read(&mut byte).unwrap();
        stream.write_all(&byte[..count]).unwrap();
    });
    options.hold = Duration::from_millis(200);
    assert_eq!(hold(&options).unwrap().closed, 20);
}

#[test]
fn an_idle_connection_that_is_talked_to_is_no_silent_one() {
    // Ten thousand bytes nobody asked for, then the end: more than one look would read.
    let mut options = IdleOptions::new(
        tcp(|mut stream| {
            let _ = stream.write_all(&[b'!'; 10_000]);
        }),
        5,
    );
    options.greeting = Greeting::Silence;
    options.hold = Duration::from_millis(300);
    let report = hold(&options).unwrap();
    assert_eq!((report.open, report.closed, report.spoke), (5, 5, 5));
}

#[test]
fn an_idle_connection_without_its_reply_says_why() {
    let silent = tcp(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let gone = tcp(drop);
    for (target, cause) in [(silent, Cause::NoReply), (gone, Cause::Closed)] {
        let mut options = IdleOptions::new(target, 5);
        options.hold = Duration::ZERO;
        options.timeout = Duration::from_millis(100);
        let failure = hold(&options).unwrap().failure.unwrap();
        let is_reset = cause == Cause::Closed && failure.cause == Cause::Reset;
        assert!(failure.cause == cause || is_reset, "{failure}");
        assert_eq!(failure.connection, 0);
    }
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let at = Target::Tcp("127.0.0.1:9".parse().unwrap());
    let mut none = options(at.clone());
    none.connections = 0;
    assert!(matches!(run(&none), Err(LoadError::Option(_))));
    let mut small = options(Target::Udp("127.0.0.1:9".parse().unwrap()));
    small.messages = Messages::Size(7);
    assert!(run(&small).unwrap_err().to_string().contains("8 to 65,507"));
    let mut empty = options(at);
    empty.messages = Messages::Script(vec![]);
    assert!(matches!(run(&empty), Err(LoadError::Option(_))));
}
