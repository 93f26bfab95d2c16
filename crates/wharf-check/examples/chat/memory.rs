//! What a user who is logged in and silent costs a server.

use std::error::Error;

use wharf_check::load::{Exchange, Greeting, IdleOptions, Target, hold};

use crate::Arguments;
use crate::server::Server;

/// The goal, in bytes of heap and stacks.
const AT_MOST: f64 = 4096.0;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let server = Server::start(&arguments.server)?;
    let users = 10_000 / arguments.scale;
    let mut options = IdleOptions::new(Target::Tcp(server.at), users);
    options.greeting = Greeting::Each(login);
    options.server = Some(server.pid());
    let report = hold(&options)?;
    if let Some(failure) = &report.failure {
        return Err(failure.to_string().into());
    }
    let (before, with) = report.memory.ok_or("the server's memory was not read")?;
    let each = report
        .bytes_per_connection()
        .ok_or("the server's memory was not read")?;
    println!(
        "{} users logged in after {:.2?}, {} closed\n  \
         anonymous memory {} KiB with the first {}, {} KiB with all: {each:.0} bytes each",
        report.open,
        report.opening,
        report.closed,
        before.anonymous / 1024,
        report.first,
        with.anonymous / 1024,
    );
    match each {
        ..=AT_MOST => Ok(()),
        _ => Err("more than 4 KiB for each".into()),
    }
}

fn login(number: usize) -> Exchange {
    Exchange {
        request: format!("HELLO-FROM idle{number}\n").into_bytes(),
        reply: format!("HELLO idle{number}\n").into_bytes(),
    }
}
