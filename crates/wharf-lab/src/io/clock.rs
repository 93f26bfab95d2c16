//! How the fabric's clock and tokio's run together.
//!
//! The runtime has one thread and a paused clock. When tokio has no task that can
//! run, it calls [`idle`] and would then move its clock to the next timer. That is
//! the moment for the network:
//!
//! ```text
//!   next event of the fabric          what idle does
//!   ────────────────────────          ─────────────────────────────────────────────
//!   in this millisecond               moves tokio's clock there and lets it happen
//!   later, clock between two ticks    moves the clock to the tick; timers may fire
//!   later, clock on a tick            sets the alarm to the event's tick and lets
//!                                     tokio move to the alarm or an earlier timer
//! ```
//!
//! tokio's timers fire on ticks of a millisecond only, so no timer is ever jumped
//! over, while the network's own time is exact to the nanosecond. Needs tokio
//! 1.52.4 or later: before, a task that was woken in the hook was not seen in time
//! (tokio#8212).
//!
//! In real time the clock is not paused, and a thread wakes the runtime when the
//! next event is due: tokio's own timers are up to a millisecond late, too much for
//! a link of a few milliseconds.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::world::{self, World, current};
use crate::core::{Step, Time};

/// tokio's timers fire at multiples of this.
const TICK: u64 = 1_000_000;

/// How a lab's time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as the machine can, and always the same.
    #[default]
    Virtual,
    /// As on the wall, for programs outside.
    Real,
}

/// Runs `main` in a world, and gives its result with the world as it was left.
pub(crate) fn run<T>(
    world: World,
    pace: Pace,
    main: impl FnOnce(u64) -> T,
) -> io::Result<(T::Output, World)>
where
    T: Future,
{
    let alarm = Arc::new(Alarm::default());
    let idle_alarm = Arc::clone(&alarm);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_time()
        .on_thread_park(move || idle(&idle_alarm, pace));
    match pace {
        // Nothing comes from outside: there is no need to look for it now and then.
        Pace::Virtual => builder.start_paused(true).event_interval(u32::MAX),
        Pace::Real => builder.enable_io(),
    };
    let runtime = builder.build()?;
    let lab = world::enter(world)?;
    let left = Leave;
    let output = runtime.block_on(async {
        let start = Instant::now();
        current(|world| world.start(start));
        tokio::spawn(ring(Arc::clone(&alarm), start));
        let clock = (pace == Pace::Real).then(|| RealClock::start(Arc::clone(&alarm), start));
        let output = main(lab).await;
        drop(clock);
        output
    });
    // Tasks end before their world: what they hold lets go of it.
    drop(runtime);
    std::mem::forget(left);
    let world = world::leave().ok_or_else(|| io::Error::other("the lab has lost its world"))?;
    Ok((output, world))
}

/// Takes the world out of the thread when a panic passes through [`run`], so that
/// the next lab of this thread can run.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        world::leave();
    }
}

/// What wakes the runtime when the network has something to do.
#[derive(Default)]
struct Alarm {
    state: Mutex<AlarmState>,
    /// For the thread that keeps real time.
    changed: Condvar,
}

#[derive(Default)]
struct AlarmState {
    waker: Option<Waker>,
    /// The tick for which the alarm shall be set, and that for which it is.
    wanted: u64,
    set: u64,
    /// In real time: when the next event is due.
    due: Option<Time>,
    over: bool,
}

impl Alarm {
    fn lock(&self) -> MutexGuard<'_, AlarmState> {
        // Nothing panics while it holds this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the runtime from sleeping: it comes back to the hook.
    fn ring(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn set_for(&self, tick: u64) {
        let mut state = self.lock();
        state.wanted = tick;
        let waker = (state.set != tick).then(|| state.waker.take()).flatten();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The task that the alarm wakes. It sleeps until the tick that is wanted.
async fn ring(alarm: Arc<Alarm>, start: Instant) {
    let mut sleep = pin!(tokio::time::sleep_until(start));
    poll_fn(|cx| {
        let mut state = alarm.lock();
        state.waker = Some(cx.waker().clone());
        if state.set != state.wanted {
            state.set = state.wanted;
            let span = Duration::from_nanos(state.wanted.saturating_mul(TICK));
            sleep.as_mut().reset(start + span);
        }
        drop(state);
        // Ready or not: that it wakes the runtime is all that it is for.
        let _ = sleep.as_mut().poll(cx);
        Poll::<()>::Pending
    })
    .await;
}

/// Called by tokio when no task can run.
fn idle(alarm: &Alarm, pace: Pace) {
    current(|world| match pace {
        Pace::Virtual => idle_virtual(world, alarm),
        Pace::Real => idle_real(world, alarm),
    });
}

fn idle_virtual(world: &mut World, alarm: &Alarm) {
    let now = world.synchronise();
    let Some(next) = world.fabric.next_at() else {
        return match now.0 % TICK {
            0 => {}
            rest => {
                jump(TICK - rest);
                alarm.ring();
            }
        };
    };
    if next.0 / TICK == now.0 / TICK {
        let mut at = now;
        // Only hosts wake programs: what happens elsewhere in this tick goes on at once.
        while let Some(next) = world.fabric.next_at() {
            if next.0 / TICK != at.0 / TICK {
                break;
            }
            jump(next.0 - at.0);
            at = next;
            match world.fabric.step() {
                Some(Step::Node(node)) if world.fabric.kind(node) != "host" => {}
                Some(Step::Nothing) => {}
                _ => break,
            }
        }
        alarm.ring();
    } else if !now.0.is_multiple_of(TICK) {
        jump(TICK - now.0 % TICK);
        alarm.ring();
    } else {
        alarm.set_for(next.0 / TICK);
    }
}

fn idle_real(world: &mut World, alarm: &Alarm) {
    world.synchronise();
    let due = world.fabric.next_at();
    let mut state = alarm.lock();
    if state.due != due {
        state.due = due;
        alarm.changed.notify_one();
    }
}

/// Moves tokio's paused clock by exactly so many nanoseconds, without waiting: the
/// first poll of `advance` does it.
fn jump(nanoseconds: u64) {
    if nanoseconds > 0 {
        let advance = pin!(tokio::time::advance(Duration::from_nanos(nanoseconds)));
        let _ = advance.poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// The thread that wakes the runtime when the next event is due.
struct RealClock {
    alarm: Arc<Alarm>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl RealClock {
    fn start(alarm: Arc<Alarm>, start: Instant) -> Self {
        let watched = Arc::clone(&alarm);
        let thread = std::thread::Builder::new()
            .name("lab clock".into())
            .spawn(move || watch(&watched, start));
        RealClock {
            alarm,
            // Without the thread the lab would stand still; tokio's timers are the
            // second best, and the network asks for none. It cannot do without.
            thread: thread.ok(),
        }
    }
}

impl Drop for RealClock {
    fn drop(&mut self) {
        self.alarm.lock().over = true;
        self.alarm.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It holds nothing that could make it panic.
            let _ = thread.join();
        }
    }
}

fn watch(alarm: &Alarm, start: Instant) {
    let mut state = alarm.lock();
    while !state.over {
        let now = Time::ZERO + start.elapsed();
        state = match state.due {
            Some(due) if due <= now => {
                state.due = None;
                drop(state);
                alarm.ring();
                alarm.lock()
            }
            due => {
                let wait = due.map_or(Duration::from_secs(1), |due| due - now);
                let waited = alarm.changed.wait_timeout(state, wait);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}
