//! A link: what it costs to cross it, and what can go wrong on the way.
//!
//! ```text
//!            drop-tail queue        transmission         propagation
//!   offer ──▶ ▒▒▒▒▒▒▒▒ ──────────▶ bytes·8 / rate ─────▶ delay (+ jitter) ──▶ arrival
//!      │full: dropped          │lost: nothing arrives   │held back: later ones overtake
//!      └too long, link down    └doubled: sent twice     └damaged: one bit turned over
//! ```
//!
//! [`Link`] is what people set; [`Direction`] is the state of one direction, a
//! function of the time and the frames that are offered to it: no I/O, no clock.

use std::time::Duration;

use super::random::{Dice, Purpose};
use super::time::{Time, nanos, transmission};

/// The longest frame of an ordinary Ethernet: 1,500 bytes behind a header of 14.
pub const ETHERNET_MTU: usize = 1_500;

/// How long a frame that is held back waits at most, unless told otherwise. Four
/// full frames at 10 Mbit/s can overtake it, enough for TCP to take it for lost
/// (RFC 5681 retransmits at the third duplicate acknowledgement).
pub const HOLD_BACK: Duration = Duration::from_millis(5);

/// Properties of a link, the same in both directions.
///
/// ```
/// use std::time::Duration;
/// use wharf_lab::Link;
///
/// let link = Link::default()
///     .rate(10_000_000)
///     .delay(Duration::from_millis(20))
///     .loss(0.01);
/// assert_eq!(link.queue_bytes(), 64 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub(crate) rate: Option<u64>,
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
    pub(crate) loss: f64,
    pub(crate) burst: Option<Burst>,
    pub(crate) duplicate: f64,
    pub(crate) reorder: f64,
    pub(crate) hold_back: Duration,
    pub(crate) corrupt: f64,
    pub(crate) queue: usize,
    pub(crate) mtu: usize,
    pub(crate) medium: &'static str,
}

/// Bad periods of a link: loss as a function of time, not of frames, so that
/// whatever is sent meets the same weather.
///
/// Good and bad periods alternate, each exponentially distributed in length (the
/// Gilbert-Elliott model in continuous time).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// The mean length of a good period.
    pub every: Duration,
    /// The mean length of a bad one.
    pub lasting: Duration,
    /// The probability that a frame in a bad period is lost.
    pub loss: f64,
}

impl Default for Link {
    /// Copper in one building: 1 Gbit/s, 1 µs (200 m), a queue of 64 KiB, no faults.
    fn default() -> Self {
        Link {
            rate: Some(1_000_000_000),
            delay: Duration::from_micros(1),
            jitter: Duration::ZERO,
            loss: 0.0,
            burst: None,
            duplicate: 0.0,
            reorder: 0.0,
            hold_back: HOLD_BACK,
            corrupt: 0.0,
            queue: 64 * 1024,
            mtu: ETHERNET_MTU,
            medium: "ethernet",
        }
    }
}

impl Link {
    /// A cable from a host to a shared medium: it takes no time, since the medium
    /// itself says when something is sent and heard.
    pub fn attachment() -> Self {
        Link {
            rate: None,
            delay: Duration::ZERO,
            medium: "attachment",
            ..Link::default()
        }
    }

    /// This link with the faults of another: loss, bad periods, duplication,
    /// reordering, damage and jitter; and with its MTU.
    #[must_use]
    pub fn faults_of(self, other: &Link) -> Self {
        Link {
            jitter: other.jitter,
            loss: other.loss,
            burst: other.burst,
            duplicate: other.duplicate,
            reorder: other.reorder,
            hold_back: other.hold_back,
            corrupt: other.corrupt,
            mtu: other.mtu,
            ..self
        }
    }

    /// Bits per second, at least 1.
    #[must_use]
    pub fn rate(mut self, bits_per_second: u64) -> Self {
        self.rate = Some(bits_per_second.max(1));
        self
    }

    /// The propagation delay: how long a bit is on its way.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Delay that is added to each frame, evenly distributed from nothing to
    /// `most`. Frames keep their order; see [`Link::reorder`].
    #[must_use]
    pub fn jitter(mut self, most: Duration) -> Self {
        self.jitter = most;
        self
    }

