//! From the command line to a lab.

use std::fs;
use std::io;
use std::path::Path;
use std::string::FromUtf8Error;
use std::time::Duration;

use wharf::names::suggest;
use wharf_lab::topology::NodeKind;
use wharf_lab::topology::file::{self, ClientPlan, FileError, ServicePlan};
use wharf_lab::{Centre, Lab, Link, Medium, Topology};

use super::args::{LinkArgs, NetworkArgs};
use crate::exit::Exit;
use crate::failure::Failure;

type Shape = fn(usize) -> Topology;

/// The shapes by their names.
const SHAPES: [(&str, Shape); 11] = [
    ("star", |hosts| Topology::star(hosts, Centre::Switch)),
    ("star-hub", |hosts| Topology::star(hosts, Centre::Hub)),
    ("star-host", |hosts| Topology::star(hosts, Centre::Host)),
    ("ring", Topology::ring),
    ("ring-switches", Topology::switch_ring),
    ("ring-routers", Topology::router_ring),
    ("bus", Topology::bus),
    ("line", Topology::line),
    ("mesh", Topology::mesh),
    ("lans", |hosts| Topology::two_lans(hosts.div_ceil(2))),
    ("pair", |_| Topology::pair()),
];

/// How many hosts a shape has if nobody says.
const USUAL_HOSTS: usize = 5;

/// A full mesh has a link for any two switches, and each has its own tree messages.
const MOST_IN_MESH: usize = 60;

/// Everything that is to be run.
pub(super) struct Plan {
    pub(super) title: String,
    pub(super) topology: Topology,
    pub(super) seed: u64,
    pub(super) span: Option<Duration>,
    pub(super) services: Vec<ServicePlan>,
    pub(super) clients: Vec<ClientPlan>,
    /// The file that all this comes from.
    pub(super) file: Option<String>,
}

impl Plan {
    /// Reads the file, or makes the shape.
    pub(super) fn make(args: &NetworkArgs) -> Result<Plan, Failure> {
        let shape = SHAPES.iter().find(|(name, _)| *name == args.what);
        let mut plan = match shape {
            Some((name, make)) => Plan::of_shape(name, *make, args)?,
            None => Plan::of_file(args)?,
        };
        if let Some(seed) = args.seed {
            plan.seed = seed;
        }
        plan.change_links(&args.link)?;
        for text in &args.changes {
            let change = plan.topology.change(text).map_err(|error| {
                let failure = Failure::usage(format!("--change {text:?}: {error}"));
                match error.cure {
                    Some(cure) => failure.cure(cure),
                    None => failure,
                }
            })?;
            plan.topology.changes.push(change);
        }
        Ok(plan)
    }

    fn of_shape(name: &str, make: Shape, args: &NetworkArgs) -> Result<Plan, Failure> {
        let count = args.hosts.unwrap_or(USUAL_HOSTS);
        if name == "pair" && args.hosts.is_some_and(|count| count != 2) {
            let cause = format!("a pair is of two hosts, not of {count}");
            return Err(Failure::usage(cause).cure(format!("wharf lab run line --hosts {count}")));
        }
        if name == "mesh" && count > MOST_IN_MESH {
            let cause = format!("a full mesh of {count} hosts has too many links");
            return Err(Failure::usage(cause).cure(format!("--hosts {MOST_IN_MESH}")));
        }
        let topology = make(count);
        let mut names = topology
            .nodes
            .iter()
            .filter(|node| node.kind == NodeKind::Host);
        let server = names.next().map_or("h0", |node| &node.name).to_owned();
        let clients = names.map(|node| ClientPlan {
            host: node.name.clone(),
            connect: format!("tcp:{server}:7"),
            send: vec![format!("hello from {}", node.name)],
            count: 1,
            every: Duration::from_secs(1),
            start: Duration::ZERO,
            line: 0,
        });
        let clients: Vec<ClientPlan> = clients.collect();
        let hosts = clients.len() + 1;
        // Over both, so that a gateway can lead to either.
        let echo = |address: &str| ServicePlan {
            host: server.clone(),
            service: "echo".to_owned(),
            address: Some(address.to_owned()),
            password: None,
            line: 0,
        };
        let services = vec![echo("tcp::7"), echo("udp::7")];
        Ok(Plan {
            title: format!("{name} of {hosts} hosts"),
            clients,
            seed: 1,
            span: None,
            services,
            topology,
            file: None,
        })
    }

    fn of_file(args: &NetworkArgs) -> Result<Plan, Failure> {
        let path = Path::new(&args.what);
        if args.hosts.is_some() && path.exists() {
            let cause = format!("--hosts is for shapes, and {} is a file", args.what);
            return Err(Failure::usage(cause).cure("add [[host]] and [[link]] to the file"));
        }
        let bytes = read(path).map_err(|error| cannot_read(&args.what, &error))?;
        let text = String::from_utf8(bytes).map_err(|error| no_text(&args.what, &error))?;
        let file = file::parse(&text).map_err(|error| mistake(&args.what, &error))?;
        Ok(Plan {
            title: args.what.clone(),
            topology: file.topology,
            seed: file.seed.unwrap_or(1),
            span: file.span,
            services: file.services,
            clients: file.clients,
            file: Some(args.what.clone()),
        })
    }

