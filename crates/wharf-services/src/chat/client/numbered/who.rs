//! Who is there: a list that comes twice the same, and whom it tells to be gone.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::super::super::grammar::{Dialect, Request, is_name};
use super::super::event::{Event, NotSent};
use super::{Numbered, patience, tell, written};

/// How many lists are compared before the last one is taken as it is: where the net
/// changes each of them there is nothing better.
const MOST_LISTS: u32 = 12;

/// A question for the list of users.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) dialect: Dialect,
    pub(super) wanted: Wanted,
    pub(super) tries: u32,
    pub(super) due: Instant,
    pub(super) lists: u32,
    pub(super) last: Option<Vec<String>>,
    pub(super) since: Instant,
}

/// Who wants the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Whoever uses this.
    ByUser,
    /// This alone, to see who is gone.
    Inside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspicion {
    None,
    Some,
}

impl Numbered {
    pub(super) fn ask_who(&mut self, wanted: Wanted, now: Instant) {
        self.who = Some(Who {
            dialect: self.dialect.unwrap_or_default(),
            wanted,
            tries: 0,
            due: now,
            lists: 0,
            last: None,
            since: now,
        });
    }

    pub(super) fn repeat_who(&mut self, now: Instant) {
        if let Some(who) = &mut self.who
            && who.due <= now
        {
            who.tries += 1;
            who.due = now + patience(who.tries);
            self.output.push_back(written(Request::Users(who.dialect)));
        }
    }

    /// The server does not know `WHO`, perhaps: then it is asked in the other dialect.
    pub(super) fn unknown_verb(&mut self, now: Instant) {
        if let Some(who) = &mut self.who
            && self.dialect.is_none()
        {
            who.dialect = match who.dialect {
                Dialect::Who => Dialect::List,
                Dialect::List => Dialect::Who,
            };
            who.due = now;
        }
    }

    /// A list is believed when it came twice the same.
    pub(super) fn listed(&mut self, dialect: Dialect, names: Vec<String>, now: Instant) {
        let is_possible = names.iter().all(|name| is_name(name));
        let Some(who) = self.who.as_mut().filter(|_| is_possible) else {
            return;
        };
        self.dialect = Some(dialect);
        who.dialect = dialect;
        who.lists += 1;
        if who.last.as_ref() != Some(&names) && who.lists < MOST_LISTS {
            who.last = Some(names);
            who.tries = 0;
            who.due = now;
            return;
        }
        let (wanted, since) = (who.wanted, who.since);
        self.who = None;
        if std::mem::replace(&mut self.suspicion, Suspicion::None) == Suspicion::Some {
            self.fail_absent(&names, since);
        }
        if wanted == Wanted::ByUser {
            self.events.push_back(Event::Users(names));
        }
    }

    /// Somebody to whom something was sent is not there: the list tells who.
    pub(super) fn suspect(&mut self, now: Instant) {
        self.suspicion = Suspicion::Some;
        match &mut self.who {
            // What was asked before may not know it yet.
            Some(who) if who.since < now => {
                who.since = now;
                who.last = None;
                who.lists = 0;
            }
            Some(_) => {}
            None => self.ask_who(Wanted::Inside, now),
        }
    }

    pub(super) fn fail_absent(&mut self, names: &[String], since: Instant) {
        let there: BTreeSet<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let exactly: BTreeSet<&String> = names.iter().collect();
        for (to, outgoing) in &mut self.outgoing {
            // Bots are there in any letter case; who else is, is told by UNKNOWN.
            let is_there = exactly.contains(to)
                || (there.contains(&to.to_ascii_lowercase())
                    && to.to_ascii_lowercase().ends_with("bot"));
            if !is_there && outgoing.is_older_than(since) {
                let ended = outgoing.fail(NotSent::NoSuchUser);
                tell(&mut self.events, ended);
            }
        }
    }
}
