//! Servers: started, found, and stopped.

use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::plan::{Place, Transport};

/// How long a server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Stands in a command for a port that is free.
const PORT: &str = "{port}";

/// A server that runs until this is dropped.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    process: Child,
    said: Option<mpsc::Receiver<SocketAddr>>,
}

impl Server {
    /// Starts a server; it is there when [`Server::ready`] says so.
    pub(crate) fn spawn(
        mut words: Vec<String>,
        transport: Transport,
        place: Place,
    ) -> Result<Self, String> {
        let asks = words.iter().any(|word| word.contains(PORT));
        let at = free_port(transport).map_err(|error| format!("no free port: {error}"))?;
        for word in &mut words {
            *word = word.replace(PORT, &at.port().to_string());
        }
        if place == Place::Pinned {
            words.splice(0..0, ["taskset", "-c", "0"].map(str::to_owned));
        }
        let mut process = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", words[0]))?;
        // One that is told its port need not say it, but its output is read all the same.
        let said = process.stdout.take().map(listening).filter(|_| !asks);
        Ok(Server { at, process, said })
    }

    /// Waits until it listens.
    pub(crate) fn ready(&mut self, transport: Transport) -> Result<(), String> {
        if let Some(said) = self.said.take() {
            self.at = said
                .recv_timeout(START_TIMEOUT)
                .map_err(|_| "it did not say where it listens".to_owned())?;
            return Ok(());
        }
        let began = Instant::now();
        while began.elapsed() < START_TIMEOUT {
            let answer = match transport {
                Transport::Tcp => {
                    TcpStream::connect_timeout(&self.at, Duration::from_secs(1)).map(drop)
                }
                Transport::Udp => ask(self.at),
            };
            if answer.is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("it ended with {status}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("nobody listens at {}", self.at))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How long others may go on before a measurement, and for how long nobody must.
const SETTLE_AT_MOST: Duration = Duration::from_secs(1);
const STILL: Duration = Duration::from_millis(12);

/// Waits until nobody but this thread runs: a server that was measured before may have a
/// thousand threads that end, on the core of the next one.
pub(crate) fn settle() {
    let began = Instant::now();
    let mut still_since = began;
    while still_since.elapsed() < STILL && began.elapsed() < SETTLE_AT_MOST {
        std::thread::sleep(Duration::from_millis(2));
        if running().is_some_and(|count| count > 1) {
            still_since = Instant::now();
        }
    }
}

/// How many threads of the machine run or are ready to (proc(5), loadavg).
fn running() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let (running, _) = text.split_whitespace().nth(3)?.split_once('/')?;
    running.parse().ok()
}

/// A port that nobody has at this moment.
fn free_port(transport: Transport) -> io::Result<SocketAddr> {
    match transport {
        Transport::Tcp => TcpListener::bind("127.0.0.1:0")?.local_addr(),
        Transport::Udp => UdpSocket::bind("127.0.0.1:0")?.local_addr(),
    }
}

/// Sends a datagram and waits a little for the reply.
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
    line.split_whitespace().find_map(|word| word.parse().ok())
}

/// Where this process, the engine, may run.
pub(crate) struct Affinity {
    /// The cores that it was given, as taskset(1) writes them.
    all: String,
    now: Place,
}

impl Affinity {
    /// # Errors
    /// There is no taskset(1).
    pub(crate) fn of_this_process() -> Result<Self, String> {
        let said = taskset(&["-cp".to_owned(), std::process::id().to_string()])?;
        let all = said.rsplit(' ').next().unwrap_or("").trim().to_owned();
        let now = Place::Free;
        Ok(Affinity { all, now })
    }

    pub(crate) fn set(&mut self, place: Place) -> Result<(), String> {
        if place == self.now {
            return Ok(());
        }
        let cores = match place {
            Place::Pinned => "1".to_owned(),
            Place::Free => self.all.clone(),
        };
        taskset(&["-cp".to_owned(), cores, std::process::id().to_string()])?;
        self.now = place;
        Ok(())
    }
}

fn taskset(words: &[String]) -> Result<String, String> {
    let output = Command::new("taskset")
        .args(words)
        .output()
        .map_err(|error| format!("pinning needs taskset: {error}"))?;
    if !output.status.success() {
        return Err(format!("taskset failed: {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
