//! Rock, paper, scissors as a player sees it.

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use tokio::time::Instant;
use wharf_services::rps::{Client, HOUSE, Move, No, Outcome, Phase, Reply, Request, Why};

use super::pictures::{Look, Mood, PICTURE, left, picture};
use super::table::{
    Because, Company, Do, Heard, NAME_IN_USE, NO_NAME, NOT_UNDERSTOOD, NotUnderstood, Table,
};

/// A player's view of a referee.
pub(super) struct Rps {
    client: Client,
    wanted: (String, Option<String>),
    company: Company,
    look: Look,
    shows_scores: bool,
    help: bool,
}

impl Rps {
    pub(super) fn new(name: String, key: Option<String>, company: Company, look: Look) -> Self {
        Rps {
            client: Client::default(),
            wanted: (name, key),
            company,
            look,
            shows_scores: false,
            help: false,
        }
    }

    fn other(&self) -> &str {
        self.client.other.as_deref().unwrap_or("the other")
    }

    /// What a reply means, in a sentence.
    fn sentence(&self, reply: &Reply<'_>) -> Option<String> {
        let other = self.other();
        Some(match *reply {
            Reply::Welcome { name, .. } => format!("you are {name}"),
            Reply::Waiting { name, .. } => {
                format!("waiting for {}", name.unwrap_or("the next player"))
            }
            Reply::Invite { name, .. } => format!("{name} wants to play with you: play {name}"),
            Reply::Match { other, best_of, .. } => {
                format!("against {other}, best of {best_of}")
            }
            Reply::Ready(name) => format!("{name} has moved"),
            Reply::Result {
                number,
                moves,
                outcome,
                wins,
            } => format!("round {number}: {}", result(moves, outcome, wins, other)),
            Reply::Over { why, outcome, wins } => over(outcome, why, wins),
            Reply::Away { name, seconds } => {
                format!("{name} is gone, and has {seconds} s to come back")
            }
            Reply::Back(name) => format!("{name} is back"),
            Reply::Score {
                rank,
                name,
                matches: [won, lost, drawn],
            } => format!("{rank:>3}  {name:16}  {won} won, {lost} lost, {drawn} drawn"),
            Reply::Top(0) => "nobody has played yet".to_owned(),
            Reply::No(no) => self.refusal(no).to_owned(),
            _ => return None,
        })
    }

    /// Why something was not done, for somebody who does not see the protocol.
    fn refusal(&self, no: No) -> &'static str {
        match no {
            No::NotNow if matches!(self.client.phase, Phase::Move | Phase::Moved(_)) => {
                "not while you are in a match"
            }
            No::NotNow => "there is no round now",
            No::NoMatch => "nobody came; play asks again, play house plays at once",
            No::InUse => NAME_IN_USE,
            No::Request | No::Line => NOT_UNDERSTOOD,
            No::Login => NO_NAME,
            no => no.for_people(),
        }
    }

    fn begin(&self) -> String {
        let whom = (self.company == Company::House).then_some(HOUSE);
        Request::Play(whom).to_string()
    }
}

/// Whether a line comes by itself. A result does: the own move is answered before it.
fn because(reply: &Reply<'_>) -> Because {
    match reply {
        Reply::Ready(_)
        | Reply::Invite { .. }
        | Reply::Away { .. }
        | Reply::Back(_)
        | Reply::Result { .. }
        | Reply::Round { .. } => Because::Happened,
        _ => Because::Asked,
    }
}

/// A round in words.
fn result(
    moves: [Option<Move>; 2],
    outcome: Outcome,
    [own, other]: [u32; 2],
    name: &str,
) -> String {
    let words = match moves {
        [Some(mine), Some(theirs)] => {
            let (mine, theirs) = (word(mine), word(theirs));
            match outcome {
                Outcome::Win => format!("your {mine} beats {theirs}"),
                Outcome::Lose => format!("{theirs} beats your {mine}"),
                Outcome::Draw => format!("both {mine}, once more"),
            }
        }
        [None, Some(_)] => "you were too late".to_owned(),
        [Some(_), None] => format!("{name} was too late"),
        [None, None] => "nobody moved".to_owned(),
    };
    format!("{words} ({own}:{other})")
}

fn over(outcome: Outcome, why: Why, [own, other]: [u32; 2]) -> String {
    let words = match outcome {
        Outcome::Win => "you win the match",
        Outcome::Lose => "you lose the match",
        Outcome::Draw => "nobody wins the match",
    };
    let because = match why {
        Why::Score => "",
        Why::Left => ", because one of you left",
        Why::Away => ", because one of you was away for too long",
        Why::Time => ", because nobody moved in time",
        Why::Rounds => ", after too many rounds",
    };
    format!("{words}, {own}:{other}{because}")
}

