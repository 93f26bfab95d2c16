//! The referee: who waits for whom, who plays whom, and what each line causes.
//!
//! ```text
//!               PLAY                     somebody else's PLAY
//!       idle ─────────▶ waiting ─────────────────────────────────▶ playing
//!        ▲  ◀───────────── LEAVE, nobody came                        │
//!        └──────────────────────────── over ◀────────────────────────┘
//! ```
//! No I/O and no clock. Every line of every player has an answer in every state.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

use super::bout::{Bout, Late, Moved, Round, Side};
use super::grammar::{Move, No, Outcome, Reply, Request, Why};
use super::rules::Rules;
use crate::games::{Desk, Ending, Game, LoginRefusal, MAX_ROWS, MemberId, PlayerId, after};

/// The name under which the server itself plays.
pub const HOUSE: &str = "house";

/// What people are told who ask for help.
const HELP: [&str; 8] = [
    "HELLO name      take a name; HELLO name key to come back under it",
    "PLAY            play against the next who says PLAY",
    "PLAY name       play against somebody; PLAY house plays against the server",
    "ROCK, PAPER, SCISSORS (or R, P, S)   your move; secret until both are in",
    "LEAVE           wait no more, or give the match up",
    "AGAIN           how things stand",
    "TOP             who has won most matches",
    "BYE             leave; every line of mine is a code, its fields, and words for you",
];

/// What is kept under a name.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Matches won, lost and drawn.
    pub(super) matches: [u64; 3],
    place: Place,
}

/// Where a player is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Idle,
    /// For somebody, or for anybody; until then.
    Waiting(Option<PlayerId>, Instant),
    Playing(usize, Side),
}

/// Somebody who plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    Player(PlayerId),
    House,
}

#[derive(Debug)]
struct Match {
    seats: [Seat; 2],
    bout: Bout,
    queued: Instant,
}

/// What happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Match(usize),
    Wait(PlayerId),
}

/// Everybody who is here.
#[derive(Debug)]
pub(crate) struct Referee {
    rules: Rules,
    desk: Desk<Account>,
    /// Who plays against the next who comes. There is never a second one.
    anybody: Option<PlayerId>,
    /// Who waits for somebody, by whom they wait for.
    invitations: BTreeMap<PlayerId, VecDeque<PlayerId>>,
    matches: Slab<Match>,
    due: BTreeSet<(Instant, Due)>,
}

impl Referee {
    pub(crate) fn new(rules: Rules) -> Self {
        Referee {
            desk: Desk::new(rules.max_names, &[HOUSE]),
            rules,
            anybody: None,
            invitations: BTreeMap::new(),
            matches: Slab::new(),
            due: BTreeSet::new(),
        }
    }

    /// How many matches stand as won, as lost and as drawn in all accounts.
    #[cfg(test)]
    pub(crate) fn totals(&self) -> [u64; 3] {
        let mut totals = [0; 3];
        for (_, account) in self.desk.accounts() {
            for (total, matches) in totals.iter_mut().zip(account.matches) {
                *total += matches;
            }
        }
        totals
    }

    fn login(&mut self, id: MemberId, name: &str, key: Option<&str>, now: Instant) {
        if let Some(player) = self.desk.player_of(id) {
            // Who did not hear the answer, over datagrams, asks again.
            if self.desk.name(player).eq_ignore_ascii_case(name) {
                return self.welcome(player, now);
            }
            return self.desk.say(id, &Reply::No(No::LoggedIn));
        }
        match self.desk.login(id, name, key, |_, _| {}) {
            Ok(player) => {
                let words = format!(
                    "{} logged in from {}",
                    self.desk.name(player),
                    self.desk.address(id)
                );
                self.desk.report(words);
                self.come_back(player, now);
                self.welcome(player, now);
            }
            Err(LoginRefusal::BadName) => self.desk.say(id, &Reply::No(No::Name)),
            Err(LoginRefusal::InUse) => self.desk.say(id, &Reply::No(No::InUse)),
            Err(LoginRefusal::Full) => {
                self.desk.say(id, &Reply::No(No::Full));
                self.desk.end(id, Ending::Full);
            }
        }
    }

