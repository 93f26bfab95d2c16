//! `wharf trace tls:…`: the records that are on the link, and the plaintext that is not.

use serde_json::Value;

use crate::support::Server;
use crate::{calls, events, of, trace};

#[test]
fn what_records_hold_stands_in_a_layer_of_its_own() {
    let mut server = Server::start(["upper", "tls:127.0.0.1:0,self-signed"]);
    let address = format!("tls:127.0.0.1:{},insecure", server.port());
    let ended = trace(&[&address, "--send", r"secret word\n", "--json"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let events = events(&ended);
    assert_eq!(calls(&events, "client")[..2], ["socket", "connect"]);

    let messages = of(&events, "message");
    let inside: Vec<(&Value, &Value)> = messages
        .iter()
        .filter(|one| one["inside"] == "TLS")
        .map(|one| (&one["side"], &one["text"]))
        .collect();
    assert_eq!(
        inside,
        [
            (&"client".into(), &"secret word\\n".into()),
            (&"server".into(), &"SECRET WORD\\n".into())
        ]
    );
    let records: Vec<&str> = messages
        .iter()
        .filter(|one| one["protocol"] == "TLS" && one["inside"].is_null())
        .map(|one| one["summary"].as_str().unwrap())
        .collect();
    assert!(records.contains(&"handshake: client hello"), "{records:?}");
    assert!(records.contains(&"handshake: server hello"), "{records:?}");
    assert!(
        records.contains(&"application data (encrypted): of the handshake"),
        "{records:?}"
    );
    assert!(
        records.contains(&"application data (encrypted): of the program"),
        "{records:?}"
    );

    // No frame has the words: what is on the link is ciphertext.
    let secret: String = b"secret".iter().map(|byte| format!("{byte:02x}")).collect();
    let frames = of(&events, "frame");
    let fields = |frame: &Value| {
        let layers = frame["layers"].as_array().unwrap().iter();
        let fields = layers.flat_map(|layer| layer["fields"].as_array().unwrap().clone());
        fields
            .map(|field| field["value"].to_string())
            .collect::<String>()
    };
    assert!(frames.iter().all(|frame| !fields(frame).contains(&secret)));
    let plain = frames
        .iter()
        .flat_map(|frame| frame["layers"].as_array().unwrap())
        .filter(|layer| layer["name"] == "PLAINTEXT");
    for layer in plain.clone() {
        assert_eq!(layer["bytes"][0], layer["bytes"][1], "{layer}");
        assert!(
            layer["notes"][0].as_str().unwrap().contains("on no link"),
            "{layer}"
        );
    }
    assert_eq!(plain.count(), 2);

    for (view, words) in [
        ("boxes", "PLAINTEXT · in no frame"),
        ("ladder", "encrypted: secret word"),
        ("lines", "encrypted: secret word"),
        ("story", "(sealed, only the two ends read it) “secret word"),
        ("mermaid", "encrypted: secret word"),
    ] {
        let ended = trace(&[
            &address,
            "--send",
            r"secret word\n",
            "--view",
            view,
            "--width",
            "200",
        ]);
        assert!(ended.stdout.contains(words), "{view}: {}", ended.stdout);
    }
    let hex = trace(&[&address, "--send", r"secret word\n", "--view", "hex"]);
    assert!(!hex.stdout.contains("secret word"), "{}", hex.stdout);
}

#[test]
fn protocols_are_found_in_the_plaintext() {
    let mut server = Server::start(["chat", "tls:127.0.0.1:0,self-signed"]);
    let address = format!("tls:127.0.0.1:{},insecure", server.port());
    let ended = trace(&[&address, "--send", r"HELLO-FROM ann\n", "--json"]);
    let events = events(&ended);
    let inside: Vec<&Value> = of(&events, "message")
        .into_iter()
        .filter(|one| one["inside"] == "TLS")
        .map(|one| &one["summary"])
        .collect();
    assert_eq!(inside[..1], ["ann wants to log in"], "{ended:?}");
}

#[test]
fn what_is_spoken_in_records_is_not_looked_for_around_them() {
    let mut server = Server::start(["chat", "tls:127.0.0.1:0,self-signed"]);
    let address = format!("tls:127.0.0.1:{},insecure", server.port());
    let talk = [&address, "--send", r"WHO\n", "--json"];
    let told = |options: &[&str]| {
        let ended = trace(&[&talk[..], options].concat());
        assert_eq!(ended.code(), 0, "{ended:?}");
        let events = events(&ended);
        let messages = of(&events, "message").into_iter();
        let messages = messages.map(|one| (one["inside"].clone(), one["protocol"].clone()));
        messages.collect::<Vec<_>>()
    };
    for protocol in ["chat", "password"] {
        let told = told(&["--as", protocol]);
        let outside = told.iter().filter(|one| one.0.is_null());
        assert!(outside.clone().count() > 4, "{told:?}");
        assert!(
            outside.clone().all(|one| one.1 == "TLS"),
            "{protocol}: {told:?}"
        );
    }
    let told = told(&["--as", "chat"]);
    let inside = told.iter().filter(|one| one.0 == "TLS");
    assert!(inside.clone().all(|one| one.1 == "CHAT"), "{told:?}");
    assert!(inside.count() > 0);
}

#[test]
fn a_handshake_that_fails_is_shown_and_told() {
    let mut server = Server::start(["echo", "tls:127.0.0.1:0,self-signed"]);
    let address = format!("tls:127.0.0.1:{}", server.port());
    let ended = trace(&[&address, "--send", "x", "--view", "lines", "--width", "200"]);
    assert_eq!(ended.code(), 35, "{ended:?}");
    assert!(
        ended.stdout.contains("TLS: handshake: client hello"),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stderr
            .contains("the conversation with tls:127.0.0.1:"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("\n  try "), "{}", ended.stderr);

    // Somebody who does not speak TLS answers at once, and is recognised at once.
    let mut server = Server::start(["daytime", "127.0.0.1:0"]);
    let address = format!("tls:127.0.0.1:{},insecure", server.port());
    let ended = trace(&[&address, "--send", "x", "--timeout", "20s"]);
    assert_eq!(ended.code(), 35, "{ended:?}");
    assert!(
        ended.stderr.contains("the server spoke plain text"),
        "{}",
        ended.stderr
    );
}