fn word(shown: Move) -> &'static str {
    match shown {
        Move::Rock => "rock",
        Move::Paper => "paper",
        Move::Scissors => "scissors",
    }
}

fn mood(outcome: Outcome) -> Mood {
    match outcome {
        Outcome::Win => Mood::Good,
        Outcome::Lose => Mood::Bad,
        Outcome::Draw => Mood::Plain,
    }
}

impl Table for Rps {
    fn hear(&mut self, line: &str, now: Instant) -> Result<Heard, NotUnderstood> {
        let before = self.client.phase;
        let reply = self.client.receive(line, now).map_err(|_| NotUnderstood)?;
        let mut heard = Heard {
            tell: self.sentence(&reply),
            because: because(&reply),
            ..Heard::default()
        };
        match reply {
            Reply::Greeting { .. } => {
                // Over datagrams it is said again by a referee that knows us no more.
                let (name, key) = &self.wanted;
                let key = self.client.key.as_ref().or(key.as_ref());
                let hello = Request::Hello(name, key.map(String::as_str));
                return Ok(heard.send(hello.to_string()));
            }
            // The welcome of somebody who comes back is followed by its match.
            Reply::Welcome { .. } if before == Phase::Stranger && self.wanted.1.is_none() => {
                return Ok(heard.send(self.begin()));
            }
            Reply::Welcome { .. } if before != Phase::Stranger => {
                return Ok(heard.send(Request::Again.to_string()));
            }
            Reply::Top(_) => self.shows_scores = true,
            Reply::No(no @ (No::InUse | No::Name | No::Full)) if before == Phase::Stranger => {
                heard.over = Some(format!("as {}: {}", self.wanted.0, self.refusal(no)));
            }
            Reply::Bye => heard.tell = None,
            _ => {}
        }
        Ok(heard)
    }

    fn key(&mut self, key: KeyCode) -> Do {
        if std::mem::take(&mut self.help) | std::mem::take(&mut self.shows_scores) {
            return Do::Draw;
        }
        let KeyCode::Char(letter) = key else {
            return match (key, self.client.phase) {
                (KeyCode::Enter, Phase::Idle | Phase::Over(..)) => Do::Send(self.begin()),
                (KeyCode::Esc, Phase::Waiting) => Do::Send(Request::Leave.to_string()),
                _ => Do::Nothing,
            };
        };
        let play = |whom| Do::Send(Request::Play(whom).to_string());
        match (letter.to_ascii_lowercase(), self.client.phase) {
            ('q', _) => Do::Quit,
            ('t', _) => Do::Send(Request::Top.to_string()),
            ('?', _) => {
                self.help = true;
                Do::Draw
            }
            ('r' | '1', Phase::Move) => Do::Send(Request::Move(Move::Rock).to_string()),
            ('p' | '2', Phase::Move) => Do::Send(Request::Move(Move::Paper).to_string()),
            ('s' | '3', Phase::Move) => Do::Send(Request::Move(Move::Scissors).to_string()),
            ('h', Phase::Idle | Phase::Over(..)) => play(Some(HOUSE)),
            ('i', Phase::Idle | Phase::Over(..)) => play(self.client.invitation.as_deref()),
            ('l', Phase::Waiting | Phase::Move | Phase::Moved(_)) => {
                Do::Send(Request::Leave.to_string())
            }
            _ => Do::Nothing,
        }
    }

    fn word(&mut self, word: &str) -> Option<Do> {
        if ["quit", "q", "exit"].contains(&word) {
            return Some(Do::Quit);
        }
        if word.is_empty() {
            return Some(Do::Nothing);
        }
        match Request::parse(word)? {
            Request::Hello(..) | Request::Help => None,
            Request::Bye => Some(Do::Quit),
            request => Some(Do::Send(request.to_string())),
        }
    }

    fn question(&self) -> Option<String> {
        match self.client.phase {
            // A match is told before its first round.
            Phase::Move if self.client.round > 0 => Some(format!(
                "round {}: rock, paper or scissors?",
                self.client.round
            )),
            Phase::Over(..) => Some("play for another match, top for the scores, or quit?".into()),
            Phase::Idle if self.client.name.is_some() => {
                Some("play, play NAME, play house, top or quit?".into())
            }
            _ => None,
        }
    }

    fn until(&self) -> Option<Instant> {
        self.client.other_away.or(self.client.until)
    }

    fn parting(&self) -> Option<String> {
        parting(self.company, &self.client.name, &self.client.key)
    }

