//! Passwords for the command: where they come from, never from the command line.
//!
//! Layout: this file is the places to take one from, `ask` the terminal, where nothing
//! of it is shown.

mod ask;

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;

use wharf::address::Address;
use wharf::connection::Connection;
use wharf::network::Endpoint;
use wharf_services::password::{self, LoginError, MAX_ATTEMPT, Secret};
use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::failure::{Failure, words};

pub(crate) use ask::{ask, can_ask};

/// How much of a source is read, in bytes: the longest attempt and its line end, and
/// one more that shows that there is more.
const MOST: u64 = MAX_ATTEMPT as u64 + 3;

/// Where the password for a gate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A person at the terminal.
    Ask,
    /// The first line of stdin.
    Stdin,
    /// A variable of the environment.
    Environment(String),
    /// A file of one line.
    File(PathBuf),
}

/// Reads `--password-from`.
pub(crate) fn parse_source(text: &str) -> Result<Source, String> {
    match (text, text.split_once(':')) {
        ("", _) => Err("say where: FILE, -, ask or env:NAME".to_owned()),
        ("-", _) => Ok(Source::Stdin),
        ("ask", _) => Ok(Source::Ask),
        (_, Some(("env", name))) if !name.is_empty() && !name.contains('=') => {
            Ok(Source::Environment(name.to_owned()))
        }
        (_, Some(("env", _))) => Err("env: needs the name of a variable".to_owned()),
        _ => Ok(Source::File(text.into())),
    }
}

impl Source {
    /// Takes the password: as it is said to the gate, so perhaps with a name before it.
    pub(crate) fn read(&self) -> Result<Secret, Failure> {
        let line = match self {
            Source::Ask => ask("Password (or name and password): ")?,
            Source::Stdin => first_line()?,
            Source::Environment(name) => match std::env::var(name) {
                Ok(value) => Zeroizing::new(value.into_bytes()),
                Err(error) => {
                    return Err(Failure::usage(format!(
                        "cannot take the password from {name}: {error}"
                    ))
                    .cure("--password-from FILE    or    --password-from ask"));
                }
            },
            Source::File(path) => {
                let text = File::open(path).and_then(|file| {
                    let mut text = Zeroizing::new(Vec::with_capacity(MOST as usize));
                    file.take(MOST).read_to_end(&mut text).map(|_| text)
                });
                let text = text.map_err(|error| {
                    Failure::usage(format!(
                        "cannot read the password from {}: {}",
                        path.display(),
                        words(&error)
                    ))
                })?;
                without_line_end(text)
            }
        };
        secret(line)
    }
}

/// The first line of stdin; what follows stays there.
pub(crate) fn first_line() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut line = Zeroizing::new(Vec::with_capacity(MOST as usize));
    let read = io::stdin().lock().take(MOST).read_until(b'\n', &mut line);
    read.map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("cannot read the password from stdin: {}", words(&error)),
        )
    })?;
    Ok(without_line_end(line))
}

fn without_line_end(mut text: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if text.last() == Some(&b'\n') {
        text.pop();
        if text.last() == Some(&b'\r') {
            text.pop();
        }
    }
    text
}

/// A line as something that can be said to a gate.
pub(crate) fn secret(line: Zeroizing<Vec<u8>>) -> Result<Secret, Failure> {
    Secret::new(line.to_vec()).map_err(|error| Failure::usage(error.to_string()))
}

/// Says the password, and waits for the gate to open.
pub(crate) async fn log_in(peer: &mut Connection, secret: &Secret) -> Result<(), Failure> {
    let at = peer.peer().clone();
    if peer.tls().is_none()
        && let Some(warning) = in_the_clear(&at)
    {
        warn(&warning);
    }
    password::log_in(peer, secret)
        .await
        .map_err(|error| not_let_in(&at, &error))
}

/// Why a gate did not open.
pub(crate) fn not_let_in(at: &impl Display, error: &LoginError) -> Failure {
    match error {
        LoginError::Denied => Failure::new(Exit::Denied, format!("{at}: access denied"))
            .with(
                "means",
                "the password is wrong, or too many were tried from here; a second later it may be tried again",
            )
            .cure("--password-from ask    to type it"),
        LoginError::Io(error) if error.kind() == io::ErrorKind::TimedOut => Failure::new(
            Exit::TimedOut,
            format!("{at} did not answer the password in time"),
        ),
        LoginError::NoGate => {
            Failure::new(Exit::PeerBroke, format!("{at}: {error}")).cure("without --password-from")
        }
        LoginError::Io(error) => Failure::new(Exit::PeerBroke, format!("{at}: {}", words(error))),
        other => Failure::new(Exit::PeerBroke, format!("{at}: {other}")),
    }
}

/// That a password is wanted, and none was given.
pub(crate) fn wanted(at: &impl Display) -> Failure {
    Failure::new(
        Exit::Denied,
        format!("{at}: a gate stands before the server and wants a password"),
    )
    .cure("--password-from ask    or    --password-from FILE")
}

/// What to say about a password that goes to `peer` without TLS.
pub(crate) fn in_the_clear(peer: &Endpoint) -> Option<String> {
    (!peer.is_local()).then(|| {
        format!(
            "the password goes to {peer} in the clear, and everybody on the way can read it; use tls:{peer}"
        )
    })
}

/// Refuses a password for an address that has no gate.
pub(crate) fn check_source(source: Option<&Source>, address: &Address) -> Result<(), Failure> {
    match source {
        Some(_) if address.scheme.is_datagram() => Err(Failure::usage(format!(
            "--password-from is for byte streams, and {address} carries datagrams"
        ))),
        _ => Ok(()),
    }
}

/// Says a warning on stderr.
pub(crate) fn warn(text: &str) {
    // Without a stderr there is nobody to tell.
    let _ = io::Write::write_all(&mut io::stderr(), format!("warning: {text}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_others_can_read_is_warned_of_and_tls_is_named() {
        let peer = |text: &str| Endpoint::Inet(text.parse().unwrap());
        assert_eq!(in_the_clear(&peer("127.0.0.1:7000")), None);
        assert_eq!(in_the_clear(&peer("[::1]:7000")), None);
        let warning = in_the_clear(&peer("192.0.2.1:7000")).unwrap();
        assert!(warning.contains("in the clear"), "{warning}");
        assert!(warning.ends_with("use tls:192.0.2.1:7000"), "{warning}");
    }

    #[test]
    fn a_source_is_a_file_unless_it_is_one_of_three_words() {
        assert_eq!(parse_source("-"), Ok(Source::Stdin));
        assert_eq!(parse_source("ask"), Ok(Source::Ask));
        assert_eq!(
            parse_source("env:PASS"),
            Ok(Source::Environment("PASS".into()))
        );
        assert_eq!(parse_source("./ask"), Ok(Source::File("./ask".into())));
        assert!(parse_source("env:").is_err() && parse_source("").is_err());
    }
}
