//! The kernel's filter: classic BPF (bpf(4), socket(7) SO_ATTACH_FILTER), written for
//! exactly the conversation that is wanted.
//!
//! Loads relative to the network header (`SKF_NET_OFF`) work behind every link header.

use std::net::{IpAddr, SocketAddr};

use socket2::SockFilter;

/// What may pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// TCP and UDP with one of these ports at one of the ends; empty for all.
    pub(crate) ports: Vec<u16>,
    /// With this port at the other end.
    pub(crate) peer_port: Option<u16>,
    /// From or to this address.
    pub(crate) host: Option<IpAddr>,
}

/// No more ports than a jump reaches over (eight bits, two instructions each).
pub(crate) const MAX_PORTS: usize = 48;

impl Filter {
    /// Everything from and to a server.
    pub(crate) fn server(server: SocketAddr) -> Filter {
        Filter {
            ports: vec![server.port()],
            peer_port: None,
            host: Some(server.ip()),
        }
    }

    /// Only between these two ends.
    pub(crate) fn between(client: SocketAddr, server: SocketAddr) -> Filter {
        Filter {
            ports: vec![server.port()],
            peer_port: Some(client.port()),
            host: Some(server.ip()),
        }
    }

    /// The program; `None` where everything passes.
    pub(super) fn program(&self) -> Option<Vec<SockFilter>> {
        if self.ports.is_empty() && self.host.is_none() {
            return None;
        }
        let program = self.assemble();
        Some(
            program
                .iter()
                .map(|one| SockFilter::new(one.code, one.jt, one.jf, one.k))
                .collect(),
        )
    }

    fn assemble(&self) -> Vec<Instruction> {
        let mut code = Assembler::default();
        code.push(LD_H_ABS, PROTOCOL);
        code.jump_if(ETH_IPV4, Label::V4);
        code.jump_if(ETH_IPV6, Label::V6);
        code.go(Label::Drop);
        code.label(Label::V4);
        if let Some(IpAddr::V4(host)) = self.host {
            let host = u32::from(host);
            code.push(LD_W_ABS, NET + 12);
            code.jump_if(host, Label::V4Host);
            code.push(LD_W_ABS, NET + 16);
            code.jump_if(host, Label::V4Host);
            code.go(Label::Drop);
        } else if self.host.is_some() {
            code.go(Label::Drop);
        }
        code.label(Label::V4Host);
        code.push(LD_B_ABS, NET + 9);
        // ICMP may be about it: whoever shows it looks at what it quotes.
        code.jump_if(1, Label::Keep);
        code.jump_if(6, Label::V4Ports);
        code.jump_if(17, Label::V4Ports);
        code.go(Label::Drop);
        code.label(Label::V4Ports);
        // Only the first fragment has ports; the others belong to it.
        code.push(LD_H_ABS, NET + 6);
        code.jump_if_any(0x1fff, Label::Keep);
        code.push(LDX_IHL, NET);
        self.ports(&mut code, |code, offset| code.push(LD_H_IND, NET + offset));
        code.label(Label::V6);
        if let Some(IpAddr::V6(host)) = self.host {
            for (at, matched) in [(8, Label::V6Host), (24, Label::V6Host)] {
                let next = if at == 8 {
                    Label::V6Second
                } else {
                    Label::Drop
                };
                for (word, part) in host.octets().chunks(4).enumerate() {
                    code.push(LD_W_ABS, NET + at + 4 * word as u32);
                    let part = u32::from_be_bytes([part[0], part[1], part[2], part[3]]);
                    code.jump_unless(part, next);
                }
                code.go(matched);
                if at == 8 {
                    code.label(Label::V6Second);
                }
            }
        } else if self.host.is_some() {
            code.go(Label::Drop);
        }
        code.label(Label::V6Host);
        code.push(LD_B_ABS, NET + 6);
        code.jump_if(58, Label::Keep);
        code.jump_if(44, Label::Keep);
        code.jump_if(6, Label::V6Ports);
        code.jump_if(17, Label::V6Ports);
        code.go(Label::Drop);
        code.label(Label::V6Ports);
        self.ports(&mut code, |code, offset| {
            code.push(LD_H_ABS, NET + 40 + offset)
        });
        code.label(Label::Keep);
        code.push(RET, u32::MAX);
        code.label(Label::Drop);
        code.push(RET, 0);
        code.finish()
    }

