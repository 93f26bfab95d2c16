//! Who is logged in, and what each request causes for whom. No I/O and no clock.
//!
//! ```text
//!           enter            HELLO            leave
//!  (nobody) ─────▶ stranger ───────▶ user ───────────▶ (nobody)
//!                                     │ outbox full      ▲
//!                                     └──────▶ cut ──────┘
//! ```
//! Input is a line of one member, output is what then stands in outboxes, who is
//! to be [rung](Effects::rung) because of it, and what there is to tell. A name is
//! free again the moment its user leaves or is cut.
//!
//! `H` is how the owner of the room finds a member: the room only passes it back.
//!
//! Layout: `outbox` is what waits for one member, `bots` are the programs among
//! the users, `names` the table of names in login order.

mod bots;
mod names;
mod outbox;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use slab::Slab;
use smallvec::SmallVec;
use tokio::time::Instant;

use super::grammar::{BadRequest, Dialect, Reply, Request, Verb, is_name, text_of};
use super::rules::{Refused, Report, Rules};
use bots::Bot;
use names::Names;
pub use outbox::PIECE_PAUSE;
pub(crate) use outbox::{Outbox, Output};

/// A member of the room, until it [leaves](Room::leave).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MemberId(usize);

/// Everybody who is connected, and what waits for them.
#[derive(Debug)]
pub(crate) struct Room<H> {
    rules: Rules,
    members: Slab<Member<H>>,
    names: Names,
    addresses: BTreeMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Member<H> {
    handle: H,
    address: Option<IpAddr>,
    state: State,
    dialect: Dialect,
    outbox: Outbox,
    /// It was rung and has taken nothing since.
    rung: bool,
}

#[derive(Debug)]
enum State {
    Stranger,
    User(Arc<str>),
    /// It did not read; so many bytes waited for it.
    Cut(usize),
}

/// What a line caused beyond the outbox of its sender.
#[derive(Debug)]
pub(crate) struct Effects<H> {
    /// Members for whom something new waits, each once until it takes it, and those
    /// that were cut.
    pub(crate) rung: SmallVec<[H; 8]>,
    /// What there is to tell.
    pub(crate) told: Vec<Told<H>>,
}

/// Something worth telling about a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told<H> {
    LoggedIn {
        who: H,
        name: Arc<str>,
    },
    Refused {
        who: H,
        name: Box<str>,
        why: Refusal,
    },
    Left {
        who: H,
        name: Arc<str>,
        why: Leave,
    },
    Said {
        from: Arc<str>,
        to: Box<str>,
        text: Box<str>,
    },
}

/// Why a login was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody has this name.
    InUse,
    /// This cannot be a name.
    NoName,
    /// The room is full.
    Full,
    /// The client's address has its share of users.
    AddressFull,
}

/// Why a user left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Its connection ended.
    Closed,
    /// It did not read what others sent it.
    SlowReader,
}

/// What becomes of the connection that said a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Stays,
    /// What waits for it is still written, then it is closed.
    Closes(Refusal),
}

/// The member did not read and is no longer in the room: so many bytes waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlowReader(pub(crate) usize);

impl<H> Default for Effects<H> {
    fn default() -> Self {
        Effects {
            rung: SmallVec::new(),
            told: Vec::new(),
        }
    }
}

impl<H: Clone> Room<H> {
    pub(crate) fn new(rules: Rules) -> Self {
        Room {
            members: Slab::new(),
            names: Names::new(rules.bots),
            addresses: BTreeMap::new(),
            rules,
        }
    }

    /// Somebody connected. `address` is what it is counted under.
    pub(crate) fn enter(&mut self, handle: H, address: Option<IpAddr>) -> MemberId {
        MemberId(self.members.insert(Member {
            handle,
            address,
            state: State::Stranger,
            dialect: self.rules.dialect,
            outbox: Outbox::default(),
            rung: false,
        }))
    }

    /// A member said a line, given without its end. Bytes that are no UTF-8 become
    /// U+FFFD.
    pub(crate) fn line(&mut self, id: MemberId, line: &[u8], fx: &mut Effects<H>) -> Verdict {
        let line = text_of(line);
        let Some(member) = self.members.get_mut(id.0) else {
            return Verdict::Stays;
        };
        let name = match &member.state {
            State::Stranger => None,
            State::User(name) => Some(Arc::clone(name)),
            State::Cut(_) => return Verdict::Stays,
        };
        match (Request::parse(&line), name) {
            (Ok(Request::HelloFrom(name)), None) => return self.login(id, name, fx),
            (Err(BadRequest::Body(Verb::HelloFrom)), None) => {
                return self.refuse(id, name_field(&line), Refusal::NoName, fx);
            }
            (Ok(Request::Users(dialect)), Some(_)) => {
                member.dialect = dialect;
                let list = self.names.list();
                member.outbox.push(&Reply::Users(dialect, list));
            }
            (Ok(Request::Send { to, text }), Some(from)) => self.send(id, from, to, text, fx),
            (Err(BadRequest::Body(Verb::Send)), Some(_)) => member.outbox.push(&Reply::BadBody),
            // Unknown, or not now.
            _ => member.outbox.push(&Reply::BadHeader),
        }
        Verdict::Stays
    }

