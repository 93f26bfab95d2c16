//! TLS.

use super::*;

/// The server of the library, in a thread of its own: echo over TLS.
fn tls_echo() -> (SocketAddr, wharf::tls::ServerTls) {
    let tls = wharf::tls::ServerTls::self_signed(["localhost"]).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let server = tls.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = server.clone();
                tokio::spawn(async move {
                    let Ok((stream, _)) = server.accept(stream).await else {
                        return;
                    };
                    let (mut input, mut output) = tokio::io::split(stream);
                    let _ = tokio::io::copy(&mut input, &mut output).await;
                });
            }
        });
    });
    (told.recv().unwrap(), tls)
}

fn tls_target(at: SocketAddr, trust: wharf::tls::Trust) -> Target {
    Target::Tls(TlsTarget {
        at,
        host: "localhost".to_owned(),
        tls: wharf::tls::ClientTls::new(trust).unwrap(),
    })
}

#[test]
fn tls_is_loaded_as_well_and_verified() {
    let (at, server) = tls_echo();
    let pinned = wharf::tls::Trust::Pins(vec![server.fingerprint()]);
    let mut options = options(tls_target(at, pinned));
    for (connections, depth, size) in [(1, 1, 1), (5, 8, 100), (2, 2, 300_000)] {
        options.connections = connections;
        options.pacing = Pacing::Closed { depth };
        options.messages = Messages::Size(size);
        let report = run(&options).unwrap();
        assert!(report.errors.is_empty(), "{}", report.errors);
        assert_eq!(report.messages, 200);
        assert_eq!(report.received_bytes, 200 * size as u64);
    }
    options.messages = Messages::Size(64);
    options.pacing = Pacing::Closed { depth: 1 };
    options.messages_per_connection = Some(1);
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.connections, 200);

    let another = wharf::tls::ServerTls::self_signed(["localhost"]).unwrap();
    let wrong = wharf::tls::Trust::Pins(vec![another.fingerprint()]);
    options.target = tls_target(at, wrong);
    options.messages_per_connection = None;
    only(&run(&options).unwrap(), Cause::Tls);
}