    /// One end has one of the ports, and the other one the peer's.
    fn ports(&self, code: &mut Assembler, load: impl Fn(&mut Assembler, u32)) {
        if self.ports.is_empty() {
            return code.go(Label::Keep);
        }
        for (own, other) in [(0, 2), (2, 0)] {
            for port in self.ports.iter().take(MAX_PORTS) {
                load(code, own);
                match self.peer_port {
                    None => code.jump_if(u32::from(*port), Label::Keep),
                    Some(peer) => {
                        code.skip_unless(u32::from(*port), 2);
                        load(code, other);
                        code.jump_if(u32::from(peer), Label::Keep);
                    }
                }
            }
        }
        code.go(Label::Drop);
    }
}

// Codes of <linux/bpf_common.h>.
const LD_W_ABS: u16 = 0x20;
const LD_H_ABS: u16 = 0x28;
const LD_B_ABS: u16 = 0x30;
const LD_H_IND: u16 = 0x48;
const LDX_IHL: u16 = 0xb1;
const JA: u16 = 0x05;
const JEQ: u16 = 0x15;
const JSET: u16 = 0x45;
const RET: u16 = 0x06;

/// SKF_NET_OFF, -0x100000: offsets from the network header.
const NET: u32 = 0xfff0_0000;

/// SKF_AD_OFF + SKF_AD_PROTOCOL, -0x1000: the EtherType, whatever the link.
const PROTOCOL: u32 = 0xffff_f000;
const ETH_IPV4: u32 = 0x0800;
const ETH_IPV6: u32 = 0x86dd;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    V4,
    V4Host,
    V4Ports,
    V6,
    V6Second,
    V6Host,
    V6Ports,
    Keep,
    Drop,
}

#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

/// Instructions whose long jumps are filled in when all labels are known.
#[derive(Debug, Default)]
struct Assembler {
    code: Vec<Instruction>,
    jumps: Vec<(usize, Label)>,
    labels: Vec<(Label, usize)>,
}

impl Assembler {
    fn push(&mut self, code: u16, k: u32) {
        self.code.push(Instruction {
            code,
            jt: 0,
            jf: 0,
            k,
        });
    }

    fn label(&mut self, label: Label) {
        self.labels.push((label, self.code.len()));
    }

    fn go(&mut self, label: Label) {
        self.jumps.push((self.code.len(), label));
        self.push(JA, 0);
    }

    /// Conditional jumps reach over 255 instructions only, JA over all.
    fn jump_if(&mut self, k: u32, label: Label) {
        self.code.push(Instruction {
            code: JEQ,
            jt: 0,
            jf: 1,
            k,
        });
        self.go(label);
    }

    fn jump_unless(&mut self, k: u32, label: Label) {
        self.code.push(Instruction {
            code: JEQ,
            jt: 1,
            jf: 0,
            k,
        });
        self.go(label);
    }

    fn jump_if_any(&mut self, k: u32, label: Label) {
        self.code.push(Instruction {
            code: JSET,
            jt: 0,
            jf: 1,
            k,
        });
        self.go(label);
    }

    /// Passes over a load and a `jump_if` unless the value is `k`.
    fn skip_unless(&mut self, k: u32, loads: u8) {
        let over = loads + 1;
        self.code.push(Instruction {
            code: JEQ,
            jt: 0,
            jf: over,
            k,
        });
    }

