//! The chat over a network that loses, damages and delays: one datagram is one
//! message.
//!
//! ```text
//!   datagram ──▶ SET, GET, RESET ──────────────────────────▶ peer
//!       │                                                     ▲
//!       └──────▶ room ──▶ lines ──▶ damage ──▶ late ones wait ┘
//! ```
//! The room is the one of the chat over streams, with sessions in the place of
//! connections: five minutes of silence are the end. Only what the server sends
//! is damaged, and not the answers to the commands that set the damage.

mod damage;
mod settings;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use wharf::datagram::{Batch, Conversation, DatagramService, Outbox, Sessions};
use wharf::network::Endpoint;
use wharf::service::Context;

use super::grammar::{BadRequest, Request, Verb, text_of};
use super::hall::show;
use super::room::{Effects, MemberId, Room, Verdict};
use super::rules::{MAX_LATE_BYTES, MAX_WAITING_BYTES, Rules};
use super::shown::Shown;
use crate::loops::may_loop;
use damage::{Damage, Fate};
use settings::Settings;

pub(super) use settings::in_words;

/// A chat room over datagrams, with a network as bad as its users set it.
///
/// Clones are the same room.
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::chat::{Rules, UnreliableChat};
///
/// let seed = 1; // the same seed does the same damage
/// let chat = UnreliableChat::new(Rules::default(), seed, |shown| println!("{shown}"));
/// let server = Server::new().serve_datagrams("chat", "udp::0".parse().unwrap(), chat);
/// ```
///
/// The protocol sends messages to users that sent nothing, and lists longer than
/// the question. Over a network that is not this machine alone it therefore needs
/// [`Amplification::Allowed`](wharf::datagram::Amplification::Allowed).
#[derive(Clone, Debug)]
pub struct UnreliableChat {
    sessions: Arc<Sessions<Open, Correspondent>>,
}

type Open = Box<dyn Fn(&Endpoint) -> Correspondent + Send + Sync>;

impl UnreliableChat {
    /// A room in which `rules` hold; who comes and who goes is reported to `show`.
    /// All damage comes from `seed`.
    pub fn new(rules: Rules, seed: u64, show: impl Fn(&Shown<'_>) + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            max_line: rules.max_line,
            state: Mutex::new(State {
                room: Room::new(rules),
                settings: Settings::default(),
                damage: Damage::new(seed),
                late_bytes: 0,
            }),
            show: Box::new(show),
        });
        let open: Open = Box::new(move |peer| Correspondent::new(Arc::clone(&shared), peer));
        UnreliableChat {
            sessions: Arc::new(Sessions::new(open)),
        }
    }
}

impl DatagramService for UnreliableChat {
    fn receive(&self, batch: &mut Batch, context: &Context) {
        self.sessions.receive(batch, context);
    }

    fn deadline(&self) -> Option<Instant> {
        self.sessions.deadline()
    }

    fn timeout(&self, now: Instant, batch: &mut Batch, context: &Context) {
        self.sessions.timeout(now, batch, context);
    }
}

/// What all sessions share.
struct Shared {
    state: Mutex<State>,
    max_line: usize,
    show: Box<dyn Fn(&Shown<'_>) + Send + Sync>,
}

struct State {
    room: Room<Endpoint>,
    settings: Settings,
    damage: Damage,
    /// What the delayed datagrams of all sessions take.
    late_bytes: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here panics; if it did, the others go on with what there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports what there is to tell, with the lock released.
    fn tell(&self, state: MutexGuard<'_, State>, fx: Effects<Endpoint>) {
        let users = state.room.users();
        drop(state);
        for told in &fx.told {
            (self.show)(&show(told, |peer| peer, users));
        }
    }
}

/// One peer's session.
struct Correspondent {
    shared: Arc<Shared>,
    peer: Endpoint,
    id: MemberId,
    /// The beginning of a line of delaybot.
    partial: Vec<u8>,
    late: Late,
    /// When the next piece of delaybot's answer follows.
    due: Option<Instant>,
}

impl Correspondent {
    fn new(shared: Arc<Shared>, peer: &Endpoint) -> Self {
        let id = shared.lock().room.enter(peer.clone(), peer.peer_key());
        Correspondent {
            shared,
            peer: peer.clone(),
            id,
            partial: Vec::new(),
            late: Late::default(),
            due: None,
        }
    }

