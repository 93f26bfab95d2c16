//! The house: all tables, all accounts, and what each line causes.
//!
//! ```text
//!              HELLO            SIT              BET
//!   stranger ─────────▶ idle ─────────▶ seated ───────▶ in the round
//!                        ▲ ◀── LEAVE ─────┘ ◀──── END ────┘
//! ```
//! No I/O and no clock. Every line of every player has an answer in every state, and
//! the [books](House::books) balance after each of them.

use std::collections::BTreeSet;
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

use super::cards::Chips;
use super::fair::{Seed, is_nonce};
use super::grammar::{DEALER, No, Nonce, Reply, Request, Where};
use super::round::Action;
use super::rules::Rules;
use super::table::{Company, Payment, Phase, Table};
use crate::games::{Desk, Ending, Game, LoginRefusal, MAX_ROWS, MemberId, PlayerId, after};

/// What people are told who ask for help.
const HELP: [&str; 10] = [
    "HELLO name      take a name; HELLO name key to come back under it",
    "SIT             take a seat; SIT 3 at table 3, SIT ALONE at a table of your own",
    "BET 10          take part with 10 chips; BET 10 lucky adds to the shuffle",
    "HIT, STAND, DOUBLE, SPLIT (or H, S, D, P)   when it is your turn",
    "LEAVE           give the seat up, after the round",
    "BALANCE, BUY    what you have; new chips when you have none",
    "AGAIN           how things stand",
    "TOP             who has won most",
    "BYE             leave; every line of mine is a code, its fields, and words for you",
    "BET 10 =SHA256 and REVEAL nonce hide what you add until all bets are in",
];

/// What is kept under a name.
#[derive(Debug, Default)]
pub(crate) struct Account {
    chips: Chips,
    bought: Chips,
    won: Chips,
    place: Option<(usize, usize)>,
}

/// Everybody who is here.
#[derive(Debug)]
pub(crate) struct House {
    rules: Rules,
    desk: Desk<Account>,
    tables: Slab<Table>,
    /// Tables with a free seat for anybody.
    free: BTreeSet<usize>,
    due: BTreeSet<(Instant, usize)>,
    /// What the house has won.
    won: Chips,
    /// What went with names that were forgotten.
    forgotten: Chips,
}

impl House {
    pub(crate) fn new(rules: Rules) -> Self {
        House {
            desk: Desk::new(rules.max_names, &[DEALER]),
            rules,
            tables: Slab::new(),
            free: BTreeSet::new(),
            due: BTreeSet::new(),
            won: Chips::ZERO,
            forgotten: Chips::ZERO,
        }
    }

