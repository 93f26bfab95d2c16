//! The regression guard: how many instructions the hot paths take.
//!
//!     guard check [BASELINE]     counts, compares with bench/guard.txt, fails if slower
//!     guard update [BASELINE]    counts, and writes that file
//!     guard run PATH             goes one path, to be watched by valgrind
//!     guard list                 the paths
//!
//! A time says as much about the machine and its other work as about the program; a
//! count of instructions is the same on every run to a few in a thousand. Each path
//! is a process of its own under `valgrind --tool=callgrind`, which counts within
//! [`paths::watched`] only, so that preparing it is free.
//!
//! What it cannot see: system calls, cache misses, waiting. For those there is
//! `./ci.sh bench`.

mod baseline;
mod count;
mod paths;

use std::process::ExitCode;

use baseline::{Baseline, Verdict};
use paths::Load;

const BASELINE: &str = "bench/guard.txt";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["check"] => check(BASELINE),
        ["check", file] => check(file),
        ["update"] => update(BASELINE),
        ["update", file] => update(file),
        ["run", path] => paths::run(path, Load::Usual),
        ["run", path, "planted"] => paths::run(path, Load::Planted),
        ["list"] => {
            for (name, what) in paths::list() {
                println!("{name:<14} {what}");
            }
            Ok(())
        }
        _ => Err("usage: guard check|update [BASELINE], guard run PATH, guard list".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guard: {error}");
            ExitCode::FAILURE
        }
    }
}

fn update(file: &str) -> Result<(), String> {
    let counts = count::all()?;
    Baseline::of(&counts)?.write(file)?;
    println!("{} paths in {file}", counts.len());
    Ok(())
}

fn check(file: &str) -> Result<(), String> {
    let baseline = Baseline::read(file)?;
    let tolerance = baseline.tolerance()?;
    prove_that_it_can_fail(&baseline, tolerance)?;
    let mut slower = Vec::new();
    for (path, count) in count::all()? {
        let verdict = baseline.judge(&path, count, tolerance);
        println!("{path:<14} {count:>12}  {verdict}");
        if verdict.fails() {
            slower.push(path);
        }
    }
    if slower.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} took more than {:.0} % more instructions than {file} says.\n\
         If that is the price of something better, `GUARD=update ./ci.sh guard` records it",
        slower.join(", "),
        tolerance * 100.0
    ))
}

/// A guard that lets everything pass looks like one that finds nothing: so first
/// it has to find a slowdown that is planted.
fn prove_that_it_can_fail(baseline: &Baseline, tolerance: f64) -> Result<(), String> {
    let planted = count::one(paths::PROOF, Load::Planted)?;
    match baseline.judge(paths::PROOF, planted, tolerance) {
        Verdict::Slower(_) => Ok(()),
        other => Err(format!(
            "a planted slowdown of {} was not found ({other}): the guard is broken",
            paths::PROOF
        )),
    }
}