    fn welcome(&mut self, player: PlayerId, now: Instant) {
        let (name, key) = (self.desk.name(player), self.desk.key(player));
        let (name, key) = (name.to_owned(), key.to_owned());
        let (name, key) = (&*name, &*key);
        self.desk.tell(player, &Reply::Welcome { name, key });
        if self.place(player) != Place::Idle {
            self.stand(player, now);
        }
    }

    fn come_back(&mut self, player: PlayerId, now: Instant) {
        let Place::Playing(index, side) = self.place(player) else {
            return;
        };
        let Some(game) = self.matches.get_mut(index) else {
            return;
        };
        if game.bout.away(side).is_none() {
            return;
        }
        game.bout.come_back(side, now);
        let other = game.seats[side.other().index()];
        let name = self.desk.name(player).to_owned();
        self.tell(other, &Reply::Back(&name));
        self.reschedule(index);
        // Who came back hears how things stand with its welcome.
        self.tell_progress(index, side.other(), now);
    }

    /// Answers a line of somebody who is logged in.
    fn request(&mut self, player: PlayerId, request: Request<'_>, now: Instant) {
        match (request, self.place(player)) {
            (Request::Play(whom), Place::Idle) => self.play(player, whom, now),
            // Who waits need not wait any more for that.
            (Request::Play(Some(whom)), Place::Waiting(..)) if whom.eq_ignore_ascii_case(HOUSE) => {
                self.play(player, Some(HOUSE), now);
            }
            (Request::Move(shown), Place::Playing(index, side)) => {
                self.show(player, index, side, shown, now);
            }
            (Request::Leave, Place::Waiting(..)) => {
                self.stop_waiting(player);
                self.desk.tell(player, &Reply::Idle);
            }
            (Request::Leave, Place::Playing(index, side)) => {
                self.end(index, side.outcome(Outcome::Lose), Why::Left);
            }
            (Request::Top, _) => self.top(player),
            (Request::Again, _) => self.stand(player, now),
            _ => self.desk.tell(player, &Reply::No(No::NotNow)),
        }
    }

    fn play(&mut self, player: PlayerId, whom: Option<&str>, now: Instant) {
        let Some(whom) = whom else {
            let waiting = self.anybody.or_else(|| self.invited(player));
            return match waiting {
                Some(other) => self.begin([Seat::Player(other), Seat::Player(player)], now),
                None => self.wait(player, None, now),
            };
        };
        if whom.eq_ignore_ascii_case(HOUSE) {
            return self.begin([Seat::Player(player), Seat::House], now);
        }
        let other = self.desk.find(whom);
        let other = other.filter(|other| *other != player && !self.desk.is_away(*other));
        let Some(other) = other else {
            return self.desk.tell(player, &Reply::No(No::Nobody));
        };
        match self.place(other) {
            Place::Waiting(None, _) => {
                self.begin([Seat::Player(other), Seat::Player(player)], now);
            }
            Place::Waiting(Some(wanted), _) if wanted == player => {
                self.begin([Seat::Player(other), Seat::Player(player)], now);
            }
            Place::Playing(..) => self.desk.tell(player, &Reply::No(No::Busy)),
            Place::Idle | Place::Waiting(..) => {
                self.wait(player, Some(other), now);
                let name = self.desk.name(player).to_owned();
                let seconds = seconds(self.rules.wait);
                let name = &*name;
                self.desk.tell(other, &Reply::Invite { name, seconds });
            }
        }
    }

    /// Who waits for this player by name, the first one.
    fn invited(&self, player: PlayerId) -> Option<PlayerId> {
        self.invitations.get(&player)?.front().copied()
    }

    fn wait(&mut self, player: PlayerId, whom: Option<PlayerId>, now: Instant) {
        let until = after(now, self.rules.wait);
        match whom {
            None => self.anybody = Some(player),
            Some(whom) => self.invitations.entry(whom).or_default().push_back(player),
        }
        self.set_place(player, Place::Waiting(whom, until));
        self.due.insert((until, Due::Wait(player)));
        self.tell_waiting(player, whom, self.rules.wait);
    }

    fn tell_waiting(&mut self, player: PlayerId, whom: Option<PlayerId>, left: Duration) {
        let name = whom.map(|whom| self.desk.name(whom).to_owned());
        let seconds = seconds(left);
        let name = name.as_deref();
        self.desk.tell(player, &Reply::Waiting { seconds, name });
    }

