//! What machines read: JSON lines with the members that docs/json.md names.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::namespace::alone;
use crate::peer::{ask, converse, rest, tcp, udp};
use crate::support::{DEADLINE, Process, Server, Stream, root, run, wharf};

/// The members of every event of `wharf serve`, from the table in docs/json.md.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("docs/json.md")).unwrap();
    let (_, section) = text.split_once("## `wharf serve --json`").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').collect();
        let quoted = |cell: &str| -> BTreeSet<String> {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        let names = quoted(cells[1]);
        let name = names.first().unwrap();
        let mut members = quoted(cells[2]);
        if cells[2].contains("as `opened`") {
            members.remove("opened");
            members.extend(events["opened"].clone());
        }
        members.extend(["event".to_owned(), "time".to_owned()]);
        events.insert(name.clone(), members);
    }
    assert!(events.len() >= 15, "{events:?}");
    events
}

#[track_caller]
fn assert_as_documented(event: &Value) {
    let documented = documented();
    let name = event["event"].as_str().unwrap();
    let members: BTreeSet<String> = event.as_object().unwrap().keys().cloned().collect();
    assert_eq!(Some(&members), documented.get(name), "{event}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let time = event["time"].as_f64().unwrap();
    assert!((now.as_secs_f64() - time).abs() < 3_600.0, "{event}");
}

#[test]
fn every_event_has_the_documented_members_and_nothing_else_is_on_stdout() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("tcp:{}", holder.local_addr().unwrap());
    let mut server = Server::start([
        "message",
        "tls:127.0.0.1:0,self-signed",
        "tcp:127.0.0.1:0",
        &taken,
        "--max-connections",
        "1",
        "--when-full",
        "refuse",
    ]);
    let seen = RefCell::new(BTreeSet::new());
    let next = |server: &mut Server, wanted: &str| -> Value {
        server.process.wait_for(|stream, line| {
            if stream == Stream::Err {
                return None;
            }
            let event: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"));
            assert_as_documented(&event);
            let name = event["event"].as_str().unwrap().to_owned();
            seen.borrow_mut().insert(name.clone());
            (name == wanted).then_some(event)
        })
    };
    let tls = next(&mut server, "listening");
    assert_eq!(tls["fingerprint"].as_str().map(str::len), Some(64));
    let plain = next(&mut server, "listening");
    assert_eq!(
        (&plain["transport"], &plain["fingerprint"]),
        (&"tcp".into(), &Value::Null)
    );
    let error = next(&mut server, "error");
    assert_eq!(error["exit"], 3);
    assert!(error["evidence"]["held_by"].is_string(), "{error}");

    let port = plain["local"].as_str().unwrap().rsplit_once(':').unwrap().1;
    let mut first = tcp(port);
    next(&mut server, "opened");
    rest(&mut tcp(port));
    next(&mut server, "refused");
    assert!(seen.borrow().contains("full"), "{seen:?}");
    converse(&mut first, b"shown\n", b"");
    let shown = next(&mut server, "shown");
    assert!(shown["text"].is_string());
    drop(first);
    next(&mut server, "closed");

    let address = format!(
        "tls:{},pin={}",
        tls["local"].as_str().unwrap(),
        tls["fingerprint"].as_str().unwrap()
    );
    let client = run(&mut wharf(["connect", &address]), "over tls\n");
    assert_eq!(client.code(), 0, "{client:?}");
    next(&mut server, "secured");
    next(&mut server, "closed");
    server.process.signal("INT");
    next(&mut server, "draining");
    let ended = server.process.end();
    assert_eq!(ended.code(), 3, "{ended:?}");
    let events: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    events.iter().for_each(assert_as_documented);
    let last = events.last().unwrap();
    assert_eq!(last["event"], "stopped");
    assert_eq!(last["accepted"], 2, "{last}");
    let ended = last["ended"].as_object().unwrap();
    assert_eq!(ended["refused-full"], 1, "{last}");
    assert_eq!(ended.values().filter_map(Value::as_u64).sum::<u64>(), 3);
    assert_eq!(last["received_bytes"], 6 + 9, "{last}");
    assert_eq!(last["messages"], 2, "{last}");
    assert_eq!(last["datagrams"], Value::Null);
}

#[test]
fn every_failure_is_one_json_line_with_its_exit_code() {
    let cases: [(&[&str], i32); 7] = [
        (&["--json", "serve", "ehco"], 2),
        (&["serve", "--json", "echo", ":70000"], 2),
        (&["serve", "echo", "--frame", "u33", "--json"], 2),
        (&["--json", "serve", "echo", "--no-such-option"], 2),
        (&["--json", "serve", "echo", "tls::0"], 35),
        (&["--json", "serve", "echo", "no-such-host.invalid:0"], 6),
        (&["--json", "serve", "echo", "203.0.113.9:7000"], 3),
    ];
    for (arguments, code) in cases {
        let ended = run(&mut wharf(arguments), "");
        assert_eq!(ended.code(), code, "{arguments:?}: {ended:?}");
        assert_eq!(ended.stdout.lines().count(), 1, "{arguments:?}: {ended:?}");
        let event: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_as_documented(&event);
        assert_eq!(event["exit"], code, "{event}");
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
    }
}

