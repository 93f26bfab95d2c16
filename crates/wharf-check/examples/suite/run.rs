//! Measuring: one round after the other, each through all sections.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use wharf_check::load::{Target, raise_descriptor_limit};

use crate::arguments::{Arguments, Scale, Start};
use crate::document::chat::IRC;
use crate::document::machine;
use crate::hold;
use crate::measure;
use crate::modes::{self, MODES};
use crate::peers::{PEERS, Peer, Programs, WHARF, on_path};
use crate::plan::{Place, SECTIONS, SPARSE, Section, Service, Transport};
use crate::record::{Figures, Head, Outcome, Record, Store};
use crate::server::{Affinity, Server, settle};

pub(crate) const MODES_SECTION: &str = "modes";
pub(crate) const MEMORY_SECTION: &str = "memory";
pub(crate) const PLAIN: &str = "plain";
pub(crate) const TLS: &str = "TLS";
pub(crate) const CHAT: &str = "a user of the chat";

/// Idle connections that are held at once.
pub(crate) const HELD: usize = 10_000;

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    raise_descriptor_limit().map_err(|error| error.to_string())?;
    let began = Instant::now();
    let mut suite = Suite::new(arguments)?;
    // What a round of either kind took: with what is only shown, and without.
    let mut took = [Duration::ZERO; 2];
    for round in 0..arguments.rounds {
        let kind = usize::from(!round.is_multiple_of(SPARSE));
        let expected = if took[kind].is_zero() {
            took[0]
        } else {
            took[kind]
        };
        if round > 0 && began.elapsed() + expected > arguments.budget {
            eprintln!("no time for more than {round} rounds");
            break;
        }
        let round_began = Instant::now();
        suite.round(round)?;
        took[kind] = round_began.elapsed();
        eprintln!(
            "round {} of {} took {:.0?}, {:.0?} in all",
            round + 1,
            arguments.rounds,
            took[kind],
            began.elapsed()
        );
    }
    suite.affinity.set(Place::Free)?;
    match suite.failures {
        0 => Ok(()),
        count => Err(format!("Wharf failed {count} times, see the lines above")),
    }
}

struct Suite<'a> {
    arguments: &'a Arguments,
    programs: Programs,
    peers: Vec<&'static Peer>,
    store: Store,
    affinity: Affinity,
    /// How often Wharf failed.
    failures: usize,
}

impl<'a> Suite<'a> {
    fn new(arguments: &'a Arguments) -> Result<Self, String> {
        let programs = Programs {
            wharf: arguments.wharf.clone(),
            examples: beside_this_program()?.display().to_string(),
        };
        let mut missing = Vec::new();
        let mut peers = Vec::new();
        for peer in &PEERS {
            match peer.missing(&programs) {
                None => peers.push(peer),
                Some(what) if !peer.role.is_sparse() => {
                    return Err(format!("{}: {what}; build it first", peer.name));
                }
                Some(what) => missing.push((peer.name.to_owned(), what)),
            }
        }
        // They are compared by `bench/compare.sh chat`.
        for (name, program) in IRC {
            if !on_path(program) {
                missing.push((name.to_owned(), format!("no {program}")));
            }
        }
        let head = Head {
            commit: machine::commit(),
            milliseconds: (
                arguments.seconds.as_millis() as u64,
                arguments.warm_up.as_millis() as u64,
            ),
            quick: arguments.scale == Scale::Quick,
            day: machine::day(),
            machine: machine::facts(),
            missing,
        };
        let resume = arguments.start == Start::Resume;
        Ok(Suite {
            arguments,
            programs,
            peers,
            store: Store::open(&arguments.results, &head, resume)?,
            affinity: Affinity::of_this_process()?,
            failures: 0,
        })
    }

    fn round(&mut self, round: usize) -> Result<(), String> {
        let one_core = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
        for section in &SECTIONS {
            if section.place == Place::Pinned && one_core {
                eprintln!("{}: left out, it needs two cores", section.name);
            } else if self.arguments.wants(section.name) {
                self.section(section, round)?;
            }
        }
        self.affinity.set(Place::Free)?;
        if self.arguments.wants(MEMORY_SECTION) && round == 0 {
            self.memory(round)?;
        }
        if self.arguments.wants(MODES_SECTION) && round.is_multiple_of(SPARSE) {
            self.modes(round)?;
        }
        Ok(())
    }

    /// One section once: its servers are started, and measured on every row in turns.
    fn section(&mut self, section: &Section, round: usize) -> Result<(), String> {
        let peers: Vec<&Peer> = self
            .peers
            .iter()
            .copied()
            .filter(|peer| peer.serves(section))
            .filter(|peer| !peer.role.is_sparse() || round.is_multiple_of(SPARSE))
            .collect();
        let rows: Vec<_> = section.rows(self.arguments.scale).collect();
        let done = |peer: &&Peer| {
            let have = |name| self.store.has(section.name, name, peer.name, round);
            rows.iter().all(|row| !peer.takes(row) || have(row.name))
        };
        if peers.iter().all(done) {
            return Ok(());
        }
        self.affinity.set(section.place)?;
        let servers = self.start(&peers, section);
        for row in rows {
            for turn in 0..peers.len() {
                let (peer, server) = &servers[(round + turn) % peers.len()];
                if !peer.takes(row) || self.store.has(section.name, row.name, peer.name, round) {
                    continue;
                }
                let outcome = match server {
                    Err(failure) => Outcome::Failure(failure.clone()),
                    Ok(server) => {
                        settle();
                        let target = match section.transport {
                            Transport::Tcp => Target::Tcp(server.at),
                            Transport::Udp => Target::Udp(server.at),
                        };
                        measure::load(row.options(target, section.service), self.arguments)
                    }
                };
                self.keep(section.name, row.name, peer.name, round, outcome)?;
            }
        }
        Ok(())
    }

