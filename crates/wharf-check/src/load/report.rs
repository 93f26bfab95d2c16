//! What a run found.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::process::Memory;

/// The result of a run. Everything but [`Report::errors`] is about the measured
/// time alone, without warm-up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How long was measured; zero if the run ended before.
    pub elapsed: Duration,
    /// Replies that came and were right.
    pub messages: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Bytes received, all of them right.
    pub received_bytes: u64,
    /// Connections that ended in order after their share of messages (churn).
    pub connections: u64,
    /// From sending a message to the last byte of its reply; from connect(2)
    /// where each connection carries one message. Replies that were owed when the measured
    /// time ended are in it, and not among [`Report::messages`].
    pub latency: Latency,
    /// What went wrong, by cause, warm-up and end of the run included.
    pub errors: Errors,
    /// What became of the datagrams, over UDP.
    pub datagrams: Option<Datagrams>,
    /// What became of the users and their messages, in a chat.
    pub chat: Option<ChatCounts>,
    /// From sending a chat message to its answer; empty in any other run.
    pub acknowledgement: Latency,
    /// The slowest reply, of those that were owed when the measured time ended and of datagrams
    /// that were given up, too.
    pub slowest: Slowest,
    /// What only an open loop has; [`Report::latency`] then counts from when messages were
    /// due.
    pub open_loop: Option<OpenLoop>,
    /// What the server's process used, if that was asked for.
    pub server: Option<ServerUse>,
    /// Processor time of the engine's thread. Close to [`Report::elapsed`], the
    /// engine may be the bottleneck; a closed loop against a server on another
    /// core can come there without being one.
    pub cpu: Duration,
    /// How long the engine's thread was ready to run and had no processor; `None` where the
    /// kernel has no `schedstat`.
    pub waited: Option<Duration>,
    /// How long nothing had come when the measured time ended, if that was no chance: over
    /// UDP when three datagrams or more that were sent after the last reply had none, and of
    /// [bulk](super::Bulk) when no pause before was a fifth as long.
    pub silent: Option<Duration>,
    /// Whether the run ended before its time: too many errors, or it was stopped.
    pub cut_short: bool,
}

impl Report {
    /// Right replies per second.
    pub fn messages_per_second(&self) -> f64 {
        per_second(self.messages, self.elapsed)
    }

    /// Bytes received per second.
    pub fn bytes_per_second(&self) -> f64 {
        per_second(self.received_bytes, self.elapsed)
    }
}

/// The slowest reply of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slowest {
    pub(super) nanoseconds: u64,
    pub(super) at: u64,
    pub(super) unanswered: u64,
}

/// Replies that took as long are compared by what is sure, 20 ms in nanoseconds.
const LONG: u64 = 20_000_000;

impl Slowest {
    /// How long it took, from when the message was really sent.
    pub fn took(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds)
    }

    /// When it came, since measuring began.
    pub fn at(&self) -> Duration {
        Duration::from_nanos(self.at)
    }

    /// For how long of that the reply was surely not there: the sockets were looked at, and
    /// it had not come. They are looked at every 20 ms, or less often by a program that has no
    /// processor; what it had not looked for yet is no fault of the server.
    pub fn unanswered(&self) -> Duration {
        Duration::from_nanos(self.unanswered)
    }

    /// By what replies are compared.
    pub(super) fn weight(&self) -> u64 {
        match self.nanoseconds < LONG {
            true => self.nanoseconds,
            false => self.unanswered.max(LONG),
        }
    }
}

/// What only an open loop has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenLoop {
    /// Messages per second that were due.
    pub rate: u32,
    /// Latencies from when messages were really sent: what a client that waits for the
    /// server would have reported.
    pub uncorrected: Latency,
    /// How much later than they were due messages were sent on connections that were free:
    /// this program's own part in [`Report::latency`].
    pub client_late: Latency,
    /// Messages that were due by the end and not sent, since their connections were busy.
    pub behind: u64,
}

impl OpenLoop {
    pub(super) fn new(rate: u32) -> Self {
        OpenLoop {
            rate,
            uncorrected: Latency::new(),
            client_late: Latency::new(),
            behind: 0,
        }
    }
}

/// What the server's process used.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerUse {
    /// Its number.
    pub pid: u32,
    /// Processor time of all its threads in the measured time, to 10 ms; `None` if that was
    /// shorter than 100 ms.
    pub cpu: Option<Duration>,
    /// Memory before the first connection.
    pub memory_before: Option<Memory>,
    /// Memory at the end; `None` if it has gone by then.
    pub memory: Option<Memory>,
}

fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() {
        return 0.0;
    }
    count as f64 / time.as_secs_f64()
}

/// How long replies took.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u64>);

/// Longer latencies count as this long: 100 s.
const LATENCY_MAX: u64 = 100_000_000_000;

impl Latency {
    pub(super) fn new() -> Self {
        // Fails for bounds in the wrong order and for more than five digits only.
        Latency(Histogram::new_with_bounds(1, LATENCY_MAX, 3).expect("constant, valid bounds"))
    }

    pub(super) fn record(&mut self, nanoseconds: u64, count: u64) {
        self.0.saturating_record_n(nanoseconds.max(1), count);
    }

    /// Adds all of `other` and empties it.
    pub(super) fn absorb(&mut self, other: &mut Latency) {
        // Fails only if `other` reaches further, and both have the same bounds.
        let _ = self.0.add(&other.0);
        other.0.reset();
    }

    pub(super) fn clear(&mut self) {
        self.0.reset();
    }

