//! Peers that do not speak TLS at all.

use super::*;

/// A client that sends `words` and reads until the server closes.
async fn say(server: &ServerTls, words: &[u8]) -> (HandshakeError, String) {
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    let client = async {
        near.write_all(words).await.unwrap();
        let mut heard = Vec::new();
        near.read_to_end(&mut heard).await.unwrap();
        drop(near);
        String::from_utf8(heard).unwrap()
    };
    let (accepted, heard) = tokio::join!(server.accept(far), client);
    (accepted.unwrap_err(), heard)
}

#[tokio::test]
async fn a_browser_without_tls_is_answered_in_http() {
    let request = b"GET / HTTP/1.1\r\nHost: localhost:7000\r\n\r\n";
    let (error, heard) = say(&self_signed(), request).await;
    assert_eq!(
        error.to_string(),
        r#"the client spoke plain text: "GET / HTTP/1.1\r\nHost: localhost:…""#
    );
    assert_eq!(error.reason(), "plain_text");
    assert!(heard.starts_with("HTTP/1.0 400 Bad Request\r\n"), "{heard}");
    assert!(
        heard.ends_with("\r\n\r\nthis port speaks TLS; try: wharf connect tls:HOST:PORT\r\n"),
        "{heard}"
    );
}

#[tokio::test]
async fn three_typed_characters_are_enough() {
    let server = self_signed().with_plain_text_reply("TLS here: tls:box:7000");
    let (error, heard) = say(&server, b"hi\n").await;
    assert_eq!(error.to_string(), r#"the client spoke plain text: "hi\n""#);
    assert_eq!(heard, "TLS here: tls:box:7000\r\n");
    assert!(error.cure().unwrap().contains("tls:HOST:PORT"));
}

#[tokio::test]
async fn text_is_made_printable_and_never_cut_in_a_character() {
    let mut words = vec![b'x'; 31];
    words.extend("é".bytes());
    let (error, _) = say(&self_signed(), &words).await;
    assert_eq!(
        error.to_string(),
        format!("the client spoke plain text: \"{}…\"", "x".repeat(31))
    );
}

#[tokio::test]
async fn binary_nonsense_is_shown_in_hex_and_not_answered() {
    let (error, heard) = say(&self_signed(), &[0, 0, 0, 5, b'h', b'i', 0x1b]).await;
    assert_eq!(
        error.to_string(),
        "the client did not speak TLS; its first bytes: 00 00 00 05 68 69 1b"
    );
    assert_eq!(error.reason(), "not_tls");
    assert_eq!(heard, "");
}

#[tokio::test(start_paused = true)]
async fn a_plain_text_client_that_never_closes_is_left_after_a_second() {
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    near.write_all(b"hi\n").await.unwrap();
    let begun = tokio::time::Instant::now();
    let error = self_signed().accept(far).await.unwrap_err();
    assert_eq!(error.reason(), "plain_text");
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}

#[tokio::test]
async fn a_server_of_plain_text_is_quoted() {
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"220 mail.example.org ESMTP\r\n")
        .await
        .unwrap();
    let client = ClientTls::new(Trust::Insecure).unwrap();
    let error = client.connect("mail.example.org", far).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"the server spoke plain text: "220 mail.example.org ESMTP\r\n""#
    );
    assert_eq!(error.cure().unwrap(), "tcp: instead of tls: in the address");
}

#[tokio::test]
async fn an_echo_server_is_recognised() {
    let (near, far) = tokio::io::duplex(1024);
    let echo = async {
        let (mut read, mut write) = tokio::io::split(near);
        let _ = tokio::io::copy(&mut read, &mut write).await;
    };
    let client = ClientTls::new(Trust::Insecure).unwrap();
    let (connected, ()) = tokio::join!(client.connect("localhost", far), echo);
    let error = connected.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server does not speak TLS: it echoed our greeting"
    );
}