    /// The probability that a frame is lost, each independently of the others.
    #[must_use]
    pub fn loss(mut self, probability: f64) -> Self {
        self.loss = probability.clamp(0.0, 1.0);
        self
    }

    /// Bad periods.
    #[must_use]
    pub fn bursts(mut self, burst: Burst) -> Self {
        self.burst = Some(burst);
        self
    }

    /// The probability that a frame is sent twice.
    #[must_use]
    pub fn duplicate(mut self, probability: f64) -> Self {
        self.duplicate = probability.clamp(0.0, 1.0);
        self
    }

    /// The probability that a frame is held back, so that later ones overtake it.
    #[must_use]
    pub fn reorder(mut self, probability: f64) -> Self {
        self.reorder = probability.clamp(0.0, 1.0);
        self
    }

    /// How long a frame is held back at most; [`HOLD_BACK`] by default.
    #[must_use]
    pub fn hold_back(mut self, most: Duration) -> Self {
        self.hold_back = most;
        self
    }

    /// The probability that one bit of a frame arrives turned over. The frame
    /// check sequence, which would catch that on a real link, is taken to be
    /// right: this is the damage that only the checksums above can find.
    #[must_use]
    pub fn corrupt(mut self, probability: f64) -> Self {
        self.corrupt = probability.clamp(0.0, 1.0);
        self
    }

    /// How many bytes may wait for transmission; what comes then is dropped (drop-tail).
    #[must_use]
    pub fn queue(mut self, bytes: usize) -> Self {
        self.queue = bytes;
        self
    }

    /// The longest payload of a frame, in bytes; longer frames are dropped.
    #[must_use]
    pub fn mtu(mut self, bytes: usize) -> Self {
        self.mtu = bytes;
        self
    }

    /// What the link is made of, for people.
    #[must_use]
    pub(crate) fn medium(mut self, name: &'static str) -> Self {
        self.medium = name;
        self
    }

    /// Whether nothing that is left to chance happens on it.
    fn is_sound(&self) -> bool {
        let chances = [self.loss, self.duplicate, self.reorder, self.corrupt];
        chances == [0.0; 4] && self.burst.is_none() && self.jitter.is_zero()
    }

    /// How many bytes may wait.
    pub fn queue_bytes(&self) -> usize {
        self.queue
    }

    /// Bits per second; `None` for an attachment, which takes no time.
    pub fn bits_per_second(&self) -> Option<u64> {
        self.rate
    }

    /// The propagation delay.
    pub fn propagation(&self) -> Duration {
        self.delay
    }

    /// The name of the medium.
    pub fn medium_name(&self) -> &'static str {
        self.medium
    }

    /// The longest payload.
    pub fn mtu_bytes(&self) -> usize {
        self.mtu
    }
}

/// Why a frame did not get to where it was going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Cause {
    /// The link loses frames at random.
    Lost,
    /// The link was in a bad period.
    Burst,
    /// The queue in front of the link was full.
    QueueFull,
    /// The frame was longer than the link's MTU.
    TooLong,
    /// The link is cut.
    LinkDown,
}

impl Cause {
    /// All causes, in the order of their counters.
    pub const ALL: [Cause; 5] = [
        Cause::Lost,
        Cause::Burst,
        Cause::QueueFull,
        Cause::TooLong,
        Cause::LinkDown,
    ];

    /// The cause in words, as journals, captures and JSON name it.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Lost => "lost",
            Cause::Burst => "lost in a bad period",
            Cause::QueueFull => "queue full",
            Cause::TooLong => "longer than the MTU",
            Cause::LinkDown => "link down",
        }
    }

    /// What dropped the frame, in words that can stand behind "dropped by".
    pub fn agent(self) -> &'static str {
        match self {
            Cause::Lost => "the link's loss",
            Cause::Burst => "a bad period of the link",
            Cause::QueueFull => "a full queue",
            Cause::TooLong => "the link's MTU",
            Cause::LinkDown => "a cut link",
        }
    }
}

