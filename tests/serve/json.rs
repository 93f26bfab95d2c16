//! What machines read: JSON lines with the members that docs/json.md names.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::peer::{ask, converse, rest, tcp};
use crate::support::{Server, Stream, root, run, wharf};

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
    assert!(events.len() >= 14, "{events:?}");
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
    assert!(tls["fingerprint"].is_string(), "{tls}");
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
    for line in ended.stdout.lines() {
        assert_as_documented(&serde_json::from_str(line).unwrap());
    }
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
    let mut server = Server::start(["echo", "udp:127.0.0.1:0", "tcp:127.0.0.1:0"]);
    let (transport, service) = server.process.wait_for_event("listening", |event| {
        assert_as_documented(event);
        Some((event["transport"].clone(), event["service"].clone()))
    });
    assert_eq!((transport, service), ("udp".into(), "echo".into()));
    assert_eq!(ask(&server.port(), b"x"), "x");
}
