//! From what was written to what it means; mistakes have a line, a cause and a cure.

use std::time::Duration;

use toml::Spanned;
use wharf::names::suggest;

use super::raw::{RawClient, RawFile, RawLink, RawNode, RawServe};
use super::{ClientPlan, FileError, LabFile, MOST_NODES, ServicePlan};
use crate::core::{Burst, Link, Medium};
use crate::topology::{ChangePlan, NodeKind, SharedShape, SpanningTree, Topology};
use crate::units::{parse_rate, parse_share, parse_size, parse_span};

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    pub(super) fn mistake(
        &self,
        at: usize,
        cause: impl Into<String>,
        cure: Option<String>,
    ) -> FileError {
        FileError {
            line: self.line(at),
            cause: cause.into(),
            cure,
        }
    }

    /// A mistake that serde or the TOML parser has found. For an unknown name its
    /// message lists the known ones, in backquotes.
    pub(super) fn toml(&self, error: &toml::de::Error) -> FileError {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message();
        let cause = message.lines().next().unwrap_or("this is no TOML");
        let (cause, cure) = told(cause, message);
        self.mistake(at, cause, cure)
    }

    fn value<T>(
        &self,
        text: &Spanned<String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, FileError> {
        parse(text.get_ref()).map_err(|cure| {
            let cause = format!("\"{}\" is not understood", text.get_ref());
            self.mistake(text.span().start, cause, Some(cure))
        })
    }

    pub(super) fn file(&self, raw: RawFile) -> Result<LabFile, FileError> {
        let mut file = LabFile {
            topology: Topology::default(),
            seed: raw.seed,
            span: raw
                .span
                .as_ref()
                .map(|span| self.value(span, parse_span))
                .transpose()?,
            services: Vec::new(),
            clients: Vec::new(),
        };
        let tree = self.tree(&raw);
        for host in &raw.host {
            self.node(&mut file.topology, host, NodeKind::Host)?;
            for service in &host.serve {
                file.services.push(self.service(host, service)?);
            }
        }
        for switch in &raw.switch {
            let on = switch
                .spanning_tree
                .as_ref()
                .map_or(tree, |on| *on.get_ref());
            let tree = if on {
                SpanningTree::On
            } else {
                SpanningTree::Off
            };
            self.node(&mut file.topology, switch, NodeKind::Switch(tree))?;
        }
        for router in &raw.router {
            self.node(&mut file.topology, router, NodeKind::Router)?;
        }
        for (nodes, shape) in [(&raw.hub, SharedShape::Hub), (&raw.bus, SharedShape::Bus)] {
            for node in nodes {
                let kind = self.shared(node, shape)?;
                self.node(&mut file.topology, node, kind)?;
            }
        }
        let defaults = match &raw.defaults {
            Some(link) => self.link(link, Link::default())?,
            None => Link::default(),
        };
        for link in &raw.link {
            self.join(&mut file.topology, link, &defaults)?;
        }
        self.check_joined(&file.topology, &raw.host)?;
        for change in &raw.changes {
            let change = self.change(&file.topology, change)?;
            file.topology.changes.push(change);
        }
        for client in &raw.client {
            let client = self.client(&file.topology, client)?;
            file.clients.push(client);
        }
        Ok(file)
    }

    /// Switches need a spanning tree if there are as many links between them as
    /// switches: then there may be a loop.
    fn tree(&self, raw: &RawFile) -> bool {
        let is_switch = |end: &Spanned<String>| {
            raw.switch
                .iter()
                .any(|switch| switch.name.get_ref() == end.get_ref())
        };
        let links = raw
            .link
            .iter()
            .filter_map(|link| link.get_ref().ends.as_ref());
        let between = links.filter(|ends| ends.get_ref().iter().all(is_switch));
        let between = between.count();
        between > 0 && between >= raw.switch.len()
    }

    fn node(
        &self,
        topology: &mut Topology,
        raw: &RawNode,
        kind: NodeKind,
    ) -> Result<(), FileError> {
        let (name, at) = (raw.name.get_ref(), raw.name.span().start);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
            let cause = format!("\"{name}\" cannot be a name");
            let cure = "take up to 63 letters, digits, dots and underscores".to_owned();
            return Err(self.mistake(at, cause, Some(cure)));
        }
        if topology.find(name).is_some() {
            let cure = Some("give each node a name of its own".to_owned());
            return Err(self.mistake(at, format!("there is a node {name} already"), cure));
        }
        if topology.nodes.len() >= MOST_NODES {
            return Err(self.mistake(at, "a lab has at most 10,000 nodes", None));
        }
        if let (Some(serve), true) = (raw.serve.first(), kind != NodeKind::Host) {
            let cure = Some("serve on a host".to_owned());
            return Err(self.mistake(serve.span().start, "only hosts serve", cure));
        }
        topology.node(name.clone(), kind);
        Ok(())
    }

    fn service(&self, host: &RawNode, it: &Spanned<RawServe>) -> Result<ServicePlan, FileError> {
        let plan = |service: &str, address: Option<&str>, password: Option<String>| ServicePlan {
            host: host.name.get_ref().clone(),
            service: service.to_owned(),
            address: address.map(str::to_owned),
            password,
            line: self.line(it.span().start),
        };
        let text = match it.get_ref() {
            RawServe::Words(text) => text,
            RawServe::Table(it) => {
                let password = it.password.clone();
                return Ok(plan(&it.service, it.address.as_deref(), password));
            }
        };
        let mut words = text.split_whitespace();
        let (service, address) = (words.next(), words.next());
        match (service, words.next()) {
            (Some(service), None) => Ok(plan(service, address, None)),
            _ => {
                let cause = format!("\"{text}\" is no service with an address");
                let cure = Some("write \"echo tcp::7\"".to_owned());
                Err(self.mistake(it.span().start, cause, cure))
            }
        }
    }

    fn shared(&self, raw: &RawNode, shape: SharedShape) -> Result<NodeKind, FileError> {
        let rate = raw.rate.as_ref().map(|rate| self.value(rate, parse_rate));
        let spacing = raw.spacing.as_ref().map(|it| self.value(it, parse_span));
        Ok(NodeKind::Shared {
            shape,
            rate: rate.transpose()?.unwrap_or(10_000_000),
            spacing: spacing.transpose()?.unwrap_or(Duration::from_nanos(250)),
        })
    }

    fn link(&self, raw: &RawLink, mut link: Link) -> Result<Link, FileError> {
        if let Some(name) = &raw.medium {
            link = self.value(name, medium)?.link();
        }
        if let Some(it) = &raw.rate {
            link = link.rate(self.value(it, parse_rate)?);
        }
        if let Some(it) = &raw.delay {
            link = link.delay(self.value(it, parse_span)?);
        }
        if let Some(it) = &raw.jitter {
            link = link.jitter(self.value(it, parse_span)?);
        }
        if let Some(it) = &raw.loss {
            link = link.loss(self.value(it, parse_share)?);
        }
        if let Some(it) = &raw.duplicate {
            link = link.duplicate(self.value(it, parse_share)?);
        }
        if let Some(it) = &raw.reorder {
            link = link.reorder(self.value(it, parse_share)?);
        }
        if let Some(it) = &raw.hold_back {
            link = link.hold_back(self.value(it, parse_span)?);
        }
        if let Some(it) = &raw.corrupt {
            link = link.corrupt(self.value(it, parse_share)?);
        }
        if let Some(it) = &raw.queue {
            link = link.queue(self.value(it, parse_size)?);
        }
        if let Some(mtu) = &raw.mtu {
            if !(68..=9_000).contains(mtu.get_ref()) {
                let cure = Some("IPv4 needs 68 bytes (RFC 791), IPv6 1280".to_owned());
                return Err(self.mistake(mtu.span().start, "an MTU is 68 to 9000 bytes", cure));
            }
            link = link.mtu(*mtu.get_ref());
        }
        if let Some(burst) = &raw.burst {
            link = link.bursts(Burst {
                every: self.value(&burst.every, parse_span)?,
                lasting: self.value(&burst.lasting, parse_span)?,
                loss: self.value(&burst.loss, parse_share)?,
            });
        }
        Ok(link)
    }

    fn join(
        &self,
        topology: &mut Topology,
        link: &Spanned<RawLink>,
        defaults: &Link,
    ) -> Result<(), FileError> {
        let raw = link.get_ref();
        let Some(ends) = &raw.ends else {
            let cure = Some("add ends = [\"a\", \"b\"]".to_owned());
            return Err(self.mistake(link.span().start, "a [[link]] has no ends", cure));
        };
        let [first, second] = &ends.get_ref()[..] else {
            let cause = format!("a link has two ends, and here are {}", ends.get_ref().len());
            let cure = Some("ends = [\"a\", \"b\"]".to_owned());
            return Err(self.mistake(ends.span().start, cause, cure));
        };
        let mut numbers = [0; 2];
        for (number, end) in numbers.iter_mut().zip([first, second]) {
            *number = self.find(topology, end)?;
            let links = topology.links.iter();
            let taken = links.filter(|link| link.ends.contains(number)).count();
            if topology.nodes[*number].kind == NodeKind::Host && taken > 0 {
                let cause = format!("host {} has a link already", end.get_ref());
                let cure = Some("a host has one network card: put a switch before it".to_owned());
                return Err(self.mistake(end.span().start, cause, cure));
            }
        }
        if numbers[0] == numbers[1] {
            let cause = "a link has two different ends";
            let cure = Some("ends = [\"a\", \"b\"]".to_owned());
            return Err(self.mistake(second.span().start, cause, cure));
        }
        let shared = numbers
            .iter()
            .find(|number| matches!(topology.nodes[**number].kind, NodeKind::Shared { .. }));
        let base = match shared {
            Some(medium) => {
                self.takes_no_time(raw, &topology.nodes[*medium].name)?;
                Link::attachment().faults_of(defaults)
            }
            None => defaults.clone(),
        };
        let link = self.link(raw, base)?;
        let back = raw.back.as_ref().map(|back| self.link(back, link.clone()));
        let index = topology.join(numbers[0], numbers[1], link);
        topology.links[index].back = back.transpose()?;
        Ok(())
    }

    /// A host without a link talks to nobody; so does one whose link was forgotten.
    fn check_joined(&self, topology: &Topology, hosts: &[RawNode]) -> Result<(), FileError> {
        for host in hosts {
            let name = host.name.get_ref();
            let node = topology.find(name);
            let mut links = topology.links.iter();
            if !links.any(|link| node.is_some_and(|node| link.ends.contains(&node))) {
                let cause = format!("host {name} has no link");
                let cure = format!("add [[link]] with ends = [\"{name}\", …]");
                return Err(self.mistake(host.name.span().start, cause, Some(cure)));
            }
        }
        Ok(())
    }

    /// A cable to a shared medium has faults, but the time is the medium's.
    fn takes_no_time(&self, raw: &RawLink, medium: &str) -> Result<(), FileError> {
        let back = raw.back.as_deref();
        for link in std::iter::once(raw).chain(back) {
            let set = [
                ("medium", &link.medium),
                ("rate", &link.rate),
                ("delay", &link.delay),
                ("queue", &link.queue),
            ];
            for (name, value) in set {
                if let Some(value) = value {
                    let cause = format!("the cable to {medium} takes no time, and has no {name}");
                    let cure = format!("give {medium} a rate or a spacing, or leave it out");
                    return Err(self.mistake(value.span().start, cause, Some(cure)));
                }
            }
        }
        Ok(())
    }

    fn find(&self, topology: &Topology, name: &Spanned<String>) -> Result<usize, FileError> {
        topology.find(name.get_ref()).ok_or_else(|| {
            let names = || topology.nodes.iter().map(|node| node.name.as_str());
            let near = suggest(name.get_ref(), names()).map(str::to_owned);
            let cure = near.or_else(|| one_of(names()));
            let cause = format!("there is no node {}", name.get_ref());
            self.mistake(name.span().start, cause, cure)
        })
    }

    fn change(&self, topology: &Topology, text: &Spanned<String>) -> Result<ChangePlan, FileError> {
        let read = topology.change(text.get_ref());
        read.map_err(|error| self.mistake(text.span().start, error.cause, error.cure))
    }

    fn client(&self, topology: &Topology, raw: &RawClient) -> Result<ClientPlan, FileError> {
        let host = self.find(topology, &raw.host)?;
        if topology.nodes[host].kind != NodeKind::Host {
            let cause = format!("{} is no host", raw.host.get_ref());
            let hosts = topology.nodes.iter();
            let hosts = hosts.filter(|node| node.kind == NodeKind::Host);
            let cure = one_of(hosts.map(|node| node.name.as_str()));
            return Err(self.mistake(raw.host.span().start, cause, cure));
        }
        let span = |text: &Option<Spanned<String>>, otherwise: Duration| match text {
            Some(text) => self.value(text, parse_span),
            None => Ok(otherwise),
        };
        Ok(ClientPlan {
            host: raw.host.get_ref().clone(),
            connect: raw.connect.get_ref().clone(),
            send: match raw.send.0.is_empty() {
                true => vec![String::new()],
                false => raw.send.0.clone(),
            },
            count: raw.count.as_ref().map_or(1, |count| *count.get_ref()),
            every: span(&raw.every, Duration::from_secs(1))?,
            start: span(&raw.start, Duration::ZERO)?,
            line: self.line(raw.connect.span().start),
        })
    }
}

