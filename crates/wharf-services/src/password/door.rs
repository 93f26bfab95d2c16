//! The door: the dialogue with one peer, up to the answer.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::time::{Instant, sleep_until};
use wharf::connection::{CloseReason, Connection, DrainReads};
use wharf::network::{Endpoint, StreamKind};
use wharf::service::{Context, ServiceError};
use zeroize::Zeroizing;

use super::attempt::{Attempt, Ending, Taken};
use super::desk::Desk;
use super::file::{self, FileError, Stamp};
use super::limiter::{Guest, Outcome};
use super::rules::{MAX_ATTEMPT, Rules};
use super::shown::Shown;
use super::users::Users;

/// What a right attempt is answered.
pub const GRANTED: &str = "access granted";

/// What every other attempt is answered.
pub const DENIED: &str = "access denied";

/// Who may come in, and how often they may try.
///
/// Clones are the same door: attempts are counted together, however many services and
/// addresses it stands before.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    users: Mutex<Source>,
    rules: Rules,
    desk: Arc<Desk>,
    /// Makes it unguessable whose cost an unknown name is given.
    secret: OnceLock<[u8; 32]>,
    show: Box<dyn Fn(&Shown<'_>) + Send + Sync>,
}

/// Where the users come from.
struct Source {
    users: Arc<Users>,
    file: Option<(PathBuf, Option<Stamp>)>,
}

/// Who came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The name; empty where there is one password without a name.
    pub name: Arc<str>,
}

