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
