//! Chat: users log in by name and send each other lines.
//!
//! ```text
//! C: HELLO-FROM jesse             S: HELLO jesse
//! C: WHO                          S: WHO-OK echobot,delaybot,jesse
//! C: SEND echobot hello world     S: SEND-OK
//!                                 S: DELIVERY echobot hello world
//! ```
//! The whole protocol is in `docs/protocols/chat.md`.
//!
//! Layout: [`grammar`](Request) is the language of both sides, `room` who is
//! logged in and what each line causes, [`rules`](Rules) what the owner decides and
//! every limit; none of them does I/O. `hall` is the room behind its lock, `talk`
//! one connection, `unreliable` the same over datagrams, `shown` what is reported;
//! [`client`] is the other side.

pub mod client;
mod dissect;
#[cfg(fuzzing)]
pub mod fuzzing;
mod grammar;
mod hall;
mod room;
mod rules;
mod shown;
mod talk;
#[cfg(test)]
mod tests;
mod unreliable;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use wharf::connection::{Connection, Silence};
use wharf::service::{Context, Service, ServiceError};

pub use dissect::DissectChat;
pub use grammar::{BadRequest, Dialect, Reply, Request, Verb, is_name};
pub use room::{Leave, PIECE_PAUSE, Refusal};
pub use rules::{
    BACKPRESSURE_ANSWERS, BACKPRESSURE_BYTES, Bots, LOGIN_TIMEOUT, MAX_LINE, MAX_NAME, MAX_USERS,
    MAX_WAITING_BYTES, MAX_WAITING_MESSAGES, Refused, Report, Rules,
};
pub use shown::Shown;
pub use unreliable::UnreliableChat;

use hall::Hall;
use talk::Talk;

/// A chat room.
///
/// Clones are the same room, so it can be served at several addresses at once and
/// on any number of cores:
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Chat;
/// use wharf_services::chat::{Rules, Shown};
///
/// let chat = Chat::new(Rules::default(), |shown: &Shown<'_>| println!("{shown}"));
/// let server = Server::new()
///     .serve("chat", "tcp::0".parse().unwrap(), chat.clone())
///     .serve("chat", "tls::0,self-signed".parse().unwrap(), chat);
/// ```
///
/// A user whose messages pile up because it does not read is closed as a
/// [slow reader](wharf::connection::CloseReason::SlowReader); nobody waits for it.
#[derive(Clone)]
pub struct Chat {
    hall: Arc<Hall>,
    max_line: usize,
    login_timeout: Option<Duration>,
    silence: Silence,
}

impl Chat {
    /// A room in which `rules` hold; who comes and who goes is reported to `show`,
    /// which is called from the serving threads and must be quick.
    pub fn new(rules: Rules, show: impl Fn(&Shown<'_>) + Send + Sync + 'static) -> Self {
        Chat {
            max_line: rules.max_line,
            hall: Arc::new(Hall::new(rules, Box::new(show))),
            login_timeout: Some(LOGIN_TIMEOUT),
            silence: Silence::Allowed,
        }
    }

    /// Sets how long a connection may be open without a login; `None` is for ever.
    #[must_use]
    pub fn login_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.login_timeout = timeout;
        self
    }

    /// Decides whether the server's idle timeout holds for users. By default it does
    /// not: who listens is not idle.
    #[must_use]
    pub fn silence(mut self, silence: Silence) -> Self {
        self.silence = silence;
        self
    }
}

impl Default for Chat {
    /// The default rules, and nothing is reported.
    fn default() -> Self {
        Chat::new(Rules::default(), |_| {})
    }
}

impl Service for Chat {
    async fn serve(&self, peer: &mut Connection, context: &Context) -> Result<(), ServiceError> {
        peer.set_silence(self.silence);
        let seat = self.hall.sit(peer.peer());
        let mut talk = Talk::new(seat, context, self.max_line, self.login_timeout);
        poll_fn(|cx| talk.poll(cx, peer)).await
    }
}

impl std::fmt::Debug for Chat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chat")
            .field("max_line", &self.max_line)
            .field("login_timeout", &self.login_timeout)
            .finish_non_exhaustive()
    }
}
