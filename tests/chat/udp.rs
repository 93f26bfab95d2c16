//! The client over datagrams that get lost, changed and delayed.

use std::process::Command;

use crate::support::{Process, Server, Stream, run, wharf};

fn served() -> (Server, String, String) {
    let mut server = Server::start(["chat", "udp:127.0.0.1:0"]);
    let port = server.port();
    let address = format!("udp:127.0.0.1:{port}");
    (server, address, port)
}

/// Sets how bad the network is, in the manner of a course.
fn set(port: &str, settings: &str) {
    let program = "import socket, sys\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
        s.settimeout(10)\n\
        s.connect(('127.0.0.1', int(sys.argv[1])))\n\
        for line in ['HELLO-FROM god'] + sys.argv[2].split(';'):\n\
        \x20   s.send((line + '\\n').encode())\n\
        \x20   print(s.recv(4096).decode(), end='')\n";
    let ended = run(
        Command::new("python3").args(["-c", program, port, settings]),
        "",
    );
    let expected = "SET-OK\n".repeat(settings.split(';').count());
    assert_eq!(ended.stdout, format!("HELLO god\n{expected}"), "{ended:?}");
}

fn logged_in(process: &mut Process, name: &str) {
    let expected = format!("* logged in as {name}");
    process.wait_for(|_, line| (line == expected).then_some(()));
}

#[test]
fn messages_arrive_once_and_in_order_through_loss_flips_and_delay() {
    // A thousand go through the same room in paused time, in wharf-services.
    const MANY: usize = 200;
    let (_server, address, port) = served();
    set(
        &port,
        "SET DROP 0.2;SET FLIP 0.001;SET DELAY 0.2;SET DELAY-LEN 0.01 0.05",
    );
    let mut ben = Process::start(&mut wharf([
        "chat", &address, "--as", "ben", "--linger", "none",
    ]));
    logged_in(&mut ben, "ben");
    let input: String = (0..MANY)
        .map(|number| format!("@ben message {number}\n"))
        .collect();
    let ann = run(&mut wharf(["chat", &address, "--as", "ann"]), &input);
    assert_eq!(ann.code(), 0, "{ann:?}");
    for number in 0..MANY {
        let line = ben.wait_for(|stream, line| (stream == Stream::Out).then(|| line.to_owned()));
        assert_eq!(line, format!("<ann> message {number}"));
    }
}

#[test]
fn a_plain_client_and_ours_read_each_other() {
    let (_server, address, port) = served();
    let mut nc = Process::start(Command::new("nc").args(["-u", "127.0.0.1", &port]));
    nc.type_in("HELLO-FROM nina\n");
    nc.wait_for(|_, line| (line == "HELLO nina").then_some(()));
    let mut ann = Process::start(&mut wharf([
        "chat", &address, "--as", "ann", "--linger", "none",
    ]));
    logged_in(&mut ann, "ann");
    ann.type_in("!who\n");
    ann.wait_for(|_, line| (line == "here: echobot, delaybot, nina, ann").then_some(()));
    nc.type_in("SEND ann hello\n");
    ann.wait_for(|stream, line| (stream == Stream::Out && line == "<nina?> hello").then_some(()));
    ann.type_in("@nina hello nina\n");
    nc.wait_for(|_, line| line.starts_with("DELIVERY ann hello nina [#").then_some(()));
    ann.wait_for(|_, line| {
        line.starts_with("* sent to nina, whose client confirms")
            .then_some(())
    });
}

#[test]
fn bots_nobody_and_who() {
    let (_server, address, _) = served();
    let input = "@echobot hi\n@EchoBot again\n@nobody hi\n";
    let ann = run(&mut wharf(["chat", &address, "--as", "ann"]), input);
    assert_eq!(ann.code(), 5, "{ann:?}");
    let mut lines: Vec<&str> = ann.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["<echobot> again", "<echobot> hi"]);
    assert!(
        ann.stderr
            .contains("* not sent to nobody: nobody of that name is here: hi\n")
    );
    let who = run(&mut wharf(["chat", &address, "--who"]), "");
    assert_eq!(
        (who.code(), &*who.stdout),
        (0, "echobot\ndelaybot\nann\n"),
        "{who:?}"
    );
}

#[test]
fn without_a_server_one_is_told_so() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let address = format!("udp:127.0.0.1:{port}");
    let ann = run(&mut wharf(["chat", &address, "--as", "ann"]), "@ben hi\n");
    assert_eq!(ann.code(), 7, "{ann:?}");
    assert!(
        ann.stderr
            .contains(&format!("  try      wharf serve chat {address}    ")),
        "{ann:?}"
    );
}
