//! From the command line to a lab.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use wharf::names::suggest;
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
        if name == "mesh" && args.hosts > MOST_IN_MESH {
            let cause = format!("a full mesh of {} hosts has too many links", args.hosts);
            return Err(Failure::usage(cause).cure(format!("--hosts {MOST_IN_MESH}")));
        }
        let topology = make(args.hosts);
        let mut names = topology
            .nodes
            .iter()
            .filter(|node| node.kind == file_host());
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
        Ok(Plan {
            title: format!("{name} of {hosts} hosts"),
            clients,
            seed: 1,
            span: None,
            services: vec![ServicePlan {
                host: server,
                service: "echo".to_owned(),
                address: Some("tcp::7".to_owned()),
                password: None,
                line: 0,
            }],
            topology,
            file: None,
        })
    }

    fn of_file(args: &NetworkArgs) -> Result<Plan, Failure> {
        let path = Path::new(&args.what);
        let text = read(path).map_err(|error| cannot_read(&args.what, &error))?;
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

    /// The lab.
    pub(super) fn lab(&self) -> Lab {
        Lab::new(self.seed).topology(self.topology.clone())
    }
}

fn file_host() -> wharf_lab::topology::NodeKind {
    wharf_lab::topology::NodeKind::Host
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

fn read(path: &Path) -> io::Result<String> {
    let length = fs::metadata(path)?.len();
    if length > file::LONGEST_FILE as u64 {
        return Err(io::Error::other("it is longer than 4 MiB"));
    }
    fs::read_to_string(path)
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
