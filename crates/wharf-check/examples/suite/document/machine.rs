//! What the measurements were made on.

use std::fs;
use std::process::Command;

use crate::peers::PYTHON;

/// The machine and the versions of everything, name and value.
pub(crate) fn facts() -> Vec<(String, String)> {
    let mut facts = vec![
        ("processor", processor()),
        ("memory", memory()),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("load average at the start", load_average()),
    ];
    let versions: [(&str, &[&str]); 12] = [
        ("rustc", &["rustc", "--version"]),
        ("C compiler", &["cc", "--version"]),
        ("Go", &["go", "version"]),
        ("Python", &["python3", "--version"]),
        (
            "uvloop",
            &[PYTHON, "-c", "import uvloop; print(uvloop.__version__)"],
        ),
        ("liburing", &["pkg-config", "--modversion", "liburing"]),
        ("Node", &["node", "--version"]),
        ("socat", &["socat", "-V"]),
        ("ncat", &["ncat", "--version"]),
        ("ngircd", &["ngircd", "--version"]),
        ("InspIRCd", &["inspircd", "--version"]),
        ("valgrind", &["valgrind", "--version"]),
    ];
    for (name, command) in versions {
        facts.push((name, version(command)));
    }
    // Most of the loops in Rust are built with what the library is built with.
    for (name, lock) in [
        ("tokio", "Cargo.lock"),
        ("quinn-udp", "Cargo.lock"),
        ("monoio", "bench/peers/monoio/Cargo.lock"),
    ] {
        let locked = fs::read_to_string(lock).unwrap_or_default();
        facts.push((
            name,
            locked_version(&locked, name).unwrap_or_default().to_owned(),
        ));
    }
    facts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The commit, with `+` if the sources differ from it.
pub(crate) fn commit() -> String {
    let commit = said(&["git", "rev-parse", "--short", "HEAD"]);
    let changed = said(&[
        "git",
        "status",
        "--porcelain",
        "--",
        "crates",
        "bench",
        "Cargo.lock",
    ]);
    let mark = if changed.is_empty() { "" } else { "+" };
    format!("{}{mark}", commit.trim())
}

/// Today, in UTC.
pub(crate) fn day() -> String {
    said(&["date", "-u", "+%Y-%m-%d"]).trim().to_owned()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let count = text
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let virtual_machine = if text.contains(" hypervisor") {
        ", virtual machine"
    } else {
        ""
    };
    format!("{model}, {count} cores{virtual_machine}")
}

fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    format!("{:.0} GiB", kibibytes / 1024.0 / 1024.0)
}

fn load_average() -> String {
    let text = read("/proc/loadavg");
    text.split(' ').next().unwrap_or("").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The version of a package in a `Cargo.lock`, where its name stands the line before.
fn locked_version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let named = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = lock.split_once(&named)?;
    rest.split('"').next()
}

/// The first line with a digit, without the words around it.
fn version(command: &[&str]) -> String {
    let text = said(command);
    let line = text
        .lines()
        .find(|line| line.contains(|c: char| c.is_ascii_digit()));
    let line = line.unwrap_or("").trim();
    let line = line.split(" on ").next().unwrap_or(line);
    for word in [
        "rustc ",
        "go version ",
        "Python ",
        "socat version ",
        "Ncat: Version ",
    ] {
        if let Some(rest) = line.strip_prefix(word) {
            return rest.split(" ( ").next().unwrap_or(rest).to_owned();
        }
    }
    for word in ["ngIRCd ", "InspIRCd-"] {
        // Behind the version stands what it was built with.
        if let Some(rest) = line.strip_prefix(word) {
            return rest.split('-').next().unwrap_or(rest).to_owned();
        }
    }
    line.to_owned()
}

/// What a command printed; nothing if it failed.
fn said(command: &[&str]) -> String {
    Command::new(command[0])
        .args(&command[1..])
        .output()
        .ok()
        .filter(|output| output.status.success())
        // ncat tells its version on stderr.
        .map(|output| [output.stdout, output.stderr].concat())
        .map(|said| String::from_utf8_lossy(&said).into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_by_the_whole_name() {
        let lock = "[[package]]\nname = \"tokio-macros\"\nversion = \"2.0.0\"\n\n\
                    [[package]]\nname = \"tokio\"\nversion = \"1.54.1\"\n";
        assert_eq!(locked_version(lock, "tokio"), Some("1.54.1"));
        assert_eq!(locked_version(lock, "quinn-udp"), None);
    }
}
