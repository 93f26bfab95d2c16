//! What can be served on the hosts of a lab. What a service would show on the screen is
//! not shown: every host of a lab would write into the same terminal.

use std::net::IpAddr;

use wharf::address::{Address, Host, Port, Target};
use wharf::datagram::Amplification;
use wharf::names::{Protocol, service_port, suggest};
use wharf::network::Platform;
use wharf::server::{DatagramOptions, Running, Server};
use wharf::service::AnyService;
use wharf_lab::core::NodeId;
use wharf_lab::stack::Host as Machine;
use wharf_lab::topology::NodeKind;
use wharf_lab::topology::file::{FileError, ServicePlan, listed};
use wharf_lab::{LabError, LabHost, LabNetwork};
use wharf_services::chat::UnreliableChat;
use wharf_services::page::Row;
use wharf_services::password::{Cost, Door, Gate, Hash, MAX_ATTEMPT, Users};
use wharf_services::rps::DatagramRps;
use wharf_services::{
    Blackjack, Chargen, Chat, Daytime, Discard, Echo, Message, Page, Password, Rps, Time, Upper,
    catalog,
};

use super::network::{Plan, mistake};
use crate::failure::Failure;

/// Services that cannot run in a lab, and why.
const OUTSIDE: [(&str, &str); 1] = [("exec", "processes are outside of a lab")];

/// A service at an address of a host.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) host: String,
    service: String,
    pub(super) address: Address,
    /// Where it stands in the file.
    line: usize,
    /// For whoever knows the password alone.
    door: Option<Door>,
}

pub(super) fn wrong(plan: &Plan, line: usize, cause: String, cure: Option<String>) -> Failure {
    let file = plan.file.as_deref().unwrap_or("the network");
    mistake(file, &FileError { line, cause, cure })
}

/// An address that hosts of the lab can have: a number of a port, and the name of a
/// host of the lab, if there is one.
///
/// # Errors
/// What is wrong, and what to write instead.
pub(super) fn check_address(
    plan: &Plan,
    address: &Address,
) -> Result<(), (String, Option<String>)> {
    if address.scheme.is_unix() {
        let cause = format!("{address}: the hosts of a lab have no Unix sockets");
        let cure = "tcp:HOST:PORT or udp:HOST:PORT".to_owned();
        return Err((cause, Some(cure)));
    }
    if let Some(Port::Service(name)) = address.port() {
        let cause = format!("{address}: the lab knows ports by their numbers alone");
        let protocol = match address.scheme.is_datagram() {
            true => Protocol::Udp,
            false => Protocol::Tcp,
        };
        let number = service_port(name.as_str(), protocol).ok();
        let cure = number.map(|number| address.clone().with_port(number).to_string());
        return Err((cause, cure));
    }
    if let Target::Host {
        host: Host::Name(name),
        ..
    } = &address.target
    {
        let nodes = plan.topology.nodes.iter();
        let hosts = nodes.filter(|node| node.kind == NodeKind::Host);
        let names = hosts.map(|node| node.name.as_str());
        if name != "localhost" && !names.clone().any(|host| host == name) {
            let cause = format!("{address}: there is no host {name}");
            let near = suggest(name, names.clone()).map(str::to_owned);
            let cure = near.or_else(|| Some(format!("one of {}", listed(names))));
            return Err((cause, cure));
        }
    }
    Ok(())
}

/// An address that this host has, so that it can be served there.
fn check_own(plan: &Plan, host: &str, address: &Address) -> Result<(), (String, Option<String>)> {
    let ip = match &address.target {
        Target::Host {
            host: Host::V4(ip), ..
        } => IpAddr::V4(*ip),
        Target::Host {
            host: Host::V6 { addr, .. },
            ..
        } => IpAddr::V6(*addr),
        _ => return Ok(()),
    };
    if ip.is_unspecified() || ip.is_loopback() {
        return Ok(());
    }
    let fabric = plan.lab().fabric();
    let node = fabric.names().position(|name| name == host);
    let node = node.and_then(|node| fabric.node::<Machine>(NodeId(node as u32)));
    let own = node.map(Machine::addresses).unwrap_or_default();
    if own.iter().any(|(own, _)| *own == ip) {
        return Ok(());
    }
    let own: Vec<String> = own.iter().map(|(ip, _)| ip.to_string()).collect();
    let cause = format!(
        "{address}: host {host} has no such address, but {}",
        own.join(" and ")
    );
    let port = address.port().and_then(Port::number).unwrap_or(7);
    Err((cause, Some(format!("{}::{port}", address.scheme.as_str()))))
}

