//! A password typed at the terminal: nothing of it is shown, and the terminal is given
//! back however that ends.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};

use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};
use tokio::signal::unix::{SignalKind, signal};
use wharf_services::password::MAX_ATTEMPT;
use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::failure::{Failure, words};

/// The keys that a line of a terminal knows (termios(3)).
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const CTRL_U: u8 = 21;
const CTRL_BACKSLASH: u8 = 28;
const DELETE: u8 = 127;

/// Whether a person is there to be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// Asks at the terminal. Ctrl-C, and a signal, end the command; the terminal echoes
/// again then.
pub(crate) fn ask(prompt: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let terminal = terminal.map_err(|error| {
        Failure::usage(format!(
            "there is no terminal to ask for the password: {}",
            words(&error)
        ))
        .cure("the password as the first line of stdin, or --password-from FILE")
    })?;
    let quiet = Quiet::begin(terminal.try_clone()?)?;
    let mut shown = terminal.try_clone()?;
    shown.write_all(prompt.as_bytes())?;
    let line = until_signal(terminal);
    drop(quiet);
    shown.write_all(b"\n")?;
    line?.ok_or_else(|| Failure::new(Exit::Aborted, "no password was given"))
}

/// The line, or nothing when a signal came first.
fn until_signal(terminal: File) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("password".to_owned())
        .spawn(move || {
            // Nobody waits any more after a signal.
            let _ = sender.send(read_line(terminal));
        })?;
    let line = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            biased;
            line = receiver => line.unwrap_or(Ok(None)),
            _ = interrupt.recv() => Ok(None),
            _ = terminate.recv() => Ok(None),
            _ = hangup.recv() => Ok(None),
        }
    });
    Ok(line?)
}

/// Reads keys up to Enter; `None` is Ctrl-C, or Ctrl-D on an empty line.
fn read_line(mut terminal: impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_ATTEMPT + 1));
    let mut key = [0];
    loop {
        match terminal.read(&mut key) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        match key[0] {
            b'\n' | b'\r' => return Ok(Some(line)),
            CTRL_C | CTRL_BACKSLASH => return Ok(None),
            CTRL_D if line.is_empty() => return Ok(None),
            CTRL_D => return Ok(Some(line)),
            BACKSPACE | DELETE => remove_letter(&mut line),
            CTRL_U => line.clear(),
            // One more than the limit is kept, so that it is told.
            byte if line.len() <= MAX_ATTEMPT => line.push(byte),
            _ => {}
        }
    }
}

/// Takes away the last letter, of UTF-8, whole.
fn remove_letter(line: &mut Vec<u8>) {
    while line
        .pop()
        .is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000)
    {}
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn begin(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        // Keys come one by one, Ctrl-C among them: a signal would leave the terminal quiet.
        quiet.local_flags &= !(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        quiet.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        quiet.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        // What was typed before the question is no answer to it.
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &quiet)?;
        Ok(Quiet { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(&self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Option<String> {
        let line = read_line(keys).unwrap()?;
        Some(String::from_utf8(line.to_vec()).unwrap())
    }

    #[test]
    fn keys_make_a_line() {
        assert_eq!(typed(b"open\r").as_deref(), Some("open"));
        assert_eq!(typed("grü\x7fün\n".as_bytes()).as_deref(), Some("grün"));
        assert_eq!(typed(b"abc\x15x\x08y\n").as_deref(), Some("y"));
        assert_eq!(typed(b"ab\x04").as_deref(), Some("ab"));
    }

    #[test]
    fn it_can_be_given_up() {
        assert_eq!(typed(b"ab\x03"), None);
        assert_eq!(typed(b"\x04"), None);
        assert_eq!(typed(b"ab"), None);
    }
}
