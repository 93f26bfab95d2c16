//! The face for pipes: a word per line in, a sentence per line out.
//!
//! A word waits until something is expected, so a script need not; only who wants to
//! leave is not kept.

use std::io::{self, BufRead, Write};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::link::Link;
use super::table::{Because, Do, Table};
use crate::exit::Exit;
use crate::failure::Failure;

/// How many words may wait.
const AHEAD: usize = 4;

/// The longest word that is read, in bytes; longer ones mean nothing anyway.
const MAX_WORD: u64 = 4 * 1024;

/// Plays until the input or the game ends.
pub(super) async fn run(mut link: Link, mut table: Box<dyn Table>) -> Result<Exit, Failure> {
    let mut words = words()?;
    let mut asked = None;
    let (mut ends, mut answered, mut spoken) = (false, true, false);
    // The word that was read and waits; nothing is the end of the input.
    let mut held: Option<Option<String>> = None;
    loop {
        // The next word is for what comes after the answer to the last one.
        let question = table.question().filter(|_| !ends && answered);
        if question.is_some() && question != asked {
            say(question.as_deref().unwrap_or_default())?;
        }
        asked.clone_from(&question);
        let leaves = spoken && !ends && matches!(&held, Some(Some(word)) if is_farewell(word));
        if let Some(word) = held.take_if(|_| question.is_some() || leaves) {
            match word.as_deref().map(|word| table.word(word)) {
                Some(Some(Do::Send(line))) => {
                    link.send(&line).await?;
                    answered = false;
                }
                None | Some(Some(Do::Quit | Do::Abort)) => {
                    link.send("BYE").await?;
                    ends = true;
                }
                Some(Some(Do::Nothing | Do::Draw)) => {}
                Some(None) => say(&format!(
                    "{} means nothing here",
                    visible(&word.unwrap_or_default())
                ))?,
            }
            continue;
        }
        tokio::select! {
            biased;
            line = link.line() => {
                let Some(line) = line? else {
                    return match ends {
                        true => Ok(Exit::Done),
                        false => Err(Failure::new(Exit::PeerBroke, "the server ended the game")),
                    };
                };
                let heard = table.hear(&line, Instant::now());
                let heard = heard.map_err(|_| Link::not_understood("this game", &line))?;
                answered |= heard.because == Because::Asked;
                if let Some(words) = heard.tell {
                    say(&words)?;
                    spoken = true;
                }
                for request in heard.send {
                    link.send(&request).await?;
                    answered = false;
                }
                if let Some(words) = heard.over {
                    return Err(Failure::new(Exit::PeerBroke, words));
                }
            }
            word = words.recv(), if held.is_none() && !ends => {
                held = Some(word.map(|word| word.trim().to_owned()));
            }
        }
    }
}

/// Whether a word ends the game at any time.
fn is_farewell(word: &str) -> bool {
    ["quit", "q", "exit"].contains(&word)
}

fn visible(word: &str) -> String {
    format!("{:?}", crate::failure::visible(word))
}

/// Prints a sentence; a reader that went away (`| head`) ends the game quietly.
fn say(words: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{words}").and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// The lines of stdin, read by a thread of its own, since such a read cannot be
/// cancelled.
fn words() -> io::Result<mpsc::Receiver<String>> {
    let (sender, words) = mpsc::channel(AHEAD);
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut stdin = io::stdin().lock();
            loop {
                let mut line = Vec::new();
                let mut piece = io::Read::take(&mut stdin, MAX_WORD);
                match piece.read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
                let line = String::from_utf8_lossy(&line).into_owned();
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        })?;
    Ok(words)
}
