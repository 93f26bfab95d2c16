//! Certificates and keys from files, good and bad.

use super::*;

/// The error of loading these two files.
fn load(ca: &Authority, certificate: &str, key: &str) -> TlsConfigError {
    let certificate = ca.write("bad.pem", certificate);
    let key = ca.write("bad.key", key);
    ServerTls::from_pem_files(certificate, key).unwrap_err()
}

fn assert_says(error: &TlsConfigError, cause: &str, cure: &str) {
    assert!(error.to_string().contains(cause), "{error}");
    let found = error.cure().unwrap_or_default();
    assert!(found.contains(cure), "{error}: {found}");
}

#[test]
fn a_missing_file_is_named() {
    let ca = Authority::new();
    let (_, key) = ca.issue(&["a.test"], |_| {});
    let key = ca.write("key.pem", &key);
    let error = ServerTls::from_pem_files("/nowhere/server.pem", key).unwrap_err();
    assert_says(&error, "cannot read /nowhere/server.pem: ", "self-signed");
    assert!(ClientTls::new(Trust::CaFile("/nowhere".into())).is_err());
    assert!(ServerTls::from_pem_files(ca.dir.path(), ca.dir.path()).is_err());
}

#[test]
fn files_that_are_mixed_up_are_told_apart() {
    let ca = Authority::new();
    let (cert, key) = ca.issue(&["a.test"], |_| {});
    let error = load(&ca, &key, &cert);
    assert_says(
        &error,
        "bad.pem has no certificate in it, but PRIVATE KEY",
        "exchange the two",
    );
    let error = load(&ca, &cert, &cert);
    assert_says(
        &error,
        "bad.key has no private key in it, but CERTIFICATE",
        "file of the private key",
    );
    let error = load(&ca, "", &key);
    assert_says(
        &error,
        "no certificate in it, but nothing at all",
        "BEGIN CERTIFICATE",
    );
    let error = load(&ca, "hello", &key);
    assert_says(&error, "something that is not PEM", "BEGIN CERTIFICATE");
    let error = load(&ca, &cert, "0\u{1}\u{2}");
    assert_says(&error, "binary DER", "openssl pkey -inform der");
    let error = load(
        &ca,
        "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n",
        &key,
    );
    assert_says(&error, "but CERTIFICATE REQUEST", "from this request");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let ca = Authority::new();
    let (cert, _) = ca.issue(&["a.test"], |_| {});
    let (_, key) = ca.issue(&["a.test"], |_| {});
    assert_says(
        &load(&ca, &cert, &key),
        "does not belong to",
        "comes first in the file",
    );
}

#[test]
fn an_encrypted_key_is_recognised_in_both_forms() {
    let ca = Authority::new();
    let (cert, _) = ca.issue(&["a.test"], |_| {});
    let pkcs8 =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAA==\n-----END RSA PRIVATE KEY-----\n";
    for key in [pkcs8, old] {
        assert_says(
            &load(&ca, &cert, key),
            "encrypted with a password",
            "openssl pkey -in",
        );
    }
}

#[test]
fn damaged_files_say_where() {
    let ca = Authority::new();
    let (cert, key) = ca.issue(&["a.test"], |_| {});
    let half = &cert[..cert.len() / 2];
    assert_says(
        &load(&ca, half, &key),
        "its last section has no END line",
        "",
    );
    let not_base64 = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    assert_says(&load(&ca, not_base64, &key), "is not base64", "");
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_says(
        &load(&ca, not_der, &key),
        "its first certificate cannot be read",
        "",
    );
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_says(
        &load(&ca, &cert, no_key),
        "bad.key cannot be used",
        "ECDSA P-256",
    );
    let path = ca.write("ca-bad.pem", not_der);
    let error = ClientTls::new(Trust::CaFile(path)).unwrap_err();
    assert_says(&error, "certificate 1 cannot be read", "");
}

#[test]
fn one_file_may_hold_both() {
    let ca = Authority::new();
    let (cert, key) = ca.issue(&["a.test"], |_| {});
    let both = ca.write("both.pem", &(key + &cert));
    ServerTls::from_pem_files(&both, &both).unwrap();
}

#[test]
fn names_are_checked_when_a_certificate_is_made() {
    let error = ServerTls::self_signed(["good.test", "not a name"]).unwrap_err();
    assert_says(&error, "\"not a name\" is neither", "");
    ServerTls::self_signed(["LOCALHOST", "fe80::1", "my_host"]).unwrap();
}

#[test]
fn debug_never_shows_the_key() {
    let text = format!("{:?}", self_signed());
    assert!(text.starts_with("ServerTls { certificate: \"self-signed\", fingerprint:"));
    assert!(text.len() < 200, "{text}");
}

#[tokio::test]
async fn reload_renews_for_new_connections_and_keeps_the_last_good_pair() {
    let ca = Authority::new();
    let server = ca.server(&["example.org"], |_| {});
    let (first, clone) = (server.fingerprint(), server.clone());
    assert_eq!(server.reload().unwrap(), Reloaded::Unchanged);

    // The new certificate is there, its key not yet.
    let (cert, key) = ca.issue(&["example.org"], |_| {});
    ca.write("server.pem", &cert);
    assert!(matches!(
        server.reload(),
        Err(TlsConfigError::KeyMismatch { .. })
    ));
    // Half of it is there.
    ca.write("server.pem", &cert[..100]);
    assert!(server.reload().is_err());
    assert_eq!(server.fingerprint(), first);
    let (accepted, connected) = shake(&server, &ca.client(), "example.org").await;
    let old = (accepted, connected);

    ca.write("server.pem", &cert);
    ca.write("server.key", &key);
    let Reloaded::Renewed(second) = server.reload().unwrap() else {
        panic!("nothing was renewed");
    };
    assert_ne!(first, second);
    assert_eq!(clone.fingerprint(), second, "clones share the renewal");
    let (accepted, connected) = shake(&clone, &ca.client(), "example.org").await;
    let (_, facts) = converse(accepted, connected).await;
    assert_eq!(facts.peer_certificate, Some(second));
    let (_, facts) = converse(old.0, old.1).await;
    assert_eq!(
        facts.peer_certificate,
        Some(first),
        "open connections go on"
    );
}

#[test]
fn a_self_signed_server_has_nothing_to_reload() {
    assert_eq!(self_signed().reload().unwrap(), Reloaded::Unchanged);
}