    /// Sends what waits for this peer, as well as the network permits.
    fn flush(&mut self, state: &mut State, now: Instant, out: &mut Outbox) {
        self.late
            .release(now, &mut state.late_bytes, |datagram| out.push(datagram));
        loop {
            match state.room.take(self.id, now) {
                Ok(Some(output)) => self.partial.extend_from_slice(&output.bytes),
                Ok(None) => break,
                Err(_) => return out.end(),
            }
        }
        let waiting = std::mem::take(&mut self.partial);
        for line in waiting.split_inclusive(|byte| *byte == b'\n') {
            if line.ends_with(b"\n") {
                self.send(line.to_vec(), state, now, out);
            } else {
                self.partial = line.to_vec();
            }
        }
        self.due = state.room.due(self.id);
    }

    fn send(&mut self, mut line: Vec<u8>, state: &mut State, now: Instant, out: &mut Outbox) {
        match state.damage.strike(&mut line, &state.settings) {
            Fate::Dropped => {}
            Fate::Sent(delay) if delay.is_zero() => out.push(&line),
            Fate::Sent(delay) => self.late.hold(line, now + delay, &mut state.late_bytes),
        }
    }
}

impl Conversation for Correspondent {
    fn receive(&mut self, message: &[u8], now: Instant, out: &mut Outbox) {
        let Some(line) = line_of(message) else {
            return;
        };
        if may_loop(&self.peer) {
            return out.end();
        }
        let text = text_of(line);
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let is_user = state.room.is_user(self.id);
        if (is_user || text == "RESET")
            && let Some(mut answer) = state.settings.command(&text)
        {
            answer.push('\n');
            out.push(answer.as_bytes());
            if !is_user {
                // None keeps a place for a stranger's RESET, either.
                out.end();
            }
            return;
        }
        if !is_user && !is_hello(&text) {
            // Nobody is answered before it logs in, and none keeps a place for it.
            return out.end();
        }
        let mut fx = Effects::default();
        let verdict = if state.room.is_clogged(self.id) {
            // Over streams it would not be read before what it asked for is written.
            // Here the datagram is lost, as it is where a queue is full.
            Verdict::Stays
        } else if line.len() > shared.max_line {
            state.room.line_too_long(self.id);
            Verdict::Stays
        } else if greets_again(&text, self.id, &mut state.room) {
            Verdict::Stays
        } else {
            state.room.line(self.id, line, &mut fx)
        };
        self.flush(&mut state, now, out);
        for peer in &fx.rung {
            out.wake(peer);
        }
        if verdict != Verdict::Stays {
            out.end();
        }
        shared.tell(state, fx);
    }

    fn deadline(&self) -> Option<Instant> {
        [self.due, self.late.next()].into_iter().flatten().min()
    }

    fn timeout(&mut self, now: Instant, out: &mut Outbox) {
        let shared = Arc::clone(&self.shared);
        self.flush(&mut shared.lock(), now, out);
    }
}

impl Drop for Correspondent {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let mut fx = Effects::default();
        drop(state.room.leave(self.id, &mut fx));
        state.late_bytes -= self.late.bytes;
        shared.tell(state, fx);
    }
}