/// A port of a host belongs to one service.
pub(super) fn one_each(plan: &Plan, places: &[Place]) -> Result<(), Failure> {
    for (index, place) in places.iter().enumerate() {
        let port = place.address.port().and_then(Port::number);
        let same = |other: &&Place| {
            let families = (place.address.scheme.family(), other.address.scheme.family());
            other.host == place.host
                && other.address.scheme.is_datagram() == place.address.scheme.is_datagram()
                && other.address.port().and_then(Port::number) == port
                && (families.0 == families.1 || families.0.is_none() || families.1.is_none())
        };
        let taken = places[..index]
            .iter()
            .find(same)
            .filter(|_| port != Some(0));
        if let Some(other) = taken {
            let cause = format!(
                "{} and {} are both at {} of {}",
                other.service, place.service, place.address, place.host
            );
            let free = port.and_then(|port| port.checked_add(1)).unwrap_or(1);
            let cure = place.address.clone().with_port(free).to_string();
            return Err(wrong(plan, place.line, cause, Some(cure)));
        }
    }
    Ok(())
}

impl Place {
    /// The service's places: the address of the file, or its standard ones.
    pub(super) fn of(plan: &Plan, it: &ServicePlan) -> Result<Vec<Place>, Failure> {
        let wrong = |cause: String, cure: Option<String>| wrong(plan, it.line, cause, cure);
        if let Some((name, why)) = OUTSIDE.iter().find(|(name, _)| *name == it.service) {
            return Err(wrong(format!("{name} cannot be served here: {why}"), None));
        }
        let Some(entry) = catalog::find(&it.service) else {
            let names = catalog().iter().map(|entry| entry.name);
            let names = names.filter(|name| OUTSIDE.iter().all(|(outside, _)| name != outside));
            let near = suggest(&it.service, names.clone()).map(str::to_owned);
            let near = near.or_else(|| Some(format!("one of {}", listed(names))));
            let cause = format!("there is no service {} for a lab", it.service);
            return Err(wrong(cause, near));
        };
        let addresses: Vec<Address> = match &it.address {
            None => entry.addresses().collect(),
            Some(text) => {
                let parsed: Result<Address, _> = text.parse();
                vec![parsed.map_err(|error| {
                    let cure = error.cure().map(str::to_owned);
                    wrong(error.to_string(), cure)
                })?]
            }
        };
        if let Some(address) = addresses.iter().find(|at| at.scheme.is_datagram()) {
            let cause = match (entry.speaks_datagrams(), &it.password) {
                (false, _) => Some(format!("{} is not served over datagrams", entry.name)),
                (true, Some(_)) => Some("a gate stands before byte streams only".to_owned()),
                (true, None) => None,
            };
            if let Some(cause) = cause {
                let cure = address.to_string().replacen("udp", "tcp", 1);
                return Err(wrong(cause, Some(cure)));
            }
        }
        for address in &addresses {
            check_address(plan, address).map_err(|(cause, cure)| wrong(cause, cure))?;
            check_own(plan, &it.host, address).map_err(|(cause, cure)| wrong(cause, cure))?;
        }
        let door = match (&it.password, entry.name) {
            (Some(password), _) => Some(door(password).map_err(|cause| wrong(cause, None))?),
            (None, "password") => {
                let cause = "the password service has no password".to_owned();
                let cure = "{ service = \"password\", password = \"open sesame\" }".to_owned();
                return Err(wrong(cause, Some(cure)));
            }
            (None, _) => None,
        };
        let place = |address| Place {
            host: it.host.clone(),
            service: it.service.clone(),
            address,
            line: it.line,
            door: door.clone(),
        };
        Ok(addresses.into_iter().map(place).collect())
    }

    /// Serves it on its host; `all` is what the page of that host lists.
    pub(super) async fn serve(&self, host: &LabHost, all: &[Place]) -> Result<Running, LabError> {
        let server = Server::on(host.network());
        let server = match self.address.scheme.is_datagram() {
            true => self.datagram_server(server),
            false => match self.stream_service(all) {
                Some(service) => server.serve(&self.service, self.address.clone(), service),
                None => server,
            },
        };
        Ok(server.start().await?)
    }

