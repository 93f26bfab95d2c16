//! A game behind its lock, and how one connection's task wakes another's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use wharf::connection::Chunk;
use wharf::framing::Decoder;
use wharf::network::Endpoint;
use wharf::service::Context;

use super::{Door, Ending, Game, MemberId};

/// A game for connections on any number of cores.
pub(crate) struct Hall<G> {
    game: Mutex<G>,
    stirred: AtomicBool,
    show: Box<dyn Fn(&str) + Send + Sync>,
}

/// How to reach the task of a connection.
#[derive(Debug)]
pub(crate) struct Bell {
    peer: Endpoint,
    notify: Notify,
}

/// One connection's place in the hall; dropping it leaves.
pub(super) struct Seat<'a, G: Game> {
    hall: &'a Hall<G>,
    bell: Arc<Bell>,
    id: MemberId,
}

/// What a member is to do next.
pub(super) struct Orders {
    /// What to write.
    pub(super) output: Vec<u8>,
    /// It is let go after that.
    pub(super) ending: Option<Ending>,
    /// When something is due.
    pub(super) deadline: Option<Instant>,
}

impl<G: Game> Hall<G> {
    /// A hall for `game`; what there is to tell about it is passed to `show`.
    pub(crate) fn new(game: G, show: Box<dyn Fn(&str) + Send + Sync>) -> Self {
        Hall {
            game: Mutex::new(game),
            stirred: AtomicBool::new(false),
            show,
        }
    }

    /// A hall for a game that has its chance already, so that it can be repeated.
    #[cfg(test)]
    pub(crate) fn stirred(game: G) -> Self {
        let hall = Hall::new(game, Box::new(|_| {}));
        hall.stirred.store(true, Ordering::Release);
        hall
    }

    /// Looks at the game.
    #[cfg(test)]
    pub(crate) fn looked_at<T>(&self, look: impl FnOnce(&G) -> T) -> T {
        look(&self.lock())
    }

    /// Gives the game its chance, the first time.
    pub(super) fn stir(&self, context: &Context) {
        if !self.stirred.swap(true, Ordering::AcqRel) {
            let mut entropy = [0; 32];
            context.random(&mut entropy);
            self.lock().desk_mut().dice().stir(&entropy);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, G> {
        // A game does not panic; if it did, the others go on with what there is.
        self.game.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does, with the lock released, what a change of the game asks for.
    pub(super) fn carry_out(&self, mut game: MutexGuard<'_, G>, mut wake: impl FnMut(&Endpoint)) {
        let rung = game.desk_mut().rung();
        let told = game.desk_mut().told();
        drop(game);
        for door in rung {
            match door {
                Door::Task(bell) => bell.notify.notify_one(),
                Door::Peer(peer) => wake(&peer),
                #[cfg(any(test, fuzzing))]
                Door::Nobody => {}
            }
        }
        for words in told {
            (self.show)(&words);
        }
    }

    fn change(&self, change: impl FnOnce(&mut G)) {
        let mut game = self.lock();
        change(&mut game);
        self.carry_out(game, |_| {});
    }

    /// Takes a seat for a connection with `peer`.
    pub(super) fn sit(&self, peer: &Endpoint, context: &Context) -> Seat<'_, G> {
        self.stir(context);
        let bell = Arc::new(Bell {
            peer: peer.clone(),
            notify: Notify::new(),
        });
        let mut game = self.lock();
        let id = game.desk_mut().enter(Door::Task(Arc::clone(&bell)));
        game.greet(id);
        self.carry_out(game, |_| {});
        let hall = self;
        Seat { hall, bell, id }
    }
}

impl Bell {
    pub(super) fn peer(&self) -> &Endpoint {
        &self.peer
    }
}

impl<G: Game> Seat<'_, G> {
    /// Waits until there is something new for this member. Cancel safe.
    pub(super) async fn rung(&self) {
        self.bell.notify.notified().await;
    }

    /// Says every whole line of `input` that the member may say now; gives how many.
    pub(super) fn say(&self, decoder: &mut Decoder, input: &mut Chunk) -> u64 {
        let mut lines = 0;
        let mut rest = &input[..];
        let now = Instant::now();
        self.hall.change(|game| {
            game.advance(now);
            while game.desk().ending(self.id).is_none() && !game.desk().is_clogged(self.id) {
                let Some(line) = decoder.next(&mut rest) else {
                    break;
                };
                lines += 1;
                match line {
                    Ok(line) => game.line(self.id, &String::from_utf8_lossy(&line), now),
                    Err(_) => game.line_too_long(self.id),
                }
            }
        });
        let used = input.len() - rest.len();
        input.advance(used);
        lines
    }

    /// Says a last line without an end, if there is one; there will be none after it.
    pub(super) fn hang_up(&self, decoder: &mut Decoder) {
        let now = Instant::now();
        self.hall.change(|game| {
            game.advance(now);
            match decoder.finish() {
                Some(Ok(line)) => game.line(self.id, &String::from_utf8_lossy(&line), now),
                Some(Err(_)) => game.line_too_long(self.id),
                None => {}
            }
            game.hang_up(self.id, now);
        });
    }

    /// Time has passed.
    pub(super) fn advance(&self) {
        self.hall.change(|game| game.advance(Instant::now()));
    }

    /// The server stops.
    pub(super) fn dismiss(&self) {
        self.hall.change(|game| game.dismiss(self.id));
    }

    /// Why the member is let go, if it is.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.hall.lock().desk().ending(self.id)
    }

    pub(super) fn take(&self) -> Orders {
        let mut game = self.hall.lock();
        Orders {
            output: game.desk_mut().take(self.id),
            ending: game.desk().ending(self.id),
            deadline: game.deadline(self.id),
        }
    }
}

impl<G: Game> Drop for Seat<'_, G> {
    fn drop(&mut self) {
        self.hall.change(|game| {
            game.hang_up(self.id, Instant::now());
            game.desk_mut().leave(self.id);
        });
    }
}
