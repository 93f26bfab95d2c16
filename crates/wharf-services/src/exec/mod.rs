//! Exec: a program for each connection, as inetd and tcpserver do.
//!
//! ```text
//!   peer ──▶ connection ──▶ stdin  ┌─────────┐
//!                                  │ program │ ──▶ stderr: the server's own, or nowhere
//!   peer ◀── connection ◀── stdout └─────────┘
//! ```
//! Layout: this file is the service, `program` the running process, `environment`
//! what it learns of its connection.

mod environment;
mod program;

use std::ffi::{OsStr, OsString};
use std::process::{ExitStatus, Stdio};

use tokio::process::Command;

use wharf::connection::Connection;
use wharf::service::{Context, Pump, Service, ServiceError};

use program::Program;

/// Starts a program for each connection; its input and output are the connection.
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Exec;
///
/// let server = Server::new()
///     .serve("shout", "tcp::0".parse().unwrap(), Exec::new("tr", ["a-z", "A-Z"]))
///     .serve("who", "tcp::0".parse().unwrap(), Exec::shell("echo you are $TCPREMOTEIP"));
/// ```
///
/// - **Environment**: `PROTO`, `TCPREMOTEIP`, `TCPREMOTEPORT`, `TCPLOCALIP`,
///   `TCPLOCALPORT` as tcpserver(1) sets them, and `WHARF_PEER` and `WHARF_LOCAL` on
///   every transport.
/// - **Half-close**: the peer's end of stream closes the program's input; its
///   output still reaches the peer, and the end of its output ends our stream.
/// - **End**: when the program has ended and its output was closed by everybody
///   who had it, the connection is closed in order. An exit code other than 0, or a
///   signal, is [`ServiceError::Failed`] with the words, for the server's log; the
///   peer sees no difference.
/// - **Killed with its connection**: a connection that breaks, or is ended by a
///   limit or a drain's deadline, takes the program and all of its process group
///   with it (SIGKILL). So does a drain when the peer is silent: an end of input would
///   make half of an upload look like the whole of it.
///
/// After its end of stream a peer that vanishes is noticed at the next output,
/// or by the idle timeout.
#[derive(Clone, Debug)]
pub struct Exec {
    program: OsString,
    arguments: Vec<OsString>,
    stderr: Stderr,
}

/// Where the error output of programs goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stderr {
    /// To the server's own error output.
    #[default]
    Inherit,
    /// Nowhere.
    Discard,
}

impl Exec {
    /// Starts `program`, looked up in `PATH`, with `arguments`.
    pub fn new<A: Into<OsString>>(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Exec {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            stderr: Stderr::Inherit,
        }
    }

    /// Runs `script` with `/bin/sh -c`.
    pub fn shell(script: impl Into<OsString>) -> Self {
        Exec::new("/bin/sh", [OsString::from("-c"), script.into()])
    }

    /// Decides where the error output goes.
    #[must_use]
    pub fn stderr(mut self, stderr: Stderr) -> Self {
        self.stderr = stderr;
        self
    }

    /// The program that is started.
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    fn command(&self, connection: &Connection) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(match self.stderr {
                Stderr::Inherit => Stdio::inherit(),
                Stderr::Discard => Stdio::null(),
            });
        let (known, unknown) = environment::of(connection);
        command.envs(known);
        for name in unknown {
            command.env_remove(name);
        }
        command
    }

    fn ended(&self, status: ExitStatus) -> Result<(), ServiceError> {
        if status.success() {
            return Ok(());
        }
        let name = self.program.display();
        Err(ServiceError::failed(format!("{name} ended with {status}")))
    }
}

impl Service for Exec {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        let started = Program::start(&mut self.command(peer));
        let (mut program, output, input) = started.map_err(|error| {
            let name = self.program.display();
            ServiceError::failed(format!("cannot start {name}: {error}"))
        })?;
        let mut pump = Pump::new(output, input);
        pump.run(peer).await?;
        // Nobody can say anything more to the peer. The program may still read.
        peer.finish().await?;
        let status = tokio::select! {
            biased;
            status = program.ended() => Some(status),
            fed = pump.feed(peer) => {
                fed?;
                None
            }
        };
        let status = match status {
            Some(status) => status,
            None => program.ended().await,
        };
        self.ended(status.map_err(ServiceError::failed)?)
    }
}

#[cfg(test)]
mod tests;
