//! What a `wharf serve` command line means: which services, where, and how.

use std::sync::Arc;

use serde_json::Value;
use wharf::address::Address;
use wharf::datagram::{Amplification, Datagrammed};
use wharf::framing::{self, Framing, OnTooLong};
use wharf::network::ListenOptions;
use wharf::network::Network;
use wharf::server::{DatagramOptions, Mode, ServeOptions, Server};
use wharf::service::{AnyService, Framed, Replies};
use wharf_services::catalog::{Entry, Framed as FramingMeans, catalog};
use wharf_services::message::{Messages, Shown};
use wharf_services::password::Gate;
use wharf_services::upper::Letters;
use wharf_services::{Chargen, Daytime, Discard, Echo, Exec, Message, Password, Time, Upper};

use super::Pages;
use super::args::{ServeArgs, ServeMode, WhenTooLong};
use super::chat::Rooms;
use super::door::{Doors, Entrance};
use super::games::Tables;
use super::line::{Line, Told};
#[cfg(feature = "page")]
use super::page;
use super::printer::Printer;
use super::program;
use crate::failure::Failure;

/// Everything that is to be served.
pub(super) struct Plan {
    places: Vec<Place>,
    options: ServeOptions,
    replies: Replies,
    letters: Letters,
    framing: Option<(Framing, framing::Limits)>,
    program: Vec<String>,
    standard_set: bool,
    notes: Vec<String>,
}

/// One service at one address.
#[derive(Clone)]
struct Place {
    entry: &'static Entry,
    address: Address,
}

impl Plan {
    /// Reads the arguments.
    pub(super) fn make(args: &ServeArgs) -> Result<Plan, Failure> {
        let mut places = places(args)?;
        for place in &places {
            check(place, args)?;
        }
        let notes = notes(&mut places, args);
        Ok(Plan {
            places,
            options: serve_options(args),
            replies: if args.reply_once {
                Replies::Once
            } else {
                Replies::All
            },
            letters: if args.ascii {
                Letters::Ascii
            } else {
                Letters::Unicode
            },
            framing: args
                .frame
                .clone()
                .map(|framing| (framing, frame_limits(args))),
            program: args.program.clone(),
            standard_set: args.service.is_none(),
            notes,
        })
    }

    /// The one service and its first address.
    pub(super) fn only(&self) -> Result<(&str, &Address), Failure> {
        match &self.places[..] {
            [first, ..] if !self.standard_set => Ok((first.entry.name, &first.address)),
            _ => Err(Failure::usage("--show needs one service")
                .cure("wharf serve upper 12000 --show python")),
        }
    }

    /// Whether a service of this name is to be served.
    pub(super) fn serves(&self, name: &str) -> bool {
        self.places.iter().any(|place| place.entry.name == name)
    }

    /// What of the command line has no effect.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether the service prints lines of its own instead of events: the message
    /// service alone, which looks like the program of the lecture.
    pub(super) fn shows_its_own_lines(&self) -> bool {
        !self.standard_set
            && self
                .places
                .iter()
                .all(|place| place.entry.name == "message")
    }

    /// Puts every service into `server`.
    pub(super) fn add_to<N: Network>(
        &self,
        mut server: Server<N>,
        message: &Message,
        rooms: &Rooms,
        tables: &Tables,
        doors: &Doors,
        pages: &Pages,
    ) -> Server<N> {
        for place in &self.places {
            let name = place.entry.name;
            let address = place.address.clone();
            server = if address.scheme.is_datagram() {
                self.add_datagrams(server, name, address, message, rooms, tables)
            } else {
                let service = self.stream_service(name, message, rooms, tables, doors, pages);
                let service = match &doors.gate {
                    Some(door) => AnyService::new(Gate::new(door.clone(), service)),
                    None => service,
                };
                server.serve_with(name, address, service, self.options.clone())
            };
        }
        server
    }