    /// Whether nothing was measured; every figure is then 0.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The latency that this share of all replies does not exceed; 0.99 is p99.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(share))
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// The mean.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.0.mean() as u64)
    }

    /// What it would have been, had somebody gone on asking every `interval` while a reply was
    /// awaited: HdrHistogram's estimate for what coordinated omission leaves out.
    #[must_use]
    pub fn corrected(&self, interval: Duration) -> Latency {
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        Latency(self.0.clone_correct(interval.max(1_000)))
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Latency) {
        // Fails only if `other` reaches further, and both have the same bounds.
        let _ = self.0.add(&other.0);
    }

    /// All of it: nanoseconds, three significant digits, 100 s at most.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

/// What became of the datagrams of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datagrams {
    /// Sent.
    pub sent: u64,
    /// Answered rightly, first replies only. A datagram that was answered wrongly is neither
    /// here nor among the lost, but in [`Report::errors`].
    pub answered: u64,
    /// Without a reply after [`Options::loss_timeout`](super::Options::loss_timeout),
    /// and not counted as late.
    pub lost: u64,
    /// Answered after that time.
    pub late: u64,
    /// Replies to datagrams that had a reply already.
    pub duplicated: u64,
    /// First replies that came after the reply to a later datagram.
    pub reordered: u64,
    /// The receive buffer that the kernel granted each flow, in bytes.
    pub receive_buffer: usize,
}

/// What became of the users of a chat and their messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChatCounts {
    /// Logged in, those that never read included.
    pub users: usize,
    /// When the last of them was, since the run began.
    pub logged_in_after: Duration,
    /// Lines that the users got in the measured time: deliveries and answers.
    pub lines: u64,
    /// Messages that were answered and not delivered in time.
    pub lost: u64,
    /// Deliveries that came after their message had been counted as lost.
    pub late: u64,
    /// Deliveries of what was delivered before.
    pub doubled: u64,
    /// Deliveries that came after a later message of the same sender and receiver, and
    /// before they were counted as lost.
    pub reordered: u64,
    /// Deliveries of what was not sent, or not to that user.
    pub altered: u64,
    /// Messages to users that never read, as far as they were accepted.
    pub to_stalled: u64,
    /// Messages to users that never read that were turned down: they were cut off.
    pub stalled_rejected: u64,
    /// Users that never read whose connection the server ended.
    pub stalled_closed: usize,
}

/// Why something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The connection was refused: nobody listens there.
    Refused,
    /// The connection did not open in time.
    ConnectTimeout,
    /// TLS refused something: a certificate, a version, a damaged record.
    Tls,
    /// No local port or descriptor was left for another connection.
    NoSockets,
    /// A byte of a reply was not what it had to be.
    Wrong,
    /// A reply was left out: the reply to a later message came in its place.
    Lost,
    /// More came than was asked for.
    Unexpected,
    /// No reply in time.
    NoReply,
    /// A right reply, but slower than [`Options::late_after`](super::Options::late_after).
    Late,
    /// The peer ended the connection while it owed replies.
    Closed,
    /// The peer ended the connection while it owed nothing, and was to be asked again.
    Ended,
    /// The peer reset the connection.
    Reset,
    /// A message was delivered twice.
    Doubled,
    /// A message overtook an earlier one of the same sender and receiver.
    Reordered,
    /// A login or a message was turned down.
    Rejected,
    /// Another error of the operating system.
    Other,
}

const CAUSES: [(Cause, &str); 16] = [
    (Cause::Refused, "connection refused"),
    (Cause::ConnectTimeout, "connect timed out"),
    (Cause::Tls, "TLS failed"),
    (Cause::NoSockets, "no local socket left"),
    (Cause::Wrong, "wrong reply"),
    (Cause::Lost, "lost reply"),
    (Cause::Unexpected, "unexpected bytes"),
    (Cause::NoReply, "no reply in time"),
    (Cause::Late, "late reply"),
    (Cause::Closed, "closed with replies owed"),
    (Cause::Ended, "closed between messages"),
    (Cause::Reset, "connection reset"),
    (Cause::Doubled, "doubled message"),
    (Cause::Reordered, "reordered message"),
    (Cause::Rejected, "request rejected"),
    (Cause::Other, "other error"),
];

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CAUSES[*self as usize].1)
    }
}

/// Errors by cause, each with the evidence of its first case.
#[derive(Clone, Debug, Default)]
pub struct Errors([(u64, Option<String>); CAUSES.len()]);

impl Errors {
    pub(super) fn add(&mut self, cause: Cause, more: u64, evidence: impl FnOnce() -> String) {
        let (count, first) = &mut self.0[cause as usize];
        *count += more;
        if first.is_none() {
            *first = Some(evidence());
        }
    }

    /// How often this went wrong.
    pub fn count(&self, cause: Cause) -> u64 {
        self.0[cause as usize].0
    }

    /// How much went wrong in all.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(count, _)| count).sum()
    }

    /// Whether nothing went wrong.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Every cause that occurred, how often, and the first case in words.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, u64, &str)> {
        CAUSES
            .iter()
            .zip(&self.0)
            .filter(|(_, (count, _))| *count > 0)
            .map(|((cause, _), (count, first))| (*cause, *count, first.as_deref().unwrap_or("")))
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no errors");
        }
        for (place, (cause, count, first)) in self.iter().enumerate() {
            let comma = if place > 0 { "; " } else { "" };
            write!(f, "{comma}{count} × {cause} (first: {first})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_own_words() {
        for (place, (cause, _)) in CAUSES.iter().enumerate() {
            assert_eq!(*cause as usize, place);
        }
    }

    #[test]
    fn errors_tell_the_first_case() {
        let mut errors = Errors::default();
        errors.add(Cause::Reset, 1, || "connection 3".into());
        errors.add(Cause::Reset, 1, || "connection 4".into());
        assert_eq!(
            errors.to_string(),
            "2 × connection reset (first: connection 3)"
        );
    }
}
