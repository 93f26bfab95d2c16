//! A program on a terminal that a test reads and types into.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

use crate::support::{DEADLINE, root};

/// How many lines are kept of those that went out at the top.
const SCROLLBACK: usize = 1_000;

/// A terminal with a program on it, which ends with the test.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    output: Receiver<Vec<u8>>,
    parser: Parser,
}

impl Terminal {
    /// Starts `wharf ARGUMENTS` on a terminal of this size.
    pub(crate) fn wharf(arguments: &[&str], columns: u16, rows: u16) -> Terminal {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_wharf"));
        command.args(arguments);
        command.cwd(root());
        command.env("TERM", "xterm-256color");
        command.env("USER", "user");
        command.env_remove("NO_COLOR");
        command.env_remove("WHARF_LOG");
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            // The end of the program is an error here (EIO).
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal {
            keys: pair.master.take_writer().unwrap(),
            master: pair.master,
            child,
            output,
            parser: Parser::new(cells(rows), cells(columns), SCROLLBACK),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Types something.
    pub(crate) fn type_in(&mut self, text: &str) -> &mut Self {
        self.keys.write_all(text.as_bytes()).unwrap();
        self.keys.flush().unwrap();
        self
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, wanted: impl Fn(&vt100::Screen) -> bool) {
        let until = Instant::now() + DEADLINE;
        while !wanted(self.parser.screen()) {
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.parser.process(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("the screen stays:\n{}", self.text()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the program ended:\n{}", self.text())
                }
            }
        }
    }

    /// Waits until a text stands on the screen.
    #[track_caller]
    pub(crate) fn shows(&mut self, text: &str) -> &mut Self {
        self.wait_until(|screen| screen.contents().contains(text));
        self
    }

    pub(crate) fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// Gives the terminal another size, as a window manager does.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) -> &mut Self {
        // With nothing of what was drawn before: the program has to draw all of it.
        self.parser = Parser::new(cells(rows), cells(columns), SCROLLBACK);
        self.master.resize(size(columns, rows)).unwrap();
        self
    }

    /// Whether lines are edited by the terminal and echoed, as a shell leaves it.
    pub(crate) fn is_cooked(&self) -> bool {
        let modes = self.master.get_termios().unwrap();
        let flags = format!("{:?}", modes.local_flags);
        flags.contains("ICANON") && flags.contains("ECHO")
    }

    /// Waits for the end; gives what the terminal then shows.
    #[track_caller]
    pub(crate) fn end(mut self) -> (ExitStatus, Parser) {
        let until = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it did not end:\n{}", self.text());
            match self
                .output
                .recv_timeout(left.min(std::time::Duration::from_millis(20)))
            {
                Ok(bytes) => self.parser.process(&bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    std::thread::yield_now();
                }
            }
        };
        assert!(self.is_cooked(), "the terminal is given back");
        // The slave is closed: what was written is all there.
        while let Ok(bytes) = self
            .output
            .recv_timeout(std::time::Duration::from_millis(200))
        {
            self.parser.process(&bytes);
        }
        let rows = NonZeroU16::MIN;
        let parser = std::mem::replace(&mut self.parser, Parser::new(rows, rows, 0));
        (status, parser)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already, or is ended now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}
