//! What an idle connection costs a TCP server.
//!
//!     idle IP:PORT CONNECTIONS SERVER_PID
//!
//! Opens them, exchanges one message on each with an echo, and then compares the
//! server's memory with that before. The server needs a descriptor for each, too.

use std::error::Error;

use wharf_check::load::{IdleOptions, Target, hold, raise_descriptor_limit};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [at, connections, server] = arguments.as_slice() else {
        return Err("usage: idle IP:PORT CONNECTIONS SERVER_PID".into());
    };
    raise_descriptor_limit()?;
    let mut options = IdleOptions::new(Target::Tcp(at.parse()?), connections.parse()?);
    options.server = Some(server.parse()?);
    let report = hold(&options)?;
    println!(
        "{} open after {:.2?}, {} closed",
        report.open, report.opening, report.closed
    );
    if let Some(failure) = &report.failure {
        return Err(failure.to_string().into());
    }
    if let Some(bytes) = report.bytes_per_connection() {
        println!("{bytes:.0} bytes of private memory per connection");
    }
    Ok(())
}
