//! The table of what ships: names, standard addresses and what each service can do.

use wharf::address::Address;

/// One service of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its name, as on the command line.
    pub name: &'static str,
    /// What it does, in one line without a full stop.
    pub about: &'static str,
    /// The addresses where it stands by custom, on loopback; see [`Entry::addresses`].
    pub standard: &'static [&'static str],
    /// What it can be served over.
    pub transports: Transports,
    /// What a framing means to it.
    pub framing: Framed,
}

/// What a service can be served over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transports {
    /// tcp, tls, unix, seqpacket.
    Streams,
    /// Those, and udp, unix-dgram.
    StreamsAndDatagrams,
}

/// What a framing means to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed {
    /// Each message gets a reply in the same framing: serve its reply function
    /// with [`wharf::service::Framed`].
    Replies,
    /// It takes messages and sends none back: give it the framing.
    Takes,
    /// It knows no messages.
    Not,
}

impl Entry {
    /// The standard addresses, parsed.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        // A test parses every address of the table, so none is left out.
        self.standard.iter().filter_map(|text| text.parse().ok())
    }

    /// Whether it can be served over datagrams.
    pub fn speaks_datagrams(&self) -> bool {
        self.transports == Transports::StreamsAndDatagrams
    }

    /// Whether it deals in messages, so that a framing can be chosen for it.
    pub fn takes_framing(&self) -> bool {
        self.framing != Framed::Not
    }
}

/// Every service that ships, in the order to show them.
///
/// ```
/// let echo = wharf_services::catalog().iter().find(|entry| entry.name == "echo").unwrap();
/// assert_eq!(echo.standard, ["tcp::9999", "udp::9999"]);
/// ```
pub fn catalog() -> &'static [Entry] {
    CATALOG
}

/// The service of this name.
///
/// ```
/// assert!(wharf_services::catalog::find("upper").unwrap().takes_framing());
/// assert!(wharf_services::catalog::find("lower").is_none());
/// ```
pub fn find(name: &str) -> Option<&'static Entry> {
    catalog().iter().find(|entry| entry.name == name)
}

const CATALOG: &[Entry] = &[
    Entry {
        name: "echo",
        about: "sends everything back (RFC 862)",
        standard: &["tcp::9999", "udp::9999"],
        transports: Transports::StreamsAndDatagrams,
        framing: Framed::Replies,
    },
    Entry {
        name: "upper",
        about: "sends text back in upper case",
        standard: &["tcp::12000", "udp::12000", "udp::11111"],
        transports: Transports::StreamsAndDatagrams,
        framing: Framed::Replies,
    },
    Entry {
        name: "chat",
        about: "users log in and send each other lines",
        standard: &["tcp::5378"],
        transports: Transports::StreamsAndDatagrams,
        framing: Framed::Not,
    },
    Entry {
        name: "rps",
        about: "referees rock, paper, scissors",
        standard: &["tcp::5379", "udp::5379"],
        transports: Transports::StreamsAndDatagrams,
        framing: Framed::Not,
    },
    Entry {
        name: "blackjack",
        about: "deals blackjack with cards that can be checked",
        standard: &["tcp::5380"],
        transports: Transports::Streams,
        framing: Framed::Not,
    },
    Entry {
        name: "message",
        about: "takes messages and shows them here",
        standard: &["tcp::11267"],
        transports: Transports::StreamsAndDatagrams,
        framing: Framed::Takes,
    },
    Entry {
        name: "password",
        about: "says whether a password is right",
        standard: &["tcp::11268"],
        transports: Transports::Streams,
        framing: Framed::Not,
    },
    #[cfg(all(unix, feature = "page"))]
    Entry {
        name: "page",
        about: "serves pages over HTTP",
        standard: &["tcp::8080"],
        transports: Transports::Streams,
        framing: Framed::Not,
    },
    Entry {
        name: "daytime",
        about: "says the date and the time in words (RFC 867)",
        standard: &["tcp::13013", "udp::13013"],
        transports: Transports::StreamsAndDatagrams,
        framing: Framed::Not,
    },
    Entry {
        name: "time",
        about: "says the time as a 32-bit number (RFC 868)",
        standard: &["tcp::13037", "udp::13037"],
        transports: Transports::StreamsAndDatagrams,
        framing: Framed::Not,
    },
    Entry {
        name: "discard",
        about: "throws everything away (RFC 863)",
        standard: &["tcp::9009", "udp::9009"],
        transports: Transports::StreamsAndDatagrams,
        framing: Framed::Takes,
    },
    Entry {
        name: "chargen",
        about: "sends lines of characters without end (RFC 864)",
        standard: &["tcp::19019", "udp::19019"],
        transports: Transports::StreamsAndDatagrams,
        framing: Framed::Not,
    },
    #[cfg(unix)]
    Entry {
        name: "exec",
        about: "starts a program for each connection",
        standard: &[],
        transports: Transports::Streams,
        framing: Framed::Not,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_address_parses_and_fits_the_transports() {
        for entry in catalog() {
            assert_eq!(entry.addresses().count(), entry.standard.len());
            for address in entry.addresses() {
                assert!(entry.speaks_datagrams() || !address.scheme.is_datagram());
            }
        }
    }

    #[test]
    fn no_name_and_no_address_stands_twice() {
        let mut names: Vec<_> = catalog().iter().map(|entry| entry.name).collect();
        let mut addresses: Vec<_> = catalog().iter().flat_map(|entry| entry.standard).collect();
        let (all_names, all_addresses) = (names.len(), addresses.len());
        names.sort_unstable();
        names.dedup();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!((names.len(), addresses.len()), (all_names, all_addresses));
    }
}
