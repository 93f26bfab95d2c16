//! Bulk, idle connections, chats, two servers in turns, and the picture.

use std::io::{Read, Write};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::screen::Terminal;
use crate::support::{Process, run, wharf};
use crate::{bench, event, find, serve};

#[test]
fn bulk_goes_both_ways_and_each() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let result = event("result", &at, &["--bulk", "both", "--duration", "200ms"]);
    let bytes = |name: &str| result[name].as_u64().unwrap();
    assert!(bytes("received_bytes") > 1 << 20, "{result}");
    assert_eq!(
        bytes("messages"),
        bytes("received_bytes").div_euclid(64 << 10)
    );

    let (_server, at) = serve("discard", "tcp", &[]);
    let send = ["--bulk", "send", "-c", "2", "--duration", "200ms"];
    let result = event("result", &at, &send);
    assert!(result["sent_bytes"].as_u64().unwrap() > 1 << 20, "{result}");
    assert_eq!(result["received_bytes"], 0);
    // It has no messages, and nothing that took time.
    for figure in ["messages", "latency", "corrected_latency", "slowest"] {
        assert!(result[figure].is_null(), "{figure}: {result}");
    }
    let ended = bench(&at, &send);
    assert!(ended.stdout.contains("Gbit/s"), "{}", ended.stdout);

    let (_server, at) = serve("chargen", "tcp", &[]);
    let receive = ["--bulk", "receive", "--duration", "200ms"];
    let result = event("result", &at, &receive);
    assert!(
        result["received_bytes"].as_u64().unwrap() > 1 << 20,
        "{result}"
    );
}

#[test]
fn bulk_is_told_over_time_in_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (service, way, column) in [("discard", "send", 4), ("chargen", "receive", 3)] {
        let (_server, at) = serve(service, "tcp", &[]);
        let csv = folder.path().join(way).display().to_string();
        let options = ["--bulk", way, "--duration", "1200ms", "--csv", &csv];
        let interval = event("interval", &at, &options);
        let name = ["received", "sent"][column - 3];
        let rate = &interval[format!("{name}_bytes_per_second")];
        assert!(rate.as_f64().unwrap() > 1e6, "{interval}");
        let text = std::fs::read_to_string(&csv).unwrap();
        let head = text.lines().next().unwrap().split(',').nth(column);
        assert_eq!(head, Some(&*format!("{name}_bytes_per_second")));
        let moved = |row: &str| {
            let cell = row.split(',').nth(column).unwrap();
            row.contains(",measuring,") && cell.parse::<f64>().unwrap() > 1e6
        };
        assert!(text.lines().skip(1).any(moved), "{text}");
        // There are no replies, and so no latencies.
        let has_none = |row: &str| row.ends_with(",,,,0");
        assert!(text.lines().skip(1).all(has_none), "{text}");
    }
    let (_server, at) = serve("discard", "tcp", &[]);
    let arguments = ["bench", &at, "--bulk", "send", "--warmup", "0", "-t", "60s"];
    let mut terminal = Terminal::wharf(&arguments, 80, 24);
    terminal.shows("bytes per second").shows("B/s");
    terminal.type_in("q");
    let (status, _) = terminal.end();
    assert_eq!(status.exit_code(), 130);
}

#[test]
fn bulk_that_moves_no_more_is_an_error() {
    // Each takes or sends so much, and then waits.
    const MUCH: usize = 8 << 20;
    let sink = listener(|mut stream| {
        let mut space = vec![0; 65_536];
        let mut left = MUCH;
        while left > 0 {
            left = left.saturating_sub(stream.read(&mut space).unwrap());
        }
        std::thread::park();
    });
    let source = listener(|mut stream| {
        // The client may have gone by then.
        let _ = stream.write_all(&vec![7; MUCH]);
        std::thread::park();
    });
    for (at, way) in [(sink, "send"), (source, "receive")] {
        let options = ["--bulk", way, "--duration", "2s", "--json"];
        let ended = bench(&at, &options);
        assert_eq!(ended.code(), 28, "{way}: {}", ended.stdout);
        let error = find("error", &ended);
        assert!(error["cause"].as_str().unwrap().ends_with(" fell silent"));
        let found = error["evidence"]["found"].as_str().unwrap();
        assert!(found.starts_with("no byte moved in the last "), "{found}");
    }
}

