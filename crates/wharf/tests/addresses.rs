//! Opening addresses: which sockets there are afterwards, and what is said when
//! there are none.

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{Echo, address, asked, read_to_end, soon, started, to};
use wharf::client::Client;
use wharf::server::{Partial, Server, StartErrorKind};

#[tokio::test]
async fn a_bare_port_is_both_loopback_addresses_under_one_number() {
    let (running, _) = started(Server::new().serve("echo", address("0"), Echo)).await;
    let all: Vec<_> = running
        .endpoints()
        .iter()
        .map(|bound| bound.local.inet().unwrap())
        .collect();
    assert!(all[0].is_ipv4() && all[0].ip().is_loopback());
    assert!(
        all.iter()
            .all(|at| at.port() == all[0].port() && at.port() != 0)
    );
    match running.notes() {
        [] => assert!(all[1].is_ipv6() && all[1].ip().is_loopback()),
        [note] => assert!(note.contains("IPv6"), "{note}"),
        more => panic!("{more:?}"),
    }
    for bound in running.endpoints() {
        let mut client = soon(Client::new().connect(&to(bound))).await.unwrap();
        asked(&mut client, b"hello").await;
        assert_eq!(client.peer(), &bound.local);
    }
}

#[tokio::test]
async fn the_rest_starts_when_one_port_is_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let server = || {
        Server::new()
            .serve("free", address("tcp:127.0.0.1:0"), Echo)
            .serve("taken", address(&format!("tcp:127.0.0.1:{port}")), Echo)
    };
    let error = server().start().await.unwrap_err();
    assert_eq!(error.service, "taken");
    assert_eq!(
        error.to_string(),
        format!("cannot listen on 127.0.0.1:{port}: address already in use")
    );
    let running = server().partial(Partial::Accept).start().await.unwrap();
    assert_eq!(running.endpoints().len(), 1);
    assert_eq!(running.failures().len(), 1);
    assert_eq!(running.failures()[0].service, "taken");
    let mut client = common::connected(&running).await;
    asked(&mut client, b"hello").await;
    let none = Server::new()
        .serve("taken", address(&format!("tcp:127.0.0.1:{port}")), Echo)
        .partial(Partial::Accept);
    assert!(none.start().await.is_err());
}

#[tokio::test]
async fn a_scheme_must_carry_what_the_service_speaks() {
    for wrong in ["udp::0", "unix-dgram:./never-made"] {
        let error = Server::new()
            .serve("echo", address(wrong), Echo)
            .start()
            .await
            .unwrap_err();
        assert!(
            matches!(error.kind, StartErrorKind::WrongScheme(_)),
            "{error:?}"
        );
        assert!(error.to_string().contains("byte streams"), "{error}");
    }
    let error = Client::new().connect(&address("udp::9")).await.unwrap_err();
    assert!(error.to_string().contains("datagrams"), "{error}");
    for lacking in ["rdm::9", "raw:127.0.0.1"] {
        let error = Server::new()
            .serve("echo", address(lacking), Echo)
            .start()
            .await
            .unwrap_err();
        assert!(!error.to_string().contains("os error"), "{error}");
    }
}

#[tokio::test]
async fn tls_needs_a_certificate() {
    let start = |at: &str| Server::new().serve("echo", address(at), Echo).start();
    let error = start("tls:127.0.0.1:0").await.unwrap_err();
    assert!(
        matches!(error.kind, StartErrorKind::NoCertificate(_)),
        "{error:?}"
    );
    let error = start("tls:127.0.0.1:0,cert=/nowhere/cert.pem")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("/nowhere/cert.pem"), "{error}");
    let running = start("tls:127.0.0.1:0,self-signed").await.unwrap();
    assert!(running.endpoints()[0].fingerprint.is_some());
}

#[tokio::test]
async fn the_file_of_a_unix_socket_is_handled_with_care() {
    let directory = tempfile::tempdir().unwrap();
    for scheme in ["unix", "seqpacket"] {
        let path = directory.path().join(scheme);
        let at = format!("{scheme}:{},mode=0600", path.display());
        let serve = || Server::new().serve("echo", address(&at), Echo).start();

        std::fs::write(&path, "precious").unwrap();
        let error = serve().await.unwrap_err();
        assert!(error.to_string().contains("not a socket"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        std::fs::remove_file(&path).unwrap();

        // A dead server's file: of either kind.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let running = match serve().await {
            Ok(running) => running,
            Err(error) => panic!("{scheme}: {error}"),
        };
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = serve().await.unwrap_err();
        assert!(error.to_string().contains("already in use"), "{error}");
        let mut client = common::connected(&running).await;
        asked(&mut client, b"hello").await;
        soon(client.finish()).await.unwrap();
        assert_eq!(read_to_end(&mut client).await.unwrap(), b"");
        soon(running.drain()).await;
        assert!(!path.exists());
        let error = Client::new().connect(&address(&at)).await.unwrap_err();
        assert!(error.to_string().contains("no such file"), "{error}");
    }
}

#[tokio::test]
async fn an_abstract_name_leaves_no_file() {
    let name = format!("unix:@wharf-test-{}", std::process::id());
    let running = Server::new()
        .serve("echo", address(&name), Echo)
        .start()
        .await
        .unwrap();
    let mut client = soon(Client::new().connect(&address(&name))).await.unwrap();
    asked(&mut client, b"hello").await;
    let second = Server::new()
        .serve("echo", address(&name), Echo)
        .start()
        .await;
    assert!(second.unwrap_err().to_string().contains("already in use"));
    drop(running);
}

/// Every client of a process has its own path through the file system; the
/// server sees it.
#[tokio::test]
async fn a_bound_unix_client_is_seen_by_name() {
    let directory = tempfile::tempdir().unwrap();
    for scheme in ["unix", "seqpacket"] {
        let (server, client) = (
            directory.path().join(format!("{scheme}-server")),
            directory.path().join(format!("{scheme}-client")),
        );
        let at = format!("{scheme}:{}", server.display());
        let running = Server::new()
            .serve("echo", address(&at), Echo)
            .start()
            .await
            .unwrap();
        let from = address(&format!("{at},bind={}", client.display()));
        let mut connection = soon(Client::new().connect(&from)).await.unwrap();
        asked(&mut connection, b"hello").await;
        let peer = running.snapshot().connections[0].peer.to_string();
        assert_eq!(peer, client.display().to_string());
    }
}

#[tokio::test]
async fn a_server_without_addresses_starts_and_ends_on_any_number_of_cores() {
    let running = Server::new().cores(2).start().await.unwrap();
    assert!(running.endpoints().is_empty());
    soon(running.drain()).await;
}
