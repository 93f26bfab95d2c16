//! Both ends over a stream in memory, with certificates made on the spot.

mod agreement;
mod files;
mod plain;
mod session;
mod trust;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

type Outcome = Result<(TlsStream<DuplexStream>, Established), HandshakeError>;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Runs both ends of a handshake: what the server and what the client made of it.
async fn shake(server: &ServerTls, client: &ClientTls, host: &str) -> (Outcome, Outcome) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::join!(server.accept(far), client.connect(host, near))
}

/// The errors of both ends.
async fn fail(
    server: &ServerTls,
    client: &ClientTls,
    host: &str,
) -> (HandshakeError, HandshakeError) {
    let (accepted, connected) = shake(server, client, host).await;
    (
        accepted.expect_err("the server accepted"),
        connected.expect_err("the client connected"),
    )
}

/// Sends a message each way, and a half-close.
async fn converse(server: Outcome, client: Outcome) -> (Established, Established) {
    let ((mut server, at_server), (mut client, at_client)) = (server.unwrap(), client.unwrap());
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = String::new();
    server.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "question");
    server.write_all(b"late answer").await.unwrap();
    server.shutdown().await.unwrap();
    heard.clear();
    client.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "late answer");
    (at_server, at_client)
}

fn self_signed() -> ServerTls {
    ServerTls::self_signed(["example.org"]).unwrap()
}

fn pinned(server: &ServerTls) -> ClientTls {
    ClientTls::new(Trust::Pins(vec![server.fingerprint()])).unwrap()
}

/// A certificate authority and a directory for its files.
struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        Self { dir, issuer }
    }

    /// A client that trusts this authority.
    fn client(&self) -> ClientTls {
        ClientTls::new(Trust::CaFile(self.write("ca.pem", &self.issuer.pem()))).unwrap()
    }

    /// A server whose certificate for `names` this authority signed.
    fn server(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> ServerTls {
        let (certificate, key) = self.issue(names, change);
        ServerTls::from_pem_files(
            self.write("server.pem", &certificate),
            self.write("server.key", &key),
        )
        .unwrap()
    }

    fn issue(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// Makes the certificate one that ran out this long ago.
fn expired(ago: Duration) -> impl FnOnce(&mut CertificateParams) {
    move |params| params.not_after = rcgen::date_time_ymd(1970, 1, 1) + (since_epoch() - ago)
}

/// Makes the certificate one that begins in this time.
fn begins(ahead: Duration) -> impl FnOnce(&mut CertificateParams) {
    move |params| params.not_before = rcgen::date_time_ymd(1970, 1, 1) + (since_epoch() + ahead)
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}
