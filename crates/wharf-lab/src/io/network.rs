//! One host's network.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use std::time::Duration;

use wharf::address::{Address, Family, Host as AddressHost, Port, Target};
use wharf::connection::{Connection, Listener};
use wharf::datagram::{BufferSize, Datagrams};
use wharf::limits;
use wharf::names::suggest;
use wharf::network::{
    BindOptions, ConnectOptions, Endpoint, ListenOptions, Network, Platform, PortSharing,
    ResolveError, Role, StreamKind, StreamOptions,
};

use super::datagrams::LabDatagrams;
use super::listener::LabListener;
use super::machine::LabMachine;
use super::stream::LabStream;
use super::world::{World, with};
use crate::core::Time;
use crate::stack::{ConnId, EchoAnswer, HostSettings, StreamSettings, UdpSettings};

/// The largest buffer of a connection: what a window can be with the largest scale
/// (RFC 7323) would be 1 GiB; this is the default upper limit of Linux (tcp_rmem).
const MOST_BUFFER: usize = 6 << 20;

/// The largest buffer of a UDP socket in bytes; a server asks for 4 MiB, which a
/// thousand hosts could not have. It holds sixteen of the longest datagrams.
const MOST_DATAGRAM_BUFFER: usize = 1 << 20;

/// The network as one host of the lab sees it.
///
/// A plain number: it can be copied and sent, and is of use while its lab runs, in
/// the thread in which it runs. Elsewhere every operation fails with
/// [`io::ErrorKind::NotConnected`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabNetwork {
    pub(crate) lab: u64,
    pub(crate) host: u32,
}

/// One answer to an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// Who answered: the host, or a router on the way.
    pub from: IpAddr,
    /// What.
    pub answer: EchoAnswer,
    /// How long it took.
    pub rtt: Duration,
}

impl LabNetwork {
    fn act<R>(&self, act: impl FnOnce(&mut World) -> io::Result<R>) -> io::Result<R> {
        with(self.lab, act)?
    }

    /// The lab's time.
    ///
    /// # Errors
    /// The lab does not run in this thread.
    pub fn now(&self) -> io::Result<Time> {
        self.act(|world| Ok(world.fabric.now()))
    }

    /// How many frames were offered to links so far, in the whole lab: one frame over
    /// three links counts three.
    ///
    /// # Errors
    /// The lab does not run in this thread.
    pub fn frames(&self) -> io::Result<u64> {
        self.act(|world| Ok(world.fabric.counters().hops))
    }

