//! Programs that everybody has, as services: cat, tr, sleep, sh.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use super::*;
use crate::testing::{EVERYWHERE, STREAMS, client_of, conversation, everything, heard, heard_at};
use wharf::connection::CloseReason;
use wharf::network::{ConnectOptions, MemoryNetwork, Network, Os};
use wharf::server::{Mode, ServeOptions, Server};

/// How long a process may take to appear or to go, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

const NONE: [&str; 0] = [];

/// Polls until `done`, or panics with `what`.
async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether the process exists, also as a zombie.
fn exists(id: &str) -> bool {
    std::path::Path::new("/proc").join(id).exists()
}

/// Whether the process runs. One whose parent died first is collected by the
/// machine's init, in its own time.
fn runs(id: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    matches!(state.rsplit_once(") "), Some((_, rest)) if !rest.starts_with('Z'))
}

/// The next line that the peer sends.
async fn line(connection: &mut Connection) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.extend_from_slice(&connection.read_chunk().await.unwrap().unwrap());
    }
    String::from_utf8(line).unwrap().trim().to_owned()
}

#[tokio::test]
async fn cat_and_tr_answer_after_the_half_close() {
    for delivery in EVERYWHERE {
        let cat = Exec::new("cat", NONE);
        assert_eq!(heard(cat, delivery, &["one\n", "two"]).await, b"one\ntwo");
    }
    for address in STREAMS {
        // tr writes nothing before its input ends: the half-close has to reach it.
        let tr = Exec::new("tr", ["a-z", "A-Z"]);
        assert_eq!(heard_at(address, tr, b"hello").await, b"HELLO", "{address}");
    }
}

#[tokio::test]
async fn more_than_all_pipes_hold_goes_through() {
    let words = vec![vec![b'x'; 1 << 16]; 32];
    let cat = Exec::new("cat", NONE);
    let (mut client, _running) = client_of("tcp:127.0.0.1:0", cat).await;
    let sent = words.concat();
    // Everything is sent while the answers come: neither side waits for the other.
    let (mut heard, mut rest) = (Vec::new(), &sent[..]);
    while !rest.is_empty() {
        let (now, after) = rest.split_at(rest.len().min(1 << 15));
        client.write_all(now).await.unwrap();
        rest = after;
        heard.extend_from_slice(&client.read_chunk().await.unwrap().unwrap());
    }
    client.finish().await.unwrap();
    heard.extend(everything(&mut client).await);
    assert!(heard == sent);
}

#[tokio::test]
async fn a_program_that_does_not_read_is_heard() {
    let deaf = Exec::shell("exec <&-; echo I do not listen");
    let (heard, outcome) = conversation(deaf, EVERYWHERE[0], &[vec![b'x'; 1 << 20]]).await;
    assert_eq!(heard, b"I do not listen\n");
    outcome.unwrap();
}

