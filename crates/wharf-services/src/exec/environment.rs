//! What a program learns of its connection.
//!
//! The names are those of UCSPI (the "UNIX Client-Server Program Interface" of
//! tcpserver(1)), so programs written for tcpserver, s6 or ucspi-unix run here.

use wharf::connection::Connection;
use wharf::network::Endpoint;

/// Everything that UCSPI can say of a TCP connection. What we do not know is
/// removed, so that a program is not told of somebody else's connection.
const UCSPI: [&str; 8] = [
    "PROTO",
    "TCPREMOTEIP",
    "TCPREMOTEPORT",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
    "TCPLOCALIP",
    "TCPLOCALPORT",
    "TCPLOCALHOST",
];

/// The variables to set, and after them those to remove.
pub(super) fn of(connection: &Connection) -> (Vec<(&'static str, String)>, Vec<&'static str>) {
    let (peer, local) = (connection.peer(), connection.local());
    let mut set = vec![
        ("WHARF_PEER", peer.to_string()),
        ("WHARF_LOCAL", local.to_string()),
    ];
    match (peer, local) {
        (Endpoint::Inet(peer), Endpoint::Inet(local)) => set.extend([
            ("PROTO", "TCP".to_owned()),
            ("TCPREMOTEIP", peer.ip().to_canonical().to_string()),
            ("TCPREMOTEPORT", peer.port().to_string()),
            ("TCPLOCALIP", local.ip().to_canonical().to_string()),
            ("TCPLOCALPORT", local.port().to_string()),
        ]),
        _ => set.push(("PROTO", "UNIX".to_owned())),
    }
    let unknown = UCSPI
        .into_iter()
        .filter(|name| set.iter().all(|(known, _)| known != name))
        .collect();
    (set, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf::network::MemoryNetwork;

    #[test]
    fn what_is_not_known_is_removed() {
        let (_, server) = MemoryNetwork::new().pair();
        let (set, unknown) = of(&server);
        assert!(set.contains(&("TCPREMOTEIP", "127.0.0.1".to_owned())));
        assert_eq!(unknown, ["TCPREMOTEHOST", "TCPREMOTEINFO", "TCPLOCALHOST"]);
    }
}
