//! `wharf names` as it is typed; nothing here needs a name server.

use std::process::{Command, Output};

fn names(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wharf"))
        .arg("names")
        .args(words)
        .output()
        .unwrap()
}

/// What is printed, with single blanks, after it went well.
fn answer(words: &[&str]) -> Vec<String> {
    let output = names(words);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(squeezed).collect()
}

fn has(lines: &[String], line: &str) {
    assert!(
        lines.iter().any(|one| one == line),
        "{line:?} in {lines:#?}"
    );
}

fn refused(words: &[&str]) -> (i32, String) {
    let output = names(words);
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_host_has_addresses() {
    let lines = answer(&["localhost"]);
    has(&lines, "canonical name localhost gethostbyname_ex()");
    has(&lines, "addresses ::1 gethostbyname(), getaddrinfo()");
    has(&lines, "127.0.0.1");
    assert_eq!(lines, answer(&["host", "localhost"]));
}

#[test]
fn an_address_has_a_name_and_bytes() {
    let lines = answer(&["127.0.0.1"]);
    has(&lines, "bytes 7f 00 00 01 inet_aton(), inet_pton()");
    assert!(
        lines.iter().any(|line| line.starts_with("name ")),
        "{lines:?}"
    );
    has(&answer(&["address", "127.1"]), "address 127.0.0.1");
}

#[test]
fn services_and_ports() {
    let lines = answer(&["http"]);
    has(&lines, "tcp port 80 getservbyname()");
    has(&lines, "class well-known (0 to 1023)");
    let lines = answer(&["22"]);
    has(&lines, "tcp service ssh getservbyport()");
    has(&lines, "network order 00 16 htons()");
    assert!(
        lines.iter().any(|line| line.starts_with("may bind ")),
        "{lines:?}"
    );
    has(&answer(&["50000"]), "class dynamic (49152 to 65535)");
    has(&answer(&["50000"]), "may bind yes bind()");
    has(
        &answer(&["service", "domain"]),
        "udp port 53 getservbyname()",
    );
}

#[test]
fn byte_orders() {
    let lines = answer(&["0x12345678"]);
    has(&lines, "32 bits, network order 12 34 56 78 htonl()");
    has(&lines, "as an address 18.52.86.120 inet_ntoa()");
    let lines = answer(&["order", "7000"]);
    has(&lines, "16 bits, network order 1b 58 htons()");
    let swapped = 7000_u16.to_be();
    has(&lines, &format!("htons result {swapped} htons()"));
}

#[test]
fn bytes_stand_for_addresses_and_numbers() {
    let lines = answer(&["bytes", "7f000001"]);
    has(&lines, "address 127.0.0.1 inet_ntoa(), inet_ntop()");
    has(&lines, "number 2130706433 ntohl()");
    has(&answer(&["bytes", "1b:58"]), "number 7000 ntohs()");
    let all = "00000000000000000000000000000001";
    has(&answer(&["bytes", all]), "address ::1 inet_ntop()");
    let lines = answer(&["bytes", "::1"]);
    has(
        &lines,
        "bytes 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 inet_pton()",
    );
}

#[test]
fn this_machine_has_a_name() {
    // Whether the name resolves is the machine's business.
    let output = names(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("host name"), "{text}");
    assert!(text.contains("gethostname()"), "{text}");
}

#[test]
fn unknown_names_have_exit_code_6() {
    let (code, error) = refused(&["service", "htttp"]);
    assert_eq!(code, 6);
    assert!(error.contains("did you mean http?"), "{error}");
    assert_eq!(refused(&["host", "no such.invalid"]).0, 6);
    assert_eq!(refused(&["service", "64999"]).0, 6);
}

#[test]
fn mistakes_have_exit_code_2_and_a_cure() {
    for (words, word) in [
        (&["hosst", "localhost"][..], "names host"),
        (&["port", "70000"], "65535"),
        (&["address", "localhost"], "names host localhost"),
        (&["bytes", "xyz"], "7f000001"),
        (&["bytes", "7f00"], ""),
        (&["bytes", "7f0000"], "16 (IPv6)"),
        (&["order", "4294967296"], "32 bits"),
    ] {
        let (code, error) = refused(words);
        match word {
            "" => assert_eq!(code, 0, "{words:?}"),
            _ => assert_eq!((code, error.contains(word)), (2, true), "{words:?} {error}"),
        }
    }
}

#[test]
fn json_is_one_object() {
    let output = names(&["localhost", "--json"]);
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["canonical_name"], "localhost");
    assert_eq!(object["addresses"], serde_json::json!(["::1", "127.0.0.1"]));
    let output = names(&["80", "--json"]);
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["port"], 80);
    assert!(object["may_bind"].is_boolean());
}
