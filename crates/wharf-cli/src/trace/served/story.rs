//! One conversation of a server, and the trace that is made of it. No I/O.

use std::net::SocketAddr;
use std::time::{Duration, Instant, UNIX_EPOCH};

use wharf::network::Endpoint;
use wharf::network::tap::{Call, Event, Outcome, TcpSample, TcpState, Transport};
use wharf_wire::application::Dissectors;
use wharf_wire::conversation::Direction;
use wharf_wire::frame::{Frame, Timestamp};
use wharf_wire::trace::{self, Party, Trace, Waited};

use super::words;
use crate::capture::TcpInfo;
use crate::trace::calls::{Did, Effect};
use crate::trace::model::{self, Owned};

/// How many calls of one conversation are kept; later ones are counted.
const MAX_CALLS: usize = 4_096;

/// Why there is nothing to see between two Unix sockets.
pub(super) const UNIX: &str = "a Unix socket has no frames: the kernel hands the bytes from one \
                               process to the other, no header, no network";

/// What was called for one client.
#[derive(Debug, Default)]
pub(super) struct Story {
    events: Vec<Event>,
    dropped: u64,
    /// When it is drawn.
    pub(super) due: Option<Instant>,
}

impl Story {
    /// Adds a call; the last one always has a place.
    pub(super) fn add(&mut self, event: Event) {
        if self.events.len() < MAX_CALLS || matches!(event.call, Call::Close { .. }) {
            self.events.push(event);
        } else {
            self.dropped += 1;
        }
    }

    /// What was called.
    #[cfg(test)]
    pub(super) fn events(self) -> Vec<Event> {
        self.events
    }

    /// Client and server, where they have IP addresses.
    pub(super) fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let find = |of: fn(&Event) -> Option<&Endpoint>| self.events.iter().find_map(of);
        let peer = find(|event| match &event.call {
            Call::ReceiveFrom { from, .. } => from.as_ref(),
            Call::SendTo { to, .. } => Some(to),
            _ if super::opens(event) => None,
            _ => event.peer.as_ref(),
        })?;
        let local = find(|event| match &event.call {
            // The listener's may be every address; the second socket's is one of them.
            Call::Accept { .. } => None,
            _ if super::opens(event) => None,
            _ => event.local.as_ref(),
        })?;
        let (client, server) = (peer.inet()?, local.inet()?);
        // A datagram socket at every address answers from the one that was asked.
        let server = match server.ip().is_unspecified() && client.ip().is_loopback() {
            true => SocketAddr::new(client.ip(), server.port()),
            false => server,
        };
        Some((client, server))
    }

    /// The picture's model: with the frames that were captured, or why there are none.
    pub(super) fn trace(
        &self,
        captured: Result<Vec<Frame>, String>,
        dissectors: Dissectors,
    ) -> Trace {
        let mut trace = Trace::new(dissectors);
        let (frames, notes) = match captured {
            Ok(frames) => (frames, Vec::new()),
            Err(why) => {
                let (frames, mut notes) = self.modelled();
                notes.insert(0, why);
                (frames, notes)
            }
        };
        for frame in frames {
            trace.push(frame);
        }
        trace.notes.extend(notes);
        if self.dropped > 0 {
            let dropped = self.dropped;
            trace
                .notes
                .push(format!("{dropped} calls are missing: they were too many"));
        }
        let talk = self.talk(&mut trace);
        for event in &self.events {
            trace.call(picture(event, talk));
        }
        trace.finish();
        trace
    }

    fn modelled(&self) -> (Vec<Frame>, Vec<String>) {
        let Some(ends) = self.ends() else {
            return (Vec::new(), Vec::new());
        };
        let dids: Vec<Did> = self
            .events
            .iter()
            .filter_map(|event| did(event, ends))
            .collect();
        match self.events.first().map(|event| event.transport) {
            Some(Transport::Tcp) => model::tcp(&dids, Owned::Client),
            Some(Transport::Udp) => (model::udp(&dids, Owned::Client), Vec::new()),
            _ => (Vec::new(), Vec::new()),
        }
    }

    /// The talk of the frames, or one without, with its parties named.
    fn talk(&self, trace: &mut Trace) -> usize {
        let Some((client, server)) = self.ends() else {
            let party = |name: &str| Party {
                name: name.to_owned(),
                address: String::new(),
                port: None,
            };
            let mut server = party("server");
            let path = self.events.iter().find_map(|event| event.local.as_ref());
            server.address = path.map(Endpoint::to_string).unwrap_or_default();
            return trace.talk([party("client"), server]);
        };
        let party = |name: &str, end: SocketAddr| Party {
            name: name.to_owned(),
            address: end.to_string(),
            port: Some(end.port()),
        };
        trace.name(client, "client");
        trace.name(server, "server");
        let has_both = |talk: &trace::Talk| {
            let has = |end: SocketAddr| {
                let mut parties = talk.parties.iter();
                parties.any(|party| party.address == end.to_string())
            };
            has(client) && has(server)
        };
        match trace.talks.iter().position(has_both) {
            Some(talk) => talk,
            None => trace.talk([party("client", client), party("server", server)]),
        }
    }
}

