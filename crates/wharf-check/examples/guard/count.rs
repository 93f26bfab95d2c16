//! Counting, by callgrind.

use std::process::{Command, Stdio};
use std::thread;

use crate::paths::{self, Load};

/// How many paths are counted at the same time: counts do not depend on it.
const AT_ONCE: usize = 2;

/// Every path with its count.
pub(crate) fn all() -> Result<Vec<(String, u64)>, String> {
    let names: Vec<_> = paths::list().map(|(name, _)| name).collect();
    let mut counts = Vec::new();
    for some in names.chunks(AT_ONCE) {
        let counted: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = some
                .iter()
                .map(|name| (name, scope.spawn(|| one(name, Load::Usual))))
                .collect();
            running
                .into_iter()
                .map(|(name, thread)| (name, thread.join()))
                .collect()
        });
        for (name, count) in counted {
            let count = count.map_err(|_| format!("{name}: counting panicked"))??;
            counts.push(((*name).to_owned(), count));
        }
    }
    Ok(counts)
}

/// The instructions of one path.
pub(crate) fn one(path: &str, load: Load) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("valgrind");
    command
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=guard::paths::watched*",
        ])
        .arg(program)
        .args(["run", path])
        .stdin(Stdio::null());
    if load == Load::Planted {
        command.arg("planted");
    }
    let output = command
        .output()
        .map_err(|error| format!("it needs valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{path} failed: {said}"));
    }
    match collected(&said) {
        // Then the function that is watched has another name, or was inlined.
        None | Some(0) => Err(format!("{path}: callgrind counted nothing: {said}")),
        Some(count) => Ok(count),
    }
}

/// The number behind `Collected :` in what callgrind says at the end.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}
