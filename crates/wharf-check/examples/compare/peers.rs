//! The servers that are compared: started, found, and stopped.

use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use wharf_check::load::{Chat, ChatDialect};

use crate::rows::Transport;

/// How long a server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// `NAME=COMMAND`.
pub(crate) struct Spec {
    name: String,
    command: Vec<String>,
    speech: Speech,
}

/// How a chat is spoken to.
#[derive(Clone, Copy)]
pub(crate) struct Speech {
    pub(crate) dialect: ChatDialect,
    pub(crate) logins_at_once: usize,
}

impl Default for Speech {
    fn default() -> Self {
        let chat = Chat::default();
        Speech {
            dialect: chat.dialect,
            logins_at_once: chat.logins_at_once,
        }
    }
}

impl Spec {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let shape = || format!("'{text}' is not NAME=COMMAND");
        let (name, command) = text.split_once('=').ok_or_else(shape)?;
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if command.is_empty() {
            return Err(shape());
        }
        Ok(Spec {
            name: name.to_owned(),
            command,
            speech: Speech::default(),
        })
    }

    /// The same, of a server that speaks IRC.
    pub(crate) fn speaks_irc(mut self) -> Self {
        self.speech.dialect = ChatDialect::Irc;
        self
    }

    /// So many users log in to it at the same time.
    pub(crate) fn logins(&mut self, at_once: usize) {
        self.speech.logins_at_once = at_once;
    }

    /// The command with a free port for `{port}`, and the address, if it asks for one.
    fn with_port(&self, transport: Transport) -> io::Result<(Vec<String>, Option<SocketAddr>)> {
        let mut words = self.command.clone();
        if !words.iter().any(|word| word.contains(PORT)) {
            return Ok((words, None));
        }
        let at = free_port(transport)?;
        for word in &mut words {
            *word = word.replace(PORT, &at.port().to_string());
        }
        Ok((words, Some(at)))
    }
}

const PORT: &str = "{port}";

/// A port that nobody has at this moment.
fn free_port(transport: Transport) -> io::Result<SocketAddr> {
    match transport {
        Transport::Tcp | Transport::Chat => TcpListener::bind("127.0.0.1:0")?.local_addr(),
        Transport::Udp => UdpSocket::bind("127.0.0.1:0")?.local_addr(),
    }
}

/// A server that runs until this is dropped.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) at: SocketAddr,
    pub(crate) speech: Speech,
    process: Child,
}

impl Server {
    pub(crate) fn start(spec: &Spec, transport: Transport, pinned: bool) -> Result<Self, String> {
        let (mut words, at) = spec
            .with_port(transport)
            .map_err(|error| format!("no free port: {error}"))?;
        if pinned {
            words.splice(0..0, ["taskset", "-c", "0"].map(str::to_owned));
        }
        let mut process = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: cannot start {}: {error}", spec.name, words[0]))?;
        let output = process.stdout.take();
        // From here on the process ends with this value, whatever happens.
        let mut server = Server {
            name: spec.name.clone(),
            at: SocketAddr::from(([127, 0, 0, 1], 0)),
            speech: spec.speech,
            process,
        };
        let said = output.map(listening);
        server.at = match (at, said) {
            (Some(at), _) => server.wait_for(at, transport)?,
            (None, Some(said)) => said
                .recv_timeout(START_TIMEOUT)
                .map_err(|_| format!("{}: did not say where it listens", spec.name))?,
            (None, None) => return Err(format!("{}: has no output", spec.name)),
        };
        Ok(server)
    }

    /// Waits until somebody answers at `at`.
    fn wait_for(&mut self, at: SocketAddr, transport: Transport) -> Result<SocketAddr, String> {
        let began = Instant::now();
        while began.elapsed() < START_TIMEOUT {
            let answer = match transport {
                Transport::Tcp | Transport::Chat => {
                    TcpStream::connect_timeout(&at, Duration::from_secs(1)).map(drop)
                }
                Transport::Udp => ask(at),
            };
            if answer.is_ok() {
                return Ok(at);
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("{}: ended with {status}", self.name));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("{}: nobody listens at {at}", self.name))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a datagram and waits a little for the reply: an echo tells that it is there.
fn ask(at: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(at)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    socket.send(b"THERE?")?;
    socket.recv(&mut [0; 16]).map(drop)
}

/// The address in the first line that has `listening` and one. The rest of the
/// output is read and thrown away, so that the server never waits for a reader.
fn listening(output: ChildStdout) -> mpsc::Receiver<SocketAddr> {
    let (found, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(at) = address_in(&line) {
                // Only the first one is waited for.
                let _ = found.send(at);
            }
        }
    });
    receiver
}

fn address_in(line: &str) -> Option<SocketAddr> {
    line.contains("listening").then_some(())?;
    line.split_whitespace().find_map(|word| {
        let word = word.trim_end_matches([',', '.']);
        let word = word
            .strip_prefix("tcp:")
            .or(word.strip_prefix("udp:"))
            .unwrap_or(word);
        word.parse().ok()
    })
}

/// Keeps this process, all its threads to come included, on one core.
pub(crate) fn pin_this_process(core: usize) -> Result<(), String> {
    let status = Command::new("taskset")
        .args(["-cp", &core.to_string(), &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("taskset failed: {status}")),
        Err(error) => Err(format!("--pinned needs taskset: {error}")),
    }
}
