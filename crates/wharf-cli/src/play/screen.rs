//! The face for people: the loop between the screen, the keys and the server.

use std::time::Duration;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::time::{Instant, sleep_until};

use super::link::Link;
use super::table::{Do, Table};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Keys, Screen, Signals};

/// How often a clock on the screen goes on.
const TICK: Duration = Duration::from_secs(1);

/// Plays until it is left.
pub(super) async fn run(mut link: Link, mut table: Box<dyn Table>) -> Result<Exit, Failure> {
    let mut signals = Signals::new()?;
    let mut screen = Screen::open()?;
    let mut keys = Keys::start()?;
    let outcome = converse(&mut link, &mut *table, &mut screen, &mut keys, &mut signals).await;
    // The terminal is given back before anything is said.
    drop(screen);
    if outcome.is_ok() {
        link.leave().await;
    }
    if let (Ok(_), Some(parting)) = (&outcome, table.parting()) {
        // Without a stderr there is nobody to tell.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), parting.as_bytes());
    }
    outcome
}

enum Step {
    Line(Option<String>),
    Input(Option<std::io::Result<Input>>),
    Tick,
    Ended,
}

async fn converse(
    link: &mut Link,
    table: &mut dyn Table,
    screen: &mut Screen,
    keys: &mut Keys,
    signals: &mut Signals,
) -> Result<Exit, Failure> {
    loop {
        screen.draw(|frame| table.draw(frame, Instant::now()))?;
        let tick = Instant::now() + TICK;
        let step = tokio::select! {
            biased;
            () = signals.end() => Step::Ended,
            input = keys.next() => Step::Input(input),
            line = link.line() => Step::Line(line?),
            () = sleep_until(tick), if table.ticks(Instant::now()) => Step::Tick,
        };
        let action = match step {
            Step::Tick => Do::Draw,
            // The terminal is gone, or somebody wants this to end.
            Step::Ended | Step::Input(None) => return Ok(Exit::Aborted),
            Step::Input(Some(Err(error))) => return Err(error.into()),
            // A terminal that became smaller and larger again has lost what it showed.
            Step::Input(Some(Ok(Input::Resize(..)))) => {
                screen.clear()?;
                Do::Draw
            }
            Step::Input(Some(Ok(input))) => pressed(table, input),
            Step::Line(None) => {
                return Err(Failure::new(Exit::PeerBroke, "the server ended the game"));
            }
            Step::Line(Some(line)) => {
                hear(link, table, &line).await?;
                Do::Draw
            }
        };
        match action {
            Do::Nothing | Do::Draw => {}
            Do::Send(line) => link.send(&line).await?,
            Do::Quit => return Ok(Exit::Done),
            Do::Abort => return Ok(Exit::Aborted),
        }
    }
}

async fn hear(link: &mut Link, table: &mut dyn Table, line: &str) -> Result<(), Failure> {
    let heard = table
        .hear(line, Instant::now())
        .map_err(|_| Link::not_understood("this game", line))?;
    for request in heard.send {
        link.send(&request).await?;
    }
    match heard.over {
        Some(words) => Err(Failure::new(Exit::PeerBroke, words)),
        None => Ok(()),
    }
}

fn pressed(table: &mut dyn Table, input: Input) -> Do {
    let Input::Key(KeyEvent {
        code,
        modifiers,
        kind,
        ..
    }) = input
    else {
        return Do::Nothing;
    };
    let control = modifiers.contains(KeyModifiers::CONTROL);
    match code {
        _ if kind == KeyEventKind::Release => Do::Nothing,
        // The terminal sends no signal for it: its keys come one by one.
        KeyCode::Char('c') if control => Do::Abort,
        KeyCode::Char('d') if control => Do::Quit,
        _ if control => Do::Nothing,
        code => table.key(code),
    }
}

#[cfg(test)]
mod tests {
    use super::super::blackjack::Blackjack;
    use super::super::pictures::{Look, Marks};
    use super::super::rps::Rps;
    use super::super::table::Company;
    use super::*;

    #[test]
    fn ctrl_c_aborts_and_ctrl_d_leaves() {
        let look = Look {
            marks: Marks::Ascii,
            colour: false,
        };
        let name = || "ann".to_owned();
        let tables: [Box<dyn Table>; 2] = [
            Box::new(Rps::new(name(), None, Company::House, look)),
            Box::new(Blackjack::new(name(), None, Company::House, look)),
        ];
        for mut table in tables {
            let mut press = |letter, modifiers| {
                let key = KeyEvent::new(KeyCode::Char(letter), modifiers);
                pressed(&mut *table, Input::Key(key))
            };
            assert_eq!(press('c', KeyModifiers::CONTROL), Do::Abort);
            assert_eq!(press('d', KeyModifiers::CONTROL), Do::Quit);
            assert_eq!(press('q', KeyModifiers::NONE), Do::Quit);
        }
    }
}