/// What one direction of a link has done.
///
/// At any time `sent + duplicated = delivered + dropped() + in_flight`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Frames offered by the sender.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Frames that arrived, copies included.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Frames that did not, by cause, in the order of [`Cause::ALL`].
    pub drops: [u64; Cause::ALL.len()],
    /// Copies that the link made.
    pub duplicated: u64,
    /// Frames that arrived with a bit turned over.
    pub damaged: u64,
    /// Frames that were held back.
    pub held_back: u64,
    /// Frames that are on their way.
    pub in_flight: u64,
    /// How long the link was transmitting, in nanoseconds.
    pub busy: u64,
    /// The most bytes that waited at once.
    pub queue_peak: usize,
}

impl LinkCounters {
    /// All frames that did not arrive.
    pub fn dropped(&self) -> u64 {
        self.drops.iter().sum()
    }
}

/// One direction of a link: where its frames are, as a state machine.
#[derive(Debug)]
pub(crate) struct Direction {
    pub(crate) link: Link,
    pub(crate) counters: LinkCounters,
    /// When the transmitter is free again.
    free_at: Time,
    /// How long a frame of this many bytes takes at this rate: most are as long as the one
    /// before, and a division takes as long as everything else here.
    span: (usize, u64, Duration),
    /// When the last frame in order arrives, and when it has left.
    last_arrival: Time,
    last_leaves: Time,
    up: bool,
    /// How often it was cut; frames of an earlier life do not arrive.
    life: u32,
    weather: Weather,
    dice: FaultDice,
}

/// How a change of a link's rate moves what is on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    now: Time,
    /// The rate before the change, and behind it.
    rates: (u64, u64),
}

impl Moved {
    /// When something has left that was to have left at `at`.
    pub(crate) fn departure(&self, at: Time) -> Time {
        let (before, after) = self.rates;
        let left = u128::from(at.0.saturating_sub(self.now.0)) * u128::from(before);
        let left = u64::try_from(left.div_ceil(u128::from(after))).unwrap_or(u64::MAX);
        match at > self.now {
            true => self.now + Duration::from_nanos(left),
            false => at,
        }
    }
}

/// One stream for each kind of fault.
#[derive(Debug)]
struct FaultDice {
    loss: Dice,
    burst: Dice,
    duplicate: Dice,
    reorder: Dice,
    corrupt: Dice,
    jitter: Dice,
}

/// What the dice say about a frame.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    lost: bool,
    /// It is lost if the link is in a bad period.
    burst: bool,
    doubled: bool,
    /// Which part of the longest time it is held back.
    hold: Option<f64>,
    /// The bit that is turned over.
    bit: Option<usize>,
    /// Which part of the longest jitter it has.
    share: Option<f64>,
}

impl FaultDice {
    #[inline(never)]
    fn roll(&mut self, link: &Link, length: usize) -> Fate {
        let lost = self.loss.happens(link.loss);
        let worse = link.burst.map_or(0.0, |bad| bad.loss);
        let burst = self.burst.happens(worse);
        let doubled = self.duplicate.happens(link.duplicate);
        let held_back = self.reorder.happens(link.reorder);
        let hold = rolled_if(held_back, &mut self.reorder, Dice::fraction);
        let damaged = self.corrupt.happens(link.corrupt);
        let bit = rolled_if(damaged, &mut self.corrupt, |dice| {
            dice.below(length as u64 * 8) as usize
        });
        let varies = !link.jitter.is_zero();
        let share = rolled_if(varies, &mut self.jitter, Dice::fraction);
        Fate {
            lost,
            burst,
            doubled,
            hold,
            bit,
            share,
        }
    }

    /// What [`FaultDice::roll`] does for a link without faults.
    fn pass(&mut self) -> Fate {
        for dice in [&mut self.loss, &mut self.burst, &mut self.duplicate] {
            dice.skip();
        }
        for dice in [&mut self.reorder, &mut self.corrupt] {
            dice.skip();
            dice.skip();
        }
        self.jitter.skip();
        Fate::default()
    }
}

/// Whether the link is in a bad period, and until when.
#[derive(Debug)]
struct Weather {
    dice: Dice,
    bad: bool,
    until: Time,
}

/// What became of a frame that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Dropped(Cause),
    Carried(Carried),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) arrives: Time,
    /// When its last bit is on the link.
    pub(crate) leaves: Time,
    /// The same two of the copy, if it was doubled.
    pub(crate) twin: Option<(Time, Time)>,
    /// Which bit of it is turned over: byte and mask.
    pub(crate) damage: Option<(usize, u8)>,
    pub(crate) held_back: bool,
    /// When its first bit is on the link.
    pub(crate) begins: Time,
    pub(crate) life: u32,
}

