//! The servers that are compared: started, found, and stopped.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// `NAME=COMMAND`, or `NAME@IP:PORT=COMMAND`.
pub(crate) struct Spec {
    name: String,
    at: Option<SocketAddr>,
    command: Vec<String>,
}

impl Spec {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let shape = || format!("'{text}' is not NAME=COMMAND or NAME@IP:PORT=COMMAND");
        let (name, command) = text.split_once('=').ok_or_else(shape)?;
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if command.is_empty() {
            return Err(shape());
        }
        let (name, at) = match name.split_once('@') {
            Some((name, at)) => (name, Some(at.parse().map_err(|_| shape())?)),
            None => (name, None),
        };
        Ok(Spec {
            name: name.to_owned(),
            at,
            command,
        })
    }
}

/// A server that runs until this is dropped.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) at: SocketAddr,
    process: Child,
}

impl Server {
    pub(crate) fn start(spec: &Spec, pinned: bool) -> Result<Self, String> {
        let mut words = spec.command.clone();
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
            process,
        };
        let said = output.map(listening);
        server.at = match (spec.at, said) {
            (Some(at), _) => server.wait_for(at)?,
            (None, Some(said)) => said
                .recv_timeout(START_TIMEOUT)
                .map_err(|_| format!("{}: did not say where it listens", spec.name))?,
            (None, None) => return Err(format!("{}: has no output", spec.name)),
        };
        Ok(server)
    }

    /// Waits until a TCP server takes connections. A UDP server cannot be asked;
    /// the engine then notices that nobody is there.
    fn wait_for(&mut self, at: SocketAddr) -> Result<SocketAddr, String> {
        let began = Instant::now();
        while began.elapsed() < START_TIMEOUT {
            if TcpStream::connect_timeout(&at, Duration::from_secs(1)).is_ok() {
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
        let word = word.strip_prefix("tcp:").or(word.strip_prefix("udp:")).unwrap_or(word);
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