#[test]
fn datagrams_and_their_sockets_are_told_too() {
    // No system grants two gibibytes, whoever asks.
    let mut server = Server::start([
        "echo",
        "udp:127.0.0.1:0",
        "udp:127.0.0.1:0,rcvbuf=2047MiB",
        "tcp:127.0.0.1:0",
    ]);
    let next = |server: &mut Server, name: &str| {
        server.process.wait_for_event(name, |event| {
            assert_as_documented(event);
            Some(event.clone())
        })
    };
    let sockets = ["", "", ""].map(|_| next(&mut server, "listening"));
    let transports = sockets.clone().map(|event| event["transport"].clone());
    assert_eq!(transports, ["udp", "udp", "tcp"]);
    assert_eq!(sockets[0]["receive_buffer_asked"], 4 << 20);
    assert!(sockets[0]["receive_buffer_granted"].as_u64() > Some(0));
    let large = &sockets[1];
    assert_eq!(large["receive_buffer_asked"], 2047_u64 << 20);
    assert!(large["receive_buffer_granted"].as_u64() < large["receive_buffer_asked"].as_u64());
    assert_eq!(sockets[2]["receive_buffer_asked"], Value::Null);
    let note = next(&mut server, "note");
    let text = note["text"].as_str().unwrap();
    assert!(
        text.contains("sysctl net.core.rmem_max=2146435072"),
        "{text}"
    );

    let port = |event: &Value| {
        let (_, port) = event["local"].as_str()?.rsplit_once(':')?;
        Some(port.to_owned())
    };
    assert_eq!(ask(&port(&sockets[2]).unwrap(), b"x"), "x");
    let peer = udp(&port(&sockets[0]).unwrap());
    peer.send(b"12345").unwrap();
    assert_eq!(peer.recv(&mut [0; 10]).unwrap(), 5);
    server.process.signal("INT");
    let stopped = next(&mut server, "stopped");
    assert_eq!(
        (&stopped["accepted"], &stopped["sent_bytes"]),
        (&1.into(), &1.into())
    );
    let members = [
        ("received", 1),
        ("received_bytes", 5),
        ("sent", 1),
        ("sent_bytes", 5),
        ("truncated", 0),
        ("icmp_errors", 0),
        ("send_failed", 0),
        ("amplification_refused", 0),
        ("not_queued", 0),
        ("kernel_dropped", 0),
    ];
    let datagrams = stopped["datagrams"].as_object().unwrap();
    for (member, count) in members {
        assert_eq!(datagrams[member], count, "{stopped}");
    }
    assert_eq!(datagrams.len(), members.len());
    let text = std::fs::read_to_string(root().join("docs/json.md")).unwrap();
    let (_, section) = text.split_once("In `stopped`,").unwrap();
    for member in datagrams.keys() {
        assert!(
            section.contains(&format!("`{member}`")),
            "{member} is not documented"
        );
    }
}

#[test]
fn an_answer_that_would_amplify_is_counted_and_named() {
    alone(
        "json::an_answer_that_would_amplify_is_counted_and_named",
        || {
            // An address that is not a loopback one, though nobody else is there.
            let script = "ip address add 192.0.2.1/24 dev lo";
            let made = run(Command::new("sh").args(["-c", script]), "");
            assert_eq!(made.code(), 0, "{made:?}");
            let mut server = Process::start(&mut wharf(["serve", "daytime", "udp:192.0.2.1:13"]));
            server.wait_for(|stream, line| {
                let is_note = line.contains("only when they ask with at least as many bytes");
                (stream == Stream::Out && is_note).then_some(())
            });
            let peer = std::net::UdpSocket::bind("192.0.2.1:0").unwrap();
            peer.connect("192.0.2.1:13").unwrap();
            peer.set_read_timeout(Some(DEADLINE)).unwrap();
            // Three that get no answer, and one that does, after which all were seen.
            for _ in 0..3 {
                peer.send(b"?").unwrap();
            }
            peer.send(&[b'?'; 100]).unwrap();
            assert!(peer.recv(&mut [0; 100]).unwrap() > 10);
            server.signal("INT");
            let ended = server.end();
            let expected = "\n  3 answers not sent: longer than the question, and the peer is not on \
                        this machine\n";
            assert!(ended.stderr.ends_with(expected), "{ended:?}");
        },
    );
}