impl Carried {
    /// It arrives once, as it is, and in order.
    pub(crate) fn is_plain(&self) -> bool {
        self.twin.is_none() && self.damage.is_none() && !self.held_back
    }
}

impl Direction {
    /// The state of direction `place` of the lab with this seed.
    pub(crate) fn new(link: Link, seed: u64, place: u64) -> Self {
        let dice = |purpose| Dice::new(seed, place, purpose);
        Direction {
            link,
            counters: LinkCounters::default(),
            free_at: Time::ZERO,
            span: (0, 1, Duration::ZERO),
            last_arrival: Time::ZERO,
            last_leaves: Time::ZERO,
            up: true,
            life: 0,
            weather: Weather {
                dice: Dice::new(seed, place ^ (1 << 63), Purpose::Burst),
                bad: true,
                until: Time::ZERO,
            },
            dice: FaultDice {
                loss: dice(Purpose::Loss),
                burst: dice(Purpose::Burst),
                duplicate: dice(Purpose::Duplication),
                reorder: dice(Purpose::Reordering),
                corrupt: dice(Purpose::Corruption),
                jitter: dice(Purpose::Jitter),
            },
        }
    }

    /// A frame of `length` bytes is offered to the link.
    pub(crate) fn offer(&mut self, now: Time, length: usize) -> Offer {
        self.counters.sent += 1;
        self.counters.sent_bytes += length as u64;
        // Every die is rolled for every frame, whatever becomes of it.
        let Fate {
            lost,
            burst,
            doubled,
            hold,
            bit,
            share,
        } = match self.link.is_sound() {
            true => self.dice.pass(),
            false => self.dice.roll(&self.link, length),
        };

        let (start, done) = match self.transmit(now, length) {
            Ok(times) => times,
            Err(cause) => return self.drop(cause),
        };
        if self.in_bad_period(start) && burst {
            return self.drop(Cause::Burst);
        }
        if lost {
            return self.drop(Cause::Lost);
        }
        let mut arrives = done + self.link.delay;
        if let Some(share) = share {
            arrives += self.link.jitter.mul_f64(share);
        }
        arrives = arrives.max(self.last_arrival);
        match hold {
            Some(hold) => {
                arrives += self.link.hold_back.mul_f64(hold);
                self.counters.held_back += 1;
            }
            None => (self.last_arrival, self.last_leaves) = (arrives, done),
        }
        let twin = doubled.then(|| self.send_again((arrives, done), length));
        self.counters.damaged += u64::from(bit.is_some());
        self.counters.in_flight += 1 + u64::from(doubled);
        Offer::Carried(Carried {
            arrives,
            leaves: done,
            twin,
            damage: bit.map(|bit| (bit / 8, 1 << (bit % 8))),
            held_back: hold.is_some(),
            begins: start,
            life: self.life,
        })
    }

    /// Takes the transmitter for a frame: when its first and last bit leave.
    fn transmit(&mut self, now: Time, length: usize) -> Result<(Time, Time), Cause> {
        if !self.up {
            return Err(Cause::LinkDown);
        }
        if length > self.link.mtu + super::frame::HEADER {
            return Err(Cause::TooLong);
        }
        let Some(rate) = self.link.rate else {
            return Ok((now, now));
        };
        let start = self.free_at.max(now);
        let waiting = self.waiting(now);
        if waiting + length > self.link.queue {
            return Err(Cause::QueueFull);
        }
        self.counters.queue_peak = self.counters.queue_peak.max(waiting + length);
        let span = self.transmission(length, rate);
        self.counters.busy += nanos(span);
        self.free_at = start + span;
        Ok((start, self.free_at))
    }

    fn transmission(&mut self, length: usize, rate: u64) -> Duration {
        let (before, at, _) = self.span;
        if (before, at) != (length, rate) {
            self.span = (length, rate, transmission(length, rate));
        }
        self.span.2
    }

