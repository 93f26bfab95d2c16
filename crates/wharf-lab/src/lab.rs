//! A lab: a topology, a seed, and programs on its hosts.

use std::io;
use std::ops::Index;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wharf::address::{Address, AddressError};
use wharf::client::{Client, ConnectError};
use wharf::connection::Connection;
use wharf::datagram::{DatagramService, Datagrams};
use wharf::network::Network;
use wharf::server::{Running, Server, StartError};
use wharf::service::Service;

use crate::core::{Fabric, FabricCounters, Journal, Link, Recording, Time};
use crate::io::{EPOCH, LabNetwork, Pace, World};
use crate::stack::{ConnectionReport, Host, HostSettings};
use crate::topology::{self, Centre, Topology};

/// A network in memory with programs on its hosts.
///
/// ```
/// use std::time::Duration;
/// use wharf_lab::{Lab, Link};
///
/// let slow = Link::default().rate(10_000_000).delay(Duration::from_millis(20));
/// let lab = Lab::new(1).star(3).link(slow);
/// let outcome = lab.run(async |hosts| {
///     let mut listener = hosts[0].listen("tcp::12000").await?;
///     let mut client = hosts[1].connect("h0:12000").await?;
///     let mut server = listener.accept().await?;
///     client.write_all(b"hello").await?;
///     let heard = server.read_chunk().await?;
///     assert_eq!(heard.as_deref(), Some(&b"hello"[..]));
///     Ok::<_, wharf_lab::LabError>(())
/// })?;
/// outcome.value?;
/// # Ok::<_, wharf_lab::LabError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lab {
    seed: u64,
    topology: Topology,
    settings: HostSettings,
    keep: Keep,
    pace: Pace,
}

/// What a lab writes down while it runs.
#[derive(Clone, Copy, Debug, Default)]
struct Keep {
    journal: bool,
    recording: bool,
}

/// What is left of a lab that has run.
pub struct Outcome<T> {
    /// What the program gave.
    pub value: T,
    /// The network as it was at the end.
    pub report: Report,
}

/// A network after its lab has run.
pub struct Report {
    /// The network: its links and their counters, its nodes, its journal.
    pub fabric: Fabric,
    pub(crate) hosts: Vec<(String, crate::core::NodeId)>,
    /// The time of day at the lab's time zero, since 1970.
    pub(crate) day: Duration,
}

/// Why a lab, or something in it, failed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// An address was wrong.
    #[error(transparent)]
    Address(Box<AddressError>),
    /// A server could not be started.
    #[error(transparent)]
    Start(Box<StartError>),
    /// A connection could not be opened.
    #[error(transparent)]
    Connect(Box<ConnectError>),
    /// Something else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

// Boxed, since these know much and a result is as large as its error.

impl From<AddressError> for LabError {
    fn from(error: AddressError) -> Self {
        LabError::Address(Box::new(error))
    }
}

impl From<StartError> for LabError {
    fn from(error: StartError) -> Self {
        LabError::Start(Box::new(error))
    }
}

impl From<ConnectError> for LabError {
    fn from(error: ConnectError) -> Self {
        LabError::Connect(Box::new(error))
    }
}

impl Lab {
    /// A lab with this seed and two hosts with one link between them.
    pub fn new(seed: u64) -> Self {
        Lab {
            seed,
            topology: Topology::pair(),
            settings: HostSettings::default(),
            keep: Keep::default(),
            pace: Pace::default(),
        }
    }

    /// With any topology.
    #[must_use]
    pub fn topology(mut self, topology: Topology) -> Self {
        self.topology = topology;
        self
    }

    /// With so many hosts around a switch.
    #[must_use]
    pub fn star(self, hosts: usize) -> Self {
        self.topology(Topology::star(hosts, Centre::Switch))
    }

    /// With so many hosts in a closed circuit.
    #[must_use]
    pub fn ring(self, hosts: usize) -> Self {
        self.topology(Topology::ring(hosts))
    }

    /// With so many hosts on one cable.
    #[must_use]
    pub fn bus(self, hosts: usize) -> Self {
        self.topology(Topology::bus(hosts))
    }

    /// Gives every link of the topology these properties.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.topology.set_links(&link);
        self
    }

    /// What the hosts are like.
    #[must_use]
    pub fn hosts(mut self, settings: HostSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Writes down everything that happens; see [`Journal`].
    #[must_use]
    pub fn with_journal(mut self) -> Self {
        self.keep.journal = true;
        self
    }

    /// Keeps every frame, for captures; see [`Recording`].
    #[must_use]
    pub fn with_recording(mut self) -> Self {
        self.keep.recording = true;
        self
    }

    /// In real time, so that programs outside can take part; the runtime does the
    /// operating system's I/O as well. Such a run is not repeatable.
    #[must_use]
    pub fn in_real_time(mut self) -> Self {
        self.pace = Pace::Real;
        self
    }

    /// The fabric without programs, for whoever wants to drive it event by event.
    pub fn fabric(&self) -> Fabric {
        self.build().0
    }

    fn build(&self) -> (Fabric, Vec<crate::io::Resident>) {
        let (mut fabric, hosts) = topology::build(&self.topology, &self.settings, self.seed);
        if self.keep.journal {
            fabric.keep_journal();
        }
        if self.keep.recording {
            fabric.keep_recording();
        }
        (fabric, hosts)
    }

    /// Runs `main` to its end, in virtual time and in this thread.
    ///
    /// Servers and clients may be spawned with `tokio::spawn`; what still runs when
    /// `main` is done is dropped. `tokio::time` is the lab's time. The result is a
    /// function of the seed as long as the programs take time, randomness and
    /// blocking work from their `Context` alone, use `select!` only with `biased`,
    /// and do not depend on the order of a hash.
    ///
    /// # Errors
    /// A lab runs in this thread already; or the runtime cannot be made.
    pub fn run<T>(self, main: impl AsyncFnOnce(Hosts) -> T) -> Result<Outcome<T>, LabError> {
        let (fabric, residents) = self.build();
        let names: Vec<String> = residents.iter().map(|it| it.name.clone()).collect();
        let places = residents.iter().map(|it| (it.name.clone(), it.node));
        let places = places.collect();
        let day = match self.pace {
            Pace::Virtual => UNIX_EPOCH + EPOCH,
            Pace::Real => SystemTime::now(),
        };
        let world = World::new(fabric, residents, day);
        let (value, world) = crate::io::run(world, self.pace, |lab| main(Hosts::new(lab, names)))?;
        let report = Report {
            fabric: world.fabric,
            hosts: places,
            day: day.duration_since(UNIX_EPOCH).unwrap_or_default(),
        };
        Ok(Outcome { value, report })
    }
}

