//! A running program and all that it started: its process group.

use std::io;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;

/// A program that runs in a process group of its own. Dropping it kills the
/// whole group (SIGKILL) and collects the program, so that no zombie stays.
#[derive(Debug)]
pub(super) struct Program {
    /// `None` once the program has ended and was collected.
    child: Option<Child>,
}

impl Program {
    /// Starts `command` with pipes for input and output.
    pub(super) fn start(command: &mut Command) -> io::Result<(Self, ChildStdout, ChildStdin)> {
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let pipes = (child.stdout.take(), child.stdin.take());
        let program = Program { child: Some(child) };
        match pipes {
            (Some(output), Some(input)) => Ok((program, output, input)),
            _ => Err(io::Error::other("the program was started without pipes")),
        }
    }

    /// Waits until the program ends. What it left running is left alone from
    /// then on. Cancel safe.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let Some(child) = &mut self.child else {
            return Err(io::Error::other("the program was collected already"));
        };
        let status = child.wait().await?;
        // Its number may belong to another process from now on.
        self.child = None;
        Ok(status)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // Not collected yet, so the number is still this group's, even if the
        // program itself has ended.
        if let Some(group) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // It fails only when all of the group has gone by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                // Killed, so this is a matter of microseconds. Without a runtime,
                // or at its end, tokio collects orphans by itself.
                let _ = child.wait().await;
            });
        }
    }
}