    /// Takes a player out of all queues, if it waits.
    fn stop_waiting(&mut self, player: PlayerId) {
        let Place::Waiting(whom, until) = self.place(player) else {
            return;
        };
        self.due.remove(&(until, Due::Wait(player)));
        self.set_place(player, Place::Idle);
        match whom {
            None => self.anybody = None,
            Some(whom) => {
                if let Some(waiting) = self.invitations.get_mut(&whom) {
                    waiting.retain(|waiting| *waiting != player);
                    if waiting.is_empty() {
                        self.invitations.remove(&whom);
                    }
                }
            }
        }
    }

    /// Those who wait for a player that is gone wait no more.
    fn disappoint(&mut self, player: PlayerId) {
        for waiting in self.invitations.remove(&player).unwrap_or_default() {
            self.stop_waiting(waiting);
            self.desk.tell(waiting, &Reply::No(No::Nobody));
        }
    }

    fn begin(&mut self, seats: [Seat; 2], now: Instant) {
        for seat in seats {
            if let Seat::Player(player) = seat {
                self.stop_waiting(player);
                self.desk.pin(player);
            }
        }
        let bout = Bout::new(&self.rules, now);
        let queued = bout.deadline();
        let index = self.matches.insert(Match {
            seats,
            bout,
            queued,
        });
        self.due.insert((queued, Due::Match(index)));
        for side in Side::BOTH {
            if let Seat::Player(player) = seats[side.index()] {
                self.set_place(player, Place::Playing(index, side));
                self.tell_match(index, side);
            }
        }
        self.announce(index, now);
    }

    fn tell_match(&mut self, index: usize, side: Side) {
        let Some(game) = self.matches.get(index) else {
            return;
        };
        let seats = side.sees(game.seats);
        let [own, other] = seats.map(|seat| self.name(seat).to_owned());
        let reply = Reply::Match {
            own: &own,
            other: &other,
            best_of: self.rules.best_of,
        };
        self.tell(seats[0], &reply);
    }

    /// Tells both sides that a round is on; the house moves before anybody can.
    fn announce(&mut self, index: usize, now: Instant) {
        for side in Side::BOTH {
            self.tell_round(index, side, now);
        }
        let Some(game) = self.matches.get_mut(index) else {
            return;
        };
        if game.seats[1] == Seat::House && game.bout.shown(Side::Second).is_none() {
            let shown = Move::ALL[usize::from(self.desk.dice().of_three())];
            // It is the first move of the round, so it cannot end it.
            let _ = game.bout.show(Side::Second, shown, now);
        }
    }

    fn tell_round(&mut self, index: usize, side: Side, now: Instant) {
        let Some(game) = self.matches.get(index) else {
            return;
        };
        let reply = Reply::Round {
            number: game.bout.round(),
            seconds: seconds(game.bout.left(now)),
            wins: side.sees(game.bout.wins()),
        };
        let seat = game.seats[side.index()];
        self.tell(seat, &reply);
    }

    fn show(&mut self, player: PlayerId, index: usize, side: Side, shown: Move, now: Instant) {
        let Some(game) = self.matches.get_mut(index) else {
            return;
        };
        let other = game.seats[side.other().index()];
        match game.bout.show(side, shown, now) {
            Err(Moved) => self.desk.tell(player, &Reply::No(No::Moved)),
            Ok(None) => {
                self.desk.tell(player, &Reply::Moved(shown));
                let name = self.desk.name(player).to_owned();
                self.tell(other, &Reply::Ready(&name));
            }
            Ok(Some(round)) => {
                self.desk.tell(player, &Reply::Moved(shown));
                self.end_round(index, round, now);
            }
        }
    }

    fn end_round(&mut self, index: usize, round: Round, now: Instant) {
        for side in Side::BOTH {
            let Some(game) = self.matches.get(index) else {
                return;
            };
            let seat = game.seats[side.index()];
            let reply = Reply::Result {
                number: round.number,
                moves: side.sees(round.moves),
                outcome: side.outcome(round.outcome),
                wins: side.sees(round.wins),
            };
            self.tell(seat, &reply);
        }
        match round.over {
            Some((outcome, why)) => self.end(index, outcome, why),
            None => {
                self.reschedule(index);
                self.announce(index, now);
            }
        }
    }

