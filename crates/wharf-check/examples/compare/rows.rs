//! The scenarios.

use std::net::SocketAddr;

use wharf_check::load::{Expect, Messages, Options, Pacing, Target};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// One scenario.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) transport: Transport,
    /// Connections, or flows.
    connections: usize,
    /// Messages in flight on each.
    depth: usize,
    size: usize,
    messages_per_connection: Option<u64>,
}

const fn tcp(name: &'static str, connections: usize, depth: usize, size: usize) -> Row {
    Row {
        name,
        transport: Transport::Tcp,
        connections,
        depth,
        size,
        messages_per_connection: None,
    }
}

const fn udp(name: &'static str, flows: usize, window: usize, size: usize) -> Row {
    Row {
        transport: Transport::Udp,
        ..tcp(name, flows, window, size)
    }
}

/// All scenarios.
pub(crate) const ROWS: [Row; 11] = [
    tcp("50x64B", 50, 1, 64),
    tcp("50x64B-depth16", 50, 16, 64),
    tcp("50x1KiB", 50, 1, 1024),
    tcp("16x64KiB", 16, 1, 64 * 1024),
    tcp("1000x64B", 1000, 1, 64),
    Row {
        messages_per_connection: Some(1),
        ..tcp("churn", 50, 1, 64)
    },
    udp("udp-1x32-64B", 1, 32, 64),
    udp("udp-1x256-64B", 1, 256, 64),
    udp("udp-1x256-1200B", 1, 256, 1200),
    udp("udp-64x32-64B", 64, 32, 64),
    udp("udp-64x32-1200B", 64, 32, 1200),
];

impl Row {
    pub(crate) fn options(&self, at: SocketAddr, expect: Expect) -> Options {
        let target = match self.transport {
            Transport::Tcp => Target::Tcp(at),
            Transport::Udp => Target::Udp(at),
        };
        let mut options = Options::new(target);
        options.connections = self.connections;
        options.pacing = Pacing::Closed { depth: self.depth };
        options.messages = Messages::Size(self.size);
        options.messages_per_connection = self.messages_per_connection;
        options.expect = expect;
        options
    }
}
