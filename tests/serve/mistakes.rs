//! Mistakes: what is wrong, and what to type instead.

use crate::support::{run, wharf};

/// `wharf ARGUMENTS` is wrong usage, and says each of `expected` on stderr.
#[track_caller]
fn assert_mistake(arguments: &[&str], expected: &[&str]) {
    let ended = run(&mut wharf(arguments), "");
    assert_eq!((ended.code(), &*ended.stdout), (2, ""), "{ended:?}");
    assert!(ended.stderr.starts_with("error: "), "{ended:?}");
    for text in expected {
        assert!(
            ended.stderr.contains(text),
            "no {text:?} in {}",
            ended.stderr
        );
    }
}

#[test]
fn a_service_is_suggested() {
    assert_mistake(
        &["serve", "ehco"],
        &[
            "there is no service \"ehco\"",
            "  try      wharf serve echo\n",
        ],
    );
    assert_mistake(&["serve", "gopher"], &["  known    echo, upper, chat"]);
}

#[test]
fn an_address_alone_needs_a_service() {
    assert_mistake(&["serve", "7000"], &["  try      wharf serve echo 7000\n"]);
    assert_mistake(
        &["serve", "udp::7000"],
        &["  try      wharf serve echo udp::7000\n"],
    );
}

#[test]
fn an_address_is_corrected() {
    assert_mistake(
        &["serve", "echo", ":70000"],
        &["bad address \":70000\": port 70000 is above 65535"],
    );
    assert_mistake(&["serve", "echo", "::1:80"], &["  try      [::1]:80\n"]);
    assert_mistake(
        &["serve", "echo", "[::1:80"],
        &["bracket", "  try      [::1]:80\n"],
    );
    assert_mistake(&["serve", "echo", "tpc::80"], &["  try      tcp::80\n"]);
    let long = format!("/tmp/{}", "x".repeat(200));
    assert_mistake(&["serve", "echo", &long], &["107"]);
}

#[test]
fn options_are_corrected() {
    assert_mistake(
        &["serve", "echo", "0", "--frame", "u33"],
        &["did you mean u32?"],
    );
    assert_mistake(
        &["serve", "echo", "0", "--idle-timeout", "0"],
        &["say none for no limit"],
    );
    assert_mistake(
        &["serve", "echo", "0", "--idle-timeout", "5x"],
        &["unknown unit \"x\""],
    );
    assert_mistake(&["serve", "echo", "0", "--onec"], &["--once"]);
    assert_mistake(&["srve"], &["serve"]);
    for option in ["--max-connections", "--per-peer"] {
        assert_mistake(
            &["serve", "echo", "0", option, "0"],
            &["would serve nobody"],
        );
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    assert_mistake(
        &["serve", "exec", "0"],
        &["exec needs a program to run, after --"],
    );
    assert_mistake(
        &["serve", "echo", "0", "--", "cat"],
        &["echo runs no program; exec does"],
    );
    assert_mistake(
        &["serve", "time", "0", "--frame", "u32"],
        &["framed   echo, upper"],
    );
    assert_mistake(
        &["serve", "echo", "udp::0", "--once"],
        &["--once counts connections"],
    );
    assert_mistake(&["serve", "echo", "0", "--max-message", "10"], &["--frame"]);
    assert_mistake(
        &["serve", "exec", "udp::0", "--", "cat"],
        &["exec speaks over byte streams"],
    );
}

#[test]
fn an_address_of_another_machine_cannot_be_listened_on() {
    let ended = run(&mut wharf(["serve", "echo", "203.0.113.9:7000"]), "");
    assert_eq!(ended.code(), 3, "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("203.0.113.9:7000: this machine has no such address"),
        "{ended:?}"
    );
}

#[test]
fn what_the_kernel_lacks_is_said_with_what_it_has() {
    let ended = run(&mut wharf(["serve", "echo", "rdm::7000"]), "");
    assert_eq!(ended.code(), 2, "{ended:?}");
    assert!(!ended.stderr.contains("resolve"), "{ended:?}");
    assert!(ended.stderr.contains("  try      "), "{ended:?}");
    assert!(ended.stderr.contains("udp:HOST:PORT"), "{ended:?}");
}

#[test]
fn no_error_shows_rusts_own_words() {
    for arguments in [
        &["serve", "echo", "tls::0,cert=missing.pem,key=missing.key"][..],
        &["serve", "echo", "/missing/directory/s"],
        &["serve", "exec", "0", "--", "/missing/program"],
        &["connect", "tls::1,ca=missing.pem"],
        &["connect", "/missing/socket"],
        &["connect", "unix-dgram:/missing/socket", "--send", "x"],
    ] {
        let ended = run(&mut wharf(arguments), "");
        assert_ne!(ended.code(), 0);
        assert!(!ended.stderr.contains("(os error"), "{ended:?}");
    }
}