    fn stream_service(
        &self,
        name: &str,
        message: &Message,
        rooms: &Rooms,
        tables: &Tables,
        doors: &Doors,
        pages: &Pages,
    ) -> AnyService {
        #[cfg(not(feature = "page"))]
        let _ = pages;
        let framed = |reply: fn(&[u8], &mut Vec<u8>)| {
            let (framing, limits) = self.framing.clone()?;
            let service = Framed::new(framing, reply).limits(limits);
            Some(AnyService::new(service.replies(self.replies)))
        };
        let replies = self.replies;
        match name {
            "echo" => framed(wharf_services::echo_reply)
                .unwrap_or_else(|| AnyService::new(Echo { replies })),
            "upper" => framed(self.upper_reply()).unwrap_or_else(|| AnyService::new(self.upper())),
            "message" => AnyService::new(message.clone()),
            "chat" => AnyService::new(rooms.streams.clone()),
            "password" => match &doors.password {
                Some(door) => AnyService::new(Password::new(door.clone())),
                // There is a door wherever the service is; see `DoorArgs::open`.
                None => AnyService::new(Discard::default()),
            },
            #[cfg(feature = "page")]
            "page" => AnyService::new(pages.page.clone()),
            "rps" => AnyService::new(tables.rps.clone()),
            "blackjack" => AnyService::new(tables.blackjack.clone()),
            "discard" => AnyService::new(self.discard()),
            "chargen" => AnyService::new(Chargen),
            "daytime" => AnyService::new(Daytime),
            "time" => AnyService::new(Time),
            _ => AnyService::new(self.exec()),
        }
    }

    fn add_datagrams<N: Network>(
        &self,
        server: Server<N>,
        name: &str,
        address: Address,
        message: &Message,
        rooms: &Rooms,
        tables: &Tables,
    ) -> Server<N> {
        let options = DatagramOptions::default();
        let framed = self.framing.is_some();
        match name {
            // A datagram is a message already: a framing adds nothing to its bounds.
            "echo" => server.serve_datagrams_with(name, address, Echo::default(), options),
            "upper" if framed => {
                server.serve_datagrams_with(name, address, Datagrammed(self.upper_reply()), options)
            }
            "upper" => server.serve_datagrams_with(name, address, self.upper(), options),
            "message" => server.serve_datagrams_with(name, address, message.clone(), options),
            "chat" => {
                server.serve_datagrams_with(name, address, rooms.datagrams.clone(), unasked())
            }
            "rps" => {
                server.serve_datagrams_with(name, address, tables.rps_datagrams.clone(), unasked())
            }
            "discard" => server.serve_datagrams_with(name, address, self.discard(), options),
            "chargen" => server.serve_datagrams_with(name, address, Chargen, options),
            "daytime" => server.serve_datagrams_with(name, address, Daytime, options),
            _ => server.serve_datagrams_with(name, address, Time, options),
        }
    }

    fn upper(&self) -> Upper {
        Upper {
            letters: self.letters,
            replies: self.replies,
        }
    }

    fn upper_reply(&self) -> fn(&[u8], &mut Vec<u8>) {
        match self.letters {
            Letters::Ascii => wharf_services::upper_ascii_reply,
            Letters::Unicode => wharf_services::upper_reply,
        }
    }

    fn discard(&self) -> Discard {
        Discard {
            framing: self.framing.as_ref().map(|(framing, _)| framing.clone()),
        }
    }

    /// The message service; what it shows goes to stdout in the lecture's words.
    pub(super) fn message(&self, printer: &Printer) -> Message {
        let printer = printer.clone();
        let service: Arc<str> = "message".into();
        let message = Message::new(move |shown: &Shown<'_>| {
            printer.print(Line::now(Told::Shown {
                service: Arc::clone(&service),
                text: shown.to_string(),
                fields: Value::Null,
            }));
        });
        let message = match &self.framing {
            Some((framing, limits)) => message.framing(framing.clone()).limits(*limits),
            None => message,
        };
        match self.replies {
            Replies::Once => message.messages(Messages::One),
            Replies::All => message,
        }
    }

    fn exec(&self) -> Exec {
        let (program, arguments) = self.program.split_first().map_or(
            // Checked when the plan was made; an empty name fails when it is started.
            ("", &[][..]),
            |(program, arguments)| (program.as_str(), arguments),
        );
        Exec::new(program, arguments)
    }
}

