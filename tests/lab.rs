//! `wharf lab` as it is typed: the same run twice, captures for tshark, mistakes in
//! files, and programs outside that talk to hosts inside.

#[path = "lab/files.rs"]
mod files;
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;

use serde_json::Value;

use support::{DEADLINE, Ended, Process, run, wharf};

const NETWORK: &str = r#"
seed = 3
[defaults]
rate = "10mbit"
delay = "5ms"
loss = "3%"
jitter = "1ms"
[[host]]
name = "a"
serve = ["echo tcp::7", "echo udp::7"]
[[host]]
name = "b"
[[switch]]
name = "s"
[[link]]
ends = ["a", "s"]
[[link]]
ends = ["b", "s"]
[[client]]
host = "b"
connect = "tcp:a:7"
send = "hello"
count = 40
every = "20ms"
[[client]]
host = "b"
connect = "udp:a:7"
send = "hello"
count = 40
every = "20ms"
"#;

fn lab(arguments: &[&str]) -> Ended {
    let mut command = wharf(["lab"]);
    run(command.args(arguments), "")
}

fn done(arguments: &[&str]) -> String {
    let ended = lab(arguments);
    assert_eq!(ended.code(), 0, "{arguments:?}: {}", ended.stderr);
    ended.stdout
}

#[test]
fn the_same_seed_is_the_same_run_and_tshark_believes_its_captures() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.toml");
    fs::write(&file, NETWORK).unwrap();
    let file = file.to_str().unwrap();
    let mut runs = Vec::new();
    for name in ["one", "two", "other"] {
        let captures = folder.path().join(name);
        fs::create_dir(&captures).unwrap();
        let seed = if name == "other" { "4" } else { "3" };
        let path = captures.to_str().unwrap();
        let json = done(&["run", file, "--json", "--seed", seed, "-w", path]);
        let capture = fs::read(captures.join("a-s.pcapng")).unwrap();
        runs.push((json, capture));
    }
    assert!(runs[0] == runs[1], "the same seed");
    assert!(runs[0] != runs[2], "another seed");

    let summary: Value = serde_json::from_str(&runs[0].0).unwrap();
    assert_eq!(summary["event"], "lab-run");
    let clients = summary["clients"].as_array().unwrap();
    assert_eq!(clients[0]["answered"], 40, "TCP repairs everything");
    assert!(
        clients[1]["answered"].as_u64().unwrap() < 40,
        "UDP repairs nothing"
    );
    let mut retransmissions = 0;
    for end in summary["connections"].as_array().unwrap() {
        retransmissions += end["retransmissions"].as_u64().unwrap();
    }
    for name in ["a-s", "b-s"] {
        let capture = folder.path().join("one").join(format!("{name}.pcapng"));
        assert_eq!(
            tshark(&capture, "_ws.malformed || _ws.expert.severity == error"),
            0
        );
        assert!(tshark(&capture, "tcp.len > 0") >= 80);
        // Where a link begins no frame is seen twice unless it was sent twice.
        let seen = tshark(&capture, "tcp.len > 0 && tcp.analysis.retransmission");
        assert!(
            seen <= retransmissions,
            "{name}: {seen} of {retransmissions}"
        );
    }
    let capture = folder.path().join("one/a-s.pcapng");
    let comment = |text: &str| tshark(&capture, &format!("frame.comment contains \"{text}\""));
    assert!(comment("dropped: the link's loss") > 0);
    assert_eq!(comment("wharf: simulated"), tshark(&capture, "frame"));
}

/// How many frames of a capture tshark finds by a filter.
fn tshark(capture: &std::path::Path, filter: &str) -> u64 {
    let output = Command::new("tshark")
        .args(["-r", capture.to_str().unwrap(), "-Y", filter])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    assert!(
        !error.contains("cut short") && !error.contains("damaged"),
        "{error}"
    );
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().count() as u64
}