    /// Sends one echo request (ping) to the host of this name, with so many hops,
    /// and waits for its answer at most for `patience`. Routers on the way are
    /// found by counting the hops up from 1 (traceroute).
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`]; no route; the name is unknown.
    pub async fn ping(&self, name: &str, hops: u8, patience: Duration) -> io::Result<Pong> {
        let to = self.addresses_of(name)?;
        let to = to.first().copied().ok_or(io::ErrorKind::NotFound)?;
        self.ping_address(to, hops, patience).await
    }

    /// As [`LabNetwork::ping`], to an address.
    ///
    /// # Errors
    /// As [`LabNetwork::ping`].
    pub async fn ping_address(&self, to: IpAddr, hops: u8, patience: Duration) -> io::Result<Pong> {
        let host = self.host;
        let (sequence, sent) = self.act(|world| {
            let sent = world.fabric.now();
            let sequence = (sent.0 / 1_000) as u16;
            world.host(host)?.send_echo(to, sequence, hops)?;
            Ok((sequence, sent))
        })?;
        let answer = poll_fn(|cx| {
            let polled = self.act(|world| {
                let now = world.fabric.now();
                let polled = world.look_at(host)?.poll_answer(sequence, cx);
                Ok(polled.map(|answer| (answer, now)))
            });
            match polled {
                Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
                Ok(Poll::Pending) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            }
        });
        let waited = tokio::time::timeout(patience, answer).await;
        let (answer, now) = waited.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(Pong {
            from: answer.from,
            answer: answer.what,
            rtt: now - sent,
        })
    }

    /// The addresses of the host of this name; `localhost` is this host.
    ///
    /// # Errors
    /// The lab does not run in this thread. An unknown name has no addresses.
    pub fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.addresses_of(name)
    }

    fn addresses_of(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.act(|world| {
            let own = world.hosts.get(self.host as usize);
            let found = match name {
                "localhost" => own,
                _ => world.hosts.iter().find(|resident| resident.name == name),
            };
            Ok(found.map_or(Vec::new(), |resident| resident.addresses.clone()))
        })
    }

    fn own_addresses(&self) -> io::Result<Vec<IpAddr>> {
        self.addresses_of("localhost")
    }

    fn unknown_name(&self, name: &str) -> ResolveError {
        let near = self.act(|world| {
            let names = world.hosts.iter().map(|resident| resident.name.as_str());
            Ok(suggest(name, names).map(str::to_owned))
        });
        ResolveError {
            name: name.to_owned(),
            why: "the lab has no host of this name".into(),
            cure: near.ok().flatten(),
        }
    }

    fn stream_settings(settings: &HostSettings, options: &StreamOptions) -> StreamSettings {
        let buffer = |asked: Option<u32>| {
            let size = asked.map_or(settings.stream_buffer, |size| size as usize);
            size.clamp(limits_floor(settings), MOST_BUFFER)
        };
        StreamSettings {
            congestion: settings.congestion,
            receive_buffer: buffer(options.receive_buffer),
            send_buffer: buffer(options.send_buffer),
            nagle: !options.nodelay.is_on(),
            keepalive: options.keepalive,
            user_timeout: options.user_timeout,
        }
    }
}

/// A buffer holds one segment at least.
fn limits_floor(settings: &HostSettings) -> usize {
    settings.mtu
}

fn inet(endpoint: &Endpoint) -> io::Result<SocketAddr> {
    endpoint.inet().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "the hosts of a lab have no Unix sockets",
        )
    })
}

fn bytes_only(kind: StreamKind) -> io::Result<()> {
    match kind {
        StreamKind::Bytes => Ok(()),
        StreamKind::Packets => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn refused(address: &Address, why: &str) -> ResolveError {
    ResolveError {
        name: address.to_string(),
        why: why.to_owned(),
        cure: None,
    }
}

impl Network for LabNetwork {
    /// Names are those of the lab's hosts, and `localhost`. An address without a
    /// host means the host's own addresses.
    async fn resolve(&self, address: &Address, role: Role) -> Result<Vec<Endpoint>, ResolveError> {
        let failed = |error: io::Error| refused(address, &error.to_string());
        let (ips, port) = match &address.target {
            Target::Port(port) => (self.own_addresses().map_err(failed)?, port),
            Target::All(port) if role == Role::Serve => {
                (self.own_addresses().map_err(failed)?, port)
            }
            Target::All(_) => {
                return Err(refused(
                    address,
                    "all: is every address of this host; it is for serving, not a destination",
                ));
            }
            Target::Host { host, port } => {
                let ips = match host {
                    AddressHost::V4(ip) if ip.is_loopback() => {
                        self.own_addresses().map_err(failed)?
                    }
                    AddressHost::V4(ip) => vec![IpAddr::V4(*ip)],
                    AddressHost::V6 { addr, .. } if addr.is_loopback() => {
                        self.own_addresses().map_err(failed)?
                    }
                    AddressHost::V6 { addr, .. } => vec![IpAddr::V6(*addr)],
                    AddressHost::Name(name) => self.addresses_of(name).map_err(failed)?,
                };
                if let (AddressHost::Name(name), true) = (host, ips.is_empty()) {
                    return Err(self.unknown_name(name));
                }
                (ips, port)
            }
            Target::Path(_) | Target::Abstract(_) => {
                return Err(refused(address, "the hosts of a lab have no Unix sockets"));
            }
        };
        let Port::Number(port) = port else {
            return Err(refused(
                address,
                "the lab knows no names of ports, only numbers",
            ));
        };
        let family = address.scheme.family();
        let wanted = |ip: &IpAddr| match family {
            None => true,
            Some(Family::V4) => ip.is_ipv4(),
            Some(Family::V6) => ip.is_ipv6(),
        };
        let ips = ips.into_iter().filter(wanted);
        let endpoints: Vec<Endpoint> = ips.map(|ip| SocketAddr::new(ip, *port).into()).collect();
        match endpoints.is_empty() {
            true => Err(refused(
                address,
                "the host has no address of the IP version that the scheme asks for",
            )),
            false => Ok(endpoints),
        }
    }

    async fn listen(&self, at: &Endpoint, options: &ListenOptions) -> io::Result<Listener> {
        bytes_only(options.kind)?;
        let at = inet(at)?;
        let LabNetwork { lab, host } = *self;
        let backlog = options.backlog.unwrap_or(limits::BACKLOG) as usize;
        let (id, at) = self.act(|world| {
            let stack = world.look_at(host)?;
            let settings = LabNetwork::stream_settings(stack.settings(), &options.stream);
            stack.listen(at, backlog, settings)
        })?;
        Ok(Listener::new(at.into(), LabListener { lab, host, id }))
    }

    async fn connect(&self, to: &Endpoint, options: &ConnectOptions) -> io::Result<Connection> {
        bytes_only(options.kind)?;
        let to = inet(to)?;
        let from = options.from.as_ref().map(inet).transpose()?;
        let LabNetwork { lab, host } = *self;
        let id: ConnId = self.act(|world| {
            let now = world.fabric.now();
            let stack = world.host(host)?;
            let settings = LabNetwork::stream_settings(stack.settings(), &options.stream);
            stack.connect(from, to, &settings, now)
        })?;
        // From here on the stream lets go of the connection if the attempt is given up.
        let stream = LabStream { lab, host, id };
        let connected =
            poll_fn(
                |cx| match self.act(|world| Ok(world.look_at(host)?.poll_connected(id, cx))) {
                    Ok(polled) => polled,
                    Err(error) => Poll::Ready(Err(error)),
                },
            );
        connected.await?;
        let (local, peer) = self.act(|world| Ok(world.look_at(host)?.ends(id)))?;
        Ok(Connection::new(stream, local.into(), peer.into()))
    }

    async fn bind(&self, at: &Endpoint, options: &BindOptions) -> io::Result<Datagrams> {
        if options.sharing != PortSharing::Exclusive {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let at = inet(at)?;
        let LabNetwork { lab, host } = *self;
        let settings = UdpSettings {
            receive_buffer: (options.receive_buffer as usize).min(MOST_DATAGRAM_BUFFER),
            send_buffer: (options.send_buffer as usize).min(MOST_DATAGRAM_BUFFER),
            hops: options.hops.map(|hops| hops.min(255) as u8),
        };
        let (id, at) = self.act(|world| {
            let stack = world.host(host)?;
            for membership in &options.join {
                stack.join(membership.group)?;
            }
            stack.bind(at, &settings)
        })?;
        let carrier = LabDatagrams {
            lab,
            host,
            id,
            everywhere: at.ip().is_unspecified(),
        };
        let size = BufferSize {
            asked: options.receive_buffer as usize,
            granted: settings.receive_buffer,
        };
        Ok(Datagrams::new(at.into(), carrier).with_receive_buffer(size))
    }

    fn platform(&self) -> Platform {
        Platform::new(LabMachine {
            lab: self.lab,
            host: self.host,
        })
    }
}
