//! What a user who is logged in and silent costs a server.

use std::error::Error;

use wharf_check::load::{Exchange, Greeting, IdleOptions, Target, hold};

use crate::Arguments;
use crate::server::Server;

/// The goal, in bytes of private memory.
const AT_MOST: f64 = 4096.0;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let server = Server::start(&arguments.server)?;
    let users = 10_000 / arguments.scale;
    let mut options = IdleOptions::new(Target::Tcp(server.at), users);
    options.greeting = Greeting::Each(login);
    options.server = Some(server.pid());
    let report = hold(&options)?;
    if let Some(failure) = report.failure {
        return Err(failure.into());
    }
    let (before, with) = report.memory.ok_or("the server's memory was not read")?;
    let each = report.open as f64;
    println!(
        "{} users logged in after {:.2?}, {} closed\n  \
         private memory {} KiB before, {} KiB with them: {:.0} bytes each",
        report.open,
        report.opening,
        report.closed,
        before.private / 1024,
        with.private / 1024,
        (with.private as f64 - before.private as f64) / each,
    );
    match report.bytes_per_connection() {
        Some(bytes) if bytes <= AT_MOST => Ok(()),
        _ => Err("more than 4 KiB for each".into()),
    }
}

fn login(number: usize) -> Exchange {
    Exchange {
        request: format!("HELLO-FROM idle{number}\n").into_bytes(),
        reply: format!("HELLO idle{number}\n").into_bytes(),
    }
}
