//! What is measured: sections of rows.

use wharf_check::load::{Expect, Messages, Options, Pacing, Target};

use crate::arguments::Scale;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Echo,
    Upper,
}

/// Where servers and engine run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The server on core 0, the engine on core 1.
    Pinned,
    /// Both where the kernel puts them.
    Free,
}

/// Rows on which the same servers are measured.
#[derive(Clone, Copy)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) transport: Transport,
    pub(crate) service: Service,
    pub(crate) place: Place,
    rows: &'static [Row],
    extent: Extent,
}

/// Which rows of a table a section takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    All,
    /// Those that stand for the others.
    Key,
}

pub(crate) const SECTIONS: [Section; 8] = [
    section(
        "tcp-echo-pinned",
        Transport::Tcp,
        Service::Echo,
        Place::Pinned,
        Extent::All,
    ),
    section(
        "tcp-echo-free",
        Transport::Tcp,
        Service::Echo,
        Place::Free,
        Extent::Key,
    ),
    section(
        "tcp-upper-pinned",
        Transport::Tcp,
        Service::Upper,
        Place::Pinned,
        Extent::All,
    ),
    section(
        "tcp-upper-free",
        Transport::Tcp,
        Service::Upper,
        Place::Free,
        Extent::Key,
    ),
    section(
        "udp-echo-pinned",
        Transport::Udp,
        Service::Echo,
        Place::Pinned,
        Extent::All,
    ),
    section(
        "udp-echo-free",
        Transport::Udp,
        Service::Echo,
        Place::Free,
        Extent::Key,
    ),
    section(
        "udp-upper-pinned",
        Transport::Udp,
        Service::Upper,
        Place::Pinned,
        Extent::Key,
    ),
    section(
        "udp-upper-free",
        Transport::Udp,
        Service::Upper,
        Place::Free,
        Extent::Key,
    ),
];

const fn section(
    name: &'static str,
    transport: Transport,
    service: Service,
    place: Place,
    extent: Extent,
) -> Section {
    let rows: &[Row] = match transport {
        Transport::Tcp => &TCP,
        Transport::Udp => &UDP,
    };
    Section {
        name,
        transport,
        service,
        place,
        rows,
        extent,
    }
}

impl Section {
    pub(crate) fn rows(&self, scale: Scale) -> impl Iterator<Item = &'static Row> + use<> {
        let key_only = self.extent == Extent::Key || scale == Scale::Quick;
        self.rows.iter().filter(move |row| row.key || !key_only)
    }
}

/// One scenario.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Connections, or flows.
    pub(crate) connections: usize,
    /// Messages in flight on each.
    depth: usize,
    size: usize,
    /// Connect, send, receive, close.
    churn: bool,
    /// Whether the peers that are only shown have this row, too.
    pub(crate) key: bool,
}

const fn row(name: &'static str, connections: usize, depth: usize, size: usize) -> Row {
    Row {
        name,
        connections,
        depth,
        size,
        churn: false,
        key: false,
    }
}

const fn key(row: Row) -> Row {
    Row { key: true, ..row }
}

const KIB: usize = 1024;

/// 1,000 connections × 64 KiB at depth 16 are left out: a gigabyte in flight
/// measures the kernel's limits of memory (tcp(7), `tcp_mem`) and no server.
const TCP: [Row; 19] = [
    row("1 × 64 B", 1, 1, 64),
    row("1 × 64 B, depth 16", 1, 16, 64),
    row("1 × 1 KiB", 1, 1, KIB),
    row("1 × 1 KiB, depth 16", 1, 16, KIB),
    row("1 × 64 KiB", 1, 1, 64 * KIB),
    row("1 × 64 KiB, depth 16", 1, 16, 64 * KIB),
    key(row("50 × 64 B", 50, 1, 64)),
    key(row("50 × 64 B, depth 16", 50, 16, 64)),
    key(row("50 × 1 KiB", 50, 1, KIB)),
    row("50 × 1 KiB, depth 16", 50, 16, KIB),
    key(row("16 × 64 KiB", 16, 1, 64 * KIB)),
    row("50 × 64 KiB", 50, 1, 64 * KIB),
    row("50 × 64 KiB, depth 16", 50, 16, 64 * KIB),
    key(row("1,000 × 64 B", 1_000, 1, 64)),
    row("1,000 × 64 B, depth 16", 1_000, 16, 64),
    row("1,000 × 1 KiB", 1_000, 1, KIB),
    row("1,000 × 1 KiB, depth 16", 1_000, 16, KIB),
    row("1,000 × 64 KiB", 1_000, 1, 64 * KIB),
    Row {
        churn: true,
        ..key(row("connect, send, receive, close", 50, 1, 64))
    },
];