    fn draw(&self, frame: &mut Frame<'_>, now: Instant) {
        let area = middle(frame.area(), 76, 22);
        let rows = Layout::vertical([
            Constraint::Length(2),
            Constraint::Length(2),
            Constraint::Length(PICTURE.1 as u16 + 2),
            Constraint::Length(2),
            Constraint::Min(1),
            Constraint::Length(3),
        ]);
        let [title, score, pictures, state, rounds, keys] = rows.areas(area);
        self.draw_title(frame, title);
        self.draw_score(frame, score);
        self.draw_pictures(frame, pictures);
        frame.render_widget(Line::from(self.state(now)).centered(), state);
        match self.shows_scores {
            true => self.draw_scores(frame, rounds),
            false => self.draw_rounds(frame, rounds),
        }
        self.draw_keys(frame, keys);
    }
}

impl Rps {
    fn draw_title(&self, frame: &mut Frame<'_>, area: Rect) {
        let look = self.look;
        let [won, lost, drawn] = self.client.matches;
        let name = self.client.name.as_deref().unwrap_or(&self.wanted.0);
        let right = format!("{name}   won {won}  lost {lost}  drawn {drawn}");
        let left = Line::from(look.span(Mood::Strong, "Rock, paper, scissors"));
        frame.render_widget(left, area);
        frame.render_widget(Line::from(right).right_aligned(), area);
        let below = Rect {
            y: area.y + 1,
            height: 1.min(area.height.saturating_sub(1)),
            ..area
        };
        frame.render_widget(look.rule(area.width), below);
    }

    fn draw_score(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some(other) = &self.client.other else {
            return;
        };
        let [own, theirs] = self.client.wins;
        let name = self.client.name.as_deref().unwrap_or_default();
        let line = Line::from(vec![
            self.look.span(Mood::Strong, format!("{name:>20}")),
            self.look
                .span(Mood::Turn, format!("   {own} : {theirs}   ")),
            self.look.span(Mood::Strong, format!("{other:<20}")),
        ]);
        frame.render_widget(line.centered(), area);
    }

    /// The own picture to the left, the other's to the right.
    fn draw_pictures(&self, frame: &mut Frame<'_>, area: Rect) {
        if self.client.other.is_none() || self.client.phase == Phase::Waiting {
            return;
        }
        let last = self.client.log.back();
        let (moves, outcome) = match (self.client.phase, last) {
            (Phase::Moved(own), _) => ([Some(own), None], None),
            (_, Some(last)) => (last.moves, Some(last.outcome)),
            (_, None) => ([None; 2], None),
        };
        let sides = [outcome, outcome.map(Outcome::reversed)];
        let [own, theirs] = [0, 1].map(|side: usize| (moves[side], sides[side]));
        let pair = picture(own.0).into_iter().zip(picture(theirs.0));
        let gap = " ".repeat(10);
        let style = |side: Option<Outcome>| side.map_or(Mood::Dim, mood);
        let mut lines: Vec<Line<'static>> = pair
            .map(|(left, right)| {
                Line::from(vec![
                    self.look.span(style(own.1), left),
                    Span::raw(gap.clone()),
                    self.look.span(style(theirs.1), right),
                ])
                .centered()
            })
            .collect();
        let label = |shown: Option<Move>| shown.map_or("", word);
        let (mine, other) = (label(own.0), label(theirs.0));
        lines.push(Line::from(format!("{mine:^16}{gap}{other:^16}")).centered());
        frame.render_widget(ratatui::widgets::Paragraph::new(lines), area);
    }

