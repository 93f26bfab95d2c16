//! Datagrams that must not be answered, because the answer would be answered.
//!
//! Two servers that answer whatever comes – echo and echo, echo and chargen – can
//! be set upon each other by one datagram with a forged source, and then never
//! stop (CERT CA-1996-01). inetd therefore ignores datagrams that come from the
//! port of such a service, and so do we.

use std::sync::LazyLock;

use wharf::network::Endpoint;

use crate::catalog;

/// The ports of RFC 862 to 868: echo, discard, daytime, qotd, chargen, time.
const WELL_KNOWN: [u16; 6] = [7, 9, 13, 17, 19, 37];

/// Those, and the ports where our own services stand.
static ANSWERING: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let standard = catalog().iter().flat_map(|entry| entry.standard);
    let ports = standard.filter_map(|address| address.strip_prefix("udp::")?.parse().ok());
    WELL_KNOWN.into_iter().chain(ports).collect()
});

/// Whether `peer` looks like a service that would answer our answer.
///
/// Peers on this machine are not suspected: nobody outside can forge them.
pub(crate) fn may_loop(peer: &Endpoint) -> bool {
    match peer.port() {
        Some(port) if !peer.is_local() => ANSWERING.contains(&port),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_from_the_ports_of_answering_services_are_suspect() {
        let loops = |text: &str| may_loop(&Endpoint::Inet(text.parse().unwrap()));
        assert!(loops("192.0.2.1:7") && loops("192.0.2.1:12000"));
        assert!(!loops("192.0.2.1:50000") && !loops("127.0.0.1:7"));
    }
}
