//! Phases, counts and latencies of a run.
//!
//! ```text
//!   Opening ─all open, or connect timeout─▶ WarmUp ─time─▶ Measuring ─time or requests─▶ Draining ─▶ done
//! ```
//! Nothing is sent while connections open. Draining waits for the replies that
//! are owed, so that one lost at the very end is seen as well. Times are
//! nanoseconds since the run began.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::options::{Amount, Options, Pacing};
use super::process::{self, Memory};
use super::report::{Cause, Errors, Latency, OpenLoop, Report, ServerUse, Slowest};
use super::schedule::Schedule;

/// Time between two looks at deadlines.
const TICK: Duration = Duration::from_millis(20);

/// How many events a look at the sockets tells of at most.
pub(super) const EVENTS: usize = 1_024;

/// A server has fallen silent when so many datagrams were sent after its last reply, at
/// least, and none of them was answered.
const SILENT_AFTER: u64 = 3;

/// And when chance leaves so many unanswered as rarely as this, where each is lost as often
/// as before, or this often.
const SILENT_BY_CHANCE: f64 = 1e-4;
const LOST_AT_LEAST: f64 = 0.02;

/// Bulk is stuck when no byte moved for so many times the longest pause before.
const STUCK_TIMES: u64 = 5;

/// The kernel tells what other processes use in steps of 10 ms: a shorter run says nothing.
const SERVER_CPU_FROM: Duration = Duration::from_millis(100);

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Connections are opened; nothing is sent.
    Opening,
    /// Traffic that is not measured.
    WarmUp,
    /// Traffic that is measured.
    Measuring,
    /// The last replies are awaited.
    Draining,
    /// It is over.
    Done,
}

/// A run at one moment, for a live display.
#[derive(Debug)]
#[non_exhaustive]
pub struct Snapshot<'a> {
    /// Where the run is.
    pub phase: Phase,
    /// Time since the run began.
    pub elapsed: Duration,
    /// Time since the last snapshot.
    pub interval: Duration,
    /// Replies in this phase so far.
    pub messages: u64,
    /// Replies since the last snapshot.
    pub interval_messages: u64,
    /// Bytes of replies in this phase so far.
    pub received_bytes: u64,
    /// Bytes of replies since the last snapshot.
    pub interval_received_bytes: u64,
    /// Bytes sent in this phase so far; of bulk, those that were given to the kernel.
    pub sent_bytes: u64,
    /// Bytes sent since the last snapshot.
    pub interval_sent_bytes: u64,
    /// Latencies since the last snapshot.
    pub latency: &'a Latency,
    /// Datagrams that got no reply in time in this phase so far, those whose reply came later
    /// included.
    pub missing: u64,
    /// What went wrong so far.
    pub errors: &'a Errors,
}

/// Replies and their bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    messages: u64,
    sent_bytes: u64,
    received_bytes: u64,
    connections: u64,
    lines: u64,
    missing: u64,
}

/// The server's process.
#[derive(Debug)]
struct Server {
    pid: u32,
    /// Before the first connection.
    memory: Option<Memory>,
    /// When measuring began, and while it lasted.
    cpu_at_start: Option<Duration>,
    cpu: Option<Duration>,
}

/// The hook of a live display.
type Progress<'a> = &'a mut dyn FnMut(&Snapshot<'_>) -> ControlFlow<()>;

/// What all engines share.
pub(super) struct Meter<'a> {
    began: Instant,
    phase: Phase,
    /// When the phase ends at the latest.
    phase_ends: u64,
    next_tick: u64,
    options: &'a Options,
    late_after: u64,
    counts: Counts,
    /// Since the last snapshot.
    recent: Latency,
    measured: Latency,
    acknowledgement: Latency,
    slowest: Slowest,
    /// When the sockets were looked at last, and before that.
    looked_at: u64,
    looked_before: u64,
    /// When the last reply came.
    heard_at: u64,
    /// Of bulk: the longest time between two moments in which bytes moved.
    longest_pause: u64,
    /// Datagrams that were sent after the last reply came and given up.
    missed_since: u64,
    open_loop: Option<OpenLoop>,
    errors: Errors,
    server: Option<Server>,
    has_measured: bool,
    measuring_began: u64,
    measuring_ended: u64,
    cpu_at_start: Duration,
    cpu: Duration,
    /// What this thread had waited for a processor when measuring began, and while it lasted.
    waited_at_start: Option<Duration>,
    waited: Option<Duration>,
    /// Messages that may still be sent while measuring.
    allowance: u64,
    /// Messages sent and not answered.
    in_flight: u64,
    cut_short: bool,
    was_ever_right: bool,
    every: u64,
    next_snapshot: u64,
    last_snapshot: (u64, Counts),
    progress: Progress<'a>,
}

