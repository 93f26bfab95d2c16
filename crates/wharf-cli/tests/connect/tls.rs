//! Over TLS, with a certificate made for the test.

use wharf::connection::Connection;
use wharf::server::{Running, Server};
use wharf::service::{Context, Service, ServiceError};

use crate::support::{code, connect, stderr, stdout};

/// Answers only after the client's end of stream.
struct Late;

impl Service for Late {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        let mut heard = Vec::new();
        while let Some(chunk) = peer.read_chunk().await? {
            heard.extend_from_slice(&chunk);
        }
        heard.make_ascii_uppercase();
        peer.write_all(&heard).await?;
        Ok(())
    }
}

async fn server() -> (Running, String, String) {
    let address = "tls:127.0.0.1:0,self-signed".parse().unwrap();
    let running = Server::new()
        .serve("late", address, Late)
        .start()
        .await
        .unwrap();
    let bound = &running.endpoints()[0];
    let at = format!("tls:{}", bound.local);
    let pin = bound.fingerprint.unwrap().to_string();
    (running, at, pin)
}

async fn run(arguments: Vec<String>, input: &'static [u8]) -> std::process::Output {
    let work = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        connect(&arguments, input)
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn a_pinned_peer_answers_late() {
    let (_running, at, pin) = server().await;
    let output = run(vec![format!("{at},pin={pin}"), "-v".into()], b"over tls").await;
    assert_eq!(
        (code(&output), &*stdout(&output)),
        (0, "OVER TLS"),
        "{}",
        stderr(&output)
    );
    assert!(
        stderr(&output).contains("(TLS 1.3, "),
        "{}",
        stderr(&output)
    );
}

#[tokio::test]
async fn a_stranger_is_not_believed() {
    let (_running, at, pin) = server().await;
    let output = run(vec![at.clone()], b"").await;
    assert_eq!(code(&output), 35);
    // The cure is the pin of the certificate that was seen.
    assert!(stderr(&output).contains(&pin), "{}", stderr(&output));
    let (_other, _, other_pin) = server().await;
    let output = run(vec![format!("{at},pin={other_pin}")], b"").await;
    assert_eq!(code(&output), 35);
    assert!(stderr(&output).contains(&pin), "{}", stderr(&output));
}
