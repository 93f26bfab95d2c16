//! Who is measured.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::plan::{Row, Section, Service, Transport};

/// A kind of server.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    transport: Transport,
    /// The program with `echo` only cannot be asked to answer in upper case.
    upper: bool,
    /// The command; for the words in braces see [`Peer::command`].
    words: &'static str,
    /// More connections than this are not asked of it.
    connections: usize,
    /// What it is, for the document.
    pub(crate) what: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// What the others are compared with.
    Base,
    /// The goals are about these: measured on every row in every round.
    Goal,
    /// Measured on the key rows, every fourth round; the goal is to be ahead of them.
    Rival,
    /// As a rival, but what else C can do is shown without a goal.
    Shown,
}

impl Role {
    /// Whether it is measured on the key rows alone, and not in every round.
    pub(crate) fn is_sparse(self) -> bool {
        matches!(self, Role::Rival | Role::Shown)
    }
}

pub(crate) const WHARF: &str = "Wharf";
pub(crate) const TOKIO: &str = "tokio";

const MANY: usize = 10_000;

/// Where Debian's modules of Python are.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

pub(crate) const PEERS: [Peer; 19] = [
    Peer {
        name: "C epoll",
        role: Role::Base,
        transport: Transport::Tcp,
        upper: true,
        words: "bench/peers/echo_epoll {-u} 0",
        connections: MANY,
        what: "one thread, edge-triggered epoll, one 64 KiB buffer, no limits (`bench/peers/echo_epoll.c`)",
    },
    Peer {
        name: WHARF,
        role: Role::Goal,
        transport: Transport::Tcp,
        upper: true,
        words: "{wharf} serve {service} tcp:127.0.0.1:{port} {--ascii}",
        connections: MANY,
        what: "`wharf serve`, its default limits, timeouts and event lines",
    },
    Peer {
        name: TOKIO,
        role: Role::Goal,
        transport: Transport::Tcp,
        upper: false,
        words: "{examples}/tokio_echo 0",
        connections: MANY,
        what: "one current-thread runtime, a task and a 64 KiB buffer per connection, no limits (`examples/tokio_echo.rs`)",
    },
    Peer {
        name: "Go",
        role: Role::Rival,
        transport: Transport::Tcp,
        upper: false,
        words: "bench/peers/echo_go 0",
        connections: MANY,
        what: "net, a goroutine and a 64 KiB buffer per connection (`bench/peers/echo.go`)",
    },
    Peer {
        name: "monoio",
        role: Role::Rival,
        transport: Transport::Tcp,
        upper: true,
        words: "bench/peers/echo_monoio {-u} 0",
        connections: MANY,
        what: "Rust on io_uring, one thread, a task and a 64 KiB buffer per connection (`bench/peers/monoio`)",
    },
    Peer {
        name: "asyncio",
        role: Role::Rival,
        transport: Transport::Tcp,
        upper: true,
        words: "python3 bench/peers/asyncio_echo.py {-u} 0",
        connections: MANY,
        what: "Python, protocols (`bench/peers/asyncio_echo.py`)",
    },
    Peer {
        name: "uvloop",
        role: Role::Rival,
        transport: Transport::Tcp,
        upper: true,
        words: "/usr/bin/python3 bench/peers/asyncio_echo.py --uvloop {-u} 0",
        connections: MANY,
        what: "asyncio on libuv's event loop (Debian's `python3-uvloop`)",
    },
    Peer {
        name: "socketserver",
        role: Role::Rival,
        transport: Transport::Tcp,
        upper: true,
        words: "python3 bench/peers/socketserver_echo.py {-u} 0",
        connections: 1_000,
        what: "Python, a thread per connection (`bench/peers/socketserver_echo.py`)",
    },
    Peer {
        name: "Node",
        role: Role::Rival,
        transport: Transport::Tcp,
        upper: false,
        words: "node bench/peers/net_echo.js 0",
        connections: MANY,
        what: "net, `pipe` (`bench/peers/net_echo.js`)",
    },
    Peer {
        name: "socat",
        role: Role::Rival,
        transport: Transport::Tcp,
        upper: false,
        words: "socat TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,nodelay,backlog=4096 PIPE",
        connections: 50,
        what: "a process per connection (`TCP-LISTEN:…,fork PIPE`)",
    },
    Peer {
        name: "ncat",
        role: Role::Rival,
        transport: Transport::Tcp,
        upper: false,
        words: "ncat -l -k -m 2000 127.0.0.1 {port} -e /bin/cat",
        connections: 50,
        what: "a program per connection (`ncat -l -k -e /bin/cat`)",
    },
    Peer {
        name: "io_uring",
        role: Role::Shown,
        transport: Transport::Tcp,
        upper: true,
        words: "bench/peers/echo_uring {-u} 0",
        connections: MANY,
        what: "C, one thread, multishot accept and receive into 1,024 buffers of 64 KiB that all share; shown without a goal (`bench/peers/echo_uring.c`)",
    },
    Peer {
        name: "C mmsg",
        role: Role::Base,
        transport: Transport::Udp,
        upper: true,
        words: "bench/peers/udp_mmsg {-u} 0",
        connections: MANY,
        what: "one thread, recvmmsg and sendmmsg in batches of 64, 4 MiB buffers (`bench/peers/udp_mmsg.c`)",
    },
    Peer {
        name: WHARF,
        role: Role::Goal,
        transport: Transport::Udp,
        upper: true,
        words: "{wharf} serve {service} udp:127.0.0.1:{port} {--ascii}",
        connections: MANY,
        what: "`wharf serve`",
    },
    Peer {
        name: TOKIO,
        role: Role::Goal,
        transport: Transport::Udp,
        upper: false,
        words: "{examples}/tokio_udp 0",
        connections: MANY,
        what: "UdpSocket, one datagram a call, current-thread (`examples/tokio_udp.rs`)",
    },
    Peer {
        name: "quinn-udp",
        role: Role::Rival,
        transport: Transport::Udp,
        upper: false,
        words: "{examples}/quinn_udp 0",
        connections: MANY,
        what: "on tokio, batches in, GRO and GSO (`examples/quinn_udp.rs`)",
    },
    Peer {
        name: "Go",
        role: Role::Rival,
        transport: Transport::Udp,
        upper: false,
        words: "bench/peers/echo_go -udp 0",
        connections: MANY,
        what: "net, one datagram a call",
    },
    Peer {
        name: "asyncio",
        role: Role::Rival,
        transport: Transport::Udp,
        upper: true,
        words: "python3 bench/peers/asyncio_echo.py {-u} --udp 0",
        connections: MANY,
        what: "datagram protocols",
    },
    Peer {
        name: "socketserver",
        role: Role::Rival,
        transport: Transport::Udp,
        upper: true,
        words: "python3 bench/peers/socketserver_echo.py {-u} --udp 0",
        connections: MANY,
        what: "one datagram at a time",
    },
];

