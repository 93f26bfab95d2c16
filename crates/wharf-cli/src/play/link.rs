//! The connection to a game, the house in memory, and the transcript.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use wharf::address::Address;
use wharf::client::Client;
use wharf::connection::{Connection, Messages};
use wharf::framing::{Framing, Limits};
use wharf::limits::CONNECT_TIMEOUT;
use wharf::network::{ConnectOptions, MemoryNetwork, Network};
use wharf::server::{Running, Server};
use wharf::service::Service;
use wharf_services::password::Secret;
use wharf_services::rps::{Courier, CourierError};

use super::args::TableArgs;
use crate::exit::Exit;
use crate::failure::{Failure, connect_failure_to, words};

/// The longest line of a server. Those of the games are under 300 bytes.
pub(super) const MAX_LINE: usize = 4 * 1024;

/// What it means that nothing comes back over datagrams.
const NO_REFEREE: &str = "it is no referee, or the network loses everything";

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Game {
    Rps,
    Blackjack,
}

impl Game {
    /// The service that is the other side.
    fn service(self) -> &'static str {
        match self {
            Game::Rps => "rps",
            Game::Blackjack => "blackjack",
        }
    }
}

/// A conversation with a game, line by line.
pub(super) struct Link {
    line: Line,
    record: Option<BufWriter<File>>,
    /// The greeting, until it is asked for.
    greeting: Option<String>,
    /// Serves as long as the link is there.
    _house: Option<Running>,
}

/// What carries the lines.
enum Line {
    Stream(Box<Messages>),
    Datagrams(Box<Courier>),
}

impl Link {
    /// Connects, or opens a house for one in memory.
    /// Where there is a gate, `secret` opens it.
    pub(super) async fn open(
        game: Game,
        args: &TableArgs,
        secret: Option<&Secret>,
    ) -> Result<Link, Failure> {
        let record = args.record.as_deref().map(record).transpose()?;
        let (line, house) = match &args.address {
            Some(address) if address.scheme.is_datagram() => (letters(game, address).await?, None),
            Some(address) => (stream(connect(game, address, secret).await?), None),
            None => {
                let (connection, house) = in_memory(game).await?;
                (stream(connection), Some(house))
            }
        };
        let mut link = Link {
            line,
            record,
            greeting: None,
            _house: house,
        };
        link.greeting = link.greeted(secret).await?;
        Ok(link)
    }

    /// A game greets whoever connects; something that does not is no game.
    async fn greeted(&mut self, secret: Option<&Secret>) -> Result<Option<String>, Failure> {
        let greeting = tokio::time::timeout(CONNECT_TIMEOUT, self.read()).await;
        greeting.unwrap_or_else(|_| {
            let failure = Failure::new(Exit::TimedOut, "that server says nothing");
            Err(match (&self.line, secret) {
                (Line::Datagrams(_), _) => failure.with("means", NO_REFEREE),
                (Line::Stream(_), Some(_)) => {
                    failure.with("means", "a game greets whoever connects")
                }
                (Line::Stream(_), None) => failure
                    .with(
                        "means",
                        "a game greets whoever connects; a gate waits for a password",
                    )
                    .cure("--password-from ask    where there is a gate"),
            })
        })
    }

