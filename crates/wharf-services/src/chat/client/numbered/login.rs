//! Who one is to the server: asked for until it is answered, and made sure of when the
//! server is silent.

use std::time::Duration;

use tokio::time::Instant;

use super::super::super::grammar::{Reply, Request};
use super::super::event::{Denied, Event};
use super::{Numbered, patience, written};

/// After so long without a word of the server one makes sure of the login, if there is
/// something to do, and after the second time in any case: a session ends after five
/// silent minutes.
const PROBE_BUSY: Duration = Duration::from_secs(2);

const PROBE_IDLE: Duration = Duration::from_secs(60);

/// Who one is to the server.
#[derive(Debug)]
pub(super) enum Login {
    Out,
    Asking {
        name: String,
        tries: u32,
        since: Instant,
        due: Instant,
    },
    In(String),
}

/// A server that is asked whether it still knows this client.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) since: Instant,
    pub(super) tries: u32,
    pub(super) due: Instant,
}

impl Numbered {
    pub(super) fn ask_login(&mut self, now: Instant) {
        if let Login::Asking {
            name, tries, due, ..
        } = &mut self.login
            && *due <= now
        {
            *tries += 1;
            *due = now + patience(*tries);
            let hello = written(Request::HelloFrom(name));
            self.output.push_back(hello);
        }
    }

    /// When the server is asked whether it still knows this client.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        let patience = match self.waits() {
            true => PROBE_BUSY,
            false => PROBE_IDLE,
        };
        match &self.probe {
            Some(probe) => Some(probe.due),
            None => Some(self.heard_at? + patience),
        }
    }

    /// A server that was started anew, or forgot the session, logs in whoever says
    /// HELLO-FROM; one that knows it says HELLO once more, or that it is none the wiser.
    pub(super) fn probe(&mut self, now: Instant) {
        if self.probe_at().is_none_or(|at| at > now) {
            return;
        }
        let Login::In(name) = &self.login else {
            return;
        };
        let hello = written(Request::HelloFrom(name));
        self.output.push_back(hello);
        let probe = self.probe.get_or_insert(Probe {
            since: now,
            tries: 0,
            due: now,
        });
        probe.tries += 1;
        probe.due = now + patience(probe.tries);
    }

    pub(super) fn login_answered(&mut self, reply: Reply<'_>, now: Instant) {
        let (name, tries) = match &self.login {
            Login::Asking { name, tries, .. } => (name.clone(), *tries),
            Login::In(name) if reply == Reply::InUse => (name.clone(), 0),
            Login::In(name) if reply == Reply::Hello(name) => return self.path.answered(),
            Login::In(_) if reply == Reply::BadHeader => {
                self.path.answered();
                return self.unknown_verb(now);
            }
            _ => return,
        };
        let why = match reply {
            Reply::Hello(own) if own == name => return self.logged_in(name, now),
            // A server that takes a second HELLO-FROM for a mistake: the first was taken,
            // and its answer lost.
            Reply::BadHeader if tries > 1 => return self.logged_in(name, now),
            Reply::InUse => Denied::InUse,
            Reply::Busy => Denied::Busy,
            Reply::BadBody => Denied::BadName,
            _ => return,
        };
        self.login = Login::Out;
        self.events.push_back(Event::Refused { name, why });
    }

    pub(super) fn logged_in(&mut self, name: String, now: Instant) {
        for outgoing in self.outgoing.values_mut() {
            outgoing.resume(now);
        }
        self.login = Login::In(name.clone());
        self.events.push_back(Event::LoggedIn(name));
    }
}
