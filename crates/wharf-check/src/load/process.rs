//! What `/proc` says about processor time and memory (proc(5)).

use std::fs;
use std::io;
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
    match schedstat() {
        Some((used, _)) => used,
        None => fs::read_to_string("/proc/thread-self/stat")
            .ok()
            .and_then(|text| ticks(&text))
            .unwrap_or_default(),
    }
}

/// How long the calling thread was ready to run and had no processor so far; `None` where the
/// kernel does not tell.
pub(super) fn thread_waited() -> Option<Duration> {
    let (_, waited) = schedstat()?;
    Some(waited)
}

fn schedstat() -> Option<(Duration, Duration)> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    used_and_waited(&text)
}

/// The first two numbers of `schedstat`, which a kernel that does not count has as zeros.
fn used_and_waited(text: &str) -> Option<(Duration, Duration)> {
    let mut numbers = text.split_whitespace();
    let mut next = || numbers.next()?.parse().ok().map(Duration::from_nanos);
    let (used, waited) = (next()?, next()?);
    (!used.is_zero()).then_some((used, waited))
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
    fn a_kernel_that_does_not_count_is_known() {
        let [used, waited] = [425_228, 77].map(Duration::from_nanos);
        assert_eq!(used_and_waited("425228 77 1\n"), Some((used, waited)));
        for unknown in ["425228", "0 0 0\n", ""] {
            assert_eq!(used_and_waited(unknown), None);
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