    /// Ends a match; the outcome is that of the first side.
    fn end(&mut self, index: usize, first: Outcome, why: Why) {
        let Some(game) = self.matches.try_remove(index) else {
            return;
        };
        self.due.remove(&(game.queued, Due::Match(index)));
        self.report(&game, first, why);
        for side in Side::BOTH {
            let Seat::Player(player) = game.seats[side.index()] else {
                continue;
            };
            let outcome = side.outcome(first);
            let wins = side.sees(game.bout.wins());
            let reply = Reply::Over { why, outcome, wins };
            self.desk.tell(player, &reply);
            if let Some(account) = self.desk.account_mut(player) {
                let row = match outcome {
                    Outcome::Win => 0,
                    Outcome::Lose => 1,
                    Outcome::Draw => 2,
                };
                account.matches[row] += 1;
                account.place = Place::Idle;
            }
            self.desk.unpin(player);
            self.desk.end_if_hung_up(player);
        }
    }

    fn report(&mut self, game: &Match, first: Outcome, why: Why) {
        let [a, b] = game.seats.map(|seat| self.name(seat).to_owned());
        let [x, y] = game.bout.wins();
        let reason = match why {
            Why::Score => "",
            Why::Left => ", who left",
            Why::Away => ", who was away",
            Why::Time => ", nobody moved",
            Why::Rounds => ", after too many rounds",
        };
        let words = match first {
            Outcome::Win => format!("{a} beat {b} {x}:{y}{reason}"),
            Outcome::Lose => format!("{b} beat {a} {y}:{x}{reason}"),
            Outcome::Draw => format!("{a} and {b} drew {x}:{y}{reason}"),
        };
        self.desk.report(words);
    }

    /// Tells a player how things stand.
    fn stand(&mut self, player: PlayerId, now: Instant) {
        match self.place(player) {
            Place::Idle => self.desk.tell(player, &Reply::Idle),
            Place::Waiting(whom, until) => {
                self.tell_waiting(player, whom, until.saturating_duration_since(now));
            }
            Place::Playing(index, side) => {
                self.tell_match(index, side);
                self.tell_progress(index, side, now);
            }
        }
    }

    /// Tells one side the round that is on: how it stands, and what is in of it.
    fn tell_progress(&mut self, index: usize, side: Side, now: Instant) {
        self.tell_round(index, side, now);
        let Some(game) = self.matches.get(index) else {
            return;
        };
        let [seat, other] = side.sees(game.seats);
        let (own, theirs) = (game.bout.shown(side), game.bout.shown(side.other()));
        let away = game.bout.away(side.other());
        let name = self.name(other).to_owned();
        let name = &*name;
        if let Some(shown) = own {
            self.tell(seat, &Reply::Moved(shown));
        }
        if theirs.is_some() && other != Seat::House {
            self.tell(seat, &Reply::Ready(name));
        }
        if let Some(until) = away {
            let seconds = seconds(until.saturating_duration_since(now));
            self.tell(seat, &Reply::Away { name, seconds });
        }
    }

    fn top(&mut self, player: PlayerId) {
        let played = |(_, account): &(&str, &Account)| account.matches != [0; 3];
        // The most wins, then the fewest losses, then by name.
        let mut best: Vec<(&str, [u64; 3])> = Vec::with_capacity(MAX_ROWS + 1);
        for (name, account) in self.desk.accounts().filter(played) {
            let [won, lost, _] = account.matches;
            let place = best.partition_point(|(_, [w, l, _])| (*w, lost) >= (won, *l));
            if place < MAX_ROWS {
                best.insert(place, (name, account.matches));
                best.truncate(MAX_ROWS);
            }
        }
        let rows: Vec<(String, [u64; 3])> = best
            .into_iter()
            .map(|(name, matches)| (name.to_owned(), matches))
            .collect();
        self.desk.tell(player, &Reply::Top(rows.len()));
        for (index, (name, matches)) in rows.iter().enumerate() {
            let (rank, matches) = (index + 1, *matches);
            let row = Reply::Score {
                rank,
                name,
                matches,
            };
            self.desk.tell(player, &row);
        }
    }