    /// What was bought, and where it is now: the two are the same.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn books(&self) -> (Chips, Chips) {
        let accounts = || self.desk.accounts().map(|(_, account)| account);
        let bought: Chips = accounts().map(|account| account.bought).sum();
        let held: Chips = accounts().map(|account| account.chips).sum();
        let chairs = self.tables.iter().flat_map(|(_, table)| &table.chairs);
        let bets = chairs.flatten().filter_map(|chair| chair.bet.as_ref());
        let staked: Chips = bets.map(|bet| bet.stake).sum();
        (bought, held + staked + self.won + self.forgotten)
    }

    fn login(&mut self, id: MemberId, name: &str, key: Option<&str>, now: Instant) {
        if let Some(player) = self.desk.player_of(id) {
            if self.desk.name(player).eq_ignore_ascii_case(name) {
                return self.welcome(player, now);
            }
            return self.desk.say(id, &Reply::No(No::LoggedIn));
        }
        let mut forgotten = Chips::ZERO;
        // What was bought goes too, so only what it won or lost is left in the books.
        let forget = |_: &str, account: Account| forgotten = account.chips - account.bought;
        let outcome = self.desk.login(id, name, key, forget);
        self.forgotten += forgotten;
        match outcome {
            Ok(player) => {
                let start = Chips::whole(self.rules.start);
                if let Some(account) = self.desk.account_mut(player)
                    && account.bought == Chips::ZERO
                {
                    account.chips = start;
                    account.bought = start;
                }
                let words = format!(
                    "{} logged in from {}",
                    self.desk.name(player),
                    self.desk.address(id)
                );
                self.desk.report(words);
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
        let chips = self.chips(player);
        self.desk.tell(player, &Reply::Welcome { name, key, chips });
        if self.place(player).is_some() {
            self.stand(player, now);
        }
    }

    fn request(&mut self, player: PlayerId, request: Request<'_>, now: Instant) {
        match (request, self.place(player)) {
            (Request::Sit(at), None) => self.sit(player, at, now),
            (Request::Balance, _) => self.tell_balance(player),
            (Request::Buy, _) => self.buy(player),
            (Request::Top, _) => self.top(player),
            (Request::Again, _) => self.stand(player, now),
            (Request::Sit(_), Some(_)) => self.refuse(player, No::NotNow),
            (_, None) => self.refuse(player, No::Seat),
            (Request::Bet(chips, nonce), Some(place)) => self.bet(player, place, chips, nonce, now),
            (Request::Reveal(nonce), Some(place)) => self.reveal(player, place, nonce, now),
            (Request::Act(action), Some(place)) => self.act(player, place, action, now),
            (Request::Leave, Some(place)) => self.leave(player, place, now),
            _ => self.refuse(player, No::NotNow),
        }
    }

    fn refuse(&mut self, player: PlayerId, no: No) {
        self.desk.tell(player, &Reply::No(no));
    }

    fn buy(&mut self, player: PlayerId) {
        let start = Chips::whole(self.rules.start);
        let at_stake = self.place(player).is_some_and(|(table, seat)| {
            let chair = self
                .tables
                .get(table)
                .and_then(|table| table.chairs[seat].as_ref());
            chair.is_some_and(|chair| chair.bet.is_some())
        });
        match self.desk.account_mut(player) {
            Some(account) if account.chips < Chips::whole(1) && !at_stake => {
                account.chips += start;
                account.bought += start;
                self.tell_balance(player);
            }
            _ => self.refuse(player, No::NotBroke),
        }
    }

    fn sit(&mut self, player: PlayerId, at: Where, now: Instant) {
        let index = match at {
            Where::Anywhere => self.free.first().copied(),
            Where::Alone => None,
            Where::Table(number) => {
                let index = (number as usize).checked_sub(1);
                let index = index.filter(|index| self.free.contains(index));
                if index.is_none() {
                    return self.refuse(player, No::Table);
                }
                index
            }
        };
        let index = index.unwrap_or_else(|| {
            self.open_table(match at {
                Where::Alone => Company::Alone,
                Where::Anywhere | Where::Table(_) => Company::Anybody,
            })
        });
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        let Some(seat) = table.free_seat() else {
            return;
        };
        table.sit(seat, player, self.desk.name(player));
        if table.free_seat().is_none() {
            self.free.remove(&index);
        }
        if let Some(account) = self.desk.account_mut(player) {
            account.place = Some((index, seat));
        }
        let name = self.desk.name(player).to_owned();
        let sits = Reply::Sits {
            seat: seat + 1,
            name: &name,
        };
        for other in self.players_at(index) {
            if other != player {
                self.desk.tell(other, &sits);
            }
        }
        self.stand(player, now);
    }

    fn open_table(&mut self, company: Company) -> usize {
        let seed = Seed::new(self.desk.dice().bytes());
        let entry = self.tables.vacant_entry();
        let index = entry.key();
        let mut table = Table::new(index as u32 + 1, company, seed, &self.rules);
        // Nobody sits there yet; whoever does hears what was said.
        table.news.clear();
        entry.insert(table);
        if company == Company::Anybody {
            self.free.insert(index);
        }
        index
    }

    fn players_at(&self, index: usize) -> Vec<PlayerId> {
        let table = self.tables.get(index);
        let chairs = table.into_iter().flat_map(|table| &table.chairs);
        chairs.flatten().map(|chair| chair.player).collect()
    }

    fn bet(
        &mut self,
        player: PlayerId,
        (index, seat): (usize, usize),
        chips: u32,
        nonce: Nonce<'_>,
        now: Instant,
    ) {
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        let has_bet = table.chairs[seat]
            .as_ref()
            .is_some_and(|chair| chair.bet.is_some());
        if has_bet {
            return self.refuse(player, No::HasBet);
        }
        if !matches!(table.phase, Phase::Betting) {
            return self.refuse(player, No::NotNow);
        }
        let stake = Chips::whole(chips);
        let account = self.desk.account_mut(player);
        let account = account.filter(|account| account.chips >= stake);
        // The largest number stands for all that are larger.
        let most = self.rules.max_bet.min(u32::MAX - 1);
        let (Some(account), true) = (account, (1..=most).contains(&chips)) else {
            return self.refuse(player, No::Chips);
        };
        account.chips -= stake;
        self.desk.pin(player);
        table.bet(seat, stake, nonce);
        if table.all_have_bet() {
            self.close_bets(index, now);
        } else if table.until.is_none() {
            table.until = Some(after(now, self.rules.bet));
            let closing = Reply::Closing(seconds(self.rules.bet));
            table.news.push(closing.to_string());
        }
        self.publish(index);
    }

    fn close_bets(&mut self, index: usize, now: Instant) {
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        if table.close_bets() {
            table.phase = Phase::Revealing;
            table.until = Some(after(now, self.rules.reveal));
            let reveal = Reply::Reveal(seconds(self.rules.reveal));
            table.news.push(reveal.to_string());
        } else {
            self.deal(index, now);
        }
    }

    fn reveal(
        &mut self,
        player: PlayerId,
        (index, seat): (usize, usize),
        nonce: &str,
        now: Instant,
    ) {
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        if !matches!(table.phase, Phase::Revealing) {
            return self.refuse(player, No::NotNow);
        }
        if !is_nonce(nonce) || !table.reveal(seat, nonce) {
            return self.refuse(player, No::Nonce);
        }
        if !table.hides_nonces() {
            self.deal(index, now);
        }
        self.publish(index);
    }

    fn deal(&mut self, index: usize, now: Instant) {
        if let Some(table) = self.tables.get_mut(index) {
            let payments = table.deal();
            self.pay(&payments);
            self.go_on(index, now);
        }
    }

    fn act(
        &mut self,
        player: PlayerId,
        (index, seat): (usize, usize),
        action: Action,
        now: Instant,
    ) {
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        if table.turn().is_none_or(|(turn, _)| turn != seat) {
            return self.refuse(player, No::Turn);
        }
        let Some(round) = table.playing() else {
            return;
        };
        if !round.allows(action) {
            return self.refuse(player, No::Hand);
        }
        if matches!(action, Action::Double | Action::Split) {
            let price = round.stake();
            let account = self.desk.account_mut(player);
            match account.filter(|account| account.chips >= price) {
                Some(account) => account.chips -= price,
                None => return self.refuse(player, No::Chips),
            }
            // The books look at the bet, so it grows with what is staked.
            if let Some(bet) = table.chairs[seat]
                .as_mut()
                .and_then(|chair| chair.bet.as_mut())
            {
                bet.stake += price;
            }
        }
        self.do_act(index, action, now);
        self.publish(index);
    }

    /// Does something that is possible and paid for, for whoever's turn it is.
    fn do_act(&mut self, index: usize, action: Action, now: Instant) {
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        let mut seen = Vec::new();
        if let Some(round) = table.playing() {
            // It was asked whether this is allowed.
            let _ = round.act(action, &mut seen);
        }
        let payments = table.tell_all(&seen);
        self.pay(&payments);
        self.go_on(index, now);
    }

    /// Announces the next turn, or ends the round.
    fn go_on(&mut self, index: usize, now: Instant) {
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        let Some((seat, _)) = table.turn() else {
            return self.end_round(index);
        };
        if table.chairs[seat]
            .as_ref()
            .is_some_and(|chair| chair.leaving)
        {
            return self.do_act(index, Action::Stand, now);
        }
        table.until = Some(after(now, self.rules.turn));
        if let Some(line) = self.turn_line(index, now)
            && let Some(table) = self.tables.get_mut(index)
        {
            table.news.push(line);
        }
    }

    fn turn_line(&self, index: usize, now: Instant) -> Option<String> {
        let table = self.tables.get(index)?;
        let (seat, hand) = table.turn()?;
        let chair = table.chairs[seat].as_ref()?;
        let Phase::Playing(round, _) = &table.phase else {
            return None;
        };
        let affordable = self.chips(chair.player) >= round.stake();
        let can = |action| affordable && round.allows(action);
        let left = table.until?.saturating_duration_since(now);
        let reply = Reply::Turn {
            name: &chair.name,
            hand: hand + 1,
            seconds: seconds(left),
            can: [can(Action::Double), can(Action::Split)],
        };
        Some(reply.to_string())
    }

    fn pay(&mut self, payments: &[Payment]) {
        for payment in payments {
            self.won += payment.stake - payment.paid;
            if let Some(account) = self.desk.account_mut(payment.player) {
                account.chips += payment.paid;
                account.won += payment.paid - payment.stake;
            }
        }
    }

    fn end_round(&mut self, index: usize) {
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        let bettors: Vec<PlayerId> = table
            .chairs
            .iter()
            .flatten()
            .filter(|chair| chair.bet.is_some())
            .map(|chair| chair.player)
            .collect();
        let (number, round) = (table.number, table.round);
        table.end();
        self.publish(index);
        let players = crate::games::Counted(bettors.len() as u64, "player");
        let words = format!("table {number} has dealt round {round} to {players}");
        self.desk.report(words);
        for player in &bettors {
            self.tell_balance(*player);
            self.desk.unpin(*player);
        }
        let leaving = self
            .tables
            .get(index)
            .map(Table::leaving)
            .unwrap_or_default();
        for seat in leaving {
            self.stand_up(index, seat);
        }
        for player in bettors {
            if self.desk.is_away(player) {
                if let Some((_, seat)) = self.place(player) {
                    self.stand_up(index, seat);
                }
                self.desk.end_if_hung_up(player);
            }
        }
        let seed = Seed::new(self.desk.dice().bytes());
        if let Some(table) = self.tables.get_mut(index) {
            table.open_bets(seed);
        }
        self.publish(index);
    }

    /// Takes somebody's seat, and the table with it if it was the last.
    fn stand_up(&mut self, index: usize, seat: usize) {
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        let Some(chair) = table.chairs[seat].take() else {
            return;
        };
        if let Some(account) = self.desk.account_mut(chair.player) {
            account.place = None;
        }
        self.desk.tell(chair.player, &Reply::Idle);
        if table.is_empty() {
            if let Some(queued) = table.queued {
                self.due.remove(&(queued, index));
            }
            self.free.remove(&index);
            self.tables.remove(index);
            return;
        }
        if table.company == Company::Anybody {
            self.free.insert(index);
        }
        table.news.push(Reply::Stood(&chair.name).to_string());
        self.publish(index);
    }

    fn leave(&mut self, player: PlayerId, (index, seat): (usize, usize), now: Instant) {
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        let turn = table.turn().map(|(turn, _)| turn);
        let Some(chair) = &mut table.chairs[seat] else {
            return;
        };
        if chair.bet.is_none() {
            self.stand_up(index, seat);
            return self.close_if_all_have_bet(index, now);
        }
        chair.leaving = true;
        self.desk.tell(player, &Reply::Leaving);
        if turn == Some(seat) {
            self.do_act(index, Action::Stand, now);
            self.publish(index);
        }
    }

    /// Somebody who had not bet has left: perhaps nobody is waited for any more.
    fn close_if_all_have_bet(&mut self, index: usize, now: Instant) {
        let table = self.tables.get(index);
        let closes = table
            .is_some_and(|table| matches!(table.phase, Phase::Betting) && table.all_have_bet());
        if closes {
            self.close_bets(index, now);
            self.publish(index);
        }
    }

    /// Tells everybody at a table what is new there, and notes when it ends.
    fn publish(&mut self, index: usize) {
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        let news = std::mem::take(&mut table.news);
        for player in self.players_at(index) {
            for line in &news {
                self.desk.tell(player, line);
            }
        }
        self.reschedule(index);
    }

    /// Keeps one entry for each table among what is due.
    fn reschedule(&mut self, index: usize) {
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        if let Some(before) = table.queued {
            self.due.remove(&(before, index));
        }
        table.queued = table.until;
        if let Some(until) = table.until {
            self.due.insert((until, index));
        }
    }

    /// Tells a player how things stand.
    fn stand(&mut self, player: PlayerId, now: Instant) {
        let Some((index, seat)) = self.place(player) else {
            return self.desk.tell(player, &Reply::Idle);
        };
        let turn = self.turn_line(index, now);
        let Some(table) = self.tables.get(index) else {
            return;
        };
        let (number, seat) = (table.number, seat + 1);
        let mut lines = vec![
            Reply::Seat {
                table: number,
                seat,
            }
            .to_string(),
        ];
        for (seat, chair) in table.chairs.iter().enumerate() {
            if let Some(chair) = chair {
                let (seat, name) = (seat + 1, &*chair.name);
                lines.push(Reply::Sits { seat, name }.to_string());
            }
        }
        lines.extend(table.said.iter().cloned());
        if table.chairs[seat - 1]
            .as_ref()
            .is_some_and(|chair| chair.leaving)
        {
            lines.push(Reply::Leaving.to_string());
        }
        let left = table
            .until
            .map_or(0, |until| seconds(until.saturating_duration_since(now)));
        match table.phase {
            Phase::Betting if table.until.is_some() => {
                lines.push(Reply::Closing(left).to_string());
            }
            Phase::Betting => {}
            Phase::Revealing => lines.push(Reply::Reveal(left).to_string()),
            Phase::Playing(..) => lines.extend(turn),
        }
        for line in lines {
            self.desk.tell(player, &line);
        }
        self.tell_balance(player);
    }

    fn top(&mut self, player: PlayerId) {
        let mut best: Vec<(&str, Chips)> = Vec::with_capacity(MAX_ROWS + 1);
        for (name, account) in self.desk.accounts() {
            let place = best.partition_point(|(_, won)| *won >= account.won);
            if place < MAX_ROWS {
                best.insert(place, (name, account.won));
                best.truncate(MAX_ROWS);
            }
        }
        let rows: Vec<(String, Chips)> = best
            .into_iter()
            .map(|(name, won)| (name.to_owned(), won))
            .collect();
        self.desk.tell(player, &Reply::Top(rows.len()));
        for (index, (name, won)) in rows.iter().enumerate() {
            let (rank, won) = (index + 1, *won);
            self.desk.tell(player, &Reply::Score { rank, name, won });
        }
    }

    fn chips(&self, player: PlayerId) -> Chips {
        let account = self.desk.account(player);
        account.map_or(Chips::ZERO, |account| account.chips)
    }

    fn tell_balance(&mut self, player: PlayerId) {
        let chips = self.chips(player);
        self.desk.tell(player, &Reply::Balance(chips));
    }

    fn place(&self, player: PlayerId) -> Option<(usize, usize)> {
        self.desk.account(player)?.place
    }

    /// A table's time is up.
    fn happen(&mut self, index: usize, now: Instant) {
        let Some(table) = self.tables.get_mut(index) else {
            return;
        };
        if table.until.is_none_or(|until| until > now) {
            return;
        }
        match table.phase {
            Phase::Betting => {
                table.until = None;
                self.close_bets(index, now);
            }
            Phase::Revealing => {
                let payments = table.void();
                self.pay(&payments);
                self.end_round(index);
            }
            Phase::Playing(..) => self.do_act(index, Action::Stand, now),
        }
        self.publish(index);
    }
}

impl Game for House {
    type Account = Account;

    fn desk(&self) -> &Desk<Account> {
        &self.desk
    }

    fn desk_mut(&mut self) -> &mut Desk<Account> {
        &mut self.desk
    }

    fn greet(&mut self, id: MemberId) {
        let (decks, most) = (self.rules.decks, self.rules.max_bet);
        self.desk.say(id, &Reply::Greeting { decks, most });
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
        let Some((index, seat)) = self.place(player) else {
            return self.desk.end(id, Ending::Finished);
        };
        let table = self.tables.get(index);
        let chair = table.and_then(|table| table.chairs[seat].as_ref());
        // Who has bet keeps its seat until the round is over, and may come back.
        if chair.is_none_or(|chair| chair.bet.is_none()) {
            self.stand_up(index, seat);
            self.desk.end(id, Ending::Finished);
            self.close_if_all_have_bet(index, now);
        }
    }

    fn advance(&mut self, now: Instant) {
        while let Some((at, index)) = self.due.first().copied()
            && at <= now
        {
            self.due.pop_first();
            self.happen(index, now);
        }
    }

    fn deadline(&self, id: MemberId) -> Option<Instant> {
        let (index, _) = self.place(self.desk.player_of(id)?)?;
        self.tables.get(index)?.until
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
