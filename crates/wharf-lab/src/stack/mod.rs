//! A host: one network card, and smoltcp behind it.
//!
//! Nothing outside this module knows smoltcp. What the stack lacks stands here:
//! hardware addresses of many neighbours (`neighbours`), a listen backlog (`listen`), one socket set per connection so that a frame costs
//! the same whether a host has one connection or a thousand (`host`), the end of
//! connections that nobody holds any more (`conn`), errors that come back by ICMP
//! (`errors`), and the shim that keeps two-way transfers from locking up (`shim`).
//!
//! The TCP is a textbook one: Reno or CUBIC, a retransmission timeout of at least
//! 1 s (RFC 6298), no selective acknowledgements. Linux recovers faster.

mod card;
mod conn;
mod datagrams;
mod errors;
mod host;
mod listen;
mod neighbours;
mod segment;
mod shim;

pub use conn::{ConnId, ConnectionReport, StreamSettings};
pub(crate) use datagrams::{SocketId, UdpSettings};
pub use errors::EchoAnswer;
pub use host::{Congestion, Host, HostSettings};
pub use listen::ListenerId;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use smoltcp::time::{Duration as StackDuration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint};

use crate::core::{Time, nanos};

/// The stack's clock has microseconds.
fn instant(now: Time) -> Instant {
    Instant::from_micros((now.0 / 1_000) as i64)
}

fn span(span: Duration) -> StackDuration {
    StackDuration::from_micros(nanos(span) / 1_000)
}

fn address(ip: IpAddress) -> IpAddr {
    match ip {
        IpAddress::Ipv4(ip) => IpAddr::V4(ip),
        IpAddress::Ipv6(ip) => IpAddr::V6(ip),
    }
}

fn socket_address(endpoint: IpEndpoint) -> SocketAddr {
    SocketAddr::new(address(endpoint.addr), endpoint.port)
}