#[test]
fn a_message_is_followed_around_the_ring() {
    let text = done(&["run", "ring", "--hosts", "4", "--follow", "message 1"]);
    assert!(text.contains("application writes 14 B"), "{text}");
    for station in 0..4 {
        let passed =
            |line: &str| line.contains(&format!(" r{station} ")) && line.contains("passed");
        assert!(text.lines().any(passed), "r{station}: {text}");
    }
    assert!(text.contains("copied for its host"), "{text}");
    assert!(text.contains("removed: its sender has it back"), "{text}");
    assert!(text.contains("application reads 14 B"), "{text}");
    let ended = lab(&["run", "ring", "--follow", "message 999"]);
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr.contains("no message 999"), "{}", ended.stderr);
}

#[test]
fn every_shape_runs_and_can_be_shown() {
    let folder = tempfile::tempdir().unwrap();
    for shape in [
        "star",
        "star-hub",
        "star-host",
        "ring",
        "ring-switches",
        "ring-routers",
        "bus",
        "line",
        "mesh",
        "lans",
        "pair",
    ] {
        let capture = folder.path().join(format!("{shape}.pcapng"));
        let file = capture.to_str().unwrap();
        let run = [
            "run",
            shape,
            "--hosts",
            if shape == "pair" { "2" } else { "3" },
            "--view",
            "summary,ladder",
            "-w",
            file,
        ];
        let text = done(&run);
        assert!(text.contains("tcp:h0:7"), "{shape}: {text}");
        assert!(text.contains("SYN ACK"), "{shape}: {text}");
        assert!(text.contains("frames simulated"), "{shape}: {text}");
        // Nothing is lost here, so nothing is sent again, and no frame is seen twice.
        let wrong = "_ws.malformed || _ws.expert.severity == error || tcp.analysis.retransmission";
        assert_eq!(tshark(&capture, wrong), 0, "{shape}");
    }
}

#[test]
fn the_frames_of_a_link_are_drawn_in_every_view_of_trace() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("a.pcapng");
    let file = capture.to_str().unwrap();
    done(&["run", "pair", "-w", file]);
    for (view, wanted) in [
        ("ladder", "h1:49152"),
        ("lines", "sim "),
        ("boxes", "TCP - 20 B"),
        ("hex", "0000"),
        ("story", "letter"),
        ("json", "\"origin\":\"simulated\""),
        ("mermaid", "sequenceDiagram"),
    ] {
        let text = done(&["run", "pair", "--view", view, "--ascii", "--width", "90"]);
        assert!(text.contains(wanted), "{view}: {text}");
        // The same as of the file that was written, but for the names of hosts.
        let mut command = wharf(["trace", "read", file, "--view", view]);
        let read = run(command.args(["--ascii", "--width", "90"]), "");
        assert_eq!(read.code(), 0, "{}", read.stderr);
    }
    let ended = lab(&["run", "pair", "--view", "boxe"]);
    assert!(ended.stderr.contains("boxes"), "{}", ended.stderr);
}

