//! Peers that misbehave and a machine that runs short: the server stays up, and
//! the others notice nothing.
//!
//! Layout: `descriptors` runs out of them, `rude` are clients without manners,
//! `crowd` are many users of the chat, `noise` is random bytes to everything, `late` answers after half-close.

#[path = "support/peer.rs"]
mod peer;
mod support;

#[path = "robust/crowd.rs"]
mod crowd;
#[path = "robust/descriptors.rs"]
mod descriptors;
#[path = "robust/late.rs"]
mod late;
#[path = "robust/noise.rs"]
mod noise;
#[path = "robust/rude.rs"]
mod rude;

use std::time::Duration;

/// The processor time that a process has used.
fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name may hold anything, so fields are counted from behind it: utime and
    // stime are the 14th and 15th of all, in ticks of 10 ms (proc(5)).
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Anonymous memory that a process has in use, in KiB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .expect("Linux since 4.5 has RssAnon");
    line.trim_end_matches("kB").trim().parse().unwrap()
}

/// How many descriptors a process has open.
fn descriptors_of(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// Stops a server, which must have gone well to the end.
#[track_caller]
fn stops_well(server: support::Server) {
    let ended = server.stop();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    assert!(!ended.stdout.contains("service-panicked"), "{ended:?}");
}