const UDP: [Row; 12] = [
    row("1 × 1, 64 B", 1, 1, 64),
    row("1 × 1, 1,200 B", 1, 1, 1_200),
    key(row("1 × 32, 64 B", 1, 32, 64)),
    row("1 × 32, 1,200 B", 1, 32, 1_200),
    key(row("1 × 256, 64 B", 1, 256, 64)),
    key(row("1 × 256, 1,200 B", 1, 256, 1_200)),
    row("64 × 1, 64 B", 64, 1, 64),
    row("64 × 1, 1,200 B", 64, 1, 1_200),
    key(row("64 × 32, 64 B", 64, 32, 64)),
    key(row("64 × 32, 1,200 B", 64, 32, 1_200)),
    row("64 × 256, 64 B", 64, 256, 64),
    row("64 × 256, 1,200 B", 64, 256, 1_200),
];

impl Row {
    /// What the engine is to do, without the times.
    pub(crate) fn options(&self, target: Target, service: Service) -> Options {
        let mut options = Options::new(target);
        options.connections = self.connections;
        options.pacing = Pacing::Closed { depth: self.depth };
        options.messages = Messages::Size(self.size);
        options.messages_per_connection = self.churn.then_some(1);
        options.expect = service.expect();
        options
    }
}

impl Service {
    fn expect(self) -> Expect {
        match self {
            Service::Echo => Expect::Echo,
            Service::Upper => Expect::AsciiUpper,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Service::Echo => "echo",
            Service::Upper => "upper",
        }
    }
}

impl Place {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Place::Pinned => "pinned",
            Place::Free => "free",
        }
    }
}

/// Every how many rounds what is only shown is measured, too.
pub(crate) const SPARSE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(rows: &[Row]) -> Vec<(usize, usize, usize)> {
        let lasting = rows.iter().filter(|row| !row.churn);
        let mut shapes: Vec<_> = lasting
            .map(|row| (row.connections, row.depth, row.size))
            .collect();
        shapes.sort_unstable();
        shapes
    }

    #[test]
    fn every_combination_has_a_row() {
        // The sixteen connections are beside those of the table.
        let mut streams = vec![(16, 1, 64 * KIB)];
        for connections in [1, 50, 1_000] {
            for size in [64, KIB, 64 * KIB] {
                streams.extend([1, 16].map(|depth| (connections, depth, size)));
            }
        }
        // The one that is left out, see above.
        streams.retain(|shape| *shape != (1_000, 16, 64 * KIB));
        streams.sort_unstable();
        assert_eq!(shapes(&TCP), streams);
        assert_eq!(TCP.iter().filter(|row| row.churn).count(), 1);

        let mut datagrams = Vec::new();
        for flows in [1, 64] {
            for window in [1, 32, 256] {
                datagrams.extend([64, 1_200].map(|size| (flows, window, size)));
            }
        }
        datagrams.sort_unstable();
        assert_eq!(shapes(&UDP), datagrams);
    }

    #[test]
    fn every_row_has_a_name_of_its_own_and_every_service_its_sections() {
        for rows in [&TCP[..], &UDP[..]] {
            let names: std::collections::BTreeSet<_> = rows.iter().map(|row| row.name).collect();
            assert_eq!(names.len(), rows.len());
        }
        for transport in [Transport::Tcp, Transport::Udp] {
            for service in [Service::Echo, Service::Upper] {
                for place in [Place::Pinned, Place::Free] {
                    let is_it = |section: &&Section| {
                        (section.transport, section.service, section.place)
                            == (transport, service, place)
                    };
                    let sections = SECTIONS.iter().filter(is_it).count();
                    assert_eq!(sections, 1, "{transport:?} {service:?} {place:?}");
                }
            }
        }
    }
}
