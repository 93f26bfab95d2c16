//! Wharf's echo, through the full server with its default limits.
//!
//!     wharf_echo PORT
//!
//! Prints "listening 127.0.0.1:PORT".

use std::error::Error;

use wharf::server::Server;
use wharf_services::Echo;

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).ok_or("usage: wharf_echo PORT")?;
    wharf_check::load::raise_descriptor_limit()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = Server::new().serve(
            "echo",
            format!("tcp:127.0.0.1:{port}").parse()?,
            Echo::default(),
        );
        let running = server.start().await?;
        for bound in running.endpoints() {
            println!("listening {}", bound.local);
        }
        running.ended().await;
        Ok(())
    })
}
