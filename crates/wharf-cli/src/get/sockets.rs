//! The sockets of one connection and the one that listens, as the kernel lists them.
//!
//! The lecture's second socket: accept(2) returns another one than that which listens.
//! Both have the same local port; what tells them apart is the peer.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One TCP socket of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) state: State,
}

/// The states that are told (net/tcp_states.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Listen,
    Established,
    Other,
}

/// The three sockets of a connection whose server is on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// It stays, for the next client.
    pub(super) listening: Socket,
    /// What accept returned.
    pub(super) accepted: Socket,
    /// The client's own.
    pub(super) ours: Socket,
}

/// The sockets of the connection from `local` to `peer`, if the server is here and the
/// kernel tells.
pub(super) fn of(local: SocketAddr, peer: SocketAddr) -> Option<Pair> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let text: String = tables
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    find(&text, local, peer)
}

fn find(text: &str, local: SocketAddr, peer: SocketAddr) -> Option<Pair> {
    let sockets: Vec<Socket> = text.lines().filter_map(parse).collect();
    let canonical = |at: SocketAddr| (at.ip().to_canonical(), at.port());
    let between = |from, to| {
        sockets
            .iter()
            .find(|socket| {
                canonical(socket.local) == canonical(from)
                    && canonical(socket.peer) == canonical(to)
            })
            .copied()
    };
    let listens = |socket: &&Socket| {
        socket.state == State::Listen
            && socket.local.port() == peer.port()
            && (socket.local.ip().is_unspecified() || canonical(socket.local) == canonical(peer))
    };
    Some(Pair {
        listening: sockets.iter().find(listens).copied()?,
        accepted: between(peer, local)?,
        ours: between(local, peer)?,
    })
}

/// A row: number, local address, peer, state and more.
fn parse(row: &str) -> Option<Socket> {
    let fields: Vec<&str> = row.split_whitespace().take(4).collect();
    let [_, local, peer, state] = fields[..] else {
        return None;
    };
    Some(Socket {
        local: endpoint(local)?,
        peer: endpoint(peer)?,
        state: match state {
            "0A" => State::Listen,
            "01" => State::Established,
            _ => State::Other,
        },
    })
}

/// `ADDRESS:PORT` in hexadecimal, the address in 32-bit words of the machine's byte order.
fn endpoint(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = address.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    });
    let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.concat();
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn accept_returns_another_socket_with_the_same_local_port() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(at) else {
                eprintln!("skipped: no {at} here");
                continue;
            };
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (_accepted, _) = listener.accept().unwrap();
            let (local, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
            let pair = of(local, peer).expect("the kernel lists them");
            assert_eq!(pair.listening.state, State::Listen);
            assert_eq!(pair.accepted.state, State::Established);
            assert_eq!(pair.accepted.local, pair.listening.local);
            assert_eq!(pair.accepted.peer, local);
            assert_eq!((pair.ours.local, pair.ours.peer), (local, peer));
            // Another client: the listening socket is the same, and stays.
            let second = TcpStream::connect(peer).unwrap();
            let again = of(second.local_addr().unwrap(), peer);
            assert_eq!(again.map(|pair| pair.listening), Some(pair.listening));
        }
    }
}
