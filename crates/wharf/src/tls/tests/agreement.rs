//! What the two ends agree on, or fail to.

use rustls::crypto::ring::{cipher_suite, default_provider};

use super::*;

#[tokio::test]
async fn a_finished_handshake_tells_its_facts() {
    let server = self_signed().with_alpn(["h2", "chat"]).unwrap();
    let client = pinned(&server).with_alpn(["chat"]).unwrap();
    let (accepted, connected) = shake(&server, &client, "example.org").await;
    let (at_server, at_client) = converse(accepted, connected).await;
    assert_eq!(at_server.version, "TLS 1.3");
    assert_eq!(at_server.alpn.as_deref(), Some("chat"));
    assert_eq!(at_server.server_name.as_deref(), Some("example.org"));
    assert_eq!(at_server.peer_certificate, None);
    assert_eq!(at_client.peer_certificate, Some(server.fingerprint()));
    assert_eq!(at_client.cipher_suite, at_server.cipher_suite);
    assert_eq!(
        at_client.to_string(),
        "TLS 1.3, TLS13_AES_256_GCM_SHA384, ALPN chat"
    );
}

#[tokio::test]
async fn an_ip_address_is_not_sent_as_a_name() {
    let server = self_signed();
    let (accepted, connected) = shake(&server, &pinned(&server), "127.0.0.1").await;
    let (at_server, at_client) = converse(accepted, connected).await;
    assert_eq!((at_server.server_name, at_client.server_name), (None, None));
}

#[tokio::test]
async fn without_a_common_alpn_both_ends_say_so() {
    let server = self_signed().with_alpn(["h2", "chat"]).unwrap();
    let client = pinned(&server).with_alpn(["irc"]).unwrap();
    let (at_server, at_client) = fail(&server, &client, "example.org").await;
    assert_eq!(
        at_server.to_string(),
        "client and server have no application protocol (ALPN) in common; this end has h2, chat"
    );
    assert_eq!(at_server.cure().unwrap(), "a client that speaks h2 or chat");
    assert_eq!(
        at_client.to_string(),
        "the server speaks none of the application protocols offered (ALPN) (alert no_application_protocol)"
    );
    for bad in [String::new(), "x".repeat(256)] {
        assert!(self_signed().with_alpn([bad]).is_err());
    }
}

#[tokio::test]
async fn tls_1_2_is_spoken() {
    let server = self_signed();
    let config = raw_client(&[&rustls::version::TLS12], default_provider().cipher_suites);
    let (accepted, connected) = shake_raw(&server, config).await;
    let (_, facts) = accepted.unwrap();
    assert_eq!(facts.version, "TLS 1.2");
    connected.unwrap();
}

#[tokio::test]
async fn without_a_common_cipher_suite_both_ends_say_so() {
    // The server's key is ECDSA; these suites want RSA.
    let rsa = vec![cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    let config = raw_client(&[&rustls::version::TLS12], rsa);
    let (accepted, _) = shake_raw(&self_signed(), config).await;
    let error = accepted.unwrap_err();
    assert_eq!(error.reason(), "nothing_shared", "{error}");
    assert!(
        error.to_string().starts_with("client and server have no "),
        "{error}"
    );
}

#[tokio::test]
async fn a_client_of_tls_1_1_is_told_from_a_broken_one() {
    // A ClientHello with version 3.2, one cipher suite, and no extensions.
    let mut hello = vec![22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(&hello).await.unwrap();
    let error = self_signed().accept(far).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "client and server have no TLS version in common; this end has TLS 1.2, TLS 1.3"
    );
    let mut alert = Vec::new();
    near.read_to_end(&mut alert).await.unwrap();
    assert_eq!(alert[0], 21, "the client is sent an alert");
}

#[tokio::test]
async fn an_alert_is_said_in_words() {
    let (mut near, far) = tokio::io::duplex(1024);
    let client = ClientTls::new(Trust::Insecure).unwrap();
    let server = async {
        near.write_all(&[21, 3, 3, 0, 2, 2, 40]).await.unwrap();
        near.read_u8().await.unwrap();
    };
    let (connected, ()) = tokio::join!(client.connect("example.org", far), server);
    assert_eq!(
        connected.unwrap_err().to_string(),
        "the server found no TLS parameters in common with ours (alert handshake_failure)"
    );
}

#[tokio::test]
async fn a_close_says_how_far_it_came() {
    let (near, far) = tokio::io::duplex(1024);
    drop(near);
    let error = self_signed().accept(far).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the client closed the connection before it sent a byte"
    );

    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(&[22, 3, 1, 0]).await.unwrap();
    drop(near);
    let error = self_signed().accept(far).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the client closed the connection in the middle of the TLS handshake"
    );
    assert_eq!(error.reason(), "closed");

    let (mut near, far) = tokio::io::duplex(1024);
    let client = ClientTls::new(Trust::Insecure).unwrap();
    let server = async {
        near.read_u8().await.unwrap();
        drop(near);
    };
    let (connected, ()) = tokio::join!(client.connect("example.org", far), server);
    let error = connected.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server closed the connection before it sent a byte"
    );
    assert!(error.cure().unwrap().contains("tcp:"));
}

#[tokio::test]
async fn the_server_sends_nothing_that_was_not_asked_for() {
    // No tickets: when the handshake is over, a client that only writes has nothing unread.
    let server = self_signed();
    let (accepted, connected) = shake(&server, &pinned(&server), "example.org").await;
    let ((accepted, _), (connected, _)) = (accepted.unwrap(), connected.unwrap());
    let (mut raw, _) = match connected {
        tokio_rustls::TlsStream::Client(stream) => stream.into_inner(),
        tokio_rustls::TlsStream::Server(_) => unreachable!("this is the client"),
    };
    drop(accepted);
    let mut unread = Vec::new();
    raw.get_mut().read_to_end(&mut unread).await.unwrap();
    assert_eq!(unread, b"");
}

fn raw_client(
    versions: &[&'static rustls::SupportedProtocolVersion],
    cipher_suites: Vec<rustls::SupportedCipherSuite>,
) -> rustls::ClientConfig {
    let provider = rustls::crypto::CryptoProvider {
        cipher_suites,
        ..default_provider()
    };
    let algorithms = provider.signature_verification_algorithms;
    let anyone = verify::Verifier::new(verify::Belief::Anyone, algorithms);
    rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(anyone))
        .with_no_client_auth()
}

async fn shake_raw(
    server: &ServerTls,
    client: rustls::ClientConfig,
) -> (
    Outcome,
    std::io::Result<tokio_rustls::client::TlsStream<DuplexStream>>,
) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let client = tokio_rustls::TlsConnector::from(Arc::new(client));
    let name = "example.org".try_into().unwrap();
    tokio::join!(server.accept(far), client.connect(name, near))
}