/// A cure for a name that is none: those that there are.
fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names = super::listed(names);
    (!names.is_empty()).then(|| format!("one of {names}"))
}

/// The cause and the cure in the words of the file, not in those of serde's types.
fn told(cause: &str, message: &str) -> (String, Option<String>) {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown") {
        let near = quoted.next().and_then(|word| suggest(word, quoted));
        return (cause.to_owned(), near.map(str::to_owned));
    }
    if message.starts_with("missing field") {
        let field = quoted.next().unwrap_or_default();
        let example = match field {
            "connect" => "\"tcp:a:7\"",
            "every" | "lasting" => "\"1s\"",
            "loss" => "\"50%\"",
            "service" => "\"echo\"",
            _ => "\"a\"",
        };
        return (
            format!("{field} is missing"),
            Some(format!("add {field} = {example}")),
        );
    }
    let kinds = ["invalid type: ", "invalid value: "];
    let found = kinds.iter().find_map(|kind| cause.strip_prefix(kind));
    let Some((found, expected)) = found.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return (cause.to_owned(), None);
    };
    // "integer `10`", "string \"x\"", "map".
    let value = quoted.next();
    let (wanted, cure) = match expected {
        "a string" => (
            "a text in quotes",
            value.map(|value| format!("put it in quotes: \"{value}\"")),
        ),
        "u64" | "usize" => (
            "a whole number from 0",
            Some("write a whole number from 0, without quotes".to_owned()),
        ),
        "a boolean" => (
            "true or false",
            Some("true or false, without quotes".to_owned()),
        ),
        "a sequence" => (
            "a list",
            found
                .strip_prefix("string ")
                .map(|text| format!("put it in brackets: [{text}]"))
                .or_else(|| Some("a list in brackets, or [[…]] for a table".to_owned())),
        ),
        expected if expected.starts_with("struct ") => (
            "a table",
            Some("write it as a table: [[…]] above it, or { … } behind the =".to_owned()),
        ),
        other => (other, None),
    };
    (format!("{found} stands where {wanted} has to be"), cure)
}

fn medium(name: &str) -> Result<Medium, String> {
    Medium::named(name).ok_or_else(|| {
        let names: Vec<&str> = Medium::ALL.into_iter().map(Medium::name).collect();
        match suggest(name, names.iter().copied()) {
            Some(near) => near.to_owned(),
            None => names.join(", "),
        }
    })
}
