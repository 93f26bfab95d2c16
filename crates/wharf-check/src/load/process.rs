//! What `/proc` says about processor time and memory (proc(5)).

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

pub use super::sys::raise_descriptor_limit;

/// User memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Proportional set size: its own pages, and its share of the common ones.
    pub pss: u64,
    /// Pages that only this process has.
    pub private: u64,
    /// Anonymous pages: heap and stacks.
    pub anonymous: u64,
}

/// The memory of a process now, from `smaps_rollup`, or from `status` if that
/// file is not there (then all three are its `RssAnon`).
///
/// # Errors
/// There is no such process, or it belongs to somebody else.
pub fn memory_of(pid: u32) -> io::Result<Memory> {
    match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        Ok(text) => Ok(Memory {
            pss: kibibytes(&text, "Pss:"),
            private: kibibytes(&text, "Private_Clean:") + kibibytes(&text, "Private_Dirty:"),
            anonymous: kibibytes(&text, "Anonymous:"),
        }),
        Err(_) => {
            let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let anonymous = kibibytes(&text, "RssAnon:");
            Ok(Memory {
                pss: anonymous,
                private: anonymous,
                anonymous,
            })
        }
    }
}

/// The value of the line `name   123 kB`, in bytes; 0 if there is none.
fn kibibytes(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok())
        .map_or(0, |number| number * 1024)
}

/// Processor time of a process so far, all threads, to 10 ms (fields 14 and 15 of `stat`).
///
/// # Errors
/// There is no such process.
pub fn cpu_of(pid: u32) -> io::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    ticks(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The kernel counts in USER_HZ, which is 100 on every architecture of Linux
/// that Rust's standard library supports.
fn ticks(stat: &str) -> Option<Duration> {
    // The second field is the program's name in parentheses, spaces included.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 10))
}

/// Processor time of the calling thread so far: to the nanosecond where the
/// kernel has `schedstat`, else to 10 ms.
pub(super) fn thread_cpu() -> Duration {
    let exact = fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok());
    match exact {
        Some(nanoseconds) if nanoseconds > 0 => Duration::from_nanos(nanoseconds),
        _ => fs::read_to_string("/proc/thread-self/stat")
            .ok()
            .and_then(|text| ticks(&text))
            .unwrap_or_default(),
    }
}

/// How long a thread was ready to run and had no processor, watched over time.
#[derive(Debug)]
pub(super) struct Waiting {
    /// `schedstat` of the thread; not every kernel has it.
    file: Option<File>,
    /// The latest looks, the oldest first: when, and what had been waited by then.
    looks: VecDeque<(u64, u64)>,
}

/// How many looks are kept: at one every 20 ms, ten seconds.
const LOOKS: usize = 512;

impl Waiting {
    /// Of the thread that calls.
    pub(super) fn of_this_thread() -> Self {
        Waiting {
            file: File::open("/proc/thread-self/schedstat").ok(),
            looks: VecDeque::new(),
        }
    }

    /// Nanoseconds so far; `None` where the kernel does not tell.
    pub(super) fn total(&self) -> Option<u64> {
        // Three numbers of at most 20 digits: time on a processor, time waiting for one, turns.
        let mut space = [0; 64];
        let length = self.file.as_ref()?.read_at(&mut space, 0).ok()?;
        second_number(space.get(..length)?)
    }

    /// Remembers what it is at `now`.
    pub(super) fn look(&mut self, now: u64) {
        if let Some(total) = self.total() {
            if self.looks.len() == LOOKS {
                self.looks.pop_front();
            }
            self.looks.push_back((now, total));
        }
    }

    /// Nanoseconds since `then`, or since the last look before it; since the first one that
    /// is known if that was later.
    pub(super) fn since(&self, then: u64) -> u64 {
        match (self.before(then), self.total()) {
            (Some(before), Some(total)) => total.saturating_sub(before),
            _ => 0,
        }
    }

    /// What had been waited at the last look before `then`, or else at the first.
    fn before(&self, then: u64) -> Option<u64> {
        let after = self.looks.partition_point(|(when, _)| *when <= then);
        let (_, waited) = self.looks.get(after.saturating_sub(1))?;
        Some(*waited)
    }
}

fn second_number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_whose_name_has_spaces_and_parentheses_is_read_right() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0";
        assert_eq!(ticks(stat), Some(Duration::from_secs(2)));
    }

    #[test]
    fn what_a_thread_waited_is_counted_from_the_last_look_before() {
        assert_eq!(second_number(b"425228 77 1\n"), Some(77));
        assert_eq!(second_number(b"425228"), None);
        let mut waiting = Waiting {
            file: None,
            looks: VecDeque::new(),
        };
        assert_eq!((waiting.before(5), waiting.since(5)), (None, 0));
        waiting.looks = [(100, 7), (200, 9)].into();
        for (then, waited) in [(50, 7), (100, 7), (199, 7), (200, 9), (900, 9)] {
            assert_eq!(waiting.before(then), Some(waited), "{then}");
        }
    }

    #[test]
    fn this_process_has_memory_and_used_time() {
        assert!(memory_of(std::process::id()).unwrap().pss > 100 * 1024);
        // The kernel brings the figure up to date at its next tick.
        let began = std::time::Instant::now();
        while thread_cpu().is_zero() {
            assert!(began.elapsed() < Duration::from_secs(5));
        }
        assert!(cpu_of(0).is_err());
    }
}