    /// The next line of the server; `None` at the end. Cancel safe.
    pub(super) async fn line(&mut self) -> Result<Option<String>, Failure> {
        match self.greeting.take() {
            Some(greeting) => Ok(Some(greeting)),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Result<Option<String>, Failure> {
        let line = match &mut self.line {
            Line::Stream(messages) => {
                let message = messages.next().await.map_err(broke)?;
                message.map(|message| String::from_utf8_lossy(&message).into_owned())
            }
            Line::Datagrams(courier) => match courier.next().await {
                Ok(line) => line,
                Err(error) => return Err(lost(courier, &error)),
            },
        };
        if let Some(line) = &line {
            self.write_down('<', line)?;
        }
        Ok(line)
    }

    /// Sends a line.
    pub(super) async fn send(&mut self, line: &str) -> Result<(), Failure> {
        self.write_down('>', line)?;
        match &mut self.line {
            Line::Stream(messages) => messages.send(line.as_bytes()).await.map_err(broke),
            Line::Datagrams(courier) => {
                // A key that is pressed while 64 wait for a silent server is as if it had
                // not been.
                let _ = courier.say(line);
                Ok(())
            }
        }
    }

    /// Says goodbye, and over datagrams makes sure that it is heard.
    pub(super) async fn leave(mut self) {
        // It is left either way.
        let _ = self.send("BYE").await;
        if let Line::Datagrams(courier) = self.line {
            courier.leave().await;
        }
    }

    /// What a line that cannot be understood means.
    pub(super) fn not_understood(game: &str, line: &str) -> Failure {
        Failure::new(
            Exit::PeerBroke,
            format!("that server does not speak {game}"),
        )
        .with("it said", format!("{:?}", crate::failure::visible(line)))
    }

    fn write_down(&mut self, mark: char, line: &str) -> Result<(), Failure> {
        let Some(record) = &mut self.record else {
            return Ok(());
        };
        let written = writeln!(record, "{mark} {line}").and_then(|()| record.flush());
        written.map_err(|error| {
            let cause = format!("cannot write the transcript: {}", words(&error));
            Failure::new(Exit::Failed, cause)
        })
    }
}

fn stream(connection: Connection) -> Line {
    let limits = Limits {
        max_message: MAX_LINE,
        ..Limits::default()
    };
    Line::Stream(Box::new(connection.framed(&Framing::default(), limits)))
}

fn broke(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::PeerBroke, format!("the connection broke: {error}"))
}

async fn letters(game: Game, address: &Address) -> Result<Line, Failure> {
    if game == Game::Blackjack {
        return Err(Failure::usage(format!(
            "blackjack is played over byte streams, and {address} carries datagrams"
        ))
        .cure("wharf play blackjack :5380"));
    }
    match Courier::open(address.clone()).await {
        Ok(courier) => Ok(Line::Datagrams(Box::new(courier))),
        Err(CourierError::Open(error)) => Err(connect_failure_to(game.service(), &error)),
        Err(error) => Err(broke(error)),
    }
}

/// Why a conversation over datagrams is over.
fn lost(courier: &Courier, error: &CourierError) -> Failure {
    let at = courier.peer();
    match error {
        CourierError::Refused => {
            let cause = format!("cannot reach {at}: connection refused");
            Failure::new(Exit::Unreachable, cause)
                .with("means", "nothing listens there")
                .cure(format!("wharf serve rps udp:{at}    in another terminal"))
        }
        CourierError::Gone => Failure::new(Exit::Unreachable, format!("{at}: {error}"))
            .with(
                "means",
                "it ended or crashed; what it knew of this match is lost",
            )
            .cure(format!("wharf serve rps udp:{at}    in another terminal")),
        CourierError::Silent => {
            Failure::new(Exit::TimedOut, format!("{at}: {error}")).with("means", NO_REFEREE)
        }
        error => Failure::new(Exit::PeerBroke, format!("{at}: {error}")),
    }
}

async fn connect(
    game: Game,
    address: &Address,
    secret: Option<&Secret>,
) -> Result<Connection, Failure> {
    let connected = Client::new().connect(address).await;
    let mut connection = connected.map_err(|error| connect_failure_to(game.service(), &error))?;
    if let Some(secret) = secret {
        crate::secret::log_in(&mut connection, secret).await?;
    }
    Ok(connection)
}

/// A house of one's own, without a port.
async fn in_memory(game: Game) -> Result<(Connection, Running), Failure> {
    match game {
        Game::Rps => served(wharf_services::Rps::default()).await,
        Game::Blackjack => served(wharf_services::Blackjack::default()).await,
    }
}

async fn served(service: impl Service) -> Result<(Connection, Running), Failure> {
    let network = MemoryNetwork::new();
    let here: Address = "tcp:127.0.0.1:1"
        .parse()
        .map_err(|error| Failure::new(Exit::Failed, format!("{error}")))?;
    let server = Server::on(network.clone()).serve("house", here, service);
    let house = server
        .start()
        .await
        .map_err(|error| crate::failure::start_failure(&error))?;
    let to = &house.endpoints()[0].local;
    let connection = network.connect(to, &ConnectOptions::default()).await?;
    Ok((connection, house))
}

/// The file for the transcript, which must not exist yet.
fn record(path: &Path) -> Result<BufWriter<File>, Failure> {
    let created = File::options().write(true).create_new(true).open(path);
    created.map(BufWriter::new).map_err(|error| {
        let cause = format!("cannot write {}: {}", path.display(), words(&error));
        Failure::new(Exit::Failed, cause)
    })
}