#[tokio::test]
async fn a_program_that_ended_its_output_still_reads() {
    let (mut client, mut server) = MemoryNetwork::new().pair();
    let exec = Exec::shell("echo hello; exec >&-; test \"$(cat)\" = goodbye");
    let serving = tokio::spawn(async move {
        let context = crate::testing::context();
        exec.serve(&mut server, &context).await
    });
    assert_eq!(everything(&mut client).await, b"hello\n");
    client.write_all(b"goodbye").await.unwrap();
    client.finish().await.unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_program_knows_its_connection() {
    let script = "echo $PROTO $TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALIP $TCPLOCALPORT \
                  $WHARF_PEER $WHARF_LOCAL";
    let (mut client, _running) = client_of("tcp:127.0.0.1:0", Exec::shell(script)).await;
    let (near, far) = (client.local().clone(), client.peer().clone());
    let ports = (near.port().unwrap(), far.port().unwrap());
    assert_eq!(
        line(&mut client).await,
        format!(
            "TCP 127.0.0.1 {} 127.0.0.1 {} {near} {far}",
            ports.0, ports.1
        )
    );
    let script = "echo $PROTO ${TCPREMOTEIP-none} $WHARF_LOCAL";
    let (mut client, _running) = client_of("unix:@exec", Exec::shell(script)).await;
    let far = client.peer().clone();
    assert_eq!(line(&mut client).await, format!("UNIX none {far}"));
}

#[tokio::test]
async fn a_reset_kills_the_program_and_its_children() {
    let script = "sleep 1000 & echo $$ $!; exec sleep 1000";
    let network = MemoryNetwork::new();
    let (mut client, mut server) = network.pair();
    let exec = Exec::shell(script);
    let serving = tokio::spawn(async move {
        let context = crate::testing::context();
        exec.serve(&mut server, &context).await
    });
    let ids = line(&mut client).await;
    let (parent, child) = ids.split_once(' ').unwrap();
    assert!(runs(parent) && runs(child));
    network.reset_all();
    let outcome = serving.await.unwrap();
    assert_eq!(outcome.unwrap_err().reason(), CloseReason::PeerReset);
    until("the program is still there", || !exists(parent)).await;
    until("its child still runs", || !runs(child)).await;
}

#[tokio::test]
async fn a_client_that_resets_takes_its_program_with_it() {
    let exec = Exec::shell("echo $$; exec sleep 1000");
    let server = Server::new().serve("exec", "tcp:127.0.0.1:0".parse().unwrap(), exec);
    let running = server.start().await.unwrap();
    let at = running.endpoints()[0].local.inet().unwrap();
    let mut client = tokio::net::TcpStream::connect(at).await.unwrap();
    let mut id = [0; 32];
    let length = client.read(&mut id).await.unwrap();
    let id = std::str::from_utf8(&id[..length]).unwrap().trim();
    assert!(runs(id));
    // No time to linger turns the close into a reset (socket(7), SO_LINGER).
    client.set_zero_linger().unwrap();
    drop(client);
    until("the program is still there", || !exists(id)).await;
    running.drain().await;
    assert_eq!(running.snapshot().ended(CloseReason::PeerReset), 1);
}

#[tokio::test]
async fn a_connection_that_is_cut_off_takes_its_program_with_it() {
    for mode in [Mode::Concurrent, Mode::Threads] {
        let exec = Exec::shell("echo $$; exec sleep 1000");
        let options = ServeOptions {
            mode,
            ..ServeOptions::default()
        };
        let at = "tcp:127.0.0.1:0".parse().unwrap();
        let server = Server::new().serve_with("exec", at, exec, options);
        let running = server.start().await.unwrap();
        let at = running.endpoints()[0].local.clone();
        let mut client = Os.connect(&at, &ConnectOptions::default()).await.unwrap();
        let id = line(&mut client).await;
        assert_eq!(running.cut_off().await, 1);
        let what = format!("the program is still there ({mode:?})");
        until(&what, || !exists(&id)).await;
    }
}

#[tokio::test]
async fn a_program_that_ends_closes_the_connection_and_leaves_no_zombie() {
    let (mut client, running) = client_of("tcp:127.0.0.1:0", Exec::shell("echo $$")).await;
    // The client does not end its stream: the program's end is enough.
    let id = line(&mut client).await;
    assert_eq!(everything(&mut client).await, b"");
    until("a zombie stayed", || !exists(&id)).await;
    drop(client);
    running.drain().await;
    assert_eq!(running.snapshot().ended(CloseReason::Finished), 1);
}

/// An end of input would make half of an upload look like the whole of it.
#[tokio::test]
async fn a_drain_ends_the_program_of_a_silent_peer_without_an_end_of_input() {
    let exec = Exec::shell("echo ready; cat; echo all of it");
    let (mut client, running) = client_of("tcp:127.0.0.1:0", exec).await;
    assert_eq!(line(&mut client).await, "ready");
    let hearing = tokio::spawn(async move { everything(&mut client).await });
    let report = running.drain().await;
    assert_eq!(report.cut_off, 0);
    assert_eq!(hearing.await.unwrap(), b"");
    assert_eq!(running.snapshot().ended(CloseReason::Drained), 1);
}

#[tokio::test]
async fn what_cannot_be_started_is_said() {
    let exec = Exec::new("/nonexistent/program", NONE);
    let (_, outcome) = conversation(exec, EVERYWHERE[0], &NONE).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.reason(), CloseReason::ServiceFailed);
    let words = error.to_string();
    assert!(
        words.contains("cannot start /nonexistent/program: No such file"),
        "{words}"
    );
}

#[tokio::test]
async fn an_exit_code_is_for_the_servers_log() {
    let exec = Exec::shell("echo sorry; exit 3");
    let (heard, outcome) = conversation(exec, EVERYWHERE[0], &NONE).await;
    assert_eq!(heard, b"sorry\n");
    assert!(outcome.unwrap_err().to_string().contains("exit status: 3"));
}
