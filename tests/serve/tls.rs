//! TLS: the certificate made on the spot, and what is said without one.

use crate::peer::ask;
use crate::support::{Process, Server, Stream, run, wharf};

use super::stop::bash;

#[test]
fn the_tables_command_works_as_it_is_printed() {
    let mut server = Process::start(&mut wharf(["serve", "upper", "tls::0,self-signed"]));
    let command = server.wait_for(|stream, line| {
        let at = line.find("wharf connect tls::")?;
        (stream == Stream::Out).then(|| line[at..].to_owned())
    });
    assert!(command.contains(",pin="), "{command}");
    let client = run(&mut bash(&command), "over tls\n");
    assert_eq!(
        (client.code(), &*client.stdout),
        (0, "OVER TLS\n"),
        "{client:?}"
    );
    let wrong = format!("{}0000", &command[..command.len() - 4]);
    if wrong != command {
        let client = run(&mut bash(&wrong), "over tls\n");
        assert_eq!((client.code(), &*client.stdout), (35, ""), "{client:?}");
    }
}

#[test]
fn without_a_certificate_the_cures_are_commands() {
    let ended = run(&mut wharf(["serve", "echo", "tls::0"]), "");
    assert_eq!((ended.code(), &*ended.stdout), (35, ""), "{ended:?}");
    assert_eq!(
        ended.stderr,
        "error: cannot listen on tls::0: a TLS server needs a certificate\n  \
         try      wharf serve echo tls::0,self-signed    or    \
         wharf serve echo tls::0,cert=FILE,key=FILE\n"
    );
}

#[test]
fn a_plain_text_client_gets_a_reason_that_people_understand() {
    let mut server = Server::start(["echo", "tls:127.0.0.1:0,self-signed"]);
    let port = server.port();
    ask(&port, b"GET / HTTP/1.0\r\n\r\n");
    let (reason, detail) = server.process.wait_for_event("closed", |event| {
        Some((event["reason"].clone(), event["detail"].to_string()))
    });
    assert_eq!(reason, "tls-failed");
    assert!(detail.contains("the client spoke plain text"), "{detail}");
}

#[test]
fn openssl_is_served() {
    let mut server = Server::start(["upper", "tls:127.0.0.1:0,self-signed", "--reply-once"]);
    let to = format!("127.0.0.1:{}", server.port());
    let mut client = Process::start(
        std::process::Command::new("openssl").args(["s_client", "-quiet", "-connect", &to]),
    );
    client.type_in("hello openssl\n");
    client.wait_for(|_, line| line.contains("HELLO OPENSSL").then_some(()));
}
