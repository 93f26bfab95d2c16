//! Half-close: an answer that comes after the client's end of stream is never
//! lost, and unread input never turns the last answer into a reset.

mod common;

use common::{AfterEnd, address, read_to_end, soon, started, to};
use tokio::task::JoinSet;
use wharf::client::Client;
use wharf::connection::{CloseReason, Connection};
use wharf::server::{Running, Server};
use wharf::service::{Context, Service, ServiceError};

/// How many clients there are, and how many at once.
const CLIENTS: usize = 1_000;
const AT_ONCE: usize = 100;

/// What one client hears that says `words` and ends its stream at once.
async fn heard(client: &Client, running: &Running, words: Vec<u8>) -> Vec<u8> {
    let to = to(&running.endpoints()[0]);
    let mut connection = soon(client.connect(&to)).await.unwrap();
    soon(connection.write_all(&words)).await.unwrap();
    soon(connection.finish()).await.unwrap();
    read_to_end(&mut connection).await.unwrap()
}

/// All clients get their late answers.
async fn all_are_answered(at: &str) {
    let server = Server::new().serve("late", address(at), AfterEnd);
    let (running, recorder) = started(server).await;
    let running = std::sync::Arc::new(running);
    let client = Client::new();
    let mut clients = JoinSet::new();
    let mut answered = 0;
    for number in 0..CLIENTS {
        let (client, running) = (client.clone(), std::sync::Arc::clone(&running));
        clients.spawn(async move {
            let words = format!("this is client {number}").into_bytes();
            heard(&client, &running, words.clone()).await == words
        });
        while clients.len() >= AT_ONCE {
            answered += usize::from(clients.join_next().await.unwrap().unwrap());
        }
    }
    while let Some(right) = clients.join_next().await {
        answered += usize::from(right.unwrap());
    }
    assert_eq!(answered, CLIENTS);
    soon(recorder.ends(CLIENTS)).await;
    let snapshot = running.snapshot();
    assert_eq!(snapshot.accepted, CLIENTS as u64);
    assert_eq!(snapshot.ended(CloseReason::PeerClosed), CLIENTS as u64);
    assert_eq!(snapshot.received, snapshot.sent);
}

#[tokio::test]
async fn late_answers_arrive_over_tcp() {
    all_are_answered("tcp:127.0.0.1:0").await;
}

#[tokio::test]
async fn late_answers_arrive_over_unix() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("late");
    all_are_answered(&format!("unix:{}", path.display())).await;
}

#[tokio::test]
async fn late_answers_arrive_over_seqpacket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("late");
    all_are_answered(&format!("seqpacket:{}", path.display())).await;
}

#[tokio::test]
async fn late_answers_arrive_over_tls() {
    all_are_answered("tls:127.0.0.1:0,self-signed").await;
}

/// Reads one chunk, answers and leaves, whatever else was sent.
struct Curt;

const CURT: &[u8] = b"that was enough, thank you\n";

impl Service for Curt {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        peer.read_chunk().await?;
        peer.write_all(CURT).await?;
        Ok(())
    }
}

/// The client sends 100 KB, of which the service reads a part at most, and must
/// hear the whole answer and then the end.
async fn unread_input_does_no_harm(at: &str) {
    let server = Server::new().serve("curt", address(at), Curt);
    let (running, recorder) = started(server).await;
    let to = to(&running.endpoints()[0]);
    let client = Client::new();
    for round in 0..200 {
        let mut connection = soon(client.connect(&to)).await.unwrap();
        soon(connection.write_all(&[b'x'; 100_000])).await.unwrap();
        let heard = read_to_end(&mut connection).await;
        assert_eq!(heard.unwrap(), CURT, "round {round}");
        soon(connection.close()).await.unwrap();
    }
    for ended in soon(recorder.ends(200)).await {
        assert_eq!(ended.reason, CloseReason::Finished);
        assert_eq!(ended.sent, CURT.len() as u64);
    }
}

#[tokio::test]
async fn unread_input_does_not_reset_the_answer_over_tcp() {
    unread_input_does_no_harm("tcp:127.0.0.1:0").await;
}

#[tokio::test]
async fn unread_input_does_not_reset_the_answer_over_tls() {
    unread_input_does_no_harm("tls:127.0.0.1:0,self-signed").await;
}

#[tokio::test]
async fn unread_input_does_not_reset_the_answer_over_unix() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("curt");
    unread_input_does_no_harm(&format!("unix:{}", path.display())).await;
}

/// The client's stream goes on after the server's has ended.
struct EndsFirst;

impl Service for EndsFirst {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        peer.write_all(b"go on").await?;
        peer.finish().await?;
        let mut count = 0;
        while let Some(chunk) = peer.read_chunk().await? {
            count += chunk.len();
        }
        assert_eq!(count, 50_000);
        Ok(())
    }
}

#[tokio::test]
async fn the_server_may_end_its_stream_first() {
    for at in ["tcp:127.0.0.1:0", "tls:127.0.0.1:0,self-signed"] {
        let (running, recorder) =
            started(Server::new().serve("first", address(at), EndsFirst)).await;
        let mut connection = common::connected(&running).await;
        assert_eq!(read_to_end(&mut connection).await.unwrap(), b"go on");
        soon(connection.write_all(&[b'y'; 50_000])).await.unwrap();
        soon(connection.close()).await.unwrap();
        assert_eq!(
            soon(recorder.end()).await.reason,
            CloseReason::PeerClosed,
            "{at}"
        );
    }
}