impl Report {
    /// How long the lab ran, in its own time.
    pub fn time(&self) -> Time {
        self.fabric.now()
    }

    /// How much work the network did.
    pub fn counters(&self) -> FabricCounters {
        self.fabric.counters()
    }

    /// What was written down, if [`Lab::with_journal`] asked for it.
    pub fn journal(&self) -> Option<&Journal> {
        self.fabric.journal()
    }

    /// What was recorded, if [`Lab::with_recording`] asked for it.
    pub fn recording(&self) -> Option<&Recording> {
        self.fabric.recording()
    }

    /// The connections of every host, by the host's name.
    pub fn connections(&self) -> Vec<(&str, ConnectionReport)> {
        let all = self.hosts.iter().flat_map(|(name, node)| {
            let host = self.fabric.node::<Host>(*node);
            let reports = host.map(Host::connections).unwrap_or_default();
            reports
                .into_iter()
                .map(move |report| (name.as_str(), report))
        });
        all.collect()
    }
}

/// The hosts of a running lab, in the order of the topology.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<LabHost>);

/// One host of a running lab: where programs run.
#[derive(Clone, Debug)]
pub struct LabHost {
    name: Arc<str>,
    network: LabNetwork,
}

impl Hosts {
    fn new(lab: u64, names: Vec<String>) -> Self {
        let host = |(index, name): (usize, String)| LabHost {
            name: name.into(),
            network: LabNetwork {
                lab,
                host: index as u32,
            },
        };
        Hosts(names.into_iter().enumerate().map(host).collect())
    }

    /// The host of this name.
    pub fn named(&self, name: &str) -> Option<&LabHost> {
        self.0.iter().find(|host| &*host.name == name)
    }

    /// All hosts.
    pub fn iter(&self) -> std::slice::Iter<'_, LabHost> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Index<usize> for Hosts {
    type Output = LabHost;
    fn index(&self, index: usize) -> &LabHost {
        &self.0[index]
    }
}

impl LabHost {
    /// Its name, which the other hosts can resolve.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its network, for servers and clients with options of their own.
    pub fn network(&self) -> LabNetwork {
        self.network
    }

    /// Serves byte streams at `address`.
    ///
    /// # Errors
    /// The address is wrong, or cannot be listened at.
    pub async fn serve(&self, address: &str, service: impl Service) -> Result<Running, LabError> {
        let server = Server::on(self.network).serve(&self.name, address.parse()?, service);
        Ok(server.start().await?)
    }

    /// Serves datagrams at `address`.
    ///
    /// # Errors
    /// The address is wrong, or cannot be bound.
    pub async fn serve_datagrams(
        &self,
        address: &str,
        service: impl DatagramService,
    ) -> Result<Running, LabError> {
        let server = Server::on(self.network);
        let server = server.serve_datagrams(&self.name, address.parse()?, service);
        Ok(server.start().await?)
    }

    /// Listens at the first endpoint of `address`.
    ///
    /// # Errors
    /// The address is wrong, or cannot be listened at.
    pub async fn listen(&self, address: &str) -> Result<wharf::connection::Listener, LabError> {
        let address: Address = address.parse()?;
        let at = self.resolve(&address, wharf::network::Role::Serve).await?;
        Ok(self
            .network
            .listen(&at, &wharf::network::ListenOptions::default())
            .await?)
    }

    /// Connects to `address`.
    ///
    /// # Errors
    /// The address is wrong, or cannot be reached.
    pub async fn connect(&self, address: &str) -> Result<Connection, LabError> {
        let address: Address = address.parse()?;
        Ok(Client::on(self.network).connect(&address).await?)
    }

    /// Binds a UDP socket at the first endpoint of `address`.
    ///
    /// # Errors
    /// The address is wrong, or cannot be bound.
    pub async fn bind(&self, address: &str) -> Result<Datagrams, LabError> {
        let address: Address = address.parse()?;
        let at = self.resolve(&address, wharf::network::Role::Serve).await?;
        Ok(self
            .network
            .bind(&at, &wharf::network::BindOptions::default())
            .await?)
    }

    async fn resolve(
        &self,
        address: &Address,
        role: wharf::network::Role,
    ) -> io::Result<wharf::network::Endpoint> {
        let all = self.network.resolve(address, role).await;
        let all = all.map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
        all.into_iter()
            .next()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
