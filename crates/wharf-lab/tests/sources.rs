//! What would make a run in the lab depend on something else than its seed must not
//! stand in code that runs there: the library (without the operating system's
//! network), the services, and the lab itself.

use std::path::{Path, PathBuf};

/// Files that never run in a lab, and why.
const OUTSIDE: &[(&str, &str)] = &[
    ("wharf/src/network/os/", "the operating system's network"),
    (
        "wharf/src/network/platform.rs",
        "the operating system's machine",
    ),
    ("wharf/src/names/", "the operating system's names"),
    (
        "wharf/src/service/blocking.rs",
        "threads are outside of the lab",
    ),
    (
        "wharf/src/server/cores.rs",
        "a lab has one core: its network shares no ports",
    ),
    (
        "wharf/src/server/worker.rs",
        "threads are outside of the lab",
    ),
    (
        "wharf/src/tls/",
        "over TLS correctness is asserted, not identical bytes",
    ),
    (
        "wharf-services/src/exec/",
        "processes are outside of the lab",
    ),
    (
        "wharf-services/src/page/root.rs",
        "files are outside of the lab",
    ),
    (
        "wharf-services/src/page/body.rs",
        "files are outside of the lab",
    ),
    (
        "wharf-lab/src/io/clock.rs",
        "the thread that keeps real time",
    ),
    (
        "wharf-lab/src/lab.rs",
        "the time of day of a lab in real time",
    ),
];

/// What must not be written, and what to write instead.
const FORBIDDEN: &[(&str, &str)] = &[
    ("SystemTime::now", "Context::wall_time"),
    ("std::time::Instant", "tokio::time::Instant"),
    ("spawn_blocking", "Context::blocking"),
    ("thread::spawn", "Context::blocking"),
    ("thread::sleep", "tokio::time::sleep"),
    ("getrandom::", "Context::random"),
    ("thread_rng", "Context::random"),
    ("rand::rng", "Context::random"),
    ("StreamMap", "a list that is polled in order"),
    ("RandomState", "an ordered map"),
];

fn sources() -> Vec<(String, String)> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for name in ["wharf", "wharf-services", "wharf-lab"] {
        collect(&crates.join(name).join("src"), &mut files);
    }
    files.sort();
    let read = |path: PathBuf| {
        let name = path
            .strip_prefix(crates)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        // Unit tests stand at the end of a file, and may do what they like.
        let code = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap()
            .to_owned();
        (name, code)
    };
    let all = files.into_iter().map(read);
    all.filter(|(name, _)| !is_outside(name)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

fn is_outside(name: &str) -> bool {
    let test =
        name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("testing.rs");
    test || OUTSIDE.iter().any(|(path, _)| name.starts_with(path))
}

/// The line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

#[test]
fn nothing_asks_the_real_machine() {
    for (name, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            for (word, instead) in FORBIDDEN {
                let imported = *word == "std::time::Instant" && imports_std_instant(line);
                assert!(
                    !code(line).contains(word) && !imported,
                    "{name}:{}: {word}; take {instead}",
                    number + 1
                );
            }
        }
    }
}

/// `use std::time::{Duration, Instant};`
fn imports_std_instant(line: &str) -> bool {
    let list = code(line).trim().strip_prefix("use std::time::{");
    list.is_some_and(|list| list.split([',', '}']).any(|word| word.trim() == "Instant"))
}

#[test]
fn every_select_polls_in_order() {
    for (name, text) in sources() {
        for (at, _) in text.match_indices("select! {") {
            let line = text[..at].rsplit('\n').next().unwrap_or("");
            let next = text[at + "select! {".len()..].trim_start();
            assert!(
                line.contains("//") || next.starts_with("biased;"),
                "{name}: a select! without `biased;` polls in random order: {}",
                next.lines().next().unwrap_or("")
            );
        }
    }
}

#[test]
fn no_hash_is_iterated() {
    const WALKS: &[&str] = &[
        ".iter()",
        ".iter_mut()",
        ".keys()",
        ".values()",
        ".values_mut()",
        ".drain()",
        ".retain(",
        ".into_iter()",
    ];
    for (name, text) in sources() {
        let walks = hash_walks(&text, WALKS);
        assert!(walks.is_empty(), "{name}: {walks:?}: a hash has no order");
    }
}

/// Where fields and variables that are hashes are walked through, also over the ends of
/// lines.
fn hash_walks(text: &str, walks: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().map(|line| code(line).trim()).collect();
    let joined = lines.join("\n").replace("\n.", ".");
    for field in hashed_fields(text) {
        let calls = walks.iter().map(|walk| format!("{field}{walk}"));
        let loops = [
            "in &self.",
            "in &mut self.",
            "in self.",
            "in &",
            "in &mut ",
            "in ",
        ];
        let loops = loops.iter().map(|start| format!("{start}{field} {{"));
        for walk in calls.chain(loops) {
            let mut places = joined.match_indices(&walk);
            // A longer name may end in the same letters.
            let whole = |(at, _): (usize, &str)| {
                let before = joined[..at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
            };
            if places.any(whole) {
                found.push(walk);
            }
        }
    }
    found
}

/// The names of fields and variables that are hash maps or sets.
fn hashed_fields(text: &str) -> Vec<String> {
    let mut fields = Vec::new();
    for line in text.lines().map(code) {
        for kind in [": HashMap<", ": HashSet<"] {
            if let Some(at) = line.find(kind) {
                let before = line[..at].trim_end();
                let name = before
                    .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
                    .next();
                fields.push(name.unwrap_or("").to_owned());
            }
        }
    }
    fields
}

#[test]
fn the_checks_can_fail() {
    assert!(imports_std_instant("use std::time::{Duration, Instant};"));
    assert!(!imports_std_instant("use std::time::Duration;"));
    assert_eq!(hashed_fields("    by_peer: HashMap<A, B>,"), ["by_peer"]);
    let hash = "map: HashMap<A, B>,\n";
    for walk in [
        "for one in &self.map {",
        "self\n    .map\n    .iter()\n    .sum()",
        "for it in map {",
    ] {
        let text = format!("{hash}{walk}");
        assert_eq!(hash_walks(&text, &[".iter()"]).len(), 1, "{walk}");
    }
    for calm in ["self.map.get(a)", "bitmap.iter()", "for it in &self.list {"] {
        let text = format!("{hash}{calm}");
        assert_eq!(hash_walks(&text, &[".iter()"]).len(), 0, "{calm}");
    }
    assert!(sources().len() > 50);
}