/// For services whose users get messages that they did not ask for.
fn unasked() -> DatagramOptions {
    DatagramOptions {
        amplification: Amplification::Allowed,
        ..DatagramOptions::default()
    }
}

/// Whether the chat is the one service.
pub(super) fn is_only_chat(args: &ServeArgs) -> bool {
    args.service.as_deref() == Some("chat")
}

/// Which services stand where.
fn places(args: &ServeArgs) -> Result<Vec<Place>, Failure> {
    let Some(name) = &args.service else {
        let standard = catalog().iter();
        return Ok(standard.flat_map(standard_places).collect());
    };
    let entry = find(name)?;
    if !args.addresses.is_empty() {
        let addresses = args.addresses.iter().cloned();
        return Ok(addresses.map(|address| Place { entry, address }).collect());
    }
    #[cfg(feature = "page")]
    if let ("page", Some(address)) = (&**name, page::usual_address()) {
        return Ok(vec![Place { entry, address }]);
    }
    let places: Vec<Place> = standard_places(entry).collect();
    if places.is_empty() {
        return Err(
            Failure::usage(format!("{name} has no standard address: say where"))
                .cure(format!("wharf serve {name} 7000 -- PROGRAM ARGUMENTS")),
        );
    }
    Ok(places)
}

fn standard_places(entry: &'static Entry) -> impl Iterator<Item = Place> {
    let addresses = entry.addresses();
    addresses.map(move |address| Place { entry, address })
}

fn find(name: &str) -> Result<&'static Entry, Failure> {
    if let Some(entry) = catalog().iter().find(|entry| entry.name == name) {
        return Ok(entry);
    }
    let names: Vec<&str> = catalog().iter().map(|entry| entry.name).collect();
    let failure = Failure::usage(format!("there is no service {name:?}"));
    let looks_like_an_address =
        name.starts_with([':', '/', '@', '.']) || name.parse::<u16>().is_ok() || name.contains(':');
    if looks_like_an_address {
        return Err(failure
            .with("means", "the service comes first, then where it listens")
            .cure(format!("wharf serve echo {name}")));
    }
    match wharf::names::suggest(name, names.iter().copied()) {
        Some(near) => Err(failure.cure(format!("wharf serve {near}"))),
        None => Err(failure.with("known", names.join(", "))),
    }
}

