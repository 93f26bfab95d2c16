//! Clients, put together; a file for each language.

mod c;
mod python;
mod rust;

use wharf::address::Family;
use wharf::framing::{Endian, LengthPrefix};

use super::plan::{Client, Frame, Inet, Place, UnixPlace};
use super::{Language, filled, literal, without_function};
use crate::connect::args::HalfClose;
use crate::exit::Exit;
use crate::failure::Failure;

/// The whole program.
pub(super) fn program(client: &Client, language: Language) -> Result<String, Failure> {
    if matches!(client.place, Place::Tls(_)) && language != Language::Python {
        return Err(Failure::new(
            Exit::Failed,
            "--show knows tls: only in Python: the standard libraries of Rust and C have no TLS",
        )
        .cure("--show python"));
    }
    Ok(match language {
        Language::Python => python::program(client),
        Language::Rust => rust::program(client),
        Language::C => c::program(client),
    })
}

/// The pieces that are chosen by whether messages were given.
fn one_of<'a>(client: &Client, given: &'a str, raw: &'a str, lines: &'a str) -> &'a str {
    match (client.messages.is_empty(), client.frame) {
        (false, _) => given,
        (true, Frame::Raw) if !client.place.is_datagram() => raw,
        (true, _) => lines,
    }
}
