//! The connection to a game, the house in memory, and the transcript.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use wharf::address::Address;
use wharf::client::Client;
use wharf::connection::Connection;
use wharf::framing::{Framing, Limits};
use wharf::limits::CONNECT_TIMEOUT;
use wharf::network::{ConnectOptions, MemoryNetwork, Network};
use wharf::server::{Running, Server};
use wharf::service::Service;
use wharf_services::password::Secret;

use super::args::TableArgs;
use crate::exit::Exit;
use crate::failure::{Failure, connect_failure, words};

/// The longest line of a server. Those of the games are under 300 bytes.
const MAX_LINE: usize = 4 * 1024;

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Game {
    Rps,
    Blackjack,
}

/// A conversation with a game, line by line.
pub(super) struct Link {
    messages: wharf::connection::Messages,
    record: Option<BufWriter<File>>,
    /// The greeting, until it is asked for.
    greeting: Option<String>,
    /// Serves as long as the link is there.
    _house: Option<Running>,
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
        let (connection, house) = match &args.address {
            Some(address) => (connect(address, secret).await?, None),
            None => {
                let (connection, house) = in_memory(game).await?;
                (connection, Some(house))
            }
        };
        let limits = Limits {
            max_message: MAX_LINE,
            ..Limits::default()
        };
        let mut link = Link {
            messages: connection.framed(&Framing::default(), limits),
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
            Err(match secret {
                Some(_) => failure.with("means", "a game greets whoever connects"),
                None => failure
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
        let message = self.messages.next().await.map_err(|error| {
            Failure::new(Exit::PeerBroke, format!("the connection broke: {error}"))
        })?;
        let Some(message) = message else {
            return Ok(None);
        };
        let line = String::from_utf8_lossy(&message).into_owned();
        self.write_down('<', &line)?;
        Ok(Some(line))
    }

    /// Sends a line.
    pub(super) async fn send(&mut self, line: &str) -> Result<(), Failure> {
        self.write_down('>', line)?;
        self.messages.send(line.as_bytes()).await.map_err(|error| {
            Failure::new(Exit::PeerBroke, format!("the connection broke: {error}"))
        })
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

async fn connect(address: &Address, secret: Option<&Secret>) -> Result<Connection, Failure> {
    if address.scheme.is_datagram() {
        return Err(
            Failure::usage("wharf play speaks over byte streams").cure(format!(
                "wharf connect {address}    plays by hand, a line per datagram"
            )),
        );
    }
    let connected = Client::new().connect(address).await;
    let mut connection = connected.map_err(|error| connect_failure(&error))?;
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
