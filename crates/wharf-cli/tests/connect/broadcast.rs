//! A datagram to everybody, in a network of its own.
//!
//! It needs a network namespace, and so a right that an ordinary user has only
//! where user namespaces are allowed; elsewhere the test says why it did nothing.

use std::process::{Command, Stdio};

use crate::support::{code, stderr, stdout};

/// Runs a script as root of a network that holds nothing but a dummy interface.
fn in_a_network(script: &str) -> Command {
    let prepared = format!(
        "set -e\nip link set lo up\nip link add d0 type dummy\n\
         ip address add 10.77.0.1/24 brd + dev d0\nip link set d0 up\n{script}"
    );
    let mut command = Command::new("unshare");
    command.args(["--net", "--map-root-user", "sh", "-c", &prepared]);
    command
}

/// Two peers that answer what they hear: `ready` is printed once both are bound.
const PEERS: &str = r#"
import select, socket
peers = []
for name in ("ann", "bob"):
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    peer.bind(("10.77.0.255", 11111))
    answerer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    answerer.bind(("10.77.0.1", 0))
    peers.append((peer, answerer, name))
print("ready", flush=True)
for peer, answerer, name in peers:
    text, sender = peer.recvfrom(1000)
    answerer.sendto(name.encode() + b" heard " + text, sender)
"#;

#[test]
fn everybody_who_answers_is_shown() {
    let here = in_a_network("true").stderr(Stdio::piped()).output();
    match here {
        Ok(output) if output.status.success() => {}
        Ok(output) => return println!("skipped: no network of our own: {}", stderr(&output)),
        Err(error) => return println!("skipped: unshare cannot be run: {error}"),
    }
    let wharf = env!("CARGO_BIN_EXE_wharf");
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("peers.py");
    std::fs::write(&program, PEERS).unwrap();
    let script = format!(
        "mkfifo {folder}/ready\npython3 {program} >{folder}/ready &\nread word <{folder}/ready\n\
         {wharf} connect udp:10.77.0.255:11111,broadcast --send hello --timeout 500ms",
        folder = folder.path().display(),
        program = program.display(),
    );
    let output = in_a_network(&script).output().unwrap();
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}{}", stderr(&output));
    for name in ["ann", "bob"] {
        let line = text.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("{name} is missing: {text}"));
        let (sender, words) = line.split_once("  ").unwrap();
        assert!(sender.starts_with("10.77.0.1:"), "{line}");
        assert_eq!(words, format!("{name} heard hello"));
    }
    // Without anybody there, it says so.
    let script =
        format!("{wharf} connect udp:255.255.255.255:11111,broadcast --send x --timeout 50ms");
    let output = in_a_network(&format!("ip route add default dev d0\n{script}")).output();
    let output = output.unwrap();
    assert_eq!(code(&output), 28, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("nobody answered"),
        "{}",
        stderr(&output)
    );
}