    /// A member said a line that was too long and was thrown away.
    pub(crate) fn line_too_long(&mut self, id: MemberId) {
        if let Some(member) = self.members.get_mut(id.0) {
            member.outbox.push(&Reply::BadBody);
        }
    }

    /// Says `HELLO` once more to a user of this name; false for everybody else. For
    /// networks that lose: who did not hear it asks again.
    pub(crate) fn greet_again(&mut self, id: MemberId, name: &str) -> bool {
        let Some(member) = self.members.get_mut(id.0) else {
            return false;
        };
        let known = matches!(&member.state, State::User(known) if **known == *name);
        if known {
            member.outbox.push(&Reply::Hello(name));
        }
        known
    }

    /// Whether a member must read before more of its lines are taken.
    pub(crate) fn is_clogged(&self, id: MemberId) -> bool {
        let member = self.members.get(id.0);
        member.is_some_and(|member| member.outbox.is_clogged())
    }

    /// Takes what is to be written to a member now.
    pub(crate) fn take(
        &mut self,
        id: MemberId,
        now: Instant,
    ) -> Result<Option<Output>, SlowReader> {
        let Some(member) = self.members.get_mut(id.0) else {
            return Ok(None);
        };
        member.rung = false;
        match member.state {
            State::Cut(waiting) => Err(SlowReader(waiting)),
            _ => Ok(member.outbox.take(now)),
        }
    }

    /// Whether a member that cannot take anything now is still in the room.
    pub(crate) fn check(&self, id: MemberId) -> Result<(), SlowReader> {
        match self.members.get(id.0).map(|member| &member.state) {
            Some(State::Cut(waiting)) => Err(SlowReader(*waiting)),
            _ => Ok(()),
        }
    }

    /// Whether something waits for a member, now or later.
    pub(crate) fn has_output(&self, id: MemberId) -> bool {
        let member = self.members.get(id.0);
        member.is_some_and(|member| !member.outbox.is_empty())
    }

    /// When there is more to take for a member without anything happening.
    pub(crate) fn due(&self, id: MemberId) -> Option<Instant> {
        self.members.get(id.0)?.outbox.due()
    }

    /// Whether a member is logged in.
    pub(crate) fn is_user(&self, id: MemberId) -> bool {
        let member = self.members.get(id.0);
        member.is_some_and(|member| matches!(member.state, State::User(_)))
    }

    /// A member leaves, and gets what still waits for it: nothing is added
    /// from now on.
    pub(crate) fn leave(&mut self, id: MemberId, fx: &mut Effects<H>) -> Outbox {
        let Some(mut member) = self.members.try_remove(id.0) else {
            return Outbox::default();
        };
        if let State::User(name) = std::mem::replace(&mut member.state, State::Stranger) {
            self.free(&name, member.address);
            fx.told.push(Told::Left {
                who: member.handle,
                name,
                why: Leave::Closed,
            });
        }
        member.outbox
    }

    /// How many users are logged in, without the bots.
    pub(crate) fn users(&self) -> usize {
        self.names.len()
    }

    fn login(&mut self, id: MemberId, name: &str, fx: &mut Effects<H>) -> Verdict {
        if let Some(why) = self.objection(id, name) {
            return self.refuse(id, name, why, fx);
        }
        let Some(member) = self.members.get_mut(id.0) else {
            return Verdict::Stays;
        };
        let name = self.names.insert(name, id);
        if let Some(address) = member.address {
            *self.addresses.entry(address).or_insert(0) += 1;
        }
        member.state = State::User(Arc::clone(&name));
        member.outbox.push(&Reply::Hello(&name));
        fx.told.push(Told::LoggedIn {
            who: member.handle.clone(),
            name,
        });
        Verdict::Stays
    }

    /// What speaks against a login.
    fn objection(&self, id: MemberId, name: &str) -> Option<Refusal> {
        let address = self.members.get(id.0)?.address;
        let held = address.and_then(|address| self.addresses.get(&address));
        if !is_name(name) || name.len() > self.rules.max_name {
            Some(Refusal::NoName)
        } else if self.names.len() >= self.rules.max_users {
            Some(Refusal::Full)
        } else if self
            .rules
            .per_address
            .is_some_and(|most| held.is_some_and(|held| *held >= most))
        {
            Some(Refusal::AddressFull)
        } else if self.names.get(name).is_some() || Bot::find(name, self.rules.bots).is_some() {
            Some(Refusal::InUse)
        } else {
            None
        }
    }

