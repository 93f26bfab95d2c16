//! Serving modes: how connections share a machine, with few and with many of them,
//! and with one that stays connected and silent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use wharf_check::load::{Amount, Messages, Options, Target, run};

use crate::arguments::{Arguments, Scale};
use crate::hold::{FIRST, own_memory};
use crate::measure::figures;
use crate::plan::{Place, Transport};
use crate::record::{Figures, Outcome};
use crate::server::Server;

/// One mode: its name, the arguments of `wharf serve`, and what they mean.
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    words: &'static str,
    pub(crate) what: &'static str,
}

pub(crate) const MODES: [Mode; 5] = [
    Mode {
        name: "one at a time",
        words: "echo {address} --mode one-at-a-time",
        what: "the next client waits until the one before has gone",
    },
    Mode {
        name: "a thread each",
        words: "echo {address} --mode threads",
        what: "an operating system thread per connection, each with a runtime of its own",
    },
    Mode {
        name: "a program each",
        words: "exec {address} -- cat",
        what: "fork and exec per connection, the program speaks on its standard input and output",
    },
    Mode {
        name: "async, one core",
        words: "echo {address}",
        what: "the default: a task per connection, all in one thread",
    },
    Mode {
        name: "async, all cores",
        words: "echo {address} --cores {cores}",
        what: "the same in one thread per core, each with its own listening socket",
    },
];

/// How many clients there are.
pub(crate) const CLIENTS: [usize; 3] = [1, 50, 1_000];

/// Messages per conversation. Clients come and go, or one at a time would mean
/// that one client is served and the others never.
pub(crate) const CONVERSATION: u64 = 20;

/// After this the server closes a silent client.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// A client in the queue of one at a time waits for all before it, and for the
/// silent one.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) const WARM_UP: Duration = Duration::from_millis(100);
/// With a thousand clients one at a time, one turn of all takes about that long.
pub(crate) const MEASURED: Duration = Duration::from_millis(500);
/// A thousand programs take their time to start.
pub(crate) const WARM_UP_MANY: Duration = Duration::from_millis(600);
const MANY: usize = 1_000;

/// The rows of a mode.
pub(crate) fn clients_row(clients: usize) -> String {
    format!("{clients} clients")
}

pub(crate) fn silent_row(clients: usize) -> String {
    format!("{clients} clients and a silent one")
}

pub(crate) const WAIT_ROW: &str = "wait of the second client";
pub(crate) const MEMORY_ROW: &str = "memory";

/// All rows, each with a way to measure it.
pub(crate) fn rows(scale: Scale) -> Vec<(String, Task)> {
    // Memory first: a server that had a thousand clients keeps what they left.
    let mut rows = vec![
        (MEMORY_ROW.to_owned(), Task::Memory),
        (WAIT_ROW.to_owned(), Task::Wait),
    ];
    for clients in CLIENTS {
        // A blink is too short to start a thousand programs.
        if scale == Scale::Quick && clients > 50 {
            continue;
        }
        rows.push((clients_row(clients), Task::Load(clients, Company::None)));
        rows.push((silent_row(clients), Task::Load(clients, Company::Silent)));
    }
    rows
}

#[derive(Clone, Copy)]
pub(crate) enum Task {
    Load(usize, Company),
    Wait,
    Memory,
}

/// Who else is connected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    None,
    Silent,
}

impl Mode {
    pub(crate) fn start(&self, wharf: &str) -> Result<Server, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let words = format!(
            "{wharf} serve --idle-timeout {}s {}",
            IDLE_TIMEOUT.as_secs(),
            self.words
                .replace("{address}", "tcp:127.0.0.1:{port}")
                .replace("{cores}", &cores.to_string())
        );
        let words = words.split_whitespace().map(str::to_owned).collect();
        let mut server = Server::spawn(words, Transport::Tcp, Place::Free)?;
        server.ready(Transport::Tcp)?;
        Ok(server)
    }

    /// Whether many clients can be connected at once, and so have memory each.
    fn holds_many(&self) -> bool {
        self.name != MODES[0].name
    }
}

impl Task {
    /// `None` where there is nothing to measure.
    pub(crate) fn measure(
        self,
        mode: &Mode,
        server: &Server,
        arguments: &Arguments,
    ) -> Option<Outcome> {
        let outcome = match self {
            Task::Load(clients, company) => load(server.at, clients, company, arguments),
            Task::Wait => wait(server.at).map(|wait| Figures {
                wait: wait.as_secs_f64() * 1e3,
                ..Figures::default()
            }),
            Task::Memory if !mode.holds_many() => return None,
            Task::Memory => memory(server).map(|memory| Figures {
                memory,
                ..Figures::default()
            }),
        };
        Some(match outcome {
            Ok(figures) => Outcome::Figures(figures),
            Err(failure) => Outcome::Failure(failure),
        })
    }
}

fn load(
    at: SocketAddr,
    clients: usize,
    company: Company,
    arguments: &Arguments,
) -> Result<Figures, String> {
    let mut options = Options::new(Target::Tcp(at));
    options.connections = clients;
    options.messages = Messages::Size(64);
    options.messages_per_connection = Some(CONVERSATION);
    options.reply_timeout = REPLY_TIMEOUT;
    options.connect_timeout = REPLY_TIMEOUT;
    options.errors_at_most = 10;
    (options.warm_up, options.amount) = match (arguments.scale, clients) {
        (Scale::Quick, _) => (arguments.warm_up, Amount::Time(arguments.seconds)),
        (Scale::Full, MANY..) => (WARM_UP_MANY, Amount::Time(MEASURED)),
        (Scale::Full, _) => (WARM_UP, Amount::Time(MEASURED)),
    };
    let silent = match company {
        Company::Silent => Some(greet(at)?),
        Company::None => None,
    };
    let report = run(&options).map_err(|error| error.to_string())?;
    drop(silent);
    if !report.errors.is_empty() {
        return Err(report.errors.to_string());
    }
    Ok(figures(&report))
}

/// How long a client waits that comes after one that is connected and silent.
fn wait(at: SocketAddr) -> Result<Duration, String> {
    let silent = greet(at)?;
    let began = Instant::now();
    let second = greet(at)?;
    let waited = began.elapsed();
    drop((silent, second));
    Ok(waited)
}

/// How many connections are held to see what each costs.
const HELD: usize = 500;

/// Memory per connected, silent client.
fn memory(server: &Server) -> Result<f64, String> {
    let open = |count: usize| {
        (0..count)
            .map(|_| greet(server.at))
            .collect::<Result<Vec<_>, _>>()
    };
    let first = open(FIRST)?;
    let before = own_memory(server.pid())?;
    let held = open(HELD)?;
    let with = own_memory(server.pid())?;
    drop((first, held));
    Ok((with - before) / HELD as f64)
}

/// Connects, and has one message echoed.
fn greet(at: SocketAddr) -> Result<TcpStream, String> {
    let exchange = || {
        let mut stream = TcpStream::connect_timeout(&at, REPLY_TIMEOUT)?;
        stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        stream.write_all(b"hello\n")?;
        let mut reply = [0; 6];
        stream.read_exact(&mut reply)?;
        if &reply == b"hello\n" {
            Ok(stream)
        } else {
            Err(std::io::Error::other("the reply is not what was sent"))
        }
    };
    exchange().map_err(|error| format!("a client: {error}"))
}
