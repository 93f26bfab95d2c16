//! The full-screen client.
//!
//! Layout: `model` is the client without a terminal (`log` what was said, `editor`
//! the line that is typed), `view` draws it (`wrap` breaks its lines); this file is the
//! loop between them, the [terminal](crate::screen) and the network.

mod editor;
mod log;
mod model;
#[cfg(test)]
mod tests;
mod view;
mod wrap;

use std::time::Duration;

use crossterm::event::{Event as Input, KeyEventKind};
use tokio::time::{Instant, sleep_until};
use wharf_services::chat::client::{ChatClient, Event, Reconnect};

use super::{ChatArgs, ended, name, warning};
use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Keys, Screen, Signals};
use log::Tone;
use model::{Action, Model, Status};

/// How often is asked who is here: the protocol does not tell who comes and goes.
const WHO_EVERY: Duration = Duration::from_secs(5);

/// The shortest time between two pictures: 30 in a second, however much comes in.
const FRAME: Duration = Duration::from_millis(33);

/// Runs the client until it is left.
pub(super) async fn run(
    common: &Common,
    args: &ChatArgs,
    client: ChatClient,
) -> Result<Exit, Failure> {
    let name = args.name.clone().unwrap_or_else(name::default_name);
    let mut client = client
        .reconnect(match args.reconnect {
            true => Reconnect::Always,
            false => Reconnect::AfterLogin,
        })
        .who_every(Some(WHO_EVERY));
    client.log_in(&name);
    let mut face = Face {
        args,
        client,
        model: Model::new(args.address.to_string(), name, args.to.clone()),
        paint: common.color.style_for(&std::io::stdout()),
        next_attempt: None,
        draw_at: Some(Instant::now()),
        drawn_at: Instant::now() - FRAME,
        screen_is: Known::Yes,
    };
    let mut signals = Signals::new()?;
    let mut screen = Screen::open()?;
    let mut keys = Keys::start()?;
    let outcome = face.converse(&mut screen, &mut keys, &mut signals).await;
    // The terminal is given back before anything else is said or waited for.
    drop(screen);
    face.client.leave().await;
    outcome
}

struct Face<'a> {
    args: &'a ChatArgs,
    client: ChatClient,
    model: Model,
    paint: view::Paint,
    next_attempt: Option<Instant>,
    /// When the next picture is drawn, if something changed.
    draw_at: Option<Instant>,
    drawn_at: Instant,
    screen_is: Known,
}

/// Whether the screen shows what was drawn before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Yes,
    No,
}

enum Step {
    Event(Event),
    Input(Option<std::io::Result<Input>>),
    Ended,
    Draw,
    Second,
}

impl Face<'_> {
    async fn converse(
        &mut self,
        screen: &mut Screen,
        keys: &mut Keys,
        signals: &mut Signals,
    ) -> Result<Exit, Failure> {
        loop {
            let draw_at = self.draw_at;
            let second = self.next_second();
            let step = tokio::select! {
                biased;
                () = signals.end() => Step::Ended,
                () = sleep_until(draw_at.unwrap_or(self.drawn_at)), if draw_at.is_some() => Step::Draw,
                input = keys.next() => Step::Input(input),
                event = self.client.next() => Step::Event(event),
                () = sleep_until(second.unwrap_or(self.drawn_at)), if second.is_some() => Step::Second,
            };
            let action = match step {
                Step::Draw => {
                    if std::mem::replace(&mut self.screen_is, Known::Yes) == Known::No {
                        screen.clear()?;
                    }
                    screen.draw(|frame| view::draw(frame, &mut self.model, self.paint))?;
                    self.draw_at = None;
                    self.drawn_at = Instant::now();
                    continue;
                }
                Step::Event(event) => self.event(event)?,
                Step::Input(Some(Ok(input))) => self.input(input),
                Step::Input(Some(Err(error))) => return Err(error.into()),
                // The terminal is gone, or somebody wants this to end.
                Step::Input(None) | Step::Ended => return Ok(Exit::Aborted),
                Step::Second => {
                    self.count_down();
                    None
                }
            };
            // Not at once: much may come together.
            self.draw_at.get_or_insert(self.drawn_at + FRAME);
            if let Some(action) = action
                && self.act(action) == Goes::Out
            {
                return Ok(Exit::Done);
            }
        }
    }

    fn event(&mut self, event: Event) -> Result<Option<Action>, Failure> {
        if let Event::Lost { why, again } = &event {
            match again {
                Some(again) => self.next_attempt = Some(Instant::now() + *again),
                None => return Err(ended::lost(self.args, why)),
            }
        }
        if let Event::Connected(peer) = &event
            && let Some(warning) = warning(self.args, peer)
        {
            self.model.note(&warning, Tone::Bad);
        }
        Ok(self.model.event(event))
    }

    fn input(&mut self, input: Input) -> Option<Action> {
        match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => self.model.key(key),
            Input::Paste(text) => {
                self.model.paste(&text);
                None
            }
            // A terminal that became smaller and larger again has lost what it showed,
            // though its size is what it was.
            Input::Resize(..) => {
                self.screen_is = Known::No;
                None
            }
            _ => None,
        }
    }

    fn act(&mut self, action: Action) -> Goes {
        match action {
            Action::Quit => return Goes::Out,
            Action::Send { to, text } => match self.client.send(&to, &text) {
                Ok(ticket) => self.model.sent(&to, &text, ticket),
                Err(why) => self.model.not_sent(&to, &text, &why.to_string()),
            },
            Action::Redraw => self.screen_is = Known::No,
            Action::Who => self.client.who(),
            Action::LogIn(name) => self.client.log_in(&name),
            Action::Hurry => {
                self.client.hurry();
                self.next_attempt = None;
                self.model.next_attempt_in(Duration::ZERO);
            }
        }
        Goes::On
    }

    /// While there is no connection, the seconds to the next attempt are shown.
    fn next_second(&self) -> Option<Instant> {
        let at = self.next_attempt?;
        let is_waiting = matches!(self.model.status, Status::Offline(1..));
        let left = at.saturating_duration_since(Instant::now());
        is_waiting
            .then(|| Instant::now() + Duration::from_nanos(u64::from(left.subsec_nanos()) + 1))
    }

    fn count_down(&mut self) {
        if let Some(at) = self.next_attempt {
            let left = at.saturating_duration_since(Instant::now());
            self.model.next_attempt_in(left);
        }
    }
}

/// Whether the conversation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    On,
    Out,
}