    fn stream_service(&self, all: &[Place]) -> Option<AnyService> {
        let service = match (&*self.service, &self.door) {
            ("password", Some(door)) => return Some(AnyService::new(Password::new(door.clone()))),
            ("page", _) => AnyService::new(self.page(all)),
            (name, _) => simple(name)?,
        };
        Some(match &self.door {
            Some(door) => AnyService::new(Gate::new(door.clone(), service)),
            None => service,
        })
    }

    /// The page of our own, with what else its host serves.
    fn page(&self, all: &[Place]) -> Page {
        let page = Page::own(|_| {});
        let here = all.iter().filter(|place| place.host == self.host);
        let row = |place: &Place| Row {
            service: place.service.clone(),
            about: catalog::find(&place.service)
                .map_or("", |it| it.about)
                .to_owned(),
            over: place.address.scheme.as_str().to_owned(),
            places: place.address.to_string(),
            command: String::new(),
        };
        page.show_rows(here.map(row).collect());
        page
    }

    fn datagram_server(&self, server: Server<LabNetwork>) -> Server<LabNetwork> {
        let (name, address) = (&*self.service, self.address.clone());
        // What others do is told to players and users who did not ask for it.
        let talkative = DatagramOptions {
            amplification: Amplification::Allowed,
            ..DatagramOptions::default()
        };
        match name {
            "echo" => server.serve_datagrams(name, address, Echo::default()),
            "upper" => server.serve_datagrams(name, address, Upper::default()),
            "message" => server.serve_datagrams(name, address, Message::new(|_| {})),
            "daytime" => server.serve_datagrams(name, address, Daytime),
            "time" => server.serve_datagrams(name, address, Time),
            "discard" => server.serve_datagrams(name, address, Discard::default()),
            "chargen" => server.serve_datagrams(name, address, Chargen),
            "rps" => {
                let referee = DatagramRps::new(Default::default(), |_| {});
                server.serve_datagrams_with(name, address, referee, talkative)
            }
            "chat" => {
                let chat = UnreliableChat::new(Default::default(), 1, |_| {});
                server.serve_datagrams_with(name, address, chat, talkative)
            }
            _ => server,
        }
    }
}

/// A service that needs nothing but its name.
fn simple(name: &str) -> Option<AnyService> {
    Some(match name {
        "echo" => AnyService::new(Echo::default()),
        "upper" => AnyService::new(Upper::default()),
        "chat" => AnyService::new(Chat::new(Default::default(), |_| {})),
        "rps" => AnyService::new(Rps::default()),
        "blackjack" => AnyService::new(Blackjack::default()),
        "message" => AnyService::new(Message::new(|_| {})),
        "daytime" => AnyService::new(Daytime),
        "time" => AnyService::new(Time),
        "discard" => AnyService::new(Discard::default()),
        "chargen" => AnyService::new(Chargen),
        _ => return None,
    })
}

/// A door that one password opens. It stands in the file for all to read, so its hash
/// is the cheapest; what is to be seen is the dialogue.
fn door(password: &str) -> Result<Door, String> {
    if password.is_empty() || password.len() > MAX_ATTEMPT || password.contains(['\r', '\n']) {
        return Err(format!(
            "a password is one line of 1 to {MAX_ATTEMPT} bytes"
        ));
    }
    let mut salt = [0; 16];
    Platform::os().random(&mut salt);
    let hash = Hash::of(password.as_bytes(), salt, Cost::LEAST);
    let hash = hash.map_err(|error| error.to_string())?;
    Ok(Door::new(Users::one(hash), |_| {}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, address: &str) -> Place {
        Place {
            host: "h0".to_owned(),
            service: name.to_owned(),
            address: address.parse().unwrap(),
            line: 0,
            door: (name == "password").then(|| door("open sesame").unwrap()),
        }
    }

    #[test]
    fn everything_in_the_catalogue_is_served_or_outside() {
        for entry in catalog() {
            if OUTSIDE.iter().any(|(name, _)| *name == entry.name) {
                continue;
            }
            let stream = place(entry.name, "tcp::0").stream_service(&[]);
            assert!(stream.is_some(), "{}", entry.name);
            if entry.speaks_datagrams() {
                let outcome = wharf_lab::Lab::new(1).run(async |hosts| {
                    let running = place(entry.name, "udp4::0").serve(&hosts[0], &[]).await?;
                    Ok::<_, LabError>(running.endpoints().len())
                });
                assert_eq!(outcome.unwrap().value.unwrap(), 1, "{}", entry.name);
            }
        }
    }
}
