//! Which of tshark's fields is which of ours.

use wharf_wire::field::Value;
use wharf_wire::layers::{Kind, Layers};

pub(crate) struct Known {
    pub(crate) tshark: &'static str,
    kind: Kind,
    /// One of several, where `|` stands between them.
    name: &'static str,
    /// Our number times this is tshark's: it counts bytes where the header counts words.
    times: u64,
}

const fn one(tshark: &'static str, kind: Kind, name: &'static str) -> Known {
    Known {
        tshark,
        kind,
        name,
        times: 1,
    }
}

const fn times(tshark: &'static str, kind: Kind, name: &'static str, times: u64) -> Known {
    Known {
        tshark,
        kind,
        name,
        times,
    }
}

pub(crate) const FIELDS: &[Known] = &[
    one("eth.dst", Kind::Ethernet, "dst"),
    one("eth.src", Kind::Ethernet, "src"),
    one("eth.type", Kind::Ethernet, "type"),
    one("vlan.id", Kind::Vlan, "vlan"),
    one("vlan.priority", Kind::Vlan, "priority"),
    one("vlan.dei", Kind::Vlan, "dei"),
    one("vlan.etype", Kind::Vlan, "type"),
    one("sll.pkttype", Kind::Cooked, "packet type"),
    one("sll.hatype", Kind::Cooked, "hardware"),
    one("sll.halen", Kind::Cooked, "address length"),
    one("sll.src.eth", Kind::Cooked, "address"),
    one("sll.etype", Kind::Cooked, "type"),
    one("sll.ifindex", Kind::Cooked2, "interface"),
    one("null.family", Kind::Loopback, "family"),
    one("arp.hw.type", Kind::Arp, "hardware"),
    one("arp.proto.type", Kind::Arp, "protocol"),
    one("arp.hw.size", Kind::Arp, "hardware length"),
    one("arp.proto.size", Kind::Arp, "protocol length"),
    one("arp.opcode", Kind::Arp, "operation"),
    one("arp.src.hw_mac", Kind::Arp, "sender mac"),
    one("arp.src.proto_ipv4", Kind::Arp, "sender ip"),
    one("arp.dst.hw_mac", Kind::Arp, "target mac"),
    one("arp.dst.proto_ipv4", Kind::Arp, "target ip"),
    one("ip.version", Kind::Ipv4, "version"),
    times("ip.hdr_len", Kind::Ipv4, "header length", 4),
    one("ip.dsfield.dscp", Kind::Ipv4, "dscp"),
    one("ip.dsfield.ecn", Kind::Ipv4, "ecn"),
    one("ip.len", Kind::Ipv4, "length"),
    one("ip.id", Kind::Ipv4, "id"),
    one("ip.flags.rb", Kind::Ipv4, "reserved"),
    one("ip.flags.df", Kind::Ipv4, "DF"),
    one("ip.flags.mf", Kind::Ipv4, "MF"),
    one("ip.frag_offset", Kind::Ipv4, "offset"),
    one("ip.ttl", Kind::Ipv4, "ttl"),
    one("ip.proto", Kind::Ipv4, "protocol"),
    one("ip.checksum", Kind::Ipv4, "checksum"),
    one(
        "ip.opt.type",
        Kind::Ipv4,
        "option kind|no operation|end of options",
    ),
    one("ip.opt.len", Kind::Ipv4, "option length"),
    one("ip.opt.ptr", Kind::Ipv4, "option pointer"),
    one("ip.opt.overflow", Kind::Ipv4, "option overflow"),
    one("ip.opt.flag", Kind::Ipv4, "option flag"),
    one("ip.opt.ra", Kind::Ipv4, "router alert"),
    one("ip.src", Kind::Ipv4, "src"),
    one("ip.dst", Kind::Ipv4, "dst"),
    one("ipv6.version", Kind::Ipv6, "version"),
    one("ipv6.tclass.dscp", Kind::Ipv6, "dscp"),
    one("ipv6.tclass.ecn", Kind::Ipv6, "ecn"),
    one("ipv6.flow", Kind::Ipv6, "flow"),
    one("ipv6.plen", Kind::Ipv6, "length"),
    one("ipv6.nxt", Kind::Ipv6, "next"),
    one("ipv6.hlim", Kind::Ipv6, "hops"),
    one("ipv6.src", Kind::Ipv6, "src"),
    one("ipv6.dst", Kind::Ipv6, "dst"),
    one("ipv6.hopopts.nxt", Kind::HopByHop, "next"),
    one("ipv6.hopopts.len", Kind::HopByHop, "header length"),
    one("ipv6.dstopts.nxt", Kind::Destination, "next"),
    one("ipv6.dstopts.len", Kind::Destination, "header length"),
    one("ipv6.routing.nxt", Kind::Routing, "next"),
    one("ipv6.routing.len", Kind::Routing, "header length"),
    one("ipv6.routing.type", Kind::Routing, "routing type"),
    one("ipv6.routing.segleft", Kind::Routing, "segments left"),
    one("ipv6.fraghdr.nxt", Kind::Fragment, "next"),
    one("ipv6.fraghdr.offset", Kind::Fragment, "offset"),
    one("ipv6.fraghdr.more", Kind::Fragment, "MF"),
    one("ipv6.fraghdr.ident", Kind::Fragment, "id"),
    one("ipv6.opt.type", Kind::HopByHop, "option kind|pad1"),
    one("ipv6.opt.length", Kind::HopByHop, "option length"),
    one("ipv6.opt.router_alert", Kind::HopByHop, "router alert"),
    one("ah.next_header", Kind::Authentication, "next"),
    one("ah.length", Kind::Authentication, "header length"),
    one("ah.spi", Kind::Authentication, "spi"),
    one("ah.sequence", Kind::Authentication, "sequence"),
    one("icmp.type", Kind::Icmp4, "type"),
    one("icmp.code", Kind::Icmp4, "code"),
    one("icmp.checksum", Kind::Icmp4, "checksum"),
    one("icmp.ident", Kind::Icmp4, "id"),
    one("icmp.seq", Kind::Icmp4, "sequence"),
    one("icmp.mtu", Kind::Icmp4, "mtu"),
    one("icmp.redir_gw", Kind::Icmp4, "gateway"),
    one("icmp.pointer", Kind::Icmp4, "pointer"),
    one("icmp.originate_timestamp", Kind::Icmp4, "originate"),
    one("icmp.receive_timestamp", Kind::Icmp4, "receive"),
    one("icmp.transmit_timestamp", Kind::Icmp4, "transmit"),
    one("icmpv6.type", Kind::Icmp6, "type"),
    one("icmpv6.code", Kind::Icmp6, "code"),
    one("icmpv6.checksum", Kind::Icmp6, "checksum"),
    one("icmpv6.echo.identifier", Kind::Icmp6, "id"),
    one("icmpv6.echo.sequence_number", Kind::Icmp6, "sequence"),
    one("icmpv6.mtu", Kind::Icmp6, "mtu"),
    one("icmpv6.pointer", Kind::Icmp6, "pointer"),
    one("icmpv6.nd.ns.target_address", Kind::Icmp6, "target"),
    one("icmpv6.nd.na.target_address", Kind::Icmp6, "target"),
    one("icmpv6.nd.na.flag.r", Kind::Icmp6, "router"),
    one("icmpv6.nd.na.flag.s", Kind::Icmp6, "solicited"),
    one("icmpv6.nd.na.flag.o", Kind::Icmp6, "override"),
    one("icmpv6.nd.ra.cur_hop_limit", Kind::Icmp6, "hop limit"),
    one("icmpv6.nd.ra.router_lifetime", Kind::Icmp6, "lifetime"),
    one("icmpv6.nd.ra.flag.m", Kind::Icmp6, "managed"),
    one("icmpv6.nd.ra.flag.o", Kind::Icmp6, "other"),
    one("icmpv6.nd.ra.reachable_time", Kind::Icmp6, "reachable"),
    one("icmpv6.nd.ra.retrans_timer", Kind::Icmp6, "retransmit"),
    one("icmpv6.nd.rd.target_address", Kind::Icmp6, "target"),
    one("icmpv6.opt.type", Kind::Icmp6, "option kind"),
    times("icmpv6.opt.length", Kind::Icmp6, "option length", 1),
    one("icmpv6.opt.prefix.length", Kind::Icmp6, "prefix length"),
    one("icmpv6.opt.prefix.flag.l", Kind::Icmp6, "on-link"),
    one("icmpv6.opt.prefix.flag.a", Kind::Icmp6, "autonomous"),
    one("icmpv6.opt.prefix.valid_lifetime", Kind::Icmp6, "valid"),
    one(
        "icmpv6.opt.prefix.preferred_lifetime",
        Kind::Icmp6,
        "preferred",
    ),
    one("icmpv6.opt.src_linkaddr", Kind::Icmp6, "source mac"),
    one("icmpv6.opt.target_linkaddr", Kind::Icmp6, "target mac"),
    one("icmpv6.opt.mtu", Kind::Icmp6, "link mtu"),
    one("icmpv6.mld.maximum_response_delay", Kind::Icmp6, "delay"),
    one("icmpv6.mld.multicast_address", Kind::Icmp6, "group"),
    one("udp.srcport", Kind::Udp, "src port"),
    one("udp.dstport", Kind::Udp, "dst port"),
    one("udp.length", Kind::Udp, "length"),
    one("udp.checksum", Kind::Udp, "checksum"),
    one("tcp.srcport", Kind::Tcp, "src port"),
    one("tcp.dstport", Kind::Tcp, "dst port"),
    one("tcp.seq_raw", Kind::Tcp, "seq"),
    one("tcp.ack_raw", Kind::Tcp, "ack"),
    times("tcp.hdr_len", Kind::Tcp, "header length", 4),
    one("tcp.flags.cwr", Kind::Tcp, "CWR"),
    one("tcp.flags.ece", Kind::Tcp, "ECE"),
    one("tcp.flags.urg", Kind::Tcp, "URG"),
    one("tcp.flags.ack", Kind::Tcp, "ACK"),
    one("tcp.flags.push", Kind::Tcp, "PSH"),
    one("tcp.flags.reset", Kind::Tcp, "RST"),
    one("tcp.flags.syn", Kind::Tcp, "SYN"),
    one("tcp.flags.fin", Kind::Tcp, "FIN"),
    one("tcp.window_size_value", Kind::Tcp, "window"),
    one("tcp.checksum", Kind::Tcp, "checksum"),
    one("tcp.urgent_pointer", Kind::Tcp, "urgent"),
    one("tcp.option_kind", Kind::Tcp, "option kind|NOP|EOL"),
    one("tcp.option_len", Kind::Tcp, "option length"),
    one("tcp.options.user_to_granularity", Kind::Tcp, "UTO minutes"),
    one("tcp.options.user_to_val", Kind::Tcp, "user timeout"),
    one("tcp.options.mss_val", Kind::Tcp, "MSS"),
    one("tcp.options.wscale.shift", Kind::Tcp, "WS"),
    one("tcp.options.timestamp.tsval", Kind::Tcp, "TSval"),
    one("tcp.options.timestamp.tsecr", Kind::Tcp, "TSecr"),
    one("tcp.options.sack_le", Kind::Tcp, "SACK left"),
    one("tcp.options.sack_re", Kind::Tcp, "SACK right"),
];

pub(crate) fn names() -> Vec<&'static str> {
    FIELDS.iter().map(|field| field.tshark).collect()
}

impl Known {
    /// Our value: a number where it is one, otherwise text.
    pub(crate) fn ours(&self, layers: &Layers) -> Option<String> {
        let mut fields = layers.find(self.kind)?.fields.iter();
        let field = fields.find(|field| self.name.split('|').any(|name| name == field.name))?;
        Some(match &field.value {
            Value::Number(number) | Value::Hex(number, _) => (number * self.times).to_string(),
            Value::Flag(flag) => u64::from(*flag).to_string(),
            other => other.to_string(),
        })
    }

    /// Whether tshark says the same; it writes some numbers in hexadecimal, and
    /// flags as 0 and 1 or as words.
    pub(crate) fn is_same(&self, ours: &str, theirs: &str) -> bool {
        let theirs = match theirs {
            "True" => "1",
            "False" => "0",
            other => other,
        };
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        };
        ours == theirs || (number(ours).is_some() && number(ours) == number(theirs))
    }
}
