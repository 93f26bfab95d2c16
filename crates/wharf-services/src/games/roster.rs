//! The names that a server knows, each with a key and an account.
//!
//! ```text
//!             HELLO name             connection ends
//!  (unknown) ───────────▶ connected ─────────────────▶ away ──▶ forgotten, when there
//!                            ▲     HELLO name key        │      are too many names
//!                            └───────────────────────────┘
//! ```
//! A name belongs to whoever has its key. One that is still in a game is not
//! forgotten.

use std::collections::{BTreeMap, BTreeSet};

use slab::Slab;

use super::desk::MemberId;
use super::words::Name;
use super::{Dice, is_key, is_name};

/// A player; it stays the same when the player reconnects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PlayerId(pub(super) usize);

#[derive(Debug)]
pub(super) struct Player<A> {
    pub(super) name: String,
    key: String,
    pub(super) member: Option<MemberId>,
    pub(super) account: A,
    /// It is in a game, and must not be forgotten.
    pinned: bool,
    /// Its place among those that may be forgotten.
    away: Option<u64>,
}

/// Why a login was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginRefusal {
    /// This cannot be a name, or not a key.
    BadName,
    /// Somebody has this name, and the key is not the right one.
    InUse,
    /// As many players are connected as the server takes.
    Full,
}

/// What a login found.
pub(super) struct Found {
    pub(super) player: PlayerId,
    /// The connection that the player had until now.
    pub(super) before: Option<MemberId>,
}

#[derive(Debug)]
pub(super) struct Roster<A> {
    players: Slab<Player<A>>,
    by_name: BTreeMap<Name, PlayerId>,
    /// Those that may be forgotten, the first of them first.
    away: BTreeSet<(u64, PlayerId)>,
    next_away: u64,
    most: usize,
    reserved: &'static [&'static str],
}

impl<A: Default> Roster<A> {
    pub(super) fn new(most: usize, reserved: &'static [&'static str]) -> Self {
        Roster {
            players: Slab::new(),
            by_name: BTreeMap::new(),
            away: BTreeSet::new(),
            next_away: 0,
            most: most.max(1),
            reserved,
        }
    }

    /// Logs `member` in; `forget` gets the account that has to give way, if any.
    pub(super) fn login(
        &mut self,
        member: MemberId,
        name: &str,
        key: Option<&str>,
        dice: &mut Dice,
        forget: impl FnOnce(&str, A),
    ) -> Result<Found, LoginRefusal> {
        if !is_name(name) || key.is_some_and(|key| !is_key(key)) {
            return Err(LoginRefusal::BadName);
        }
        let found = self.find(name);
        let reserved = self
            .reserved
            .iter()
            .any(|word| word.eq_ignore_ascii_case(name));
        if reserved {
            return Err(LoginRefusal::InUse);
        }
        if let Some(player) = found {
            return self.resume(player, member, key);
        }
        if self.players.len() >= self.most {
            let (_, oldest) = self.away.pop_first().ok_or(LoginRefusal::Full)?;
            let player = self.players.remove(oldest.0);
            self.by_name.remove(&Name::of(&player.name));
            forget(&player.name, player.account);
        }
        let key = key.map_or_else(|| dice.key(), str::to_owned);
        let player = PlayerId(self.players.insert(Player {
            name: name.to_owned(),
            key,
            member: Some(member),
            account: A::default(),
            pinned: false,
            away: None,
        }));
        self.by_name.insert(Name::of(name), player);
        let before = None;
        Ok(Found { player, before })
    }

    fn resume(
        &mut self,
        player: PlayerId,
        member: MemberId,
        key: Option<&str>,
    ) -> Result<Found, LoginRefusal> {
        let known = self.players.get_mut(player.0);
        let known = known.filter(|known| key.is_some_and(|key| same(key, &known.key)));
        let known = known.ok_or(LoginRefusal::InUse)?;
        let before = known.member.replace(member);
        self.place(player);
        Ok(Found { player, before })
    }

    /// The player's connection is gone.
    pub(super) fn part(&mut self, player: PlayerId) {
        if let Some(known) = self.players.get_mut(player.0) {
            known.member = None;
        }
        self.place(player);
    }

    /// Keeps a player that is in a game.
    pub(super) fn pin(&mut self, player: PlayerId) {
        if let Some(known) = self.players.get_mut(player.0) {
            known.pinned = true;
        }
        self.place(player);
    }

    /// Lets a player be forgotten again.
    pub(super) fn unpin(&mut self, player: PlayerId) {
        if let Some(known) = self.players.get_mut(player.0) {
            known.pinned = false;
        }
        self.place(player);
    }

    /// Puts a player among those that may be forgotten, or takes it out.
    fn place(&mut self, player: PlayerId) {
        let Some(known) = self.players.get_mut(player.0) else {
            return;
        };
        let may_go = known.member.is_none() && !known.pinned;
        match (known.away, may_go) {
            (None, true) => {
                known.away = Some(self.next_away);
                self.away.insert((self.next_away, player));
                self.next_away += 1;
            }
            (Some(since), false) => {
                known.away = None;
                self.away.remove(&(since, player));
            }
            _ => {}
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<PlayerId> {
        self.by_name.get(&Name::of(name)).copied()
    }

    pub(super) fn get(&self, player: PlayerId) -> Option<&Player<A>> {
        self.players.get(player.0)
    }

    pub(super) fn get_mut(&mut self, player: PlayerId) -> Option<&mut Player<A>> {
        self.players.get_mut(player.0)
    }

    /// Everybody, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (PlayerId, &Player<A>)> {
        let known = |id: &PlayerId| Some((*id, self.players.get(id.0)?));
        self.by_name.values().filter_map(known)
    }
}

