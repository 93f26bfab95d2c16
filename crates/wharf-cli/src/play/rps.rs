//! Rock, paper, scissors as a player sees it.

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use tokio::time::Instant;
use wharf_services::rps::{Client, HOUSE, Move, No, Outcome, Phase, Reply, Request, Why};

use super::pictures::{Look, Mood, PICTURE, left, picture};
use super::stage::{self, Key, PICTURES, fitting, middle};
use super::table::{
    Because, Company, Do, Heard, NAME_IN_USE, NO_NAME, NOT_UNDERSTOOD, NotUnderstood, Notice,
    Overlay, Table, parting,
};

/// What is asked before a match is given up.
const GIVE_UP: &str = "give the match up?";

/// A player's view of a referee.
pub(super) struct Rps {
    client: Client,
    wanted: (String, Option<String>),
    company: Company,
    look: Look,
    overlay: Overlay,
    notice: Notice,
    /// Whether it was asked if the match is to be given up.
    asks: bool,
    /// Back with a key, it is not known yet whether there is a match.
    returns: bool,
}

impl Rps {
    pub(super) fn new(name: String, key: Option<String>, company: Company, look: Look) -> Self {
        Rps {
            client: Client::default(),
            wanted: (name, key),
            company,
            look,
            overlay: Overlay::None,
            notice: Notice::default(),
            asks: false,
            returns: false,
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

    /// What a screen shows of it. Its keys ask only for what can be done as things stand,
    /// so some refusals can only mean that a key crossed what came meanwhile.
    fn notice(&mut self, no: No, was_waiting: bool, now: Instant) {
        match no {
            No::NotNow | No::Moved | No::LoggedIn => {}
            No::NoMatch => self.notice.for_longer("nobody came"),
            No::Nobody if was_waiting => self.notice.for_longer("that player has left"),
            no => {
                let words = self.refusal(no);
                self.notice.for_a_moment(words, now);
            }
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
            let beat = match outcome {
                Outcome::Lose => theirs.verb(),
                _ => mine.verb(),
            };
            let (mine, theirs) = (word(mine), word(theirs));
            match outcome {
                Outcome::Win => format!("your {mine} {beat} {theirs}"),
                Outcome::Lose => format!("{theirs} {beat} your {mine}"),
                Outcome::Draw => format!("both {mine}, once more"),
            }
        }
        [None, Some(_)] => "you were too late".to_owned(),
        [Some(_), None] => format!("{name} was too late"),
        [None, None] => "nobody moved".to_owned(),
    };
    format!("{words} ({own}:{other})")
}

fn over(outcome: Outcome, why: Why, wins: [u32; 2]) -> String {
    let because = match why {
        Why::Score => "",
        Why::Left => ", because one of you left",
        Why::Away => ", because one of you was away for too long",
        Why::Time => ", because nobody moved in time",
        Why::Rounds => ", after too many rounds",
    };
    format!("{}{because}", ended(outcome, wins))
}

/// How a match ended, without why.
fn ended(outcome: Outcome, [own, other]: [u32; 2]) -> String {
    let words = match outcome {
        Outcome::Win => "you win the match",
        Outcome::Lose => "you lose the match",
        Outcome::Draw => "nobody wins the match",
    };
    format!("{words}, {own}:{other}")
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
        let (before, was_playing) = (self.client.phase, self.client.is_playing());
        let other = self.client.other.clone();
        let reply = self.client.receive(line, now).map_err(|_| NotUnderstood)?;
        let mut heard = Heard {
            tell: self.sentence(&reply),
            because: because(&reply),
            ..Heard::default()
        };
        self.asks &= self.client.is_playing();
        match reply {
            Reply::Greeting { .. } => {
                // Over datagrams it is said again by a referee that knows us no more.
                let (name, key) = &self.wanted;
                let key = self.client.key.as_ref().or(key.as_ref());
                let hello = Request::Hello(name, key.map(String::as_str));
                return Ok(heard.send(hello.to_string()));
            }
            Reply::Welcome { .. } if before == Phase::Stranger && self.wanted.1.is_none() => {
                return Ok(heard.send(self.begin()));
            }
            // Who comes back may be in a match.
            Reply::Welcome { .. } => {
                self.returns = before == Phase::Stranger;
                return Ok(heard.send(Request::Again.to_string()));
            }
            Reply::Idle if std::mem::take(&mut self.returns) => {
                return Ok(heard.send(self.begin()));
            }
            Reply::Waiting { .. } => self.returns = false,
            Reply::Match { .. } => {
                self.returns = false;
                // It is told again to whoever asks how things stand.
                if was_playing && other == self.client.other {
                    heard.tell = None;
                }
            }
            Reply::Top(_) => self.overlay = Overlay::Scores,
            Reply::No(no @ (No::InUse | No::Name | No::Full)) if before == Phase::Stranger => {
                heard.over = Some(format!("as {}: {}", self.wanted.0, self.refusal(no)));
            }
            Reply::No(no) => self.notice(no, before == Phase::Waiting, now),
            Reply::Bye => heard.tell = None,
            _ => {}
        }
        Ok(heard)
    }

    fn key(&mut self, key: KeyCode) -> Do {
        self.notice.clear();
        let asked = std::mem::take(&mut self.asks);
        let playing = self.client.is_playing();
        if self.overlay.closed_by(key) {
            return Do::Draw;
        }
        let KeyCode::Char(letter) = key else {
            return match (key, self.client.phase) {
                (KeyCode::Enter, Phase::Idle | Phase::Over(..)) => Do::Send(self.begin()),
                (KeyCode::Esc, Phase::Waiting) => Do::Send(Request::Leave.to_string()),
                _ => Do::Draw,
            };
        };
        let play = |whom| Do::Send(Request::Play(whom).to_string());
        match (letter.to_ascii_lowercase(), self.client.phase) {
            ('q', _) => Do::Quit,
            ('t', _) => Do::Send(Request::Top.to_string()),
            ('?', _) => {
                self.overlay = Overlay::Help;
                Do::Draw
            }
            ('r' | '1', Phase::Move) => Do::Send(Request::Move(Move::Rock).to_string()),
            ('p' | '2', Phase::Move) => Do::Send(Request::Move(Move::Paper).to_string()),
            ('s' | '3', Phase::Move) => Do::Send(Request::Move(Move::Scissors).to_string()),
            ('h', Phase::Idle | Phase::Waiting | Phase::Over(..)) => play(Some(HOUSE)),
            ('i', Phase::Idle | Phase::Over(..)) => play(self.client.invitation.as_deref()),
            ('l', Phase::Waiting) => Do::Send(Request::Leave.to_string()),
            ('l', _) if playing => {
                self.asks = true;
                Do::Draw
            }
            ('y', _) if asked && playing => Do::Send(Request::Leave.to_string()),
            _ => Do::Draw,
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

    fn ticks(&self, now: Instant) -> bool {
        self.until().is_some() || self.notice.passes(now)
    }

    fn parting(&self) -> Option<String> {
        parting(self.company, &self.client.name, &self.client.key)
    }

    fn draw(&self, frame: &mut Frame<'_>, now: Instant) {
        let area = middle(frame.area(), 76, 22);
        let pictured = area.width >= PICTURES && area.height >= 17;
        let [score, shown] = match pictured {
            true => [2, PICTURE.1 as u16 + 2],
            false => [1, 1],
        };
        let [title, score, shown, state, rounds, keys] = stage::parts(
            area,
            [
                (2, 4),
                (score, 2),
                (shown, 3),
                (2, 1),
                (u16::MAX, 5),
                (2, 0),
            ],
        );
        self.draw_title(frame, title);
        self.draw_score(frame, score);
        match pictured {
            true => self.draw_pictures(frame, shown),
            false => self.draw_words(frame, shown),
        }
        frame.render_widget(
            self.state(state.width, now).centered(),
            stage::row(state, 0),
        );
        frame.render_widget(self.beside(now).centered(), stage::row(state, 1));
        match self.overlay {
            Overlay::Scores => self.draw_scores(frame, rounds),
            Overlay::Help => self.draw_help(frame, rounds),
            Overlay::None => self.draw_rounds(frame, rounds),
        }
        stage::draw_keys(frame, keys, self.look, &self.keys());
    }
}

impl Rps {
    /// When the time for what is waited for is up.
    fn until(&self) -> Option<Instant> {
        self.client.other_away.or(self.client.until)
    }

    fn draw_title(&self, frame: &mut Frame<'_>, area: Rect) {
        let [won, lost, drawn] = self.client.matches;
        let name = self.client.name.as_deref().unwrap_or(&self.wanted.0);
        let game = || Line::from(self.look.span(Mood::Strong, "Rock, paper, scissors"));
        let books = format!("{name}   won {won}  lost {lost}  drawn {drawn}");
        let pairs = [
            [game(), Line::from(books.clone())],
            [Line::default(), Line::from(books)],
            [game(), Line::from(name.to_owned())],
            [Line::default(), Line::from(name.to_owned())],
        ];
        // The name of the game is told by everything else.
        let pairs = pairs.into_iter().enumerate();
        let pairs = pairs.filter(|(index, _)| area.width >= PICTURES || *index != 1);
        stage::draw_title(frame, area, self.look, pairs.map(|(_, pair)| pair));
    }

    fn draw_score(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some(other) = &self.client.other else {
            return;
        };
        let [own, theirs] = self.client.wins;
        let score = format!("   {own} : {theirs}   ");
        let name = self.client.name.as_deref().unwrap_or_default();
        let room = usize::from(area.width).saturating_sub(score.len()) / 2;
        let side = room.min(20);
        let line = Line::from(vec![
            self.look.span(Mood::Strong, format!("{name:>side$.side$}")),
            self.look.span(Mood::Turn, score),
            self.look
                .span(Mood::Strong, format!("{other:<side$.side$}")),
        ]);
        frame.render_widget(line.centered(), area);
    }

    /// What lies on the table: the own move and the other's, and how each of them did.
    fn on_the_table(&self) -> Option<[(Option<Move>, Mood); 2]> {
        if self.client.other.is_none() || self.client.phase == Phase::Waiting {
            return None;
        }
        let last = self.client.log.back();
        let (moves, outcome) = match (self.client.phase, last) {
            (Phase::Moved(own), _) => ([Some(own), None], None),
            (_, Some(last)) => (last.moves, Some(last.outcome)),
            (_, None) => ([None; 2], None),
        };
        let [own, theirs] = [outcome, outcome.map(Outcome::reversed)];
        let style = |side: Option<Outcome>| side.map_or(Mood::Dim, mood);
        Some([(moves[0], style(own)), (moves[1], style(theirs))])
    }

    /// The moves where there is no room for pictures.
    fn draw_words(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some([own, theirs]) = self.on_the_table() else {
            return;
        };
        let label = |shown: Option<Move>| shown.map_or("?", word);
        let line = Line::from(vec![
            self.look.span(own.1, format!("{:>8}", label(own.0))),
            Span::raw("  :  "),
            self.look.span(theirs.1, format!("{:<8}", label(theirs.0))),
        ]);
        frame.render_widget(line.centered(), area);
    }

    /// The own picture to the left, the other's to the right.
    fn draw_pictures(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some([own, theirs]) = self.on_the_table() else {
            return;
        };
        let pair = picture(own.0).into_iter().zip(picture(theirs.0));
        let gap = " ".repeat(10);
        let mut lines: Vec<Line<'static>> = pair
            .map(|(left, right)| {
                Line::from(vec![
                    self.look.span(own.1, left),
                    Span::raw(gap.clone()),
                    self.look.span(theirs.1, right),
                ])
                .centered()
            })
            .collect();
        let label = |shown: Option<Move>| shown.map_or("", word);
        let (mine, other) = (label(own.0), label(theirs.0));
        lines.push(Line::from(format!("{mine:^16}{gap}{other:^16}")).centered());
        frame.render_widget(Paragraph::new(lines), area);
    }

    /// Whose turn it is, in one line.
    fn state(&self, width: u16, now: Instant) -> Line<'static> {
        let look = self.look;
        let seconds = self.until().map_or(0, |until| left(until, now));
        let other = self.other();
        let (mood, words) = match self.client.phase {
            _ if self.client.other_away.is_some() && self.client.is_playing() => (
                Mood::Dim,
                vec![
                    format!("{other} is gone, and has {seconds} s to come back"),
                    format!("{other} is gone   {seconds} s"),
                ],
            ),
            Phase::Stranger => (
                Mood::Dim,
                vec![format!("knocking {}", look.mark("…", "..."))],
            ),
            Phase::Idle => (Mood::Strong, vec!["no match".to_owned()]),
            Phase::Waiting => {
                let whom = self.client.other.as_deref().unwrap_or("the next player");
                let words = format!("waiting for {whom}   {seconds} s");
                (Mood::Dim, vec![words, format!("waiting   {seconds} s")])
            }
            Phase::Move => {
                let arrow = look.mark("▶ ", "> ");
                let round = self.client.round;
                let long = format!("{arrow}your move in round {round}   {seconds} s");
                let short = format!("{arrow}your move   {seconds} s");
                let words = match self.client.other_is_ready {
                    true => vec![
                        format!("{long}; {other} has moved"),
                        format!("{short}; {other} has moved"),
                        short,
                    ],
                    false => vec![long, short],
                };
                (Mood::Turn, words)
            }
            Phase::Moved(_) => (
                Mood::Dim,
                vec![
                    format!("waiting for {other}   {seconds} s"),
                    format!("waiting   {seconds} s"),
                ],
            ),
            Phase::Over(outcome, why) => {
                let wins = self.client.wins;
                let words = vec![over(outcome, why, wins), ended(outcome, wins)];
                (mood(outcome), words)
            }
            Phase::Gone => (Mood::Dim, vec!["goodbye".to_owned()]),
        };
        fitting(
            width,
            words
                .into_iter()
                .map(|words| Line::from(look.span(mood, words))),
        )
    }

    /// What stands below the state: a question, or why something was not done.
    fn beside(&self, now: Instant) -> Line<'static> {
        let look = self.look;
        match (self.asks, self.notice.words(now)) {
            (true, _) => Line::from(look.span(Mood::Turn, GIVE_UP)),
            (false, Some(words)) => Line::from(look.span(Mood::Bad, words)),
            (false, None) => Line::default(),
        }
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
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn draw_help(&self, frame: &mut Frame<'_>, area: Rect) {
        let words = "Paper wraps rock, rock blunts scissors, scissors cut paper. A move is secret \
                     until both are in.";
        let words = Paragraph::new(Line::from(self.look.span(Mood::Dim, words)));
        frame.render_widget(words.wrap(Wrap { trim: true }).centered(), area);
    }

    fn draw_scores(&self, frame: &mut Frame<'_>, area: Rect) {
        let look = self.look;
        // In little room the name and what was won.
        let wide = area.width >= 40;
        let line = |mood: Mood, rank: &str, name: &str, books: [&str; 3]| {
            let [won, lost, drawn] = books;
            let text = match wide {
                true => format!("{rank:>4}  {name:16}{won:>6}{lost:>6}{drawn:>6}"),
                false => format!("{name:16}{won:>6}"),
            };
            Line::from(look.span(mood, text)).centered()
        };
        let mut lines = vec![line(Mood::Strong, "", "player", ["won", "lost", "drawn"])];
        for (index, (name, books)) in self.client.table.iter().enumerate() {
            let own = self.client.name.as_ref() == Some(name);
            let mood = if own { Mood::Turn } else { Mood::Plain };
            let [won, lost, drawn] = books.map(|count| count.to_string());
            let rank = (index + 1).to_string();
            lines.push(line(mood, &rank, name, [&won, &lost, &drawn]));
        }
        if self.client.table.is_empty() {
            lines.push(Line::from("nobody has played yet").centered());
        }
        frame.render_widget(Paragraph::new(lines), area);
    }

    /// The keys that mean something now.
    fn keys(&self) -> Vec<Key> {
        let known = |keys: &[(&'static str, &str)]| -> Vec<Key> {
            let keys = keys.iter().map(|(key, what)| (*key, (*what).to_owned()));
            keys.collect()
        };
        if self.asks {
            return known(&[("y", "give up"), ("n", "play on")]);
        }
        let mut keys = match self.client.phase {
            Phase::Move => known(&[
                ("r", "rock"),
                ("p", "paper"),
                ("s", "scissors"),
                ("l", "give up"),
            ]),
            Phase::Moved(_) => known(&[("l", "give up")]),
            Phase::Waiting => known(&[("Esc", "wait no more"), ("h", "play the house")]),
            Phase::Idle | Phase::Over(..) if self.company == Company::House => {
                known(&[("Enter", "play again")])
            }
            Phase::Idle | Phase::Over(..) => known(&[("Enter", "play"), ("h", "play the house")]),
            Phase::Stranger | Phase::Gone => Vec::new(),
        };
        if let (Some(name), Phase::Idle | Phase::Over(..)) =
            (&self.client.invitation, self.client.phase)
        {
            keys.insert(0, ("i", format!("play {name}")));
        }
        keys
    }
}
