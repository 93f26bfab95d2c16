//! Whom a client believes, and how it says that it does not.

use super::*;

#[tokio::test]
async fn a_chain_to_the_ca_file_is_believed() {
    let ca = Authority::new();
    let server = ca.server(&["example.org", "10.0.0.7"], |_| {});
    for host in ["example.org", "EXAMPLE.org.", "10.0.0.7"] {
        let (accepted, connected) = shake(&server, &ca.client(), host).await;
        converse(accepted, connected).await;
    }
}

#[tokio::test]
async fn a_pin_needs_neither_name_nor_issuer_nor_date() {
    let ca = Authority::new();
    let server = ca.server(&["elsewhere.test"], expired(DAY));
    let other = Fingerprint::of(b"another");
    let client = ClientTls::new(Trust::Pins(vec![other, server.fingerprint()])).unwrap();
    let (accepted, connected) = shake(&server, &client, "[::1]").await;
    let (_, at_client) = converse(accepted, connected).await;
    assert_eq!(at_client.peer_certificate, Some(server.fingerprint()));
}

#[tokio::test]
async fn insecure_believes_anyone() {
    let client = ClientTls::new(Trust::Insecure).unwrap();
    let (accepted, connected) = shake(&self_signed(), &client, "example.com").await;
    converse(accepted, connected).await;
}

#[tokio::test]
async fn a_self_signed_certificate_can_be_the_ca_file() {
    let server = self_signed();
    let ca = Authority::new();
    let path = ca.write("self.pem", server.self_signed_pem().unwrap());
    let client = ClientTls::new(Trust::CaFile(path)).unwrap();
    for host in ["localhost", "127.0.0.1", "::1", "[::1]", "example.org"] {
        let (accepted, connected) = shake(&server, &client, host).await;
        converse(accepted, connected).await;
    }
}

#[tokio::test]
async fn expired_says_when() {
    let ca = Authority::new();
    let server = ca.server(&["example.org"], expired(3 * DAY + HOUR));
    let (at_server, error) = fail(&server, &ca.client(), "example.org").await;
    let text = error.to_string();
    assert!(
        text.starts_with("certificate of example.org expired 3 days ago, on 20"),
        "{text}"
    );
    assert_eq!(error.reason(), "certificate_expired");
    assert_eq!(error.cure().unwrap(), "renewing it at the server");
    assert_eq!(
        at_server.to_string(),
        "the client finds our certificate expired, or not valid yet (alert certificate_expired)"
    );
    let problem = server.date_problem().unwrap().to_string();
    assert!(problem.starts_with("expired 3 days ago"), "{problem}");
    assert_eq!(self_signed().date_problem(), None);
}

#[tokio::test]
async fn not_yet_valid_says_from_when() {
    let ca = Authority::new();
    let server = ca.server(&["example.org"], begins(2 * DAY + HOUR));
    let (_, error) = fail(&server, &ca.client(), "example.org").await;
    let text = error.to_string();
    assert!(
        text.starts_with("certificate of example.org becomes valid in 2 days, on 20"),
        "{text}"
    );
    assert!(error.cure().unwrap().contains("clock"));
}

#[tokio::test]
async fn an_expired_intermediate_is_not_blamed_on_the_server() {
    let root = Authority::new();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "middle");
    expired(DAY + HOUR)(&mut params);
    let middle =
        CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root.issuer).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["example.org".to_owned()])
        .unwrap()
        .signed_by(&key, &middle)
        .unwrap();
    let server = ServerTls::from_pem_files(
        root.write("chain.pem", &(leaf.pem() + &middle.pem())),
        root.write("key.pem", &key.serialize_pem()),
    )
    .unwrap();
    let (_, error) = fail(&server, &root.client(), "example.org").await;
    let text = error.to_string();
    assert!(
        text.starts_with("a certificate that vouches for example.org expired 1 day ago"),
        "{text}"
    );
}

#[tokio::test]
async fn a_wrong_name_lists_the_right_ones() {
    let ca = Authority::new();
    let server = ca.server(&["example.org", "*.example.net", "10.0.0.7"], |_| {});
    let (at_server, error) = fail(&server, &ca.client(), "example.com").await;
    assert_eq!(
        error.to_string(),
        "certificate is not for example.com but for example.org, *.example.net, 10.0.0.7"
    );
    assert_eq!(
        error.cure().unwrap(),
        "sni=example.org   (if that is whom you mean)"
    );
    assert!(
        at_server
            .to_string()
            .contains("does not trust our certificate")
    );

    let named = ca.client().with_server_name("www.example.net").unwrap();
    let (accepted, connected) = shake(&server, &named, "example.com").await;
    let (at_server, _) = converse(accepted, connected).await;
    assert_eq!(at_server.server_name.as_deref(), Some("www.example.net"));
}

#[tokio::test]
async fn a_certificate_without_names_says_so() {
    let ca = Authority::new();
    let server = ca.server(&[], |_| {});
    let (_, error) = fail(&server, &ca.client(), "example.org").await;
    assert_eq!(
        error.to_string(),
        "certificate is not for example.org but for no name at all"
    );
    assert!(error.cure().unwrap().contains("subjectAltName"));
}