impl Door {
    /// A door for `users`; what comes of attempts is reported to `show`, which is
    /// called from the serving threads and must be quick.
    pub fn new(users: Users, show: impl Fn(&Shown<'_>) + Send + Sync + 'static) -> Self {
        let users = Arc::new(users);
        Door::with(Source { users, file: None }, Box::new(show))
    }

    /// A door for the users of a file, which is read now and again whenever it has
    /// changed. A file that cannot be read later is reported, and the users of before
    /// stay.
    ///
    /// # Errors
    /// Those of [`load`](super::load).
    pub fn of_file(
        path: &Path,
        show: impl Fn(&Shown<'_>) + Send + Sync + 'static,
    ) -> Result<Self, FileError> {
        let (users, stamp) = file::read(path)?;
        let source = Source {
            users: Arc::new(users),
            file: Some((path.to_owned(), Some(stamp))),
        };
        Ok(Door::with(source, Box::new(show)))
    }

    fn with(source: Source, show: Box<dyn Fn(&Shown<'_>) + Send + Sync>) -> Self {
        let rules = Rules::default();
        Door(Arc::new(Inner {
            users: Mutex::new(source),
            rules,
            desk: Arc::new(Desk::new(rules)),
            secret: OnceLock::new(),
            show,
        }))
    }

    /// The same users under other rules; attempts are counted anew. Rules are made before
    /// a door is used: one that has clones keeps those that it has.
    #[must_use]
    pub fn rules(self, rules: Rules) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => Door(Arc::new(Inner {
                rules,
                desk: Arc::new(Desk::new(rules)),
                ..inner
            })),
            // Somebody stands at it already: rules are made before that.
            Err(shared) => Door(shared),
        }
    }

    /// Whether there are no users now, so that every attempt is denied. Reads a users
    /// file that has changed.
    pub fn knows_nobody(&self) -> bool {
        self.0.users().names().next().is_none()
    }

    /// How much memory each slot for hashing holds between two hashes, in bytes.
    #[cfg(test)]
    pub(super) fn held(&self) -> Vec<usize> {
        self.0.desk.held()
    }

    /// Speaks the dialogue with a peer until an attempt is right. `None` means that the
    /// peer ended its stream without one.
    ///
    /// Bytes behind the newline of the right attempt are left in the connection.
    ///
    /// # Errors
    /// [`CloseReason::Denied`] when the peer has used up its attempts,
    /// [`CloseReason::Idle`] when it takes too long, and those of the connection.
    pub async fn admit(
        &self,
        peer: &mut Connection,
        context: &Context,
    ) -> Result<Option<Admitted>, ServiceError> {
        for _ in 0..self.0.rules.attempts {
            let Some((text, ending)) = self.hear(peer).await? else {
                return Ok(None);
            };
            peer.count_messages(1);
            match self.check(peer.peer(), text, context).await {
                Some(name) => {
                    self.answer(peer, GRANTED, ending).await?;
                    peer.read_through_drain(DrainReads::End);
                    return Ok(Some(Admitted { name }));
                }
                None => self.answer(peer, DENIED, ending).await?,
            }
        }
        Err(ServiceError::Closed {
            reason: CloseReason::Denied,
            detail: format!("{} attempts were wrong", self.0.rules.attempts),
        })
    }

    /// Waits for an attempt.
    async fn hear(
        &self,
        peer: &mut Connection,
    ) -> Result<Option<(Zeroizing<Vec<u8>>, Ending)>, ServiceError> {
        let until = Instant::now() + self.0.rules.attempt_timeout;
        let mut attempt = Attempt::new();
        loop {
            // In the middle of an attempt a drain waits for its end.
            peer.read_through_drain(match attempt.is_empty() {
                true => DrainReads::End,
                false => DrainReads::Wait,
            });
            let quiet = match attempt.is_empty() {
                true => until,
                false => until.min(Instant::now() + self.0.rules.pause),
            };
            let keeps_boundaries = peer.kind() == StreamKind::Packets;
            let Some(bytes) = within(quiet, peer.fill()).await else {
                return match attempt.is_empty() {
                    true => Err(idle(&self.0.rules)),
                    false => Ok(Some((attempt.into_text(), Ending::Bare))),
                };
            };
            let bytes = bytes?;
            let count = bytes.len();
            match attempt.take(bytes) {
                Taken::All if count > 0 && !keeps_boundaries => peer.consume(count),
                Taken::All => {
                    peer.consume(count);
                    let is_attempt = count > 0 || !attempt.is_empty();
                    return Ok(is_attempt.then(|| (attempt.into_text(), Ending::Bare)));
                }
                Taken::Line(count) => {
                    peer.consume(count);
                    return Ok(Some((attempt.into_text(), Ending::Newline)));
                }
                Taken::TooLong => {
                    self.answer(peer, DENIED, Ending::Newline).await?;
                    return Err(ServiceError::TooLong { limit: MAX_ATTEMPT });
                }
            }
        }
    }

    /// Whose the attempt is, if it is right. Waits for its turn, and hashes where it
    /// stops nobody.
    async fn check(
        &self,
        peer: &Endpoint,
        text: Zeroizing<Vec<u8>>,
        context: &Context,
    ) -> Option<Arc<str>> {
        let guest = peer.peer_key().map_or(Guest::Machine, Guest::Address);
        let Ok(place) = self.0.desk.ask(guest) else {
            (self.0.show)(&Shown::Refused { peer });
            return None;
        };
        let mut slot = place.turn().await;
        let secret = *self.0.secret.get_or_init(|| {
            let mut secret = [0; 32];
            context.random(&mut secret);
            secret
        });
        let inner = Arc::clone(&self.0);
        let found = context
            .blocking(move || {
                let found = inner.users().check(&text, &secret, slot.memory());
                slot.note(match found {
                    Some(_) => Outcome::Right,
                    None => Outcome::Wrong,
                });
                drop(slot);
                found
            })
            .await
            .flatten();
        match &found {
            Some(name) => (self.0.show)(&Shown::Granted { peer, name }),
            None => (self.0.show)(&Shown::Denied { peer }),
        }
        found
    }

    async fn answer(
        &self,
        peer: &mut Connection,
        words: &str,
        ending: Ending,
    ) -> Result<(), ServiceError> {
        let answer = match ending {
            Ending::Newline => format!("{words}\n"),
            Ending::Bare => words.to_owned(),
        };
        Ok(peer.write_all(answer.as_bytes()).await?)
    }
}

impl Inner {
    /// The users as they are now. Reads a file that has changed.
    fn users(&self) -> Arc<Users> {
        let mut source = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((path, before)) = &source.file else {
            return Arc::clone(&source.users);
        };
        let now = file::stamp(path);
        if now.as_ref().ok() == before.as_ref() {
            return Arc::clone(&source.users);
        }
        let path = path.clone();
        match now.and_then(|_| file::read(&path)) {
            Ok((users, stamp)) => {
                source.users = Arc::new(users);
                source.file = Some((path, Some(stamp)));
            }
            Err(error) => {
                // Told once, until it can be read again or is another file.
                let known = file::stamp(&path).ok();
                if source
                    .file
                    .as_ref()
                    .is_some_and(|(_, before)| *before != known)
                {
                    (self.show)(&Shown::Stale {
                        why: &error.to_string(),
                    });
                }
                source.file = Some((path, known));
            }
        }
        Arc::clone(&source.users)
    }
}

fn idle(rules: &Rules) -> ServiceError {
    ServiceError::Closed {
        reason: CloseReason::Idle,
        detail: format!(
            "no attempt within {} s",
            rules.attempt_timeout.as_secs_f64()
        ),
    }
}

/// What comes before `until`; what is there already counts, even if it is late.
async fn within<T>(until: Instant, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    tokio::select! {
        biased;
        outcome = &mut future => Some(outcome),
        () = sleep_until(until) => None,
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door")
            .field("rules", &self.0.rules)
            .finish_non_exhaustive()
    }
}