    /// All at once, so that their starts take the time of one.
    fn start(
        &self,
        peers: &[&'static Peer],
        section: &Section,
    ) -> Vec<(&'static Peer, Result<Server, String>)> {
        let spawn = |&peer: &&'static Peer| {
            let command = peer.command(&self.programs, section.service);
            (
                peer,
                Server::spawn(command, section.transport, section.place),
            )
        };
        let mut servers: Vec<_> = peers.iter().map(spawn).collect();
        for (_, server) in &mut servers {
            let failure = match server {
                Ok(started) => started.ready(section.transport).err(),
                Err(_) => None,
            };
            if let Some(failure) = failure {
                *server = Err(failure);
            }
        }
        servers
    }

    /// What an idle connection costs.
    fn memory(&mut self, round: usize) -> Result<(), String> {
        let section = &SECTIONS[1];
        let peers: Vec<&Peer> = self
            .peers
            .iter()
            .copied()
            .filter(|peer| peer.serves(section) && peer.holds(HELD))
            .collect();
        for peer in peers {
            let command = peer.command(&self.programs, Service::Echo);
            self.memory_of(peer.name, PLAIN, command, round)?;
        }
        for (row, service) in [
            (TLS, "echo tls:127.0.0.1:{port},self-signed"),
            (CHAT, "chat tcp:127.0.0.1:{port}"),
        ] {
            let command = format!("{} serve {service}", self.programs.wharf);
            let command = command.split_whitespace().map(str::to_owned).collect();
            self.memory_of(WHARF, row, command, round)?;
        }
        Ok(())
    }

    fn memory_of(
        &mut self,
        peer: &str,
        row: &str,
        command: Vec<String>,
        round: usize,
    ) -> Result<(), String> {
        if self.store.has(MEMORY_SECTION, row, peer, round) {
            return Ok(());
        }
        let count = match self.arguments.scale {
            Scale::Full => HELD,
            Scale::Quick => HELD / 100,
        };
        let measured =
            Server::spawn(command, Transport::Tcp, Place::Free).and_then(|mut server| {
                server.ready(Transport::Tcp)?;
                let address = match row {
                    TLS => format!("tls:{},insecure", server.at),
                    _ => format!("tcp:{}", server.at),
                };
                let address = address.parse().map_err(|error| format!("{error}"))?;
                let greeting = match row {
                    CHAT => hold::login,
                    _ => hold::echo,
                };
                hold::memory_per_connection(&address, count, server.pid(), greeting)
            });
        let outcome = match measured {
            Ok(memory) => Outcome::Figures(Figures {
                memory,
                ..Figures::default()
            }),
            Err(failure) => Outcome::Failure(failure),
        };
        self.keep(MEMORY_SECTION, row, peer, round, outcome)
    }

    fn modes(&mut self, round: usize) -> Result<(), String> {
        let rows = modes::rows(self.arguments.scale);
        // Row by row, so that the modes of one row are measured close to each other.
        let mut servers = Vec::new();
        for mode in &MODES {
            servers.push(mode.start(&self.programs.wharf));
        }
        for (row, task) in &rows {
            for turn in 0..MODES.len() {
                let index = (round + turn) % MODES.len();
                let (mode, server) = (&MODES[index], &servers[index]);
                if self.store.has(MODES_SECTION, row, mode.name, round) {
                    continue;
                }
                let outcome = match server {
                    Ok(server) => task.measure(mode, server, self.arguments),
                    Err(failure) => Some(Outcome::Failure(failure.clone())),
                };
                if let Some(outcome) = outcome {
                    self.keep(MODES_SECTION, row, mode.name, round, outcome)?;
                }
            }
        }
        Ok(())
    }

    fn keep(
        &mut self,
        section: &str,
        row: &str,
        peer: &str,
        round: usize,
        outcome: Outcome,
    ) -> Result<(), String> {
        if let Outcome::Failure(failure) = &outcome {
            eprintln!("{section}, {row}, {peer}: {failure}");
            let of_wharf = peer == WHARF || section == MODES_SECTION;
            self.failures += usize::from(of_wharf);
        }
        self.store.add(&Record {
            section: section.to_owned(),
            row: row.to_owned(),
            peer: peer.to_owned(),
            round,
            outcome,
        })
    }
}

/// The folder of this program, where the other examples are.
fn beside_this_program() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(program.parent().map(PathBuf::from).unwrap_or_default())
}
