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
    /// When the last frame in order arrives.
    last_arrival: Time,
    up: bool,
    /// How often it was cut; frames of an earlier life do not arrive.
    life: u32,
    weather: Weather,
    dice: FaultDice,
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
    /// When the copy arrives, if it was doubled.
    pub(crate) twin: Option<Time>,
    /// Which bit of it is turned over: byte and mask.
    pub(crate) damage: Option<(usize, u8)>,
    pub(crate) held_back: bool,
    /// How long it waited for the transmitter.
    pub(crate) waited: Duration,
    pub(crate) life: u32,
}

impl Direction {
    /// The state of direction `place` of the lab with this seed.
    pub(crate) fn new(link: Link, seed: u64, place: u64) -> Self {
        let dice = |purpose| Dice::new(seed, place, purpose);
        Direction {
            link,
            counters: LinkCounters::default(),
            free_at: Time::ZERO,
            last_arrival: Time::ZERO,
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
        let lost = self.dice.loss.happens(self.link.loss);
        let burst = self.dice.burst.fraction();
        let doubled = self.dice.duplicate.happens(self.link.duplicate);
        let held_back = self.dice.reorder.happens(self.link.reorder);
        let hold = self.dice.reorder.fraction();
        let damaged = self.dice.corrupt.happens(self.link.corrupt);
        let bit = self.dice.corrupt.below(length as u64 * 8) as usize;
        let share = self.dice.jitter.fraction();
        let jitter = match self.link.jitter.is_zero() {
            true => Duration::ZERO,
            false => self.link.jitter.mul_f64(share),
        };

        let (start, done) = match self.transmit(now, length) {
            Ok(times) => times,
            Err(cause) => return self.drop(cause),
        };
        if self.in_bad_period(start) && burst < self.link.burst.map_or(0.0, |bad| bad.loss) {
            return self.drop(Cause::Burst);
        }
        if lost {
            return self.drop(Cause::Lost);
        }
        let mut arrives = (done + self.link.delay + jitter).max(self.last_arrival);
        if held_back {
            arrives += self.link.hold_back.mul_f64(hold);
            self.counters.held_back += 1;
        } else {
            self.last_arrival = arrives;
        }
        let twin = doubled.then(|| self.send_again(arrives, length));
        self.counters.damaged += u64::from(damaged);
        self.counters.in_flight += 1 + u64::from(doubled);
        Offer::Carried(Carried {
            arrives,
            twin,
            damage: damaged.then(|| (bit / 8, 1 << (bit % 8))),
            held_back,
            waited: start - now,
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
        let span = transmission(length, rate);
        self.counters.busy += nanos(span);
        self.free_at = start + span;
        Ok((start, self.free_at))
    }

    /// The link sends the frame a second time: that takes its time as well.
    fn send_again(&mut self, arrives: Time, length: usize) -> Time {
        self.counters.duplicated += 1;
        let Some(rate) = self.link.rate else {
            return arrives;
        };
        let span = transmission(length, rate);
        self.counters.busy += nanos(span);
        self.free_at += span;
        let twin = (arrives + span).max(self.free_at + self.link.delay);
        self.last_arrival = self.last_arrival.max(twin);
        twin
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
            self.last_arrival = now;
        }
        self.up = up;
    }

    /// Whether the link is whole.
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// Goes through the periods up to `at`, which depend on the time alone.
    fn in_bad_period(&mut self, at: Time) -> bool {
        let Some(burst) = self.link.burst else {
            return false;
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn direction(link: Link) -> Direction {
        Direction::new(link, 1, 0)
    }

    fn arrival(offer: Offer) -> Option<Time> {
        match offer {
            Offer::Carried(carried) => Some(carried.arrives),
            Offer::Dropped(_) => None,
        }
    }

    #[test]
    fn a_frame_takes_its_transmission_and_the_delay_and_waits_for_the_one_before() {
        let slow = Link::default()
            .rate(8_000)
            .delay(Duration::from_millis(5))
            .queue(300);
        let mut link = direction(slow);
        let ms = |n: u64| Some(Time(n * 1_000_000));
        assert_eq!(arrival(link.offer(Time::ZERO, 100)), ms(105));
        assert_eq!(arrival(link.offer(Time::ZERO, 100)), ms(205));
        assert_eq!(arrival(link.offer(Time::ZERO, 100)), ms(305));
        assert_eq!(
            link.offer(Time::ZERO, 100),
            Offer::Dropped(Cause::QueueFull)
        );
        assert_eq!(arrival(link.offer(Time(100_000_000), 100)), ms(405));
    }

    #[test]
    fn changing_one_fault_leaves_the_dice_of_the_others_alone() {
        let run = |link: Link| -> Vec<Option<Time>> {
            let mut link = direction(link.jitter(Duration::from_millis(9)));
            let offers = (0..500).map(|i| arrival(link.offer(Time(i * 50_000_000), 100)));
            offers.collect()
        };
        let calm = run(Link::default());
        let lossy = run(Link::default().loss(0.2));
        let lost = lossy.iter().filter(|at| at.is_none()).count();
        assert!((60..140).contains(&lost), "{lost}");
        for (calm, lossy) in calm.iter().zip(&lossy) {
            assert!(lossy.is_none() || lossy == calm);
        }
    }

    /// What became of frames that are far apart, on a link with these properties.
    fn fates(link: Link) -> Vec<Offer> {
        let mut link = direction(link);
        let at = |i: u64| Time(i * 50_000_000);
        (0..2_000).map(|i| link.offer(at(i), 100)).collect()
    }

    #[test]
    fn each_of_the_six_dice_can_be_taken_away_without_touching_the_others() {
        let burst = Burst {
            every: Duration::from_secs(1),
            lasting: Duration::from_millis(100),
            loss: 0.5,
        };
        let all = Link::default()
            .loss(0.2)
            .bursts(burst)
            .duplicate(0.2)
            .reorder(0.2)
            .corrupt(0.2)
            .jitter(Duration::from_millis(9));
        let whole = fates(all.clone());
        let with = |has: fn(&Carried) -> bool| {
            let carried = whole
                .iter()
                .filter(|it| matches!(it, Offer::Carried(it) if has(it)));
            carried.count()
        };
        let lost = |cause| {
            whole
                .iter()
                .filter(|it| **it == Offer::Dropped(cause))
                .count()
        };
        let counts = [
            with(|it| it.twin.is_some()),
            with(|it| it.held_back),
            with(|it| it.damage.is_some()),
            lost(Cause::Lost),
            lost(Cause::Burst),
        ];
        assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
        let without = [
            all.clone().loss(0.0),
            Link {
                burst: None,
                ..all.clone()
            },
            all.clone().duplicate(0.0),
            all.clone().reorder(0.0),
            all.clone().corrupt(0.0),
            all.clone().jitter(Duration::ZERO),
        ];
        for (fault, link) in without.into_iter().enumerate() {
            for (before, after) in whole.iter().zip(fates(link)) {
                match (before, after) {
                    (Offer::Carried(before), Offer::Carried(after)) => {
                        let twins = (before.twin.is_some(), after.twin.is_some());
                        assert!(fault == 2 || twins.0 == twins.1, "{fault}");
                        assert!(fault == 3 || before.held_back == after.held_back, "{fault}");
                        assert!(fault == 4 || before.damage == after.damage, "{fault}");
                        let same = before.arrives == after.arrives;
                        let late = before.held_back || fault == 5;
                        assert!(late || same, "{fault}: {before:?} {after:?}");
                    }
                    (Offer::Dropped(before), Offer::Dropped(after)) => {
                        assert!(*before == after || fault == 1, "{fault}");
                    }
                    // What is lost no more without this fault.
                    (Offer::Dropped(cause), Offer::Carried(_)) => {
                        let own = [Cause::Lost, Cause::Burst];
                        assert_eq!(own.get(fault), Some(cause));
                    }
                    (Offer::Carried(_), Offer::Dropped(cause)) => panic!("{fault}: {cause:?}"),
                }
            }
        }
    }

    #[test]
    fn damage_turns_one_bit_anywhere_in_the_frame() {
        let mut link = direction(Link::default().corrupt(1.0));
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..2_000 {
            let Offer::Carried(carried) = link.offer(Time(i * 1_000_000), 64) else {
                panic!("nothing drops it");
            };
            let (byte, mask) = carried.damage.unwrap();
            assert!(byte < 64 && mask.count_ones() == 1, "{byte} {mask}");
            seen.insert((byte, mask));
        }
        assert!(seen.len() > 450, "{} of 512 bits", seen.len());
        assert_eq!(link.counters.damaged, 2_000);
    }

    #[test]
    fn frames_that_are_held_back_are_overtaken_and_the_others_keep_their_order() {
        let mut link = direction(Link::default().reorder(0.1));
        let mut arrivals = Vec::new();
        for i in 0..2_000 {
            let Offer::Carried(carried) = link.offer(Time(i * 100_000), 100) else {
                panic!("nothing drops it");
            };
            arrivals.push((carried.held_back, carried.arrives));
        }
        let straight: Vec<Time> = arrivals.iter().filter(|it| !it.0).map(|it| it.1).collect();
        assert!(straight.is_sorted());
        let overtaken = (0..1_900).filter(|&i| {
            let (held, at) = arrivals[i];
            held && arrivals[i + 1..].iter().any(|(_, later)| *later < at)
        });
        let held = arrivals.iter().filter(|it| it.0).count();
        assert_eq!(link.counters.held_back, held as u64);
        assert!((120..280).contains(&held), "{held}");
        assert!(overtaken.count() > held / 2);
        let late = arrivals
            .iter()
            .zip(0..)
            .map(|((_, at), i)| at.0 - i * 100_000);
        let most = HOLD_BACK + Duration::from_micros(2);
        assert!(
            late.max()
                .is_some_and(|late| u128::from(late) <= most.as_nanos())
        );
    }

    #[test]
    fn a_frame_longer_than_the_mtu_is_dropped_and_takes_no_time() {
        let mut link = direction(Link::default().mtu(100));
        assert!(arrival(link.offer(Time::ZERO, 100 + 14)).is_some());
        let busy = link.counters.busy;
        assert_eq!(
            link.offer(Time::ZERO, 101 + 14),
            Offer::Dropped(Cause::TooLong)
        );
        assert_eq!(link.counters.drops[Cause::TooLong as usize], 1);
        assert_eq!(link.counters.busy, busy);
    }

    #[test]
    fn bad_periods_depend_on_the_time_alone() {
        let burst = Burst {
            every: Duration::from_secs(1),
            lasting: Duration::from_millis(100),
            loss: 1.0,
        };
        let lost_at = |step: u64| -> Vec<u64> {
            let mut link = direction(Link::default().bursts(burst));
            let times = (0..60_000_000_000 / step).map(|i| i * step);
            times
                .filter(|&t| arrival(link.offer(Time(t), 60)).is_none())
                .collect()
        };
        let (often, seldom) = (lost_at(1_000_000), lost_at(10_000_000));
        assert!(seldom.iter().all(|t| often.contains(t)));
        // A bad period of 100 ms in 1.1 s: about 9 % of the time.
        assert!((2_000..11_000).contains(&often.len()), "{}", often.len());
    }

    proptest::proptest! {
        #[test]
        fn no_frame_is_earlier_than_its_bits_and_no_link_faster_than_its_rate(
            (rate, delay, jitter) in (1_000_u64..1_000_000_000, 0_u64..50_000, 0_u64..50_000),
            faults in (0.0..1.0_f64, 0.0..1.0_f64, 0.0..1.0_f64),
            frames in proptest::collection::vec((0_u64..10_000_000, 1_usize..1_514), 1..60),
        ) {
            let (lost, twice, late) = faults;
            let shape = Link::default()
                .rate(rate)
                .delay(Duration::from_nanos(delay))
                .jitter(Duration::from_nanos(jitter))
                .queue(20_000)
                .loss(lost)
                .duplicate(twice)
                .reorder(late);
            let mut link = direction(shape);
            let mut now = Time::ZERO;
            for (pause, length) in frames {
                now += Duration::from_nanos(pause);
                let bits = transmission(length, rate);
                if let Offer::Carried(carried) = link.offer(now, length) {
                    let earliest = now + carried.waited + bits + Duration::from_nanos(delay);
                    proptest::prop_assert!(carried.arrives >= earliest);
                    proptest::prop_assert!(carried.twin.is_none_or(|twin| twin >= earliest + bits));
                }
                // Whatever was sent by then fits into the time and what still waits.
                let most = now.0 + link.free_at.0.saturating_sub(now.0);
                proptest::prop_assert!(link.counters.busy <= most);
            }
        }
    }

    #[test]
    fn a_cut_link_loses_what_is_on_it() {
        let mut link = direction(Link::default().delay(Duration::from_millis(1)));
        let Offer::Carried(carried) = link.offer(Time::ZERO, 100) else {
            panic!("it is whole");
        };
        link.set_up(Time(10), false);
        assert_eq!(link.offer(Time(10), 100), Offer::Dropped(Cause::LinkDown));
        link.set_up(Time(20), true);
        assert!(!link.arrived(100, carried.life));
        let counters = &link.counters;
        assert_eq!(
            (counters.sent, counters.dropped(), counters.in_flight),
            (2, 2, 0)
        );
    }
}
