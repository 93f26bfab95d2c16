//! `wharf names`: what names, addresses, services, ports and byte orders mean.
//!
//! Each answer names the call of the socket library that it stands for, as books
//! and lectures on network programming introduce them.
//!
//! Layout: this file finds out what is asked, `ask` answers, `table` shows.

mod ask;
mod table;

use std::io::{self, Write};
use std::net::IpAddr;

use wharf::names::{Protocol, service_port};

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use table::Table;

/// Ask what names, addresses, ports and byte orders mean.
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "wharf names [OPTIONS] [[TOPIC] SUBJECT]",
    before_help = "\
Examples:
  wharf names                    this machine: its name, full name and addresses
  wharf names example.org        the addresses of a name, its canonical name, aliases
  wharf names 127.0.0.1          the name of an address, and its bytes
  wharf names http               the port of a service
  wharf names 80                 the service of a port, its class, and who may bind it
  wharf names host http          the host that is called http
  wharf names bytes 7f000001     the address and the number that bytes stand for
  wharf names order 7000         a number in host and network byte order",
    after_help = "\
The topics are host, address, service, port, bytes and order; without one, what is
asked says it: an address is looked up by address, a number up to 65535 by port, a
larger or hexadecimal one by byte order, a word by service and else by host."
)]
pub(crate) struct NamesArgs {
    /// What is asked; before it, a topic may say how it is meant
    #[arg(value_name = "SUBJECT", num_args = 0..=2)]
    words: Vec<String>,
}

/// Runs `wharf names`. It blocks on the system's resolver.
pub(crate) fn run(common: &Common, args: NamesArgs) -> Result<Exit, Failure> {
    let mut table = Table::default();
    let outcome = answer(&args.words, &mut table);
    let text = match common.json {
        true => table.json(),
        false => table.text(common.color.style_for(&io::stdout())),
    };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    outcome.map(|()| Exit::Done)
}

/// What was found before a failure is in the table, too.
fn answer(words: &[String], table: &mut Table) -> Result<(), Failure> {
    match words {
        [] => ask::this_host(table),
        [topic, subject] => topic_of(topic)?(subject, table),
        [subject, ..] => guess(subject)(subject, table),
    }
}

type Ask = fn(&str, &mut Table) -> Result<(), Failure>;

const TOPICS: [(&str, Ask); 6] = [
    ("host", ask::host),
    ("address", ask::address),
    ("service", ask::service),
    ("port", ask::port),
    ("bytes", ask::bytes),
    ("order", ask::order),
];

fn topic_of(word: &str) -> Result<Ask, Failure> {
    if let Some((_, ask)) = TOPICS.iter().find(|(name, _)| *name == word) {
        return Ok(*ask);
    }
    let names = TOPICS.map(|(name, _)| name);
    let failure = Failure::usage(format!("there is no topic {word:?}"));
    Err(match wharf::names::suggest(word, names) {
        Some(near) => failure.cure(format!("wharf names {near} …")),
        None => failure.with("topics", names.join(", ")),
    })
}

/// What a subject is, when no topic says it.
fn guess(subject: &str) -> Ask {
    let is_service = |protocol| service_port(subject, protocol).is_ok();
    if subject.parse::<IpAddr>().is_ok() {
        ask::address
    } else if subject.parse::<u16>().is_ok() {
        ask::port
    } else if ask::number(subject).is_some() {
        ask::order
    } else if is_service(Protocol::Tcp) || is_service(Protocol::Udp) {
        ask::service
    } else {
        ask::host
    }
}