    fn name(&self, seat: Seat) -> &str {
        match seat {
            Seat::Player(player) => self.desk.name(player),
            Seat::House => HOUSE,
        }
    }

    fn tell(&mut self, seat: Seat, reply: &Reply<'_>) {
        if let Seat::Player(player) = seat {
            self.desk.tell(player, reply);
        }
    }

    fn place(&self, player: PlayerId) -> Place {
        let account = self.desk.account(player);
        account.map_or(Place::Idle, |account| account.place)
    }

    fn set_place(&mut self, player: PlayerId, place: Place) {
        if let Some(account) = self.desk.account_mut(player) {
            account.place = place;
        }
    }

    fn reschedule(&mut self, index: usize) {
        if let Some(game) = self.matches.get_mut(index) {
            self.due.remove(&(game.queued, Due::Match(index)));
            game.queued = game.bout.deadline();
            self.due.insert((game.queued, Due::Match(index)));
        }
    }

    fn happen(&mut self, due: Due, now: Instant) {
        match due {
            Due::Wait(player) => {
                self.stop_waiting(player);
                self.desk.tell(player, &Reply::No(No::NoMatch));
            }
            Due::Match(index) => {
                let Some(game) = self.matches.get_mut(index) else {
                    return;
                };
                match game.bout.late(now) {
                    Some(Late::Round(round)) => self.end_round(index, round, now),
                    Some(Late::Away(outcome)) => self.end(index, outcome, Why::Away),
                    None => self.reschedule(index),
                }
            }
        }
    }
}

impl Game for Referee {
    type Account = Account;

    fn desk(&self) -> &Desk<Account> {
        &self.desk
    }

    fn desk_mut(&mut self) -> &mut Desk<Account> {
        &mut self.desk
    }

    fn greet(&mut self, id: MemberId) {
        let best_of = self.rules.best_of;
        self.desk.say(id, &Reply::Greeting { best_of });
    }

    fn line(&mut self, id: MemberId, line: &str, now: Instant) {
        match (Request::parse(line), self.desk.player_of(id)) {
            (None, _) => self.desk.say(id, &Reply::No(No::Request)),
            (Some(Request::Help), _) => {
                for words in HELP {
                    self.desk.say(id, &Reply::Help(words));
                }
            }
            (Some(Request::Bye), _) => {
                self.desk.say(id, &Reply::Bye);
                self.desk.end(id, Ending::Finished);
                self.hang_up(id, now);
            }
            (Some(Request::Hello(name, key)), _) => self.login(id, name, key, now),
            (Some(_), None) => self.desk.say(id, &Reply::No(No::Login)),
            (Some(request), Some(player)) => self.request(player, request, now),
        }
    }

    fn line_too_long(&mut self, id: MemberId) {
        self.desk.say(id, &Reply::No(No::Line));
    }

    fn hang_up(&mut self, id: MemberId, now: Instant) {
        let Some(player) = self.desk.player_of(id) else {
            return self.desk.end(id, Ending::Finished);
        };
        self.desk.note_hung_up(id);
        self.disappoint(player);
        self.stop_waiting(player);
        let Place::Playing(index, side) = self.place(player) else {
            return self.desk.end(id, Ending::Finished);
        };
        let Some(game) = self.matches.get_mut(index) else {
            return;
        };
        if game.bout.away(side).is_some() {
            return;
        }
        let seconds = seconds(game.bout.leave(side, now));
        let other = game.seats[side.other().index()];
        let name = self.desk.name(player).to_owned();
        let name = &*name;
        self.tell(other, &Reply::Away { name, seconds });
        self.reschedule(index);
    }

    fn advance(&mut self, now: Instant) {
        while let Some((at, due)) = self.due.first().copied()
            && at <= now
        {
            self.due.pop_first();
            self.happen(due, now);
        }
    }

    fn deadline(&self, id: MemberId) -> Option<Instant> {
        match self.place(self.desk.player_of(id)?) {
            Place::Idle => None,
            Place::Waiting(_, until) => Some(until),
            Place::Playing(index, _) => Some(self.matches.get(index)?.queued),
        }
    }

    fn dismiss(&mut self, id: MemberId) {
        self.desk.say(id, &Reply::Bye);
        self.desk.end(id, Ending::Finished);
    }
}

/// Whole seconds, rounded up, so that a time that is told has not passed.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
