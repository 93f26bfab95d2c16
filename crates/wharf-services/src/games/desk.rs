//! Who is connected, and what waits to be written to whom.
//!
//! What one member causes for others stands in their outboxes, and their [`Door`]s
//! are to be rung for it; who calls the game rings after it has let go of the lock.

use std::fmt;
use std::sync::Arc;

use slab::Slab;
use wharf::network::Endpoint;

use super::hall::Bell;
use super::roster::{Found, LoginRefusal, Player, PlayerId, Roster};
use super::words::write_line;
use super::{BACKPRESSURE_BYTES, Dice, MAX_WAITING_BYTES};

/// A connection, until it [leaves](Desk::leave).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberId(pub(super) usize);

/// How a member is reached.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    /// The task of a connection.
    Task(Arc<Bell>),
    /// A peer over datagrams.
    Peer(Endpoint),
    /// It looks for itself.
    #[cfg(any(test, fuzzing))]
    Nobody,
}

/// Why a member is let go, once everything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It said goodbye, or has nothing more to hear.
    Finished,
    /// It did not read; so many bytes waited for it.
    SlowReader(usize),
    /// The server takes no more players.
    Full,
}

#[derive(Debug)]
struct Member {
    door: Door,
    player: Option<PlayerId>,
    outbox: Vec<u8>,
    /// It was rung and has taken nothing since.
    rung: bool,
    /// It says nothing more.
    hung_up: bool,
    ending: Option<Ending>,
}

/// Everybody who is connected and everybody who has a name.
#[derive(Debug)]
pub(crate) struct Desk<A> {
    members: Slab<Member>,
    roster: Roster<A>,
    dice: Dice,
    rung: Vec<Door>,
    told: Vec<String>,
}