impl<A> Player<A> {
    pub(super) fn key(&self) -> &str {
        &self.key
    }
}

/// Compares keys in a time that does not tell how much of them is right.
fn same(given: &str, key: &str) -> bool {
    let pairs = given.bytes().zip(key.bytes());
    let different = pairs.fold(0, |different, (a, b)| different | (a ^ b));
    given.len() == key.len() && different == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(
        roster: &mut Roster<u32>,
        member: usize,
        name: &str,
        key: Option<&str>,
    ) -> Result<PlayerId, LoginRefusal> {
        let found = roster.login(MemberId(member), name, key, &mut Dice::default(), |_, _| {});
        found.map(|found| found.player)
    }

    #[test]
    fn a_name_belongs_to_its_key() {
        let mut roster = Roster::new(10, &["house"]);
        let ann = login(&mut roster, 1, "ann", Some("secret")).unwrap();
        for key in [None, Some("Secret"), Some("secre"), Some("secret2")] {
            assert_eq!(login(&mut roster, 2, "ANN", key), Err(LoginRefusal::InUse));
        }
        assert_eq!(login(&mut roster, 2, "Ann", Some("secret")), Ok(ann));
        assert_eq!(roster.get(ann).unwrap().member, Some(MemberId(2)));
        assert_eq!(
            login(&mut roster, 3, "House", None),
            Err(LoginRefusal::InUse)
        );
        assert_eq!(
            login(&mut roster, 3, "a b", None),
            Err(LoginRefusal::BadName)
        );
    }

    #[test]
    fn the_one_that_was_away_for_longest_is_forgotten_and_nobody_in_a_game_is() {
        let mut roster = Roster::new(3, &[]);
        let [a, b, c] = ["a", "b", "c"].map(|name| login(&mut roster, 1, name, None).unwrap());
        assert_eq!(login(&mut roster, 2, "d", None), Err(LoginRefusal::Full));
        roster.pin(a);
        for player in [a, b, c] {
            roster.part(player);
        }
        assert!(login(&mut roster, 2, "d", None).is_ok());
        assert_eq!((roster.find("a"), roster.find("b")), (Some(a), None));
        assert!(login(&mut roster, 2, "e", None).is_ok());
        assert_eq!(login(&mut roster, 2, "f", None), Err(LoginRefusal::Full));
        roster.unpin(a);
        assert!(login(&mut roster, 2, "f", None).is_ok());
        assert_eq!(roster.all().count(), 3);
    }
}