#[tokio::test]
async fn an_unknown_issuer_gives_the_pin_to_paste() {
    let (ours, theirs) = (
        Authority::new(),
        Authority::with(|params| {
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, "theirs");
        }),
    );
    let server = theirs.server(&["example.org"], |_| {});
    let (at_server, error) = fail(&server, &ours.client(), "example.org").await;
    let text = error.to_string();
    assert!(text.contains("comes from an issuer that"), "{text}");
    assert!(text.contains("ca.pem"), "{text}");
    assert!(text.contains(&server.fingerprint().to_string()));
    let cure = error.cure().unwrap();
    assert!(
        cure.contains(&format!("pin={}", server.fingerprint())),
        "{cure}"
    );
    assert!(cure.contains("ca=FILE"), "{cure}");
    assert_eq!(
        at_server.to_string(),
        "the client does not trust our certificate (alert unknown_ca)"
    );
    assert_eq!(
        at_server.cure().unwrap(),
        format!(
            "giving the client our fingerprint: pin={}",
            server.fingerprint()
        )
    );
}

#[tokio::test]
async fn self_signed_is_told_from_unknown() {
    let server = self_signed();
    let (_, error) = fail(&server, &Authority::new().client(), "example.org").await;
    let text = error.to_string();
    assert!(
        text.starts_with("certificate of example.org is self-signed"),
        "{text}"
    );
    assert_eq!(error.reason(), "certificate_self_signed");
    let cure = error.cure().unwrap();
    assert!(
        cure.starts_with(&format!("pin={}", server.fingerprint())),
        "{cure}"
    );
}

#[tokio::test]
async fn a_ca_certificate_as_server_is_named_and_can_be_pinned() {
    // What `openssl req -x509` makes without further options.
    let ca = Authority::with(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("example.org".try_into().unwrap())];
    });
    let server = ServerTls::from_pem_files(
        ca.write("cert.pem", &ca.issuer.pem()),
        ca.write("key.pem", &ca.issuer.key().serialize_pem()),
    )
    .unwrap();
    let (_, error) = fail(&server, &ca.client(), "example.org").await;
    assert!(error.to_string().contains("CA:TRUE"), "{error}");
    assert!(error.cure().unwrap().starts_with("pin="));
    let (accepted, connected) = shake(&server, &pinned(&server), "example.org").await;
    converse(accepted, connected).await;
}

#[tokio::test]
async fn a_certificate_for_clients_is_refused() {
    let ca = Authority::new();
    let server = ca.server(&["example.org"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let (_, error) = fail(&server, &ca.client(), "example.org").await;
    assert_eq!(
        error.to_string(),
        "certificate of example.org cannot be accepted: it is not meant for servers (extendedKeyUsage)"
    );
}

#[tokio::test]
async fn a_wrong_pin_shows_both() {
    let (server, other) = (self_signed(), self_signed());
    let (at_server, error) = fail(&server, &pinned(&other), "example.org").await;
    assert_eq!(
        error.to_string(),
        format!(
            "certificate of example.org is not the pinned one: expected {}, the server showed {}",
            other.fingerprint(),
            server.fingerprint()
        )
    );
    assert_eq!(error.reason(), "certificate_not_pinned");
    assert!(
        at_server
            .to_string()
            .contains("does not trust our certificate")
    );
}

#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    // An impostor shows the right certificate, but signs with a key of its own.
    let server = self_signed();
    let stolen = {
        let pem = server.self_signed_pem().unwrap().as_bytes();
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        CertificateDer::from_pem_slice(pem).unwrap()
    };
    let key = KeyPair::generate().unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(
        &rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    )
    .unwrap();
    let pair = rustls::sign::CertifiedKey::new(vec![stolen], key);
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(pair)));
    let impostor = tokio_rustls::TlsAcceptor::from(Arc::new(config));

    for trust in [Trust::Pins(vec![server.fingerprint()]), Trust::Insecure] {
        let client = ClientTls::new(trust).unwrap();
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (_, connected) =
            tokio::join!(impostor.accept(far), client.connect("example.org", near));
        let error = connected.unwrap_err();
        assert!(error.to_string().contains("may lack its key"), "{error}");
    }
}

#[tokio::test]
async fn a_host_that_is_no_name_is_refused_before_a_byte_is_sent() {
    let client = ClientTls::new(Trust::Insecure).unwrap();
    let (near, _far) = tokio::io::duplex(64);
    let error = client.connect("a b", near).await.unwrap_err();
    assert!(
        error.to_string().starts_with("\"a b\" is neither"),
        "{error}"
    );
    assert_eq!(
        error.cure().unwrap(),
        "sni=NAME with the name in the server's certificate"
    );
    assert!(client.with_server_name("").is_err());
    assert!(matches!(
        ClientTls::new(Trust::Pins(Vec::new())),
        Err(TlsConfigError::NoPins)
    ));
}