    /// The link sends the frame a second time: that takes its time as well.
    #[inline(never)]
    fn send_again(&mut self, (arrives, leaves): (Time, Time), length: usize) -> (Time, Time) {
        self.counters.duplicated += 1;
        let Some(rate) = self.link.rate else {
            return (arrives, leaves);
        };
        let span = transmission(length, rate);
        self.counters.busy += nanos(span);
        self.free_at += span;
        let twin = (arrives + span).max(self.free_at + self.link.delay);
        if twin > self.last_arrival {
            (self.last_arrival, self.last_leaves) = (twin, self.free_at);
        }
        (twin, self.free_at)
    }

    /// The link has other properties from now on. What waits for transmission waits
    /// still, and leaves at the new rate: if there is anything, the result says when.
    pub(crate) fn change(&mut self, now: Time, link: Link) -> Option<Moved> {
        let before = std::mem::replace(&mut self.link, link);
        let rates = (before.rate?, self.link.rate?);
        if rates.0 == rates.1 || self.free_at <= now {
            return None;
        }
        let moved = Moved { now, rates };
        self.counters.busy -= nanos(self.free_at - now);
        self.free_at = moved.departure(self.free_at);
        self.counters.busy += nanos(self.free_at - now);
        let leaves = moved.departure(self.last_leaves);
        self.last_arrival = leaves + (self.last_arrival - self.last_leaves);
        self.last_leaves = leaves;
        Some(moved)
    }

    /// What is on its way arrives until `at`, in order: nothing new arrives before.
    pub(crate) fn arrives_until(&mut self, at: Time) {
        self.last_arrival = self.last_arrival.max(at);
    }

    /// How many bytes wait for, or are in, transmission.
    pub(crate) fn waiting(&self, now: Time) -> usize {
        let rate = self.link.rate.unwrap_or(0);
        let left = self.free_at.0.saturating_sub(now.0);
        // Eighteen seconds at 1 Gbit/s are the most for 64 bits, which are quicker.
        match left.checked_mul(rate) {
            Some(bits) => (bits / 8_000_000_000) as usize,
            None => (u128::from(left) * u128::from(rate) / 8_000_000_000) as usize,
        }
    }

    fn drop(&mut self, cause: Cause) -> Offer {
        self.counters.drops[cause as usize] += 1;
        Offer::Dropped(cause)
    }

    /// A frame has come to the far end; false if the link was cut under it.
    pub(crate) fn arrived(&mut self, length: usize, life: u32) -> bool {
        self.counters.in_flight -= 1;
        if life != self.life {
            self.counters.drops[Cause::LinkDown as usize] += 1;
            return false;
        }
        self.counters.delivered += 1;
        self.counters.delivered_bytes += length as u64;
        true
    }

    /// Cuts the link or mends it. What is on its way when it is cut is lost.
    pub(crate) fn set_up(&mut self, now: Time, up: bool) {
        if self.up && !up {
            self.life += 1;
            self.free_at = now;
            (self.last_arrival, self.last_leaves) = (now, now);
        }
        self.up = up;
    }

    /// Whether the link is whole.
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// Goes through the periods up to `at`, which depend on the time alone.
    fn in_bad_period(&mut self, at: Time) -> bool {
        match self.link.burst {
            Some(burst) => self.forecast(burst, at),
            None => false,
        }
    }

    #[inline(never)]
    fn forecast(&mut self, burst: Burst, at: Time) -> bool {
        while self.weather.until <= at {
            self.weather.bad = !self.weather.bad;
            let mean = match self.weather.bad {
                true => burst.lasting,
                false => burst.every,
            };
            // The inverse of the exponential distribution; 1 - f is never 0.
            let length = mean.as_secs_f64() * -(1.0 - self.weather.dice.fraction()).ln();
            // At least a microsecond, so that a mean of nothing ends as well.
            let length = length.clamp(1e-6, 1e9);
            self.weather.until += Duration::from_secs_f64(length);
        }
        self.weather.bad
    }
}

/// A number that is needed, or one that is passed over.
fn rolled_if<T>(needed: bool, dice: &mut Dice, roll: impl FnOnce(&mut Dice) -> T) -> Option<T> {
    if needed {
        return Some(roll(dice));
    }
    dice.skip();
    None
}

#[cfg(test)]
mod tests;
