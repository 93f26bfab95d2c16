//! The scenarios.

use std::net::SocketAddr;
use std::time::Duration;

use wharf_check::load::{Chat, Expect, Messages, Options, Pacing, Target};

use crate::peers::Speech;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
    /// A chat over TCP.
    Chat,
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

const fn chat(name: &'static str, users: usize, depth: usize) -> Row {
    Row {
        transport: Transport::Chat,
        ..tcp(name, users, depth, 64)
    }
}

const fn udp(name: &'static str, flows: usize, window: usize, size: usize) -> Row {
    Row {
        transport: Transport::Udp,
        ..tcp(name, flows, window, size)
    }
}

/// All scenarios.
pub(crate) const ROWS: [Row; 16] = [
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
    chat("chat-2", 2, 1),
    chat("chat-50", 50, 1),
    chat("chat-50-depth8", 50, 8),
    chat("chat-1000", 1000, 1),
    chat("chat-1000-depth4", 1000, 4),
];

impl Row {
    /// The load of this row. `prefix` begins the names of a chat's users, which are
    /// others in each run: the server may not have noticed that the last ones left.
    pub(crate) fn options(
        &self,
        at: SocketAddr,
        expect: Expect,
        speech: Speech,
        prefix: String,
    ) -> Options {
        let target = match self.transport {
            Transport::Tcp | Transport::Chat => Target::Tcp(at),
            Transport::Udp => Target::Udp(at),
        };
        let mut options = Options::new(target);
        // A login takes ngircd up to 10 ms.
        options.connect_timeout = Duration::from_secs(60);
        options.connections = self.connections;
        options.pacing = Pacing::Closed { depth: self.depth };
        options.messages = if self.transport == Transport::Chat {
            let mut chat = Chat::default();
            chat.size = self.size;
            chat.dialect = speech.dialect;
            chat.logins_at_once = speech.logins_at_once;
            chat.prefix = prefix;
            Messages::Chat(chat)
        } else {
            Messages::Size(self.size)
        };
        options.messages_per_connection = self.messages_per_connection;
        options.expect = expect;
        options
    }
}
