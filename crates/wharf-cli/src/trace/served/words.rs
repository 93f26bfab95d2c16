//! The calls of a tap in words. No I/O.
//!
//! Sockets have the tap's numbers (`#3`), which are never used twice, and no descriptors.

use wharf::network::Endpoint;
use wharf::network::tap::{Call, Event, Failure, Outcome, TcpSample, TcpState, Transport};

use crate::failure::without_numbers;
use crate::style;

/// The call with its arguments.
pub(super) fn text(event: &Event) -> String {
    let socket = event.socket;
    match &event.call {
        Call::Socket => format!("socket({})", kind(event.transport)),
        Call::Bind { to } => format!("bind(#{socket}, {to})"),
        Call::Listen { backlog } => format!("listen(#{socket}, {backlog})"),
        Call::Accept { .. } => format!("accept(#{socket})"),
        Call::Send { requested, .. } => format!("send(#{socket}, {requested} bytes)"),
        Call::SendTo { to, requested, .. } => {
            format!("sendto(#{socket}, {requested} bytes, {to})")
        }
        Call::Receive { requested, .. } => format!("recv(#{socket}, {requested})"),
        Call::ReceiveFrom { requested, .. } => format!("recvfrom(#{socket}, {requested})"),
        Call::Shutdown => format!("shutdown(#{socket}, SHUT_WR)"),
        other => format!("{}(#{socket})", other.name()),
    }
}

/// The type of a socket, as socket(2) names it.
fn kind(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp | Transport::Unix => "SOCK_STREAM",
        Transport::Udp | Transport::UnixDatagram => "SOCK_DGRAM",
        Transport::UnixPackets => "SOCK_SEQPACKET",
    }
}

/// What came back.
pub(super) fn result(event: &Event) -> String {
    match (&event.outcome, &event.call) {
        (Outcome::Done, Call::Socket) => format!("#{}", event.socket),
        (Outcome::Failed(failure), _) => format!("-1 {}", cause(failure)),
        (Outcome::Abandoned, _) => "given up".to_owned(),
        (
            Outcome::Done,
            Call::Accept {
                socket: Some(socket),
            },
        ) => format!("#{socket}"),
        (Outcome::Done, call) => match call.sizes() {
            Some((_, done)) => done.to_string(),
            None => "0".to_owned(),
        },
    }
}

/// `ECONNRESET`, or the words of a network without numbers.
fn cause(failure: &Failure) -> String {
    match failure.code {
        Some(code) => format!("{:?}", nix::errno::Errno::from_raw(code)),
        None => without_numbers(failure.words.clone()),
    }
}

/// What is worth knowing about a call.
pub(super) fn remark(event: &Event) -> String {
    let mut words: Vec<String> = Vec::new();
    match (&event.call, &event.outcome) {
        (Call::Accept { socket: Some(_) }, Outcome::Done) => words.push(accepted(event)),
        (Call::Receive { done: 0, .. }, Outcome::Done) if is_stream(event) => {
            words.push("end of stream".into());
        }
        (
            Call::Send {
                requested, done, ..
            },
            Outcome::Done,
        ) if done < requested => {
            words.push(format!("{done} of {requested}: the buffer was full"));
        }
        (Call::Close { reset: true }, _) => words.push("RST, no FIN".into()),
        _ => {}
    }
    if let Some(change) = event.state.filter(|change| change.from != change.to) {
        words.push(match change.to {
            TcpState::LastAck | TcpState::FinWait1 => format!("FIN; now {}", change.to),
            to => format!("now {to}"),
        });
    }
    if matches!(event.call, Call::Accept { .. } | Call::Close { .. }) {
        words.extend(event.kernel.as_deref().map(kernel));
    }
    words.join("; ")
}

fn is_stream(event: &Event) -> bool {
    !matches!(event.transport, Transport::Udp | Transport::UnixDatagram)
}

fn accepted(event: &Event) -> String {
    let listener = event.socket;
    match event.local.as_ref().and_then(Endpoint::port) {
        Some(port) => {
            format!("a second socket with the same port {port}; #{listener} stays in LISTEN")
        }
        None => format!("a second socket; #{listener} goes on listening"),
    }
}

/// What the kernel said about the connection, marked as such.
fn kernel(sample: &TcpSample) -> String {
    let mut facts = Vec::new();
    if let Some(rtt) = sample.rtt.filter(|rtt| !rtt.is_zero()) {
        facts.push(format!("rtt {}", style::duration(rtt)));
    }
    facts.extend(
        sample
            .congestion_window
            .map(|count| format!("cwnd {count}")),
    );
    facts.extend(sample.send_mss.map(|size| format!("mss {size}")));
    let again = sample.retransmitted.filter(|count| *count > 0);
    facts.extend(again.map(|count| format!("{count} segments sent again")));
    format!("from the kernel: {}", facts.join(", "))
}