    fn refuse(&mut self, id: MemberId, name: &str, why: Refusal, fx: &mut Effects<H>) -> Verdict {
        if let Some(member) = self.members.get_mut(id.0) {
            member.outbox.push(&match why {
                Refusal::InUse => Reply::InUse,
                Refusal::NoName => Reply::BadBody,
                Refusal::Full | Refusal::AddressFull => Reply::Busy,
            });
            fx.told.push(Told::Refused {
                who: member.handle.clone(),
                name: shortened(name, self.rules.max_name).into(),
                why,
            });
        }
        match (why, self.rules.refused) {
            (Refusal::InUse | Refusal::NoName, Refused::Keep) => Verdict::Stays,
            _ => Verdict::Closes(why),
        }
    }

    fn send(&mut self, id: MemberId, from: Arc<str>, to: &str, text: &str, fx: &mut Effects<H>) {
        let placed = match self.names.get(to) {
            Some(receiver) if receiver == id => self.answer(id, &from, text, Outbox::push_apart),
            Some(receiver) => self.deliver(receiver, &from, text, fx),
            None => match Bot::find(to, self.rules.bots) {
                Some(bot @ Bot::Echo) => self.answer(id, bot.name(), text, Outbox::push_apart),
                Some(bot @ Bot::Delay) => self.answer(id, bot.name(), text, Outbox::push_slowly),
                None => Placed::Nowhere,
            },
        };
        let Some(member) = self.members.get_mut(id.0) else {
            return;
        };
        match placed {
            Placed::AtTheReceiver => member.outbox.push(&Reply::SendOk),
            Placed::AtTheSender => {}
            Placed::Nowhere => member.outbox.push(&Reply::NoSuchUser(member.dialect)),
        }
        if self.rules.report == Report::Messages && placed != Placed::Nowhere {
            fx.told.push(Told::Said {
                from,
                to: to.into(),
                text: text.into(),
            });
        }
    }

    /// `SEND-OK`, and the delivery that a message to oneself or to a bot causes.
    fn answer(
        &mut self,
        id: MemberId,
        from: &str,
        text: &str,
        add: fn(&mut Outbox, &Reply<'_>),
    ) -> Placed {
        if let Some(member) = self.members.get_mut(id.0) {
            member.outbox.push(&Reply::SendOk);
            add(&mut member.outbox, &Reply::Delivery { from, text });
        }
        Placed::AtTheSender
    }

    /// Places a message in the outbox of another user; cuts it if there is no room.
    fn deliver(&mut self, to: MemberId, from: &str, text: &str, fx: &mut Effects<H>) -> Placed {
        let Some(receiver) = self.members.get_mut(to.0) else {
            return Placed::Nowhere;
        };
        let delivery = Reply::Delivery { from, text };
        if receiver.outbox.place(&delivery, &self.rules) == Err(outbox::Full) {
            self.cut(to, fx);
            return Placed::Nowhere;
        }
        if !receiver.rung {
            receiver.rung = true;
            fx.rung.push(receiver.handle.clone());
        }
        Placed::AtTheReceiver
    }

    /// Takes a user that does not read out of the room; its connection learns of
    /// it by [`Room::take`].
    fn cut(&mut self, id: MemberId, fx: &mut Effects<H>) {
        let Some(member) = self.members.get_mut(id.0) else {
            return;
        };
        let waiting = std::mem::take(&mut member.outbox).len();
        let before = std::mem::replace(&mut member.state, State::Cut(waiting));
        let (who, address) = (member.handle.clone(), member.address);
        // It may have been rung before, and be stuck with what it took then.
        fx.rung.push(who.clone());
        if let State::User(name) = before {
            self.free(&name, address);
            let why = Leave::SlowReader;
            fx.told.push(Told::Left { who, name, why });
        }
    }

    fn free(&mut self, name: &str, address: Option<IpAddr>) {
        self.names.remove(name);
        if let Some(address) = address
            && let Some(held) = self.addresses.get_mut(&address)
        {
            *held -= 1;
            if *held == 0 {
                self.addresses.remove(&address);
            }
        }
    }
}

/// Where a message was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placed {
    AtTheReceiver,
    /// The sender got its answer and the delivery already.
    AtTheSender,
    Nowhere,
}

/// What stands where the name should be.
fn name_field(line: &str) -> &str {
    line.split_once(' ').map_or("", |(_, name)| name)
}

/// The start of a text, for a report: what is refused may be as long as a line.
fn shortened(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