    /// What the command line says holds for every link. Cables to a shared medium take
    /// no time, and get the faults alone.
    fn change_links(&mut self, args: &LinkArgs) -> Result<(), Failure> {
        let medium = args.medium.as_deref().map(medium).transpose()?;
        self.check_timed(args)?;
        for index in 0..self.topology.links.len() {
            let attachment = self.topology.is_attachment(index);
            let plan = &mut self.topology.links[index];
            if !attachment && plan.link.bits_per_second().is_none() {
                // Between a station of a ring, or the host in the middle, and its card.
                continue;
            }
            for link in std::iter::once(&mut plan.link).chain(&mut plan.back) {
                let now = medium.map_or_else(|| link.clone(), Medium::link);
                let wanted = changed(now, args);
                *link = match attachment {
                    true => link.clone().faults_of(&wanted),
                    false => wanted,
                };
            }
        }
        Ok(())
    }

    /// Options about time need a link that takes some.
    fn check_timed(&self, args: &LinkArgs) -> Result<(), Failure> {
        let mut links = self.topology.links.iter();
        if links.any(|plan| plan.link.bits_per_second().is_some()) {
            return Ok(());
        }
        let set = [
            ("--medium", args.medium.is_some()),
            ("--rate", args.rate.is_some()),
            ("--delay", args.delay.is_some()),
            ("--queue", args.queue.is_some()),
        ];
        let Some((name, _)) = set.into_iter().find(|(_, set)| *set) else {
            return Ok(());
        };
        let cause = format!(
            "{name} is for links, and {} has a shared medium alone",
            self.title
        );
        Err(Failure::usage(cause).cure("a TOML file with [[bus]], its rate and its spacing"))
    }

    /// The names of what can be tapped, as its report gives them.
    pub(super) fn tap_names(&self) -> Vec<String> {
        let nodes = &self.topology.nodes;
        let links = self.topology.links.iter();
        let links = links.filter(|plan| plan.link.bits_per_second().is_some());
        let links = links.map(|plan| {
            let [first, second] = plan.ends.map(|end| nodes[end].name.as_str());
            format!("{first}-{second}")
        });
        let shared = nodes
            .iter()
            .filter(|node| matches!(node.kind, NodeKind::Shared { .. }));
        links.chain(shared.map(|node| node.name.clone())).collect()
    }

    /// The lab.
    pub(super) fn lab(&self) -> Lab {
        Lab::new(self.seed).topology(self.topology.clone())
    }
}

fn changed(mut link: Link, args: &LinkArgs) -> Link {
    if let Some(rate) = args.rate {
        link = link.rate(rate);
    }
    if let Some(delay) = args.delay {
        link = link.delay(delay);
    }
    if let Some(jitter) = args.jitter {
        link = link.jitter(jitter);
    }
    if let Some(share) = args.loss {
        link = link.loss(share);
    }
    if let Some(share) = args.duplicate {
        link = link.duplicate(share);
    }
    if let Some(share) = args.reorder {
        link = link.reorder(share);
    }
    if let Some(share) = args.corrupt {
        link = link.corrupt(share);
    }
    if let Some(bytes) = args.queue {
        link = link.queue(bytes);
    }
    link
}

fn medium(name: &str) -> Result<Medium, Failure> {
    Medium::named(name).ok_or_else(|| {
        let names: Vec<&str> = Medium::ALL.into_iter().map(Medium::name).collect();
        let failure = Failure::usage(format!("there is no medium {name}"));
        match suggest(name, names.iter().copied()) {
            Some(near) => failure.cure(format!("--medium {near}")),
            None => failure.with("media", names.join(", ")),
        }
    })
}

fn no_text(what: &str, error: &FromUtf8Error) -> Failure {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
    let cause = "this is no text in UTF-8".to_owned();
    let cure = Some("save the file as UTF-8".to_owned());
    mistake(what, &FileError { line, cause, cure })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let length = fs::metadata(path)?.len();
    if length > file::LONGEST_FILE as u64 {
        return Err(io::Error::other("it is longer than 4 MiB"));
    }
    fs::read(path)
}

fn cannot_read(what: &str, error: &io::Error) -> Failure {
    let names = SHAPES.iter().map(|(name, _)| *name);
    if error.kind() != io::ErrorKind::NotFound {
        return Failure::new(Exit::Failed, format!("cannot read {what}: {error}"));
    }
    let failure = Failure::usage(format!("{what} is no shape and no file"));
    match suggest(what, names.clone()) {
        Some(near) => failure.cure(near),
        None => failure.with("shapes", names.collect::<Vec<&str>>().join(", ")),
    }
}

/// A mistake in a file: where, what, and what to write instead.
pub(super) fn mistake(file: &str, error: &FileError) -> Failure {
    let cause = format!("{file}, line {}: {}", error.line, error.cause);
    let failure = Failure::usage(cause);
    match &error.cure {
        Some(cure) => failure.cure(cure.clone()),
        None => failure,
    }
}
