//! The README's commands print what the README says.
//!
//! Every `console` block is run by bash, in order. A line after `$ ` is a command;
//! the lines below it are what it prints, where `[..]` stands for any text and a
//! line `...` for any lines. A command that ends in ` &` is a server: it goes on
//! until the next `## ` heading, and the next command runs as soon as it listens.
//! The whole runs in a network namespace of its own, so that the ports are free.

mod support;

use std::path::Path;
use std::process::Command;

use support::{Process, root};

struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
    /// The heading under which it stands.
    section: usize,
}

fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut inside, mut section) = (false, 0);
    for (index, line) in readme.lines().enumerate() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if line.starts_with("## ") => section += 1,
            _ if !inside => {}
            _ => match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step {
                    line: index + 1,
                    command: command.to_owned(),
                    expected: Vec::new(),
                    section,
                }),
                None => {
                    let step = steps.last_mut().expect("output stands below a command");
                    step.expected.push(line.to_owned());
                }
            },
        }
    }
    steps
}

/// Whether a printed line is as expected.
fn line_matches(expected: &str, printed: &str) -> bool {
    let mut pieces = expected.split("[..]");
    let mut rest = match printed.strip_prefix(pieces.next().unwrap_or_default()) {
        Some(rest) => rest,
        None => return false,
    };
    let mut open = false;
    for piece in pieces {
        open = true;
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.is_empty() || (open && expected.ends_with("[..]"))
}

fn all_match(expected: &[String], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=printed.len()).any(|skip| all_match(rest, &printed[skip..]))
        }
        Some((first, rest)) => match printed.split_first() {
            Some((line, left)) => line_matches(first, line) && all_match(rest, left),
            None => false,
        },
    }
}

/// Every command runs in a folder of its own, which is empty at first.
fn bash(command: &str, folder: &Path) -> Command {
    let mut bash = Command::new("bash");
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_wharf"));
    let path = std::env::var("PATH").unwrap_or_default();
    bash.arg("-c")
        .arg(command)
        .current_dir(folder)
        .env(
            "PATH",
            format!("{}:{path}", binary.parent().unwrap().display()),
        )
        .env("NO_COLOR", "1");
    bash
}

/// Runs all steps in this network namespace.
fn run_all() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let steps = steps(&readme);
    let folder = tempfile::tempdir().unwrap();
    let bash = |command: &str| bash(command, folder.path());
    assert!(
        steps.len() >= 10,
        "only {} commands in the README",
        steps.len()
    );
    let mut servers: Vec<Process> = Vec::new();
    let mut section = 0;
    for step in steps {
        if step.section != section {
            section = step.section;
            servers.clear();
        }
        let place = format!("README.md:{}: {}", step.line, step.command);
        if let Some(command) = step.command.strip_suffix(" &") {
            let mut server = Process::start(&mut bash(&format!("exec {command}")));
            let mut printed = Vec::new();
            while !printed
                .iter()
                .any(|line: &String| line.contains("Ctrl-C stops"))
            {
                printed.push(server.wait_for(|_, line| Some(line.to_owned())));
            }
            let printed: Vec<&str> = printed.iter().map(String::as_str).collect();
            let mut expected = step.expected;
            expected.push("...".to_owned());
            assert!(
                all_match(&expected, &printed),
                "{place} printed\n{}",
                printed.join("\n")
            );
            servers.push(server);
            continue;
        }
        let ended = support::run(&mut bash(&format!("{{ {}\n}} 2>&1", step.command)), "");
        let printed: Vec<&str> = ended.stdout.lines().collect();
        assert!(
            all_match(&step.expected, &printed),
            "{place} printed\n{}",
            ended.stdout
        );
    }
}

#[test]
fn the_readmes_commands_print_what_it_says() {
    if std::env::var_os("WHARF_README_INSIDE").is_some() {
        return run_all();
    }
    // The same test again, in a namespace whose loopback is up.
    let mut inside = Command::new("unshare");
    inside
        .args(["--map-root-user", "--net", "sh", "-c"])
        .arg("ip link set lo up && exec \"$0\" --exact the_readmes_commands_print_what_it_says --nocapture")
        .arg(std::env::current_exe().unwrap())
        .env("WHARF_README_INSIDE", "1");
    let ended = support::run(&mut inside, "");
    if ended.stderr.contains("unshare failed") {
        eprintln!("no network namespace here; the README runs on this machine's ports");
        return run_all();
    }
    assert_eq!(ended.code(), 0, "{}\n{}", ended.stdout, ended.stderr);
}

#[test]
fn the_matcher_can_fail() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(all_match(&lines("a [..] c\n..."), &["a b c", "d"]));
    assert!(!all_match(&lines("a [..] c"), &["a b d"]));
    assert!(!all_match(&lines("a"), &["a", "b"]));
    assert!(!all_match(&lines("a\nb"), &["a"]));
}
