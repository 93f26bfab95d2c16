//! What a file and the command line say about links, changes, services and clients.

use std::fs;

use serde_json::Value;

use super::{done, lab};

/// Two hosts on one link, with this on the link and these clients.
fn pair(link: &str, clients: &str) -> String {
    format!(
        r#"seed = 1
[[host]]
name = "a"
serve = ["echo tcp::7", "echo udp::7"]
[[host]]
name = "b"
[[link]]
ends = ["a", "b"]
{link}
{clients}
"#
    )
}

/// Runs a file with further arguments, and gives what it says about the run.
fn run_file(text: &str, arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.toml");
    fs::write(&file, text).unwrap();
    let mut all = vec!["run", file.to_str().unwrap(), "--json"];
    all.extend(arguments);
    let ended = lab(&all);
    assert!(matches!(ended.code(), 0 | 8), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// How many frames of all links were dropped.
fn dropped(summary: &Value) -> u64 {
    let links = summary["links"].as_array().unwrap().iter();
    let directions = links.flat_map(|link| link["directions"].as_array().unwrap());
    directions.map(|it| it["dropped"].as_u64().unwrap()).sum()
}

#[test]
fn copies_and_latecomers_over_udp_are_no_answers() {
    let client = |every: &str| {
        let head = "[[client]]\nhost = \"b\"\nconnect = \"udp4:a:7\"";
        let send = "send = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\"]";
        format!("{head}\n{send}\nevery = \"{every}\"")
    };
    let link = "delay = \"5ms\"\nduplicate = \"100%\"";
    let doubled = pair(link, &client("100ms"));
    let summary = run_file(&doubled, &[]);
    let client_summary = &summary["clients"][0];
    assert_eq!(client_summary["answered"], 6);
    for rtt in client_summary["rtts"].as_array().unwrap() {
        assert!(rtt.as_f64().unwrap() >= 0.01, "{summary}");
    }
    // An answer needs 3 s, and is waited for 2 s; the next one is on its way then. What
    // is said may be the same each time, and the answer may be something else.
    let lines = client("500ms");
    let one = lines.replace(
        "[\"1\", \"2\", \"3\", \"4\", \"5\", \"6\"]",
        "\"x\"\ncount = 6",
    );
    let upper = one.replace("udp4:a:7", "udp4:a:12000");
    for clients in [lines, one, upper] {
        let late = pair("delay = \"1500ms\"", &clients);
        let late = late.replace("\"echo tcp::7\"", "\"upper udp::12000\"");
        let summary = run_file(&late, &[]);
        assert_eq!(summary["clients"][0]["sent"], 6, "{summary}");
        assert_eq!(summary["clients"][0]["answered"], 0, "{summary}");
    }
}

#[test]
fn faults_reach_shared_media_and_times_are_refused_there() {
    for shape in ["bus", "star-hub"] {
        let clean: Value = serde_json::from_str(&done(&["run", shape, "--json"])).unwrap();
        assert_eq!(dropped(&clean), 0, "{shape}");
        let lossy = lab(&["run", shape, "--loss", "30%", "--json", "--for", "30s"]);
        let lossy: Value = serde_json::from_str(&lossy.stdout).unwrap();
        assert!(dropped(&lossy) > 0, "{shape}: {lossy}");
        for (option, value) in [
            ("--rate", "1mbit"),
            ("--delay", "5ms"),
            ("--queue", "8KiB"),
            ("--medium", "coax"),
        ] {
            let ended = lab(&["run", shape, option, value]);
            assert_eq!(ended.code(), 2, "{shape} {option}");
            assert!(ended.stderr.contains("[[bus]]"), "{}", ended.stderr);
        }
    }
    let ring = done(&["run", "ring", "--rate", "1mbit", "--json"]);
    assert!(ring.contains("lab-run"), "{ring}");
}

#[test]
fn a_user_cuts_the_ring() {
    // Addresses and the handshake take 100 ms; then everybody behind the cut waits.
    let ring = ["run", "ring", "--delay", "10ms", "--for", "2s"];
    let cut = ["--change", "at 95ms link r3-r4 down"];
    let followed = |message: &str| {
        let mut arguments = ring.to_vec();
        arguments.extend(cut);
        arguments.extend(["--follow", message]);
        lab(&arguments).stdout
    };
    let all = ["message 1", "message 2", "message 3", "message 4"].map(followed);
    let lost = all
        .iter()
        .filter(|text| text.contains("dropped: link down"));
    assert!(lost.count() >= 3, "{all:?}");
    let mut arguments = ring.to_vec();
    arguments.extend(["--view", "journal"]);
    assert!(!lab(&arguments).stdout.contains("link cut"));
    arguments.extend(cut);
    assert!(lab(&arguments).stdout.contains("link cut"));
    let ended = lab(&["run", "ring", "--change", "at 1s link r0-r9 down"]);
    assert_eq!(ended.code(), 2);
    assert!(
        ended.stderr.contains("there is no link between r0 and r9"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("r0-r"), "{}", ended.stderr);
}

#[test]
fn what_cannot_run_is_said_before_it_runs() {
    let client = |address: &str| format!("[[client]]\nhost = \"b\"\nconnect = \"{address}\"");
    let served =
        |services: &str| pair("", "").replace("[\"echo tcp::7\", \"echo udp::7\"]", services);
    for (text, wanted) in [
        (
            pair("", &client("tcp:c:7")),
            ["line 12", "there is no host c", "try"],
        ),
        (
            pair("", &client("unix:/tmp/x")),
            ["line 12", "no Unix sockets", "tcp:HOST:PORT"],
        ),
        (
            pair("", &client("tcp:a:http")),
            ["line 12", "by their numbers", "tcp:a:80"],
        ),
        (
            pair("", &client("udp:a:ntp")),
            ["line 12", "by their numbers", "udp:a:123"],
        ),
        (
            served("[\"echo tcp::7\", \"upper tcp::7\"]"),
            ["line 4", "echo and upper", "8"],
        ),
        (
            served("[\"echo unix:/tmp/x\"]"),
            ["line 4", "no Unix sockets", "tcp:HOST:PORT"],
        ),
        (
            pair("", "[[host]]\nname = \"c\""),
            ["line 11", "host c has no link", "[[link]]"],
        ),
        (
            pair("", "[[link]]\nrate = \"1mbit\""),
            ["line 10", "a [[link]] has no ends", "ends ="],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("net.toml");
        fs::write(&file, &text).unwrap();
        let ended = lab(&["run", file.to_str().unwrap()]);
        assert_eq!(ended.code(), 2, "{text}\n{}", ended.stderr);
        for word in wanted {
            assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
        }
    }
    let ended = lab(&["gateway", "star", "--expose", "zz:7=127.0.0.1:0"]);
    assert_eq!(ended.code(), 2);
    assert!(
        ended.stderr.contains("there is no host zz"),
        "{}",
        ended.stderr
    );
}

#[test]
fn machines_follow_a_message_too() {
    let text = done(&["run", "star", "--json", "--follow", "message 1"]);
    let entries: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(entries.len() > 5, "{text}");
    for entry in &entries {
        assert_eq!(entry["event"], "lab-journal");
        assert!(
            entry["at"].is_f64() && entry["place"].is_string(),
            "{entry}"
        );
        assert_eq!(entry["messages"], serde_json::json!([1]));
    }
    assert_eq!(entries[0]["what"], "application writes 14 B");
    assert!(
        entries
            .iter()
            .any(|it| it["what"] == "application reads 14 B"),
        "{text}"
    );
    let all = done(&["run", "star", "--json", "--view", "journal"]);
    assert!(all.lines().count() > entries.len());
    let ended = lab(&["run", "star", "--json", "--view", "ladder"]);
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr.contains("--view json"), "{}", ended.stderr);
}

/// What is said about a file that is wrong, or arguments that are.
fn refused(text: &[u8], arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.toml");
    fs::write(&file, text).unwrap();
    let mut all = vec!["run", file.to_str().unwrap()];
    all.extend(arguments);
    let ended = lab(&all);
    assert_eq!(ended.code(), 2, "{}", ended.stderr);
    ended.stderr
}

#[test]
fn a_client_without_an_end_needs_a_time_to_end() {
    let client = |more: &str| {
        let client = "[[client]]\nhost = \"b\"\nconnect = \"tcp:a:7\"\n";
        pair("", &format!("{client}every = \"0s\"\n{more}"))
    };
    for endless in [
        "count = 1000001",
        "count = 9223372036854775807\nsend = [\"a\", \"b\"]",
    ] {
        let said = refused(client(endless).as_bytes(), &[]);
        assert!(
            said.contains("line 12") && said.contains("--for 10s"),
            "{said}"
        );
        let ended = run_file(&client(endless), &["--for", "100ms"]);
        assert!(ended["clients"][0]["answered"].as_u64().unwrap() > 0);
    }
    let said = refused(client("").as_bytes(), &["--for", "99999999999999h"]);
    assert!(said.contains("876000h"), "{said}");
    run_file(&client(""), &["--for", "876000h"]);
}

#[test]
fn mistakes_are_told_in_the_words_of_the_file() {
    let client = "[[client]]\nhost = \"b\"\nconnect = \"tcp:a:7\"";
    let good = pair("loss = \"1%\"\nmtu = 1500", client);
    run_file(&good, &[]);
    for (from, to, words) in [
        ("\"1%\"", "0.5", ["line 9", "in quotes", "\"0.5\""]),
        ("\"1%\"", "10", ["line 9", "in quotes", "\"10\""]),
        (
            "seed = 1",
            "seed = -1",
            ["line 1", "-1", "whole number from 0"],
        ),
        ("1500", "-1", ["line 10", "-1", "whole number from 0"]),
        (
            "[\"a\", \"b\"]",
            "[\"a\"]",
            ["line 8", "two ends", "[\"a\", \"b\"]"],
        ),
        (
            "\"b\"]",
            "\"b\", \"c\"]",
            ["line 8", "two ends", "here are 3"],
        ),
        ("\"b\"]", "\"zz\"]", ["line 8", "no node zz", "one of a, b"]),
        (
            "seed = 1",
            "changes = \"at 1s link a-b down\"",
            ["line 1", "a list", "[\"at 1s"],
        ),
        (
            "host = \"b\"\n",
            "",
            ["line 11", "host is missing", "host = \"a\""],
        ),
        (
            "connect = \"tcp:a:7\"",
            "",
            ["line 11", "connect is missing", "tcp:a:7"],
        ),
        (
            "echo tcp::7",
            "echo tcp:1.2.3.4:7",
            ["line 4", "no such address", "10.0.0.1"],
        ),
        (
            "echo tcp::7",
            "qqqq tcp::7",
            ["line 4", "no service qqqq", "chat"],
        ),
        (
            "seed = 1",
            "changes = [\"at 1s link x-y down\"]",
            ["line 1", "x and y", "a-b"],
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let said = refused(good.replacen(from, to, 1).as_bytes(), &[]);
        for word in words {
            assert!(said.contains(word), "{to}: no {word} in {said}");
        }
        assert!(!said.contains("u64") && !said.contains("usize"), "{said}");
    }
    let said = refused(b"seed = 1\n# \xff\n", &[]);
    assert!(said.contains("line 2") && said.contains("UTF-8"), "{said}");
    let said = refused(good.as_bytes(), &["--hosts", "7"]);
    assert!(said.contains("--hosts is for shapes"), "{said}");
    let ended = lab(&["run", "pair", "--hosts", "7"]);
    assert_eq!(ended.code(), 2, "{}", ended.stderr);
    let said = refused(good.as_bytes(), &["--tap", "x-y"]);
    assert!(said.contains("no link x-y"), "{said}");
}
