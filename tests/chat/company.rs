//! Clients that nobody here wrote, and ours, in one room.

use std::process::Command;

use crate::support::{Process, Server, Stream, root, wharf};

fn hears(process: &mut Process, expected: &str) {
    process.wait_for(|stream, line| (stream == Stream::Out && line == expected).then_some(()));
}

#[test]
fn nc_a_client_of_the_lecture_and_wharf_chat_in_one_room() {
    let mut server = Server::start(["chat", "tcp:127.0.0.1:0"]);
    let port = server.port();
    let mut nc = Process::start(Command::new("nc").args(["127.0.0.1", &port]));
    nc.type_in("HELLO-FROM nina\n");
    hears(&mut nc, "HELLO nina");
    let program = root().join("tests/chat/lecture_client.py");
    let mut python = Command::new("python3");
    python.arg(program).args(["127.0.0.1", &port, "pia"]);
    let mut python = Process::start(&mut python);
    hears(&mut python, "HELLO pia");
    let address = format!("127.0.0.1:{port}");
    let mut ours = Process::start(&mut wharf(["chat", &address, "--as", "ann", "--plain"]));
    ours.type_in("!who\n");
    hears(&mut ours, "here: echobot, delaybot, nina, pia, ann");

    nc.type_in("SEND ann hello from nc\n");
    hears(&mut nc, "SEND-OK");
    hears(&mut ours, "<nina> hello from nc");
    ours.type_in("@pia hello, grün\n");
    hears(&mut python, "DELIVERY ann hello, grün");
    python.type_in("@nina hello from python\n");
    hears(&mut python, "SEND-OK");
    hears(&mut nc, "DELIVERY pia hello from python");
    python.type_in("!who\n");
    hears(&mut python, "WHO-OK echobot,delaybot,nina,pia,ann");
    nc.type_in("SEND nobody hi\n");
    hears(&mut nc, "UNKNOWN");
    // Two messages in one segment, and one in two.
    nc.type_in("SEND ann 1\nSEND ann 2\n");
    hears(&mut ours, "<nina> 1");
    hears(&mut ours, "<nina> 2");
    ours.type_in("@delaybot in pieces\n");
    hears(&mut ours, "<delaybot> in pieces");
    hears(&mut ours, "<delaybot> in pieces");

    python.type_in("!quit\n");
    assert_eq!(python.end().code(), 0);
    ours.type_in("@pia still there?\n");
    let ended = ours.end();
    assert_eq!(ended.code(), 5, "{ended:?}");
    let line = "* not sent to pia: nobody of that name is here: still there?\n";
    assert!(ended.stderr.contains(line), "{ended:?}");
}