impl Server {
    fn used(self) -> ServerUse {
        ServerUse {
            pid: self.pid,
            cpu: self.cpu,
            memory_before: self.memory,
            memory: process::memory_of(self.pid).ok(),
        }
    }
}

/// Nanoseconds, up to 584 years.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl<'a> Meter<'a> {
    pub(super) fn new(options: &'a Options, every: Duration, progress: Progress<'a>) -> Self {
        let every = nanoseconds(every);
        Meter {
            began: Instant::now(),
            phase: Phase::Opening,
            phase_ends: nanoseconds(options.connect_timeout),
            next_tick: 0,
            options,
            late_after: options.late_after.map_or(u64::MAX, nanoseconds),
            counts: Counts::default(),
            recent: Latency::new(),
            measured: Latency::new(),
            acknowledgement: Latency::new(),
            slowest: Slowest::default(),
            looked_at: 0,
            looked_before: 0,
            heard_at: 0,
            longest_pause: 0,
            missed_since: 0,
            open_loop: match options.pacing {
                Pacing::Closed { .. } => None,
                Pacing::Open { rate, .. } => Some(OpenLoop::new(rate)),
            },
            errors: Errors::default(),
            server: options.server.map(|pid| Server {
                pid,
                memory: process::memory_of(pid).ok(),
                cpu_at_start: None,
                cpu: None,
            }),
            has_measured: false,
            measuring_began: 0,
            measuring_ended: 0,
            cpu_at_start: Duration::ZERO,
            cpu: Duration::ZERO,
            waited_at_start: None,
            waited: None,
            allowance: u64::MAX,
            in_flight: 0,
            cut_short: false,
            was_ever_right: false,
            every,
            next_snapshot: every,
            last_snapshot: (0, Counts::default()),
            progress,
        }
    }

    /// Nanoseconds since the run began.
    pub(super) fn now(&self) -> u64 {
        nanoseconds(self.began.elapsed())
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// The sockets were looked at just now, and so many have something to say.
    pub(super) fn looked(&mut self, events: usize) {
        // There may be more of them than a look tells of, and they have their turn later.
        if events < EVENTS {
            self.looked_before = self.looked_at;
            self.looked_at = self.now();
        }
    }

    /// How long the engine may wait for events.
    pub(super) fn patience(&self) -> Duration {
        TICK
    }

    /// Ends the opening phase; the engine then starts every connection.
    pub(super) fn opened(&mut self, now: u64) {
        if self.phase == Phase::Opening {
            let lasts = self.options.ramp_up.saturating_add(self.options.warm_up);
            self.enter(Phase::WarmUp, now, lasts);
            self.update(now);
        }
    }

    /// How many of `wanted` messages may be sent now; they are then in flight.
    pub(super) fn allow(&mut self, wanted: usize) -> usize {
        let granted = match self.phase {
            Phase::WarmUp => wanted as u64,
            Phase::Measuring => (wanted as u64).min(self.allowance),
            Phase::Opening | Phase::Draining | Phase::Done => 0,
        };
        if self.phase == Phase::Measuring && self.allowance != u64::MAX {
            self.allowance -= granted;
        }
        self.in_flight += granted;
        granted as usize
    }

    /// `count` right replies came at `now` to messages that count from `sent` on, and were
    /// sent in the phase `of`.
    pub(super) fn replies(&mut self, now: u64, sent: u64, of: Phase, count: u64) {
        self.in_flight -= count;
        self.heard(now);
        self.measure(now, sent, of, count);
    }

    /// As [`Meter::replies`], of messages that are still in flight.
    pub(super) fn measure(&mut self, now: u64, sent: u64, of: Phase, count: u64) {
        let took = now.saturating_sub(sent);
        self.was_ever_right = true;
        self.is_late(took, count);
        let counts = self.counts(of);
        if counts {
            self.counts.messages += count;
        }
        if counts || self.is_owed(of) {
            self.recent.record(took, count);
            if self.open_loop.is_none() {
                self.was_slow(now, sent);
            }
        }
    }

    /// A reply came at `now` to what was sent at `sent`: is it the slowest?
    ///
    /// Long ones are compared by how long the reply was surely not there: a look at the
    /// sockets found none. What this program did not look for may have been there.
    fn was_slow(&mut self, now: u64, sent: u64) {
        let slow = Slowest {
            nanoseconds: now.saturating_sub(sent),
            at: now.saturating_sub(self.measuring_began),
            unanswered: self.looked_before.saturating_sub(sent),
        };
        if slow.weight() > self.slowest.weight() {
            self.slowest = slow;
        }
    }

    /// A reply came after all to a datagram that was given up.
    pub(super) fn came_after_all(&mut self, now: u64, due: u64, at: u64) {
        self.heard(now);
        self.is_late(now.saturating_sub(due), 1);
        self.was_slow(now, at);
    }

    /// Something came, be it right or wrong.
    pub(super) fn heard(&mut self, now: u64) {
        self.heard_at = now;
        self.missed_since = 0;
    }

    /// Bytes moved: what bulk has instead of replies.
    pub(super) fn moved(&mut self, now: u64) {
        let pause = now.saturating_sub(self.heard_at);
        if self.is_sending() && self.heard_at > 0 {
            self.longest_pause = self.longest_pause.max(pause);
        }
        self.heard_at = now;
    }

    /// How long no byte had moved when the measured time ended, if no pause was nearly as long.
    pub(super) fn stuck(&self) -> Option<Duration> {
        // As far as was looked: bytes may have waited for this program while it did not run.
        let looked_at = self.looked_at.min(self.measuring_ended);
        let since = looked_at.saturating_sub(self.heard_at);
        let is_stuck = self.heard_at > 0 && since > self.longest_pause.saturating_mul(STUCK_TIMES);
        is_stuck.then_some(Duration::from_nanos(since))
    }

    /// Counts replies that took too long.
    fn is_late(&mut self, took: u64, count: u64) {
        if took > self.late_after {
            let late = Duration::from_nanos(took);
            self.fail_many(Cause::Late, count, || format!("after {late:.1?}"));
        }
    }

    /// Whether a reply that comes now belongs to the run, whose time is over.
    fn is_owed(&self, of: Phase) -> bool {
        self.phase == Phase::Draining && self.is_of_run(of)
    }

    /// In an open loop: replies came at `now` to messages that were really sent at `sent`,
    /// in the phase `of`.
    pub(super) fn uncorrected(&mut self, now: u64, sent: u64, of: Phase, count: u64) {
        if !self.counts(of) && !self.is_owed(of) {
            return;
        }
        if let Some(open) = &mut self.open_loop {
            open.uncorrected.record(now.saturating_sub(sent), count);
        }
        self.was_slow(now, sent);
    }

    /// In an open loop: a message was sent so much later than it was due, for no reason
    /// but this program's own.
    pub(super) fn sent_late(&mut self, by: u64) {
        if self.is_counting()
            && let Some(open) = &mut self.open_loop
        {
            open.client_late.record(by, 1);
        }
    }

    /// Whether nothing was received or sent while measuring.
    pub(super) fn is_silent(&self) -> bool {
        self.counts.received_bytes == 0 && self.counts.sent_bytes == 0
    }

    /// Whether nothing is to be sent any more, once traffic has begun.
    pub(super) fn asks_no_more(&self) -> bool {
        match self.phase {
            Phase::Opening | Phase::WarmUp => false,
            Phase::Measuring => self.allowance == 0,
            Phase::Draining | Phase::Done => true,
        }
    }

    /// Whether messages may be sent now.
    pub(super) fn is_sending(&self) -> bool {
        matches!(self.phase, Phase::WarmUp | Phase::Measuring)
    }

    /// A message that was sent at `sent` was answered, and may still be on its way to
    /// somebody else.
    pub(super) fn acknowledged(&mut self, now: u64, sent: u64) {
        if self.counts(self.phase_at(sent)) {
            self.acknowledgement.record(now.saturating_sub(sent), 1);
        }
    }

    /// The phase in which something was sent at `sent`, not later than now, while messages
    /// are sent.
    pub(super) fn phase_at(&self, sent: u64) -> Phase {
        match self.phase {
            Phase::Opening | Phase::WarmUp => self.phase,
            _ if sent < self.measuring_began => Phase::WarmUp,
            _ => Phase::Measuring,
        }
    }

    /// Whether a reply that comes now to what was sent in the phase `of` is measured.
    fn counts(&self, of: Phase) -> bool {
        let is_left_out = self.phase == Phase::Measuring && !self.is_of_run(of);
        !is_left_out && self.is_counting()
    }

    /// Whether what was sent in the phase `of` is of the run, once that is measured.
    fn is_of_run(&self, of: Phase) -> bool {
        // A run of so many requests leaves out what the warm-up had sent. When that was due
        // says nothing: what is due in the warm-up may be sent after it.
        of == Phase::Measuring || matches!(self.options.amount, Amount::Time(_))
    }

    /// Whether what happens now belongs to the run, and not to its end.
    fn is_counting(&self) -> bool {
        !matches!(self.phase, Phase::Draining | Phase::Done)
    }

    /// `count` messages are sent besides those of the run.
    pub(super) fn interject(&mut self, count: u64) {
        self.in_flight += count;
    }

    /// How many lines came in the measured time.
    pub(super) fn line_count(&self) -> u64 {
        self.counts.lines
    }

    /// So many lines came.
    pub(super) fn lines(&mut self, count: u64) {
        if self.is_counting() {
            self.counts.lines += count;
        }
    }

    /// `count` messages in flight are given up.
    pub(super) fn abandon(&mut self, count: usize) {
        self.in_flight -= count as u64;
    }

    /// A datagram in flight, sent at `sent`, is given up: no reply came in time.
    pub(super) fn miss(&mut self, sent: u64) {
        self.abandon(1);
        self.counts.missing += 1;
        // One that was sent before was lost while the server still answered others.
        self.missed_since += u64::from(sent >= self.heard_at);
    }

    /// `count` messages that were allowed are not sent after all.
    pub(super) fn give_back(&mut self, count: usize) {
        self.abandon(count);
        if self.phase == Phase::Measuring {
            self.allowance = self.allowance.saturating_add(count as u64);
        }
    }

    /// Bytes that were sent or received; `of` is the phase in which their messages were sent.
    pub(super) fn bytes_of(&mut self, of: Phase, sent: u64, received: u64) {
        if self.counts(of) {
            self.counts.sent_bytes += sent;
            self.counts.received_bytes += received;
        }
    }

    pub(super) fn bytes(&mut self, sent: u64, received: u64) {
        if self.is_counting() {
            self.counts.sent_bytes += sent;
            self.counts.received_bytes += received;
        }
    }

    /// A connection has had its share, whose last message was sent in the phase `of`.
    pub(super) fn connection_ended(&mut self, of: Phase) {
        if self.counts(of) {
            self.counts.connections += 1;
        }
    }

    /// Counts an error; too many end the run.
    pub(super) fn fail(&mut self, cause: Cause, evidence: impl FnOnce() -> String) {
        self.fail_many(cause, 1, evidence);
    }

    /// Counts so many errors, of which the evidence is the first.
    fn fail_many(&mut self, cause: Cause, count: u64, evidence: impl FnOnce() -> String) {
        self.errors.add(cause, count, evidence);
        let at_most = match self.was_ever_right {
            true => self.options.errors_at_most,
            false => self
                .options
                .errors_at_most
                .min(self.options.errors_at_first),
        };
        if self.errors.total() >= at_most {
            self.cut_short = true;
        }
    }

    /// Whether the run ends before its time.
    pub(super) fn was_cut_short(&self) -> bool {
        self.cut_short
    }

    /// Ends the run early.
    pub(super) fn stop(&mut self) {
        self.cut_short = true;
    }

    /// Goes on to the next phase if it is time. To be called often: it is cheap.
    ///
    /// Returns whether the engine is to look at its connections' deadlines.
    pub(super) fn update(&mut self, now: u64) -> bool {
        self.end_if_cut_short(now);
        self.change_phase(now);
        if now < self.next_tick {
            return false;
        }
        self.next_tick = now + nanoseconds(TICK);
        self.show(now);
        // Whoever was shown it may want no more.
        self.end_if_cut_short(now);
        true
    }

    fn end_if_cut_short(&mut self, now: u64) {
        if self.cut_short && self.phase != Phase::Done {
            self.end_measuring(now);
            self.phase = Phase::Done;
        }
    }

    fn change_phase(&mut self, now: u64) {
        let over = now >= self.phase_ends;
        match self.phase {
            Phase::Opening if over => self.opened(now),
            Phase::WarmUp if over => self.start_measuring(now),
            Phase::Measuring if over || self.requests_done() => {
                self.end_measuring(now);
                self.enter(Phase::Draining, now, self.options.reply_timeout);
                self.change_phase(now);
            }
            Phase::Draining if over || self.in_flight == 0 => self.phase = Phase::Done,
            _ => {}
        }
    }

    /// Nobody can send any more: what is left of the run's requests is given up. Without
    /// effect while something is in flight.
    pub(super) fn nothing_left(&mut self) {
        let counted = self.allowance != u64::MAX;
        if self.phase == Phase::Measuring && counted && self.in_flight == 0 {
            self.allowance = 0;
        }
    }

    fn requests_done(&self) -> bool {
        // Answers to the warm-up may still be on their way; waiting for them as
        // well costs one round trip.
        self.allowance == 0 && self.in_flight == 0
    }

    fn enter(&mut self, phase: Phase, now: u64, lasts: Duration) {
        self.phase = phase;
        self.phase_ends = now.saturating_add(nanoseconds(lasts));
    }

    fn start_measuring(&mut self, now: u64) {
        let lasts = match self.options.amount {
            Amount::Time(time) => time,
            Amount::Requests { count, at_most } => {
                self.allowance = count;
                at_most
            }
        };
        // What is shown next is of this phase alone.
        match self.counts.sent_bytes {
            0 => self.last_snapshot.0 = now,
            _ => self.snapshot(now),
        }
        self.enter(Phase::Measuring, now, lasts);
        self.forget();
        self.next_snapshot = now.saturating_add(self.every);
        self.has_measured = true;
        self.measuring_began = now;
        self.cpu_at_start = process::thread_cpu();
        self.waited_at_start = process::thread_waited();
        if let Some(server) = &mut self.server {
            server.cpu_at_start = process::cpu_of(server.pid).ok();
        }
    }

    /// What the warm-up counted is not of the run; only its errors are.
    fn forget(&mut self) {
        self.counts = Counts::default();
        self.recent.clear();
        self.measured.clear();
        self.acknowledgement.clear();
        self.slowest = Slowest::default();
        if let Some(open) = &mut self.open_loop {
            open.uncorrected.clear();
            open.client_late.clear();
        }
        self.last_snapshot.1 = Counts::default();
    }

    fn end_measuring(&mut self, now: u64) {
        if self.phase == Phase::Measuring {
            self.measuring_ended = now;
            self.cpu = process::thread_cpu().saturating_sub(self.cpu_at_start);
            let waited = process::thread_waited().zip(self.waited_at_start);
            self.waited = waited.map(|(now, before)| now.saturating_sub(before));
            if let Some(server) = &mut self.server {
                let cpu = process::cpu_of(server.pid).ok();
                let used = cpu.zip(server.cpu_at_start);
                server.cpu = used.map(|(now, before)| now.saturating_sub(before));
            }
            // What came since the last one is of the run, too.
            if now > self.last_snapshot.0 {
                self.snapshot(now);
            }
        }
    }

    fn show(&mut self, now: u64) {
        if now >= self.next_snapshot {
            self.next_snapshot = now.saturating_add(self.every);
            self.snapshot(now);
        }
    }

    fn snapshot(&mut self, now: u64) {
        let (shown_at, shown) = std::mem::replace(&mut self.last_snapshot, (now, self.counts));
        let snapshot = Snapshot {
            phase: self.phase,
            elapsed: Duration::from_nanos(now),
            interval: Duration::from_nanos(now.saturating_sub(shown_at)),
            messages: self.counts.messages,
            interval_messages: self.counts.messages.saturating_sub(shown.messages),
            received_bytes: self.counts.received_bytes,
            interval_received_bytes: self
                .counts
                .received_bytes
                .saturating_sub(shown.received_bytes),
            sent_bytes: self.counts.sent_bytes,
            interval_sent_bytes: self.counts.sent_bytes.saturating_sub(shown.sent_bytes),
            latency: &self.recent,
            missing: self.counts.missing,
            errors: &self.errors,
        };
        let go_on = (self.progress)(&snapshot);
        self.measured.absorb(&mut self.recent);
        if go_on.is_break() {
            self.stop();
        }
    }

    /// The result, with what an open loop did not get round to.
    pub(super) fn report_on(mut self, schedule: Option<&Schedule>) -> Report {
        // Of a run by number, nothing more was to be sent.
        let all_sent = self.allowance == 0;
        if let (Some(open), Some(schedule), false) = (&mut self.open_loop, schedule, all_sent) {
            // What became due after the last look at the clock had no chance.
            let last_look = self.measuring_ended.saturating_sub(nanoseconds(TICK));
            open.behind = schedule.behind(last_look);
        }
        self.report()
    }

    /// The result, without what only datagrams have.
    pub(super) fn report(mut self) -> Report {
        if !self.has_measured {
            self.forget();
        }
        self.measured.absorb(&mut self.recent);
        let elapsed = self.measuring_ended.saturating_sub(self.measuring_began);
        let elapsed = Duration::from_nanos(elapsed);
        let silent = self.silent();
        if let Some(server) = self.server.as_mut().filter(|_| elapsed < SERVER_CPU_FROM) {
            server.cpu = None;
        }
        Report {
            elapsed,
            messages: self.counts.messages,
            sent_bytes: self.counts.sent_bytes,
            received_bytes: self.counts.received_bytes,
            connections: self.counts.connections,
            latency: self.measured,
            errors: self.errors,
            datagrams: None,
            chat: None,
            acknowledgement: self.acknowledgement,
            slowest: self.slowest,
            open_loop: self.open_loop,
            server: self.server.map(Server::used),
            // One thread; the last look at its clock was a moment after the run.
            cpu: self.cpu.min(elapsed),
            waited: self.waited,
            silent,
            cut_short: self.cut_short,
        }
    }

    /// How long nothing had come when the measured time ended, if that is no chance.
    fn silent(&self) -> Option<Duration> {
        let since = self.measuring_ended.saturating_sub(self.heard_at);
        let was_heard = self.heard_at > 0 && since > 0;
        let lost_before = self.counts.missing.saturating_sub(self.missed_since) as f64;
        let sent_before = (self.counts.messages as f64 + lost_before).max(1.0);
        let loss = (lost_before / sent_before).max(LOST_AT_LEAST);
        let is_silent = self.missed_since >= SILENT_AFTER
            && loss.powf(self.missed_since as f64) < SILENT_BY_CHANCE;
        (was_heard && is_silent).then_some(Duration::from_nanos(since))
    }
}