#[test]
fn a_file_serves_games_pages_and_what_is_behind_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.toml");
    let serve = r#"serve = [
        "rps tcp::1", "rps udp::1", "blackjack tcp::2", "chat tcp::3", "page tcp::80",
        { service = "password", address = "tcp::4", password = "open sesame" },
        { service = "echo", address = "tcp::5", password = "open sesame" },
    ]"#;
    let mut network = NETWORK.replace(r#"serve = ["echo tcp::7", "echo udp::7"]"#, serve);
    network.truncate(network.find("[[client]]").unwrap());
    for (port, lines) in [
        (1, r#"["HELLO ann", "PLAY house", "ROCK"]"#),
        (2, r#"["HELLO ann", "SIT"]"#),
        (3, r#""HELLO-FROM ann""#),
        (80, r#""GET / HTTP/1.0\r\n\r""#),
        (4, r#""open sesame""#),
        (5, r#"["open sesame", "hello"]"#),
    ] {
        let client = format!("[[client]]\nhost = \"b\"\nconnect = \"tcp:a:{port}\"\n");
        network += &format!("{client}send = {lines}\nevery = \"1s\"\n");
    }
    fs::write(&file, &network).unwrap();
    let text = done(&["run", file.to_str().unwrap(), "--json"]);
    let summary: Value = serde_json::from_str(&text).unwrap();
    for client in summary["clients"].as_array().unwrap() {
        assert_eq!(client["error"], Value::Null, "{client}");
        assert_eq!(client["answered"], client["sent"], "{client}");
    }
    let view = done(&[
        "run",
        file.to_str().unwrap(),
        "--view",
        "lines",
        "--width",
        "300",
    ]);
    for said in [
        "hello, ann",
        "CHAT: ann is logged in",
        "access granted",
        "200 OK",
    ] {
        assert!(view.contains(said), "{said}: {view}");
    }
    for (from, to, cure) in [
        (
            ", password = \"open sesame\" },\n        { service = \"echo\"",
            " },\n        { service = \"echo\"",
            "password =",
        ),
        ("blackjack tcp::2", "blackjack udp::2", "tcp::2"),
        ("\"rps tcp::1\"", "\"exec tcp::1\"", "outside of a lab"),
    ] {
        assert!(network.contains(from), "{from}");
        fs::write(&file, network.replace(from, to)).unwrap();
        let ended = lab(&["run", file.to_str().unwrap()]);
        assert_eq!(ended.code(), 2, "{to}");
        assert!(ended.stderr.contains(cure), "{to}: {}", ended.stderr);
    }
}

#[test]
fn mistakes_in_a_file_have_line_cause_and_cure() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.toml");
    for (from, to, wanted) in [
        ("delay = \"5ms\"", "dely = \"5ms\"", ["line 5", "delay"]),
        (
            "loss = \"3%\"",
            "loss = \"300%\"",
            ["line 6", "between 0 and 1"],
        ),
        ("\"echo tcp::7\"", "\"ecko tcp::7\"", ["line 10", "echo"]),
        ("\"tcp:a:7\"", "\"tcp:a:7:8\"", ["line 21", "a:7:8"]),
    ] {
        fs::write(&file, NETWORK.replace(from, to)).unwrap();
        let ended = lab(&["run", file.to_str().unwrap()]);
        assert_eq!(ended.code(), 2, "{to}");
        for word in wanted {
            assert!(ended.stderr.contains(word), "{to}: {}", ended.stderr);
        }
    }
    let ended = lab(&["run", "sttar"]);
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr.contains("star"), "{}", ended.stderr);
}

#[test]
fn a_capture_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.pcapng");
    fs::write(&file, "precious").unwrap();
    let plot = [
        "transport",
        "--profile",
        "text",
        "--plot",
        file.to_str().unwrap(),
    ];
    for arguments in [&["run", "pair", "-w", file.to_str().unwrap()][..], &plot] {
        let ended = lab(arguments);
        assert_eq!(ended.code(), 1);
        assert!(ended.stderr.contains("another name"), "{}", ended.stderr);
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    }
    // In a folder nothing is written before all can be.
    fs::write(folder.path().join("h1-switch.pcapng"), "precious").unwrap();
    let ended = lab(&[
        "run",
        "star",
        "--hosts",
        "3",
        "-w",
        folder.path().to_str().unwrap(),
    ]);
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn demos_show_what_they_promise() {
    let listed = done(&["demo"]);
    for name in [
        "layers",
        "media",
        "ring",
        "repair",
        "tree",
        "collisions",
        "bufferbloat",
    ] {
        assert!(listed.contains(name), "{listed}");
        let text = done(&["demo", name]);
        assert!(text.contains("look at: "), "{text}");
    }
    assert_eq!(
        done(&["demo", "repair"]),
        done(&["demo", "repair"]),
        "the same seed"
    );
    assert!(done(&["demo", "ring"]).contains("no answer: the circle is broken"));
    assert!(done(&["demo", "layers"]).contains("+20 B"));
    let rows = |name: &str| -> Vec<Vec<String>> {
        let text = done(&["demo", name]);
        let cells = |line: &str| {
            let cells = line
                .split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty());
            cells.map(str::to_owned).collect()
        };
        text.lines().map(cells).collect()
    };
    let number = |text: &str| -> f64 {
        let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
        let unit = match unit {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" => 1e-3,
            "kbit/s" => 1e3,
            "Mbit/s" => 1e6,
            "Gbit/s" => 1e9,
            _ => 1.0,
        };
        number.parse::<f64>().unwrap_or(f64::NAN) * unit
    };
    // TCP brings everything, UDP what was not lost.
    let repair = rows("repair");
    let row = |name: &str| {
        repair
            .iter()
            .find(|row| row.len() == 4 && row[0] == name)
            .unwrap()
    };
    assert_eq!(row("TCP")[1], row("TCP")[2]);
    assert!(
        number(&row("UDP")[2]) < number(&row("UDP")[1]),
        "{repair:?}"
    );
    // One byte is slow where the way is long, a thousand where the rate is low.
    let media = rows("media");
    let column = |name: &str, column: usize| {
        let row = media
            .iter()
            .find(|row| row.first().is_some_and(|it| it == name));
        number(&row.unwrap()[column])
    };
    assert!(column("satellite", 3) > 0.47 && column("satellite", 4) < 0.5);
    assert!(column("twisted-pair-2400", 4) > 6.0 && column("twisted-pair-2400", 3) < 0.5);
    // The share of each falls as more of them talk.
    let bus: Vec<Vec<String>> = rows("collisions");
    let bus = bus
        .iter()
        .filter(|row| row.len() == 6 && number(&row[0]) > 0.0);
    let bus: Vec<[f64; 2]> = bus.map(|row| [number(&row[2]), number(&row[5])]).collect();
    assert_eq!(bus.len(), 5);
    assert!(bus.is_sorted_by(|one, next| one[0] <= next[0]), "{bus:?}");
    assert!(bus.is_sorted_by(|one, next| one[1] > next[1]), "{bus:?}");
    // A longer queue makes the longest ping longer.
    let bloat = rows("bufferbloat");
    let bloat = bloat
        .iter()
        .filter(|row| row.len() == 5 && row[0].ends_with("KiB"));
    let longest: Vec<f64> = bloat.map(|row| number(&row[4])).collect();
    assert_eq!(longest.len(), 3);
    assert!(
        longest[1] > 1.5 * longest[0] && longest[2] > 2.0 * longest[1],
        "{longest:?}"
    );
    // Half a minute passes before another link takes over.
    let tree = done(&["demo", "tree"]);
    let lost = tree
        .lines()
        .find(|line| line.contains("pings without an answer"));
    let lost = lost
        .and_then(|line| line.split_whitespace().next())
        .unwrap();
    assert!((20.0..55.0).contains(&number(lost)), "{tree}");
    let ended = lab(&["demo", "rings"]);
    assert!(
        ended.stderr.contains("wharf lab demo ring"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_transport_experiment_judges_both_transports() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("plot.svg");
    let text = done(&[
        "transport",
        "--profile",
        "voice",
        "--loss",
        "3%",
        "--seeds",
        "20",
        "--for",
        "2s",
        "--json",
        "--plot",
        plot.to_str().unwrap(),
    ]);
    let results: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        results.len(),
        4,
        "both ends of the range of rates, over TCP and UDP"
    );
    for result in &results {
        assert_eq!(result["event"], "lab-transport");
        assert_eq!(result["needs"]["time_sensitive"], "yes, 100s of ms");
        assert!(["good", "marginal", "fail"].contains(&result["verdict"].as_str().unwrap()));
    }
    // TCP delivers everything, and late; UDP loses some, and is on time.
    let [tcp, udp] = [&results[0], &results[1]];
    assert_eq!(
        (&tcp["transport"], tcp["lost"].as_f64()),
        (&"TCP".into(), Some(0.0))
    );
    assert!(tcp["p99"].as_f64() > udp["p99"].as_f64());
    assert!(udp["lost"].as_f64().unwrap() > 0.0);
    assert!(fs::read_to_string(&plot).unwrap().ends_with("</svg>\n"));
}

#[test]
fn programs_outside_talk_to_a_host_inside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.toml");
    let quiet = NETWORK.replace("loss = \"3%\"", "");
    fs::write(&file, quiet).unwrap();
    let mut command = wharf(["lab", "gateway", file.to_str().unwrap(), "--json"]);
    for exposed in [
        "a:7=127.0.0.1:0",
        "a:8=127.0.0.1:0",
        "udp:a:7=udp:127.0.0.1:0",
    ] {
        command.args(["--expose", exposed]);
    }
    let mut gateway = Process::start(&mut command);
    let mut outside = || {
        gateway.wait_for_event("lab-exposed", |event| {
            event["outside"].as_str().map(str::to_owned)
        })
    };
    let (served, refused, datagrams) = (outside(), outside(), outside());

    let mut client = TcpStream::connect(served).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(b"over the gateway").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "over the gateway");

    // Nobody listens inside: outside the connection is reset.
    let mut client = TcpStream::connect(refused).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let error = client.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.send_to(b"datagram", datagrams).unwrap();
    let mut space = [0; 64];
    let (length, _) = socket.recv_from(&mut space).unwrap();
    assert_eq!(&space[..length], b"datagram");

    gateway.signal("TERM");
    assert_eq!(gateway.end().code(), 0);
}

#[test]
fn the_gateway_reaches_the_echo_of_a_shape_over_udp() {
    let mut command = wharf(["lab", "gateway", "star", "--json"]);
    let mut gateway = Process::start(command.args(["--expose", "udp:h0:7=udp:127.0.0.1:0"]));
    let outside = gateway.wait_for_event("lab-exposed", |event| {
        event["outside"].as_str().map(str::to_owned)
    });
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.send_to(b"datagram", outside).unwrap();
    let mut space = [0; 64];
    let (length, _) = socket.recv_from(&mut space).unwrap();
    assert_eq!(&space[..length], b"datagram");
    gateway.signal("INT");
    assert_eq!(gateway.end().code(), 0);
}

#[test]
fn a_network_that_carries_nothing_is_a_verdict_and_no_failure() {
    for network in [
        ["--loss", "100%"],
        ["--queue", "0"],
        ["--rate", "1bit"],
        ["--delay", "1h"],
    ] {
        let mut arguments = vec!["transport", "--profile", "voice", "--for", "1s", "--json"];
        arguments.extend(network);
        let text = done(&arguments);
        for line in text.lines() {
            let result: Value = serde_json::from_str(line).unwrap();
            assert_eq!(result["verdict"], "fail", "{network:?}: {line}");
            assert_eq!(result["lost"], 1.0, "{network:?}: {line}");
        }
    }
    let few = done(&[
        "transport",
        "--profile",
        "text",
        "--seeds",
        "3",
        "--for",
        "1s",
        "--json",
    ]);
    for line in few.lines() {
        let result: Value = serde_json::from_str(line).unwrap();
        assert_eq!(result["verdict"], Value::Null, "{line}");
    }
    let ended = lab(&["transport", "--for", "0s"]);
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr.contains("at least 1s"), "{}", ended.stderr);
    let ended = lab(&["transport", "--seed", "abc"]);
    assert!(ended.stderr.contains("whole number"), "{}", ended.stderr);
}