#[test]
fn a_name_with_several_addresses_over_udp() {
    let (_server, at) = serve("echo", "udp", &[]);
    let port = at.rsplit(':').next().unwrap();
    // Nothing listens on ::1, which comes first.
    let ended = bench(&format!("udp:localhost:{port}"), &["-n", "20"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let socket = std::net::UdpSocket::bind("[::1]:0").unwrap();
    let at = format!("udp::{}", socket.local_addr().unwrap().port());
    std::thread::spawn(move || {
        let mut space = [0; 100];
        while let Ok((length, peer)) = socket.recv_from(&mut space) {
            // Who is gone needs no reply.
            let _ = socket.send_to(&space[..length], peer);
        }
    });
    let ended = bench(&at, &["-n", "20"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn a_run_that_never_measures_says_so() {
    // An echo answers a login with the login.
    let (_server, at) = serve("echo", "tcp", &[]);
    let ended = bench(&at, &["--chat", "--users", "10"]);
    assert_eq!(ended.code(), 4, "{}", ended.stderr);
    assert!(
        ended.stdout.contains("nothing was measured: 10 errors"),
        "{}",
        ended.stdout
    );
    for nonsense in ["iB/s", "in 0 us", "so far"] {
        assert!(!ended.stdout.contains(nonsense), "{}", ended.stdout);
    }
}

#[test]
fn bulk_to_a_server_that_answers_or_goes_is_an_error() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let ended = bench(&at, &["--bulk", "send", "--duration", "1s"]);
    assert_eq!(ended.code(), 4, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("unexpected bytes"),
        "{}",
        ended.stderr
    );
    let (_server, at) = serve("daytime", "tcp", &[]);
    let ended = bench(&at, &["--bulk", "receive", "--duration", "1s"]);
    assert_eq!(ended.code(), 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("sent no more"), "{}", ended.stderr);
}

#[test]
fn idle_connections_are_held_and_their_memory_is_told() {
    let (server, at) = serve("echo", "tcp", &[]);
    let idle = ["--idle", "100", "-m", "hello", "--duration", "50ms"];
    let held = event("idle", &at, &idle);
    assert_eq!((&held["open"], &held["closed"]), (&100.into(), &0.into()));
    assert_eq!(held["pid"], server.process.pid());
    assert!(held["anonymous_bytes_each"].is_number());
    assert_eq!(held["first"], 10);
    // As long a time as can be said is no time that a clock can show.
    let patient = ["--idle", "2", "-m", "hello", "--duration", "10ms"];
    let patient = [&patient[..], &["--timeout", "876000h"]].concat();
    assert_eq!(event("idle", &at, &patient)["open"], 2);
    let ended = bench(&at, &["--idle", "10", "--duration", "10ms"]);
    let told = ["for each: ", "which had room: "];
    assert!(
        told.iter().any(|words| ended.stdout.contains(words))
            && ended.stdout.contains("with the first 5, "),
        "{}",
        ended.stdout
    );

    // A server that takes no more than five.
    let full = ["--max-connections", "5", "--when-full", "refuse"];
    let (_server, at) = serve("echo", "tcp", &full);
    let ended = bench(&at, &["--idle", "20", "--duration", "300ms"]);
    assert_eq!(ended.code(), 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("closed 1"), "{}", ended.stderr);
}

/// Takes connections and does this with each.
fn listener(serve: fn(std::net::TcpStream)) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream));
        }
    });
    at
}

