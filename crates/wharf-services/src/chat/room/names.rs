//! The names in use: found by name, listed in login order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::MemberId;
use super::bots::Bot;
use crate::chat::rules::Bots;

/// The users' names. The bots are listed first and are not counted.
#[derive(Debug)]
pub(super) struct Names {
    /// Only looked up, never walked through: its order is chance.
    holders: HashMap<Arc<str>, Holder>,
    in_order: BTreeMap<u64, Arc<str>>,
    logins: u64,
    bots: Bots,
    /// All names with commas; remade when somebody has left, extended by a login.
    list: String,
    list_is_stale: bool,
}

#[derive(Debug)]
struct Holder {
    member: MemberId,
    login: u64,
}

impl Names {
    pub(super) fn new(bots: Bots) -> Self {
        Names {
            holders: HashMap::new(),
            in_order: BTreeMap::new(),
            logins: 0,
            bots,
            list: String::new(),
            list_is_stale: true,
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<MemberId> {
        self.holders.get(name).map(|holder| holder.member)
    }

    pub(super) fn len(&self) -> usize {
        self.holders.len()
    }

    /// Gives a free name to a member.
    pub(super) fn insert(&mut self, name: &str, member: MemberId) -> Arc<str> {
        let name: Arc<str> = name.into();
        let login = self.logins;
        self.logins += 1;
        let before = self
            .holders
            .insert(Arc::clone(&name), Holder { member, login });
        debug_assert!(before.is_none(), "the name is free");
        self.in_order.insert(login, Arc::clone(&name));
        if !self.list_is_stale {
            push_name(&mut self.list, &name);
        }
        name
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some(holder) = self.holders.remove(name) {
            self.in_order.remove(&holder.login);
            self.list_is_stale = true;
        }
    }

    /// All names in login order, separated by commas.
    pub(super) fn list(&mut self) -> &str {
        if self.list_is_stale {
            self.list.clear();
            if self.bots == Bots::Present {
                for bot in Bot::ALL {
                    push_name(&mut self.list, bot.name());
                }
            }
            for name in self.in_order.values() {
                push_name(&mut self.list, name);
            }
            self.list_is_stale = false;
        }
        &self.list
    }
}

fn push_name(list: &mut String, name: &str) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(name);
}