/// Where programs stand.
pub(crate) struct Programs {
    pub(crate) wharf: String,
    pub(crate) examples: String,
}

impl Peer {
    /// Whether it has a place in a section.
    pub(crate) fn serves(&self, section: &Section) -> bool {
        self.transport == section.transport && (section.service == Service::Echo || self.upper)
    }

    /// Whether it is measured on a row.
    pub(crate) fn takes(&self, row: &Row) -> bool {
        (!self.role.is_sparse() || row.key) && row.connections <= self.connections
    }

    /// Whether so many idle connections may be asked of it.
    pub(crate) fn holds(&self, connections: usize) -> bool {
        self.connections >= connections
    }

    /// The command in words; `{port}` is left for [`crate::server`].
    pub(crate) fn command(&self, programs: &Programs, service: Service) -> Vec<String> {
        let upper = |word: &str| match service {
            Service::Upper => word.to_owned(),
            Service::Echo => String::new(),
        };
        self.words
            .split_whitespace()
            .map(|word| match word {
                "{-u}" => upper("-u"),
                // Wharf's upper knows all of Unicode; the C peer ASCII only.
                "{--ascii}" => upper("--ascii"),
                "{wharf}" => programs.wharf.clone(),
                "{service}" => service.name().to_owned(),
                _ => word.replace("{examples}", &programs.examples),
            })
            .filter(|word| !word.is_empty())
            .collect()
    }

    /// Whether what its command needs is on this machine; if not, what is missing.
    pub(crate) fn missing(&self, programs: &Programs) -> Option<String> {
        let command = self.command(programs, Service::Echo);
        let there = |word: &String| {
            if word.contains('/') {
                Path::new(word).exists()
            } else {
                on_path(word)
            }
        };
        let is_file = |word: &&String| word.starts_with("bench/");
        let missing = command
            .iter()
            .take(1)
            .chain(command.iter().skip(1).filter(is_file))
            .find(|word| !there(word))
            .map(|word| format!("no {word}"));
        let wants_uvloop = self.words.contains("--uvloop");
        missing.or_else(|| (wants_uvloop && !has_uvloop()).then(|| "no uvloop".to_owned()))
    }
}

fn has_uvloop() -> bool {
    let mut import = Command::new(PYTHON);
    import.args(["-c", "import uvloop"]).stderr(Stdio::null());
    import.status().is_ok_and(|status| status.success())
}

/// Whether a program can be started by its name.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