#[test]
fn idle_connections_that_cannot_all_be_held_are_told_with_the_cause() {
    let silent = listener(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let ended = bench(
        &silent,
        &["--idle", "5", "-m", "hello", "--timeout", "200ms"],
    );
    assert_eq!(ended.code(), 28, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("no reply in time"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("ulimit"), "{}", ended.stderr);

    // Its process goes while they are held.
    let (mut server, at) = serve("echo", "tcp", &[]);
    let idle = ["--idle", "30", "--json", "--duration", "2s"];
    let killer = std::thread::spawn(move || {
        // The first connection only finds out whether somebody is there.
        server
            .process
            .wait_for_event("opened", |event| (event["connection"] == 31).then_some(()));
        drop(server);
    });
    let ended = bench(&at, &idle);
    killer.join().unwrap();
    assert_eq!(ended.code(), 4, "{}{}", ended.stdout, ended.stderr);
    let told = find("idle", &ended);
    assert_eq!((&told["open"], &told["closed"]), (&30.into(), &30.into()));

    let (_server, at) = serve("echo", "tcp", &[]);
    let limited = format!(
        "ulimit -n 64; exec {} bench {at} --idle 100 --duration 100ms",
        env!("CARGO_BIN_EXE_wharf")
    );
    let mut shell = std::process::Command::new("sh");
    let ended = run(shell.args(["-c", &limited]), "");
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    for words in ["of 100 connections were opened", "try      ulimit -n"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert!(!ended.stdout.contains("unknown"), "{}", ended.stdout);
}

#[test]
fn every_delivery_of_a_chat_is_accounted_for() {
    let (_server, at) = serve("chat", "tcp", &[]);
    let result = event("result", &at, &["--chat", "--users", "20", "-n", "400"]);
    assert_eq!(result["messages"], 400);
    let chat = &result["chat"];
    assert_eq!(chat["users"], 20);
    for fault in ["lost", "late", "doubled", "reordered", "altered"] {
        assert_eq!(chat[fault], 0, "{fault}");
    }
    assert!(chat["answer_latency"]["p50"].as_f64().unwrap() > 0.0);
    let ended = bench(&at, &["--chat", "--users", "3", "-n", "30"]);
    assert!(ended.stdout.contains("0 lost"), "{}", ended.stdout);
    let ended = bench(&at, &["--chat", "--users", "1"]);
    assert_eq!(ended.code(), 2, "{}", ended.stderr);
}

#[test]
fn two_servers_are_loaded_in_turns() {
    let (_first, a) = serve("echo", "tcp", &[]);
    let (_second, b) = serve("echo", "tcp", &[]);
    let compare = ["--compare", &b, "--rounds", "3", "-n", "200"];
    let found = event("comparison", &a, &compare);
    assert_eq!(found["rounds"], 3);
    assert_eq!(found["unit"], "messages_per_second");
    for server in [0, 1] {
        assert_eq!(found["throughput"][server].as_array().unwrap().len(), 3);
    }
    let ratio = &found["throughput_ratio"];
    let [least, median, most] =
        ["least", "median", "most"].map(|name| ratio[name].as_f64().unwrap());
    assert!(0.0 < least && least <= median && median <= most, "{ratio}");
    let ended = bench(&a, &compare);
    assert!(ended.stdout.contains("B/A throughput"), "{}", ended.stdout);
    // What is told meanwhile says of whom.
    let long = ["--compare", &b, "--rounds", "1", "-t", "1100ms", "--json"];
    let mut command = wharf(["bench", &a, "--warmup", "0"]);
    let ended = run(command.args(long), "");
    let told: std::collections::BTreeSet<String> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|event| event["event"] == "interval")
        .map(|event| format!("tcp:{}", event["server"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [a.clone(), b.clone()].into(), "{}", ended.stdout);

    let (_upper, wrong) = serve("upper", "tcp", &["--frame", "u8"]);
    let ended = bench(
        &a,
        &[
            "--compare",
            &wrong,
            "-n",
            "20",
            "--json",
            "--timeout",
            "300ms",
        ],
    );
    assert_ne!(ended.code(), 0);
    let error = find("error", &ended);
    let place = error["evidence"]["in"].as_str().unwrap();
    assert_eq!(place, format!("round 1 of 5, {}", &wrong[4..]));
}

#[test]
fn two_servers_that_are_not_compared_to_the_end_are_told_as_far_as_they_were() {
    let (_first, a) = serve("echo", "tcp", &[]);
    let (_second, b) = serve("echo", "tcp", &[]);
    let mut command = wharf(["bench", &a, "--compare", &b, "--rounds", "50", "--json"]);
    command.args(["--warmup", "0", "-t", "1100ms"]);
    let mut process = crate::support::Process::start(&mut command);
    // Of the second round or later: the first one took two.
    let mut seen = 0;
    while seen < 3 {
        process.wait_for_event("interval", |_| Some(()));
        seen += 1;
    }
    process.signal("INT");
    let ended = process.end();
    assert_eq!(ended.code(), 130, "{}", ended.stderr);
    let found = find("comparison", &ended);
    assert_eq!(
        (&found["rounds"], &found["cut_short"]),
        (&1.into(), &true.into())
    );
}

#[test]
fn a_picture_is_drawn_on_a_terminal_and_the_report_comes_after_it() {
    let (_server, at) = serve("echo", "tcp", &[]);
    for (columns, rows) in [(80, 24), (120, 30)] {
        let arguments = ["bench", &at, "--warmup", "0", "-t", "60s", "-c", "2"];
        let mut terminal = Terminal::wharf(&arguments, columns, rows);
        terminal.shows("2 connections, depth 1, 64 B, echo");
        terminal.shows("measuring");
        terminal
            .shows("messages per second")
            .shows("latency")
            .shows("no errors");
        terminal.type_in("q");
        let (status, screen) = terminal.end();
        assert_eq!(status.exit_code(), 130);
        let text = with_scrollback(screen);
        assert!(
            text.contains("throughput") && text.contains("ended early"),
            "{text}"
        );
    }
}

#[test]
fn a_small_terminal_has_a_line_instead_of_a_picture() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let arguments = ["bench", &at, "--warmup", "0", "-t", "1s"];
    let arguments = [&arguments[..], &["--late", "none"]].concat();
    for (columns, rows, shown) in [
        (79, 10, "messages/s  p50"),
        (79, 5, "messages/s  p50"),
        (40, 10, "errors 0"),
        (25, 10, " s  "),
    ] {
        let mut terminal = Terminal::wharf(&arguments, columns, rows);
        terminal.shows(shown);
        // Later ones take its place.
        terminal.wait_until(|screen| {
            let text = screen.contents();
            let is_later = (3..=9).any(|tenth| text.contains(&format!("0.{tenth} s")));
            is_later && text.trim_end().lines().count() == 1
        });
        let (status, screen) = terminal.end();
        assert_eq!(status.exit_code(), 0);
        let text = with_scrollback(screen);
        // A line may go on in the next one.
        let in_one: String = text.split_whitespace().collect();
        assert!(in_one.contains("noreplywrongormissing"), "{text}");
    }
}

/// What stands on a terminal and what went out at its top: a report has more
/// lines on a busy machine, which it tells of.
fn with_scrollback(mut terminal: vt100::Parser) -> String {
    let screen = terminal.screen_mut();
    let (_, columns) = screen.size();
    let columns = columns.get();
    let mut lines = Vec::new();
    for above in (1..=screen.scrollback_len()).rev() {
        screen.set_scrollback(above);
        lines.extend(screen.rows(0, columns).next());
    }
    screen.set_scrollback(0);
    lines.extend(screen.rows(0, columns));
    lines.join("\n")
}

#[test]
fn silent_connections_that_wait_for_their_reply_end_at_once() {
    let (asked, is_asked) = std::sync::mpsc::channel();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in silent.incoming().map_while(Result::ok) {
            // The first one only finds out whether somebody is there.
            if stream.read(&mut [0; 5]).is_ok_and(|count| count > 0) {
                asked.send(()).unwrap();
                kept.push(stream);
            }
        }
    });
    let mut command = wharf(["bench", &at, "--idle", "20", "-m", "hello"]);
    let process = Process::start(command.args(["--timeout", "1h", "--json"]));
    is_asked.recv().unwrap();
    process.signal("INT");
    let ended = process.end();
    assert_eq!(ended.code(), 130, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(find("idle", &ended)["open"], 0);
}

#[test]
fn a_message_that_is_still_waited_for_ends_at_once() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let message = format!("@{}", pipe.display());
    let start = || Process::start(&mut wharf(["bench", &at, "-m", &message, "-n", "5"]));
    let process = start();
    // It opens when the other side has.
    let writer = std::fs::File::create(&pipe).unwrap();
    process.signal("INT");
    assert_ne!(process.end().code(), 0);
    drop(writer);
    let process = start();
    std::fs::write(&pipe, "hello").unwrap();
    let ended = process.end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(
        ended.stdout.contains("replies      5 in "),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_unix_server_whose_queue_is_full_is_not_waited_for_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full");
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    // Room for three that nobody takes (listen(2)): the one that finds out whether somebody
    // is there, and two more.
    socket.listen(2).unwrap();
    let at = format!("unix:{}", path.display());
    let idle = ["--idle", "5", "--timeout", "200ms", "--duration", "10ms"];
    let ended = bench(&at, &idle);
    assert_eq!(ended.code(), 28, "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended.stderr.contains("the server's queue is full"),
        "{}",
        ended.stderr
    );
    drop(socket);
}
