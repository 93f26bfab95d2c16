//! `--show`: the same client or server as a complete small program with plain sockets.
//!
//! A program is put together from the pieces in `programs`: a whole per language and
//! kind of socket, in which `@NAME@` stands for what this one needs. What a program
//! would do differently from the command is refused, and not left out.
//!
//! Layout: `plan` is what a program must do, `client` and `server` put it together,
//! `literal` writes values in the three languages.

mod client;
mod literal;
mod plan;
mod server;
#[cfg(test)]
mod tests;

use wharf::address::Address;

use super::Language;
use super::args::ConnectArgs;
use crate::failure::Failure;
use plan::Place;

/// The client that these arguments ask for.
pub(super) fn show_client(args: &ConnectArgs, language: Language) -> Result<String, Failure> {
    client::program(&plan::client(args)?, language)
}

/// The server `service` at `address`; known are echo, upper, message, daytime, discard.
pub(crate) fn show_server(
    service: &str,
    address: &Address,
    language: Language,
) -> Result<String, Failure> {
    server::program(service, &Place::of_server(address)?, address, language)
}

/// `template` with each `@NAME@` replaced, in this order.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = template.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("@{name}@"), value);
    }
    text
}

/// The program without the function that begins with `comment`.
fn without_function(program: &str, comment: &str) -> String {
    let Some((before, rest)) = program.split_once(comment) else {
        return program.to_owned();
    };
    let after = rest.split_once("\n}\n\n").map_or("", |(_, after)| after);
    format!("{before}{after}")
}
