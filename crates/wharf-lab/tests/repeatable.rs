//! The same seed gives the same bytes: twice in a process, and in two processes. (In
//! debug and release builds: `./ci.sh lab`.)

#[path = "../examples/repeat/runs.rs"]
mod runs;

use std::process::Command;

use runs::{run, shapes};

/// Tells the process that this test starts to print digests and do nothing else.
const CHILD: &str = "WHARF_LAB_DIGEST";

/// One line for each shape: what all the files of its run together are.
fn digests(seed: u64) -> Vec<String> {
    let shape = |(name, shape)| {
        let left = run(shape, seed).unwrap_or_else(|error| panic!("{name}: {error}"));
        let bytes: Vec<u8> = left.into_iter().flat_map(|(_, bytes)| bytes).collect();
        assert!(bytes.len() > 100_000, "{name}: {} B", bytes.len());
        format!("{name} {:016x}", digest(&bytes))
    };
    shapes().into_iter().map(shape).collect()
}

/// FNV-1a: enough to compare two processes by a line of text.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let first = digests(7);
    if std::env::var_os(CHILD).is_some() {
        return println!("{}", first.join("\n"));
    }
    for ((one, again), other) in first.iter().zip(digests(7)).zip(digests(8)) {
        assert_eq!(*one, again, "twice in one process");
        assert_ne!(*one, other, "another seed");
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "the_same_seed_gives_the_same_bytes_and_another_seed_others",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    for line in first {
        assert!(text.contains(&line), "in another process: {text}");
    }
}