/// The message in a datagram, without its end; one without an end is none.
fn line_of(datagram: &[u8]) -> Option<&[u8]> {
    let end = datagram.iter().position(|byte| *byte == b'\n')?;
    let line = &datagram[..end];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// A `HELLO` that was lost is said again: over streams a second `HELLO-FROM` is an
/// error, here it is how a client makes sure.
fn greets_again(text: &str, id: MemberId, room: &mut Room<Endpoint>) -> bool {
    match Request::parse(text) {
        Ok(Request::HelloFrom(name)) => room.greet_again(id, name),
        _ => false,
    }
}

fn is_hello(text: &str) -> bool {
    matches!(
        Request::parse(text),
        Ok(Request::HelloFrom(_)) | Err(BadRequest::Body(Verb::HelloFrom))
    )
}

/// Datagrams that come late.
#[derive(Debug, Default)]
struct Late {
    /// By time, then by when they were held.
    waiting: BTreeMap<(Instant, u64), Vec<u8>>,
    held: u64,
    bytes: usize,
}

impl Late {
    /// What a datagram takes beyond its bytes: its place in the map, and its own
    /// allocation.
    const OVERHEAD: usize = 96;

    /// Keeps a datagram until its time; a network that holds too much, for one peer or
    /// for all (`total`), loses it.
    fn hold(&mut self, datagram: Vec<u8>, until: Instant, total: &mut usize) {
        let size = datagram.len() + Self::OVERHEAD;
        if self.bytes + size <= MAX_WAITING_BYTES && *total + size <= MAX_LATE_BYTES {
            self.bytes += size;
            *total += size;
            self.waiting.insert((until, self.held), datagram);
            self.held += 1;
        }
    }

    fn release(&mut self, now: Instant, total: &mut usize, mut send: impl FnMut(&[u8])) {
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now
        {
            let datagram = first.remove();
            self.bytes -= datagram.len() + Self::OVERHEAD;
            *total -= datagram.len() + Self::OVERHEAD;
            send(&datagram);
        }
    }

    fn next(&self) -> Option<Instant> {
        self.waiting.keys().next().map(|(time, _)| *time)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::BACKPRESSURE_ANSWERS;
    use super::*;
    use crate::testing::context;
    use std::time::Duration;

    /// A room, and the datagrams that it has sent since the last look.
    struct Scene {
        chat: UnreliableChat,
        batch: Batch,
    }

    impl Scene {
        fn new(seed: u64) -> Self {
            Scene {
                chat: UnreliableChat::new(Rules::default(), seed, |_| {}),
                batch: Batch::with_slots(64, 65_535),
            }
        }

        /// A peer sends a datagram; gives what is sent because of it, and to whom.
        fn say(&mut self, port: u16, text: &str) -> Vec<String> {
            self.batch.clear();
            let peer = Endpoint::Inet(([127, 0, 0, 1], port).into());
            assert!(self.batch.push_received(text.as_bytes(), &peer, None));
            self.chat.receive(&mut self.batch, &context());
            self.sent()
        }

        /// Time goes on to the next deadline.
        async fn wait(&mut self) -> Vec<String> {
            self.batch.clear();
            let due = self.chat.deadline().expect("something is due");
            tokio::time::sleep_until(due).await;
            self.chat.timeout(due, &mut self.batch, &context());
            self.sent()
        }

        fn sent(&mut self) -> Vec<String> {
            let mut sent = Vec::new();
            while let Some(next) = self.batch.next_outgoing() {
                let text = text_of(next.payload);
                sent.push(format!("{}: {text}", next.to.port().unwrap()));
                self.batch.note_sent(1);
            }
            sent
        }
    }

    const NOTHING: [&str; 0] = [];

    #[tokio::test(start_paused = true)]
    async fn users_chat_in_datagrams() {
        let mut scene = Scene::new(1);
        assert_eq!(scene.say(1, "HELLO-FROM ann\n"), ["1: HELLO ann\n"]);
        assert_eq!(scene.say(2, "HELLO-FROM ann\n"), ["2: IN-USE\n"]);
        assert_eq!(scene.say(2, "HELLO-FROM ben\r\n"), ["2: HELLO ben\n"]);
        assert_eq!(
            scene.say(2, "LIST\n"),
            ["2: LIST-OK echobot,delaybot,ann,ben\n"]
        );
        assert_eq!(
            scene.say(2, "SEND ann hi\n"),
            ["2: SEND-OK\n", "1: DELIVERY ben hi\n"]
        );
        assert_eq!(
            scene.say(1, "SEND echobot hi\n"),
            ["1: SEND-OK\n", "1: DELIVERY echobot hi\n"]
        );
        assert_eq!(scene.say(1, "SEND carl hi\n"), ["1: UNKNOWN\n"]);
        assert_eq!(scene.say(1, "NONSENSE\n"), ["1: BAD-RQST-HDR\n"]);
        assert_eq!(scene.say(1, "SEND ann"), NOTHING, "no end, no message");
        // Its HELLO may have been lost.
        assert_eq!(scene.say(1, "HELLO-FROM ann\n"), ["1: HELLO ann\n"]);
        assert_eq!(scene.say(1, "HELLO-FROM anna\n"), ["1: BAD-RQST-HDR\n"]);
    }

    #[tokio::test(start_paused = true)]
    async fn before_the_login_only_hello_and_reset_are_answered() {
        let mut scene = Scene::new(1);
        for silent in ["WHO\n", "SET DROP 1\n", "GET DROP\n", "SEND a b\n", "\n"] {
            assert_eq!(scene.say(1, silent), NOTHING, "{silent:?}");
        }
        assert_eq!(scene.say(1, "RESET\n"), ["1: SET-OK\n"]);
        assert_eq!(scene.say(1, "HELLO-FROM a b\n"), ["1: BAD-RQST-BODY\n"]);
    }

    #[tokio::test(start_paused = true)]
    async fn all_is_dropped_but_the_answers_to_commands() {
        let mut scene = Scene::new(1);
        scene.say(1, "HELLO-FROM ann\n");
        assert_eq!(scene.say(1, "SET DROP 1\n"), ["1: SET-OK\n"]);
        assert_eq!(scene.say(1, "SEND ann hi\n"), NOTHING);
        assert_eq!(scene.say(2, "HELLO-FROM ben\n"), NOTHING);
        assert_eq!(scene.say(1, "GET DROP\n"), ["1: VALUE DROP 1.000000\n"]);
        assert_eq!(scene.say(3, "RESET\n"), ["3: SET-OK\n"]);
        assert_eq!(
            scene.say(1, "WHO\n"),
            ["1: WHO-OK echobot,delaybot,ann,ben\n"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_delayed_comes_later() {
        let mut scene = Scene::new(1);
        scene.say(1, "HELLO-FROM ann\n");
        scene.say(1, "SET DELAY 1\n");
        scene.say(1, "SET DELAY-LEN 2 2\n");
        let asked = Instant::now();
        assert_eq!(scene.say(1, "WHO\n"), NOTHING);
        assert_eq!(scene.wait().await, ["1: WHO-OK echobot,delaybot,ann\n"]);
        assert_eq!(asked.elapsed().as_millis() / 10, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn delaybot_sends_whole_lines_here_too() {
        let mut scene = Scene::new(1);
        scene.say(1, "HELLO-FROM ann\n");
        assert_eq!(scene.say(1, "SEND delaybot hi\n"), ["1: SEND-OK\n"]);
        assert_eq!(scene.wait().await, ["1: DELIVERY delaybot hi\n"]);
        assert_eq!(scene.wait().await, ["1: DELIVERY delaybot hi\n"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_asks_delaybot_without_end_waits_for_its_answers() {
        let mut scene = Scene::new(1);
        scene.say(1, "HELLO-FROM ann\n");
        let mut sent = Vec::new();
        for _ in 0..1_000 {
            sent.extend(scene.say(1, "SEND delaybot hi\n"));
        }
        let soon = |due: Instant| due - Instant::now() < Duration::from_secs(10);
        while scene.chat.deadline().is_some_and(soon) {
            sent.extend(scene.wait().await);
        }
        let count = |line: &str| sent.iter().filter(|sent| *sent == line).count();
        let accepted = count("1: SEND-OK\n");
        // One is on the wire, the others wait.
        assert!(
            (2..=BACKPRESSURE_ANSWERS + 1).contains(&accepted),
            "{accepted}"
        );
        assert_eq!(count("1: DELIVERY delaybot hi\n"), 2 * accepted);
        assert_eq!(scene.say(1, "SEND delaybot hi\n"), ["1: SEND-OK\n"]);
    }

    #[test]
    fn what_comes_late_is_bounded_for_one_and_for_all() {
        let (until, mut total) = (Instant::now(), 0);
        let mut late: Vec<Late> = std::iter::repeat_with(Late::default).take(64).collect();
        for late in &mut late {
            for _ in 0..100 {
                late.hold(vec![0; 60_000], until, &mut total);
            }
            assert!(late.bytes <= MAX_WAITING_BYTES);
        }
        assert!(total <= MAX_LATE_BYTES);
        assert!(total > MAX_LATE_BYTES - 60_096, "it is used, too: {total}");
        let mut sent = 0;
        for late in &mut late {
            late.release(until, &mut total, |_| sent += 1);
            assert_eq!(late.bytes, 0);
        }
        assert_eq!(total, 0);
        assert_eq!(sent, MAX_LATE_BYTES / 60_096);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_who_resets_keeps_no_session() {
        let mut scene = Scene::new(1);
        assert_eq!(scene.say(1, "RESET\n"), ["1: SET-OK\n"]);
        assert_eq!(scene.chat.deadline(), None);
        assert_eq!(scene.say(1, "RESET\n"), ["1: SET-OK\n"]);
    }

    #[tokio::test(start_paused = true)]
    async fn five_silent_minutes_end_a_session() {
        let mut scene = Scene::new(1);
        scene.say(1, "HELLO-FROM ann\n");
        tokio::time::sleep(Duration::from_secs(200)).await;
        scene.say(2, "HELLO-FROM ben\n");
        scene.wait().await;
        assert_eq!(scene.say(2, "WHO\n"), ["2: WHO-OK echobot,delaybot,ben\n"]);
        assert_eq!(scene.say(1, "WHO\n"), NOTHING);
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_repeats_a_run() {
        let run = |seed| {
            let mut scene = Scene::new(seed);
            scene.say(1, "HELLO-FROM ann\n");
            scene.say(1, "SET DROP 0.5\n");
            scene.say(1, "SET FLIP 0.01\n");
            let all = (0..100).map(|n| scene.say(1, &format!("SEND ann {n}\n")));
            all.collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