/// The time of day as frames have it.
fn started(event: &Event) -> Timestamp {
    let since = event.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// A call for the picture.
fn picture(event: &Event, talk: usize) -> trace::Call {
    let (asked, moved) = event.call.sizes().unzip();
    trace::Call {
        at: started(event),
        lasted: event.lasted(),
        side: Direction::Backward,
        text: words::text(event),
        result: words::result(event),
        asked: asked.map(|size| size as u64),
        moved: moved.map(|size| size as u64),
        waited: waited(event),
        remark: words::remark(event),
        talk,
    }
}

fn waited(event: &Event) -> Waited {
    match event.blocked {
        Some(_) => Waited::Yes,
        None => Waited::No,
    }
}

/// A call for the model: what it did to the connection.
fn did(event: &Event, (client, server): (SocketAddr, SocketAddr)) -> Option<Did> {
    let mine = (server, client);
    let is_done = event.outcome == Outcome::Done;
    let kernel = event.kernel.as_deref().map(info);
    let (mut at, mut lasted) = (started(event), event.lasted());
    let effect = match &event.call {
        Call::Accept { .. } => {
            // The handshake was over when accept returned; how long ago, nobody knows.
            let ended = at + lasted;
            lasted = kernel.map_or(Duration::ZERO, |info| info.rtt);
            let nanos = u64::try_from(lasted.as_nanos()).unwrap_or(0);
            at = Timestamp::from_nanos(ended.nanos().saturating_sub(nanos));
            Effect::Connected {
                ends: (client, server),
                is_open: true,
            }
        }
        Call::Send { bytes, done, .. } | Call::SendTo { bytes, done, .. } if *done > 0 => {
            Effect::Sent {
                ends: mine,
                bytes: bytes.to_vec(),
            }
        }
        Call::Receive { done: 0, .. } if is_done => Effect::PeerEnded { ends: mine },
        Call::Receive { bytes, .. } | Call::ReceiveFrom { bytes, .. } if is_done => {
            Effect::Received {
                ends: mine,
                bytes: bytes.to_vec(),
            }
        }
        Call::Receive { .. } | Call::Send { .. } if is_reset(event) => Effect::Reset { ends: mine },
        Call::Shutdown if is_done => Effect::Ended { ends: mine },
        Call::Close { reset: true } => {
            let state = event.state?;
            let was = state.through.unwrap_or(state.from);
            // In other states there is nothing to cut (tcp_need_reset, net/ipv4/tcp.c).
            let is_cut = matches!(
                was,
                TcpState::Established
                    | TcpState::CloseWait
                    | TcpState::FinWait1
                    | TcpState::FinWait2
                    | TcpState::SynReceived
            );
            is_cut.then_some(Effect::Cut { ends: mine })?
        }
        Call::Close { reset: false } => {
            let state = event.state?;
            let was = state.through.unwrap_or(state.from);
            let says_fin = matches!(was, TcpState::Established | TcpState::CloseWait);
            says_fin.then_some(Effect::Ended { ends: mine })?
        }
        _ => return None,
    };
    Some(Did {
        at,
        lasted,
        side: Direction::Backward,
        text: String::new(),
        result: String::new(),
        asked: None,
        moved: None,
        waited: waited(event),
        remark: String::new(),
        effect,
        kernel,
    })
}

/// Whether a call failed since the peer had cut the connection.
fn is_reset(event: &Event) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    let failure = event.failure();
    failure.is_some_and(|failure| matches!(failure.kind, BrokenPipe | ConnectionReset))
}

/// What the SYN announced: Linux takes the room for timestamps off later.
fn announced(sample: &TcpSample) -> u32 {
    let room = if sample.options.timestamps { 12 } else { 0 };
    sample.announced_mss.or(sample.send_mss).unwrap_or_default() + room
}

fn info(sample: &TcpSample) -> TcpInfo {
    TcpInfo {
        rtt: sample.rtt.unwrap_or_default(),
        retransmitted: sample.retransmitted.unwrap_or_default(),
        mss: sample.send_mss.unwrap_or_default(),
        announced: announced(sample),
        window: sample.congestion_window.unwrap_or_default(),
    }
}