    fn finish(mut self) -> Vec<Instruction> {
        for (at, label) in self.jumps {
            let to = self
                .labels
                .iter()
                .find(|(known, _)| *known == label)
                .map(|(_, to)| *to);
            // Every label is set in `assemble`, behind its jumps.
            let to = to.unwrap_or(self.code.len() - 1);
            self.code[at].k = u32::try_from(to.saturating_sub(at + 1)).unwrap_or(0);
        }
        self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_wire::build::{Say, ip, tcp, udp};

    /// The kernel's machine, as far as these programs use it.
    fn passes(filter: &Filter, frame: &[u8]) -> bool {
        let program = filter.assemble();
        let (mut a, mut x, mut at) = (0u32, 0usize, 0usize);
        let net = |k: u32| 14 + (k.wrapping_sub(NET)) as usize;
        let byte = |at: usize| frame.get(at).copied();
        loop {
            let one = program[at];
            at += 1;
            let load = |from: usize, len: usize| {
                (from..from + len).try_fold(0u32, |sum, at| Some(sum << 8 | u32::from(byte(at)?)))
            };
            match one.code {
                LD_H_ABS if one.k == PROTOCOL => a = load(12, 2).unwrap(),
                LD_W_ABS | LD_H_ABS | LD_B_ABS => {
                    let len = match one.code {
                        LD_W_ABS => 4,
                        LD_H_ABS => 2,
                        _ => 1,
                    };
                    // Beyond the end the kernel drops the packet.
                    let Some(value) = load(net(one.k), len) else {
                        return false;
                    };
                    a = value;
                }
                LD_H_IND => {
                    let Some(value) = load(net(one.k) + x, 2) else {
                        return false;
                    };
                    a = value;
                }
                LDX_IHL => x = usize::from(byte(net(one.k)).unwrap() & 15) * 4,
                JA => at += one.k as usize,
                JEQ => at += usize::from(if a == one.k { one.jt } else { one.jf }),
                JSET => at += usize::from(if a & one.k != 0 { one.jt } else { one.jf }),
                RET => return one.k != 0,
                other => panic!("{other:#x}"),
            }
        }
    }

    fn end(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_conversation_passes() {
        for (client, server, stranger) in [
            ("127.0.0.1:40000", "127.0.0.1:7000", "127.0.0.1:40001"),
            ("[::1]:40000", "[::1]:7000", "[::1]:40001"),
        ] {
            let (client, server, stranger) = (end(client), end(server), end(stranger));
            let exact = Filter::between(client, server);
            let wide = Filter::server(server);
            for (from, to) in [(client, server), (server, client)] {
                assert!(passes(&exact, &udp(from, to, b"x")));
                assert!(passes(&exact, &tcp(from, to, &Say::default(), b"")));
            }
            for (from, to) in [(stranger, server), (server, stranger)] {
                assert!(!passes(&exact, &udp(from, to, b"x")));
                assert!(passes(&wide, &udp(from, to, b"x")));
            }
            assert!(!passes(&wide, &udp(client, stranger, b"x")));
            let icmp = if client.is_ipv4() { 1 } else { 58 };
            assert!(passes(
                &exact,
                &ip(server.ip(), client.ip(), icmp, &[3, 3, 0, 0, 0, 0, 0, 0])
            ));
            assert!(!passes(&exact, &ip(server.ip(), client.ip(), 47, &[0; 20])));
        }
    }

    #[test]
    fn another_host_and_another_family_do_not_pass() {
        let filter = Filter::server(end("192.0.2.1:7000"));
        assert!(!passes(
            &filter,
            &udp(end("192.0.2.2:1"), end("192.0.2.3:7000"), b"x")
        ));
        assert!(!passes(
            &filter,
            &udp(end("[::1]:1"), end("[::1]:7000"), b"x")
        ));
        let ports = Filter {
            ports: vec![7, 8],
            ..Filter::default()
        };
        assert!(passes(
            &ports,
            &udp(end("192.0.2.2:1"), end("192.0.2.3:8"), b"x")
        ));
        assert!(passes(&ports, &udp(end("[::1]:7"), end("[::1]:1"), b"x")));
        assert!(!passes(&ports, &udp(end("[::1]:9"), end("[::1]:1"), b"x")));
        assert!(Filter::default().program().is_none());
    }
}