/// Whether the options make sense for a service at an address.
fn check(place: &Place, args: &ServeArgs) -> Result<(), Failure> {
    let name = place.entry.name;
    if place.address.scheme.is_datagram() && !place.entry.speaks_datagrams() {
        return Err(Failure::usage(format!(
            "{name} speaks over byte streams, and {} carries datagrams",
            place.address
        ))
        .cure(format!("wharf serve {name} tcp::7000")));
    }
    // A service's standard addresses were not asked for one by one: see `notes`.
    if args.once && place.address.scheme.is_datagram() && !args.addresses.is_empty() {
        return Err(Failure::usage(format!(
            "--once counts connections, and {} has none",
            place.address
        )));
    }
    if args.service.is_some() && args.frame.is_some() && !place.entry.takes_framing() {
        let framed: Vec<&str> = catalog()
            .iter()
            .filter(|entry| entry.framing != FramingMeans::Not)
            .map(|entry| entry.name)
            .collect();
        return Err(Failure::usage(format!(
            "{name} deals in no messages, so --frame means nothing to it"
        ))
        .with("framed", framed.join(", ")));
    }
    if let (Some(option), true) = (args.chat.given(), args.service.is_some() && name != "chat") {
        return Err(Failure::usage(format!(
            "{option} means nothing to {name}; it is the chat's"
        ))
        .cure(format!("wharf serve chat {option} …")));
    }
    #[cfg(feature = "page")]
    if let (Some(option), true) = (args.page.given(), args.service.is_some() && name != "page") {
        return Err(
            Failure::usage(format!("{option} means nothing to {name}; it is for pages"))
                .cure(format!("wharf serve page {option} …")),
        );
    }
    if args.door.users.is_some() && args.service.is_some() && name != "password" {
        return Err(Failure::usage(format!(
            "--users means nothing to {name}; --gate puts passwords before it"
        ))
        .cure(format!("wharf serve {name} … --gate FILE")));
    }
    if args.door.entrance() == Entrance::Gated
        && place.address.scheme.is_datagram()
        && !args.addresses.is_empty()
    {
        return Err(Failure::usage(format!(
            "--gate guards byte streams, and {} carries datagrams",
            place.address
        ))
        .cure(format!("wharf serve {name} tcp::7000 --gate FILE")));
    }
    let stray = args.games.stray(name).filter(|_| args.service.is_some());
    if let Some((option, game)) = stray {
        return Err(
            Failure::usage(format!("{option} means nothing to {name}; it is of {game}"))
                .cure(format!("wharf serve {game} {option} …")),
        );
    }
    match (name, args.program.is_empty()) {
        ("exec", true) => Err(Failure::usage("exec needs a program to run, after --")
            .cure("wharf serve exec 7000 -- tr a-z A-Z")),
        ("exec", false) => program::check(&args.program[0]),
        (_, true) => Ok(()),
        (_, false) => Err(Failure::usage(format!("{name} runs no program; exec does"))
            .cure("wharf serve exec 7000 -- PROGRAM ARGUMENTS")),
    }
}

/// Leaves out the standard addresses that an option rules out, and says so.
fn notes(places: &mut Vec<Place>, args: &ServeArgs) -> Vec<String> {
    let mut notes = Vec::new();
    if args.once {
        let (left_out, kept) = std::mem::take(places)
            .into_iter()
            .partition(|place| place.address.scheme.is_datagram());
        *places = kept;
        if let Some(names) = listed(&left_out) {
            notes.push(format!("--once counts connections, so {names} is left out"));
        }
    }
    if args.door.entrance() == Entrance::Gated {
        let (left_out, kept) = std::mem::take(places)
            .into_iter()
            .partition(|place| place.address.scheme.is_datagram());
        *places = kept;
        if let Some(names) = listed(&left_out) {
            notes.push(format!(
                "--gate guards byte streams, so {names} is left out"
            ));
        }
    }
    let framed = |place: &&Place| place.address.scheme.is_datagram() && args.frame.is_some();
    let framed: Vec<Place> = places.iter().filter(framed).cloned().collect();
    if let Some(names) = listed(&framed) {
        notes.push(format!(
            "--frame means nothing at {names}: a datagram is a message already"
        ));
    }
    notes
}

/// The addresses of places, if there are any.
fn listed(places: &[Place]) -> Option<String> {
    let addresses: Vec<String> = places
        .iter()
        .map(|place| place.address.to_string())
        .collect();
    (!addresses.is_empty()).then(|| addresses.join(", "))
}

fn serve_options(args: &ServeArgs) -> ServeOptions {
    ServeOptions {
        mode: match args.mode {
            ServeMode::Concurrent => Mode::Concurrent,
            ServeMode::OneAtATime => Mode::OneAtATime,
            ServeMode::Threads => Mode::Threads,
        },
        accept_at_most: args.once.then_some(1),
        listen: ListenOptions {
            backlog: args.backlog,
            ..ListenOptions::default()
        },
        ..ServeOptions::default()
    }
}

fn frame_limits(args: &ServeArgs) -> framing::Limits {
    let mut limits = framing::Limits {
        on_too_long: match args.too_long {
            WhenTooLong::Close => OnTooLong::Close,
            WhenTooLong::Skip => OnTooLong::Skip,
        },
        ..framing::Limits::default()
    };
    if let Some(most) = args.max_message {
        limits.max_message = most;
    }
    limits
}