impl<A: Default> Desk<A> {
    /// A desk that remembers at most `names`; nobody can be called as in `reserved`.
    pub(crate) fn new(names: usize, reserved: &'static [&'static str]) -> Self {
        Desk {
            members: Slab::new(),
            roster: Roster::new(names, reserved),
            dice: Dice::default(),
            rung: Vec::new(),
            told: Vec::new(),
        }
    }

    pub(crate) fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// Somebody connected.
    pub(crate) fn enter(&mut self, door: Door) -> MemberId {
        MemberId(self.members.insert(Member {
            door,
            player: None,
            outbox: Vec::new(),
            rung: false,
            hung_up: false,
            ending: None,
        }))
    }

    /// A connection is gone. What still waits for it is lost.
    pub(crate) fn leave(&mut self, id: MemberId) {
        self.part(id);
        self.members.try_remove(id.0);
    }

    /// Gives a member a name. A player that is connected already is let go there.
    pub(crate) fn login(
        &mut self,
        id: MemberId,
        name: &str,
        key: Option<&str>,
        forget: impl FnOnce(&str, A),
    ) -> Result<PlayerId, LoginRefusal> {
        let Found { player, before } = self.roster.login(id, name, key, &mut self.dice, forget)?;
        if let Some(before) = before
            && let Some(member) = self.members.get_mut(before.0)
        {
            member.player = None;
            member.ending.get_or_insert(Ending::Finished);
            self.ring(before);
        }
        if let Some(member) = self.members.get_mut(id.0) {
            member.player = Some(player);
        }
        Ok(player)
    }

    /// Takes a member's name from it; the player is away then.
    pub(crate) fn part(&mut self, id: MemberId) -> Option<PlayerId> {
        let player = self.members.get_mut(id.0)?.player.take()?;
        self.roster.part(player);
        Some(player)
    }

    /// Says something to a member. One that does not read is let go.
    pub(crate) fn say(&mut self, id: MemberId, line: &impl fmt::Display) {
        let Some(member) = self.members.get_mut(id.0) else {
            return;
        };
        if member.ending.is_some() {
            return;
        }
        write_line(&mut member.outbox, line);
        if member.outbox.len() > MAX_WAITING_BYTES {
            member.ending = Some(Ending::SlowReader(member.outbox.len()));
            member.outbox = Vec::new();
            member.rung = false;
        }
        self.ring(id);
    }

    /// Says something to a player, if it is connected.
    pub(crate) fn tell(&mut self, player: PlayerId, line: &impl fmt::Display) {
        if let Some(id) = self.member_of(player) {
            self.say(id, line);
        }
    }

    /// Lets a member go once everything is written.
    pub(crate) fn end(&mut self, id: MemberId, ending: Ending) {
        if let Some(member) = self.members.get_mut(id.0) {
            member.ending.get_or_insert(ending);
            self.ring(id);
        }
    }

    /// Notes that a member says nothing more.
    pub(crate) fn note_hung_up(&mut self, id: MemberId) {
        if let Some(member) = self.members.get_mut(id.0) {
            member.hung_up = true;
        }
    }

    /// Lets a player's connection go, if nothing can come from it any more.
    pub(crate) fn end_if_hung_up(&mut self, player: PlayerId) {
        let Some(id) = self.member_of(player) else {
            return;
        };
        if self.members.get(id.0).is_some_and(|member| member.hung_up) {
            self.end(id, Ending::Finished);
        }
    }

    /// Whether nothing more can come from a player: it is not connected, or has ended
    /// its side.
    pub(crate) fn is_away(&self, player: PlayerId) -> bool {
        let member = self.member_of(player);
        let member = member.and_then(|id| self.members.get(id.0));
        member.is_none_or(|member| member.hung_up || member.ending.is_some())
    }

    fn ring(&mut self, id: MemberId) {
        if let Some(member) = self.members.get_mut(id.0)
            && !std::mem::replace(&mut member.rung, true)
        {
            self.rung.push(member.door.clone());
        }
    }

    /// Takes what is to be written to a member.
    pub(crate) fn take(&mut self, id: MemberId) -> Vec<u8> {
        let Some(member) = self.members.get_mut(id.0) else {
            return Vec::new();
        };
        member.rung = false;
        std::mem::take(&mut member.outbox)
    }

    /// Whether a member must read before more of its lines are taken.
    pub(crate) fn is_clogged(&self, id: MemberId) -> bool {
        let member = self.members.get(id.0);
        member.is_some_and(|member| member.outbox.len() >= BACKPRESSURE_BYTES)
    }

    /// Whether a member is to be let go, and why.
    pub(crate) fn ending(&self, id: MemberId) -> Option<Ending> {
        self.members.get(id.0)?.ending
    }

    /// Who is to be woken because something waits for it.
    pub(crate) fn rung(&mut self) -> Vec<Door> {
        std::mem::take(&mut self.rung)
    }

    /// Reports something to whoever runs the server.
    pub(crate) fn report(&mut self, words: String) {
        self.told.push(words);
    }

    /// What there is to report.
    pub(crate) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// Where a member's peer is, for reports.
    pub(crate) fn address(&self, id: MemberId) -> String {
        match self.members.get(id.0).map(|member| &member.door) {
            Some(Door::Task(bell)) => bell.peer().to_string(),
            Some(Door::Peer(peer)) => peer.to_string(),
            _ => "nowhere".to_owned(),
        }
    }

    pub(crate) fn player_of(&self, id: MemberId) -> Option<PlayerId> {
        self.members.get(id.0)?.player
    }

    pub(crate) fn member_of(&self, player: PlayerId) -> Option<MemberId> {
        self.roster.get(player)?.member
    }

    pub(crate) fn find(&self, name: &str) -> Option<PlayerId> {
        self.roster.find(name)
    }

    /// A player's name; nobody without one is ever asked about.
    pub(crate) fn name(&self, player: PlayerId) -> &str {
        self.roster.get(player).map_or("", |known| &known.name)
    }

    pub(crate) fn key(&self, player: PlayerId) -> &str {
        self.roster.get(player).map_or("", Player::key)
    }

    pub(crate) fn account(&self, player: PlayerId) -> Option<&A> {
        Some(&self.roster.get(player)?.account)
    }

    pub(crate) fn account_mut(&mut self, player: PlayerId) -> Option<&mut A> {
        Some(&mut self.roster.get_mut(player)?.account)
    }

    /// Keeps a player that is in a game, even when it is away.
    pub(crate) fn pin(&mut self, player: PlayerId) {
        self.roster.pin(player);
    }

    /// The player may be forgotten again when it is away.
    pub(crate) fn unpin(&mut self, player: PlayerId) {
        self.roster.unpin(player);
    }

    /// Everybody's account with the name, by name.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (&str, &A)> {
        let all = self.roster.all();
        all.map(|(_, player)| (&*player.name, &player.account))
    }
}