    /// Whose turn it is, in one line.
    fn state(&self, now: Instant) -> Vec<Span<'static>> {
        let look = self.look;
        let seconds = self.until().map_or(0, |until| left(until, now));
        let other = self.other();
        if let Some(no) = self.client.refused {
            return vec![look.span(Mood::Bad, no.for_people())];
        }
        if self.client.other_away.is_some() && self.client.is_playing() {
            let words = format!("{other} is gone, and has {seconds} s to come back");
            return vec![look.span(Mood::Dim, words)];
        }
        let (mood, words) = match self.client.phase {
            Phase::Stranger => (Mood::Dim, format!("knocking {}", look.mark("…", "..."))),
            Phase::Idle => (Mood::Strong, "no match".to_owned()),
            Phase::Waiting => {
                let whom = self.client.other.as_deref().unwrap_or("the next player");
                (Mood::Dim, format!("waiting for {whom}   {seconds} s"))
            }
            Phase::Move => {
                let ready = match self.client.other_is_ready {
                    true => format!("; {other} has moved"),
                    false => String::new(),
                };
                let arrow = look.mark("▶ ", "> ");
                (
                    Mood::Turn,
                    format!(
                        "{arrow}your move in round {}   {seconds} s{ready}",
                        self.client.round
                    ),
                )
            }
            Phase::Moved(_) => (Mood::Dim, format!("waiting for {other}   {seconds} s")),
            Phase::Over(outcome, why) => (mood(outcome), over(outcome, why, self.client.wins)),
            Phase::Gone => (Mood::Dim, "goodbye".to_owned()),
        };
        vec![look.span(mood, words)]
    }

    fn draw_rounds(&self, frame: &mut Frame<'_>, area: Rect) {
        let rounds = self.client.log.iter().rev().take(usize::from(area.height));
        let line = |round: &wharf_services::rps::Log| {
            let label = |shown: Option<Move>| shown.map_or("too late", word);
            let sign = match round.outcome {
                Outcome::Win => "won  ",
                Outcome::Lose => "lost ",
                Outcome::Draw => "drawn",
            };
            let [own, other] = round.moves.map(label);
            Line::from(vec![
                self.look
                    .span(Mood::Dim, format!("round {:>2}  ", round.number)),
                Span::raw(format!("{own:>8}  :  {other:<8}  ")),
                self.look.span(mood(round.outcome), sign),
            ])
            .centered()
        };
        let lines: Vec<Line<'static>> = rounds.map(line).collect();
        frame.render_widget(ratatui::widgets::Paragraph::new(lines), area);
    }

    fn draw_scores(&self, frame: &mut Frame<'_>, area: Rect) {
        let mut lines = vec![Line::from(self.look.span(
            Mood::Strong,
            format!(
                "{:>4}  {:16}{:>6}{:>6}{:>6}",
                "", "player", "won", "lost", "drawn"
            ),
        ))];
        for (index, (name, [won, lost, drawn])) in self.client.table.iter().enumerate() {
            let own = self.client.name.as_ref() == Some(name);
            let mood = if own { Mood::Turn } else { Mood::Plain };
            let row = format!("{:>4}  {name:16}{won:>6}{lost:>6}{drawn:>6}", index + 1);
            lines.push(Line::from(self.look.span(mood, row)));
        }
        if self.client.table.is_empty() {
            lines.push(Line::from("nobody has played yet"));
        }
        let lines: Vec<Line<'static>> = lines.into_iter().map(Line::centered).collect();
        frame.render_widget(ratatui::widgets::Paragraph::new(lines), area);
    }

    fn draw_keys(&self, frame: &mut Frame<'_>, area: Rect) {
        let keys: &[(&str, &str)] = match self.client.phase {
            Phase::Move => &[
                ("r", "rock"),
                ("p", "paper"),
                ("s", "scissors"),
                ("l", "give up"),
            ],
            Phase::Moved(_) => &[("l", "give up")],
            Phase::Waiting => &[("Esc", "wait no more")],
            Phase::Idle | Phase::Over(..) if self.company == Company::House => {
                &[("Enter", "play again")]
            }
            Phase::Idle | Phase::Over(..) => &[("Enter", "play"), ("h", "play the house")],
            _ => &[],
        };
        let invited = match (&self.client.invitation, self.client.is_playing()) {
            (Some(name), false) => vec![("i".to_owned(), format!("play {name}"))],
            _ => Vec::new(),
        };
        draw_keys(frame, area, self.look, keys, &invited);
        if self.help {
            let words = "paper wraps rock, rock blunts scissors, scissors cut paper";
            let above = Rect {
                height: 1.min(area.height),
                ..area
            };
            frame.render_widget(
                Line::from(self.look.span(Mood::Dim, words)).centered(),
                above,
            );
        }
    }
}

/// The keys that mean something now, below a line.
pub(super) fn draw_keys(
    frame: &mut Frame<'_>,
    area: Rect,
    look: Look,
    keys: &[(&str, &str)],
    more: &[(String, String)],
) {
    let always = [("t", "scores"), ("?", "help"), ("q", "quit")];
    let own = keys.iter().chain(&always).map(|(key, what)| (*key, *what));
    let more = more.iter().map(|(key, what)| (&**key, &**what));
    let mut spans = Vec::new();
    for (key, what) in more.chain(own) {
        spans.push(look.span(Mood::Strong, key.to_owned()));
        spans.push(look.span(Mood::Dim, format!(" {what}   ")));
    }
    let y = area.y + area.height.saturating_sub(2);
    let below = |y: u16| Rect {
        y: y.min(area.bottom()),
        height: 1.min(area.bottom().saturating_sub(y)),
        ..area
    };
    frame.render_widget(look.rule(area.width), below(y));
    frame.render_widget(Line::from(spans), below(y + 1));
}

/// The middle of a large terminal; a small one is used whole.
pub(super) fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 3,
        width,
        height,
    }
}

/// How to come back, for those who play elsewhere.
pub(super) fn parting(
    company: Company,
    name: &Option<String>,
    key: &Option<String>,
) -> Option<String> {
    let (Some(name), Some(key), Company::Others) = (name, key, company) else {
        return None;
    };
    Some(format!("to come back:  --as {name} --key {key}\n"))
}
