//! What the tests of the command share: processes with a deadline.

#![allow(
    dead_code,
    reason = "each test file uses its part of what is shared here"
)]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No wait in a test is longer than this.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A program of the lectures.
pub(crate) fn lecture(name: &str) -> PathBuf {
    root().join("tests/lectures").join(name)
}

/// A process whose output is read line by line, and that ends with the test.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<(Stream, String)>,
    seen: Vec<(Stream, String)>,
}

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// What a process had to say, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
}

/// `wharf` with these arguments.
pub(crate) fn wharf<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    command.args(arguments).env_remove("WHARF_LOG");
    command
}

/// python3 with one of the lectures' programs.
pub(crate) fn python<S: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new("python3");
    command.arg(lecture(program)).args(arguments);
    command
}

impl Process {
    /// Starts a process.
    pub(crate) fn start(command: &mut Command) -> Process {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let (sender, lines) = channel();
        let outputs: [(Stream, Box<dyn Read + Send>); 2] = [
            (Stream::Out, Box::new(child.stdout.take().unwrap())),
            (Stream::Err, Box::new(child.stderr.take().unwrap())),
        ];
        for (stream, output) in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    if sender.send((stream, line)).is_err() {
                        return;
                    }
                }
            });
        }
        let stdin = child.stdin.take();
        Process {
            child,
            stdin,
            lines,
            seen: Vec::new(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types something.
    pub(crate) fn type_in(&mut self, text: &str) -> &mut Self {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
        self
    }

    /// Ends its input.
    pub(crate) fn end_input(&mut self) -> &mut Self {
        self.stdin = None;
        self
    }

    /// The next line for which `wanted` gives something.
    pub(crate) fn wait_for<T>(&mut self, wanted: impl Fn(Stream, &str) -> Option<T>) -> T {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok((stream, line)) => {
                    self.seen.push((stream, line.clone()));
                    if let Some(found) = wanted(stream, &line) {
                        return found;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("nothing came; seen: {:#?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the process ended; seen: {:#?}", self.seen)
                }
            }
        }
    }

    /// The next JSON event of this name for which `wanted` gives something.
    pub(crate) fn wait_for_event<T>(
        &mut self,
        name: &str,
        wanted: impl Fn(&Value) -> Option<T>,
    ) -> T {
        self.wait_for(|_, line| {
            let event: Value = serde_json::from_str(line).ok()?;
            if event["event"] != name {
                return None;
            }
            wanted(&event)
        })
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for the end; gives everything that it said from the beginning.
    pub(crate) fn end(mut self) -> Ended {
        self.stdin = None;
        let until = Instant::now() + DEADLINE;
        let mut ended = Ended {
            status: ExitStatus::default(),
            stdout: String::new(),
            stderr: String::new(),
        };
        for (stream, line) in &self.seen {
            match stream {
                Stream::Out => ended.stdout += &format!("{line}\n"),
                Stream::Err => ended.stderr += &format!("{line}\n"),
            }
        }
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok((Stream::Out, line)) => ended.stdout += &(line + "\n"),
                Ok((Stream::Err, line)) => ended.stderr += &(line + "\n"),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it did not end; seen: {:#?} {ended:?}", self.seen)
                }
            }
        }
        // Both outputs are closed; what is left is the exit itself.
        ended.status = self.child.wait().unwrap();
        ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, or is ended now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a process to its end, with `input` on stdin.
pub(crate) fn run(command: &mut Command, input: &str) -> Ended {
    let mut process = Process::start(command);
    if let Some(stdin) = process.stdin.as_mut() {
        // A process that reads nothing may be gone already.
        let _ = stdin.write_all(input.as_bytes());
    }
    process.end()
}

/// A `wharf serve` with JSON events.
pub(crate) struct Server {
    pub(crate) process: Process,
}

impl Server {
    /// Starts `wharf serve ARGUMENTS --json`.
    pub(crate) fn start<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Server {
        let mut command = wharf(["--json", "serve"]);
        command.args(arguments);
        Server {
            process: Process::start(&mut command),
        }
    }

    /// The next endpoint that it listens on.
    pub(crate) fn local(&mut self) -> String {
        self.process.wait_for_event("listening", |event| {
            event["local"].as_str().map(str::to_owned)
        })
    }

    /// The port of the next endpoint that it listens on.
    pub(crate) fn port(&mut self) -> String {
        let local = self.local();
        let (_, port) = local.rsplit_once(':').expect("an endpoint with a port");
        port.to_owned()
    }

    /// How the next connection that ends was closed.
    pub(crate) fn closed(&mut self) -> String {
        self.process.wait_for_event("closed", |event| {
            event["reason"].as_str().map(str::to_owned)
        })
    }

    /// Stops it as Ctrl-C does.
    pub(crate) fn stop(self) -> Ended {
        self.process.signal("INT");
        self.process.end()
    }
}
