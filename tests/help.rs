//! The help, the manual pages and the completions.
//!
//! What is printed stands in `tests/snapshots`; after a change on purpose
//! `SNAPSHOTS=overwrite cargo test --test help` writes the files anew.

mod support;

use std::process::Command;

use snapbox::{Assert, Data};

use support::{root, run, wharf};

/// Every command that has a manual page.
const COMMANDS: [&str; 12] = [
    "serve",
    "connect",
    "chat",
    "bench",
    "play",
    "get",
    "lab",
    "names",
    "trace",
    "password",
    "completions",
    "man",
];

/// What `wharf ARGUMENTS` prints, which goes well, on a terminal of some width.
#[track_caller]
fn printed(arguments: &[&str], columns: usize) -> String {
    let mut command = wharf(arguments);
    command.env("COLUMNS", columns.to_string());
    let ended = run(&mut command, "");
    assert_eq!((ended.code(), &*ended.stderr), (0, ""), "{arguments:?}");
    ended.stdout
}

#[track_caller]
fn assert_snapshot(name: &str, text: &str) {
    let path = root().join("tests/snapshots").join(name);
    let text = text.replace(env!("CARGO_PKG_VERSION"), "[VERSION]");
    Assert::new()
        .action_env("SNAPSHOTS")
        .eq(text, Data::read_from(&path, None).raw());
}

#[test]
fn short_help_fits_a_screen_and_leads_with_examples() {
    for (arguments, columns, most) in [
        (&["-h"][..], 80, 30),
        (&["serve", "-h"], 80, 40),
        (&["serve", "-h"], 100, 36),
        (&["connect", "-h"], 100, 44),
        (&["chat", "-h"], 80, 44),
        (&["bench", "-h"], 100, 44),
        (&["names", "-h"], 80, 40),
    ] {
        let help = printed(arguments, columns);
        let lines = help.lines().count();
        assert!(lines <= most, "{arguments:?} at {columns}: {lines} lines");
        let widest = help.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(
            widest <= columns,
            "{arguments:?} at {columns}: {widest} wide"
        );
    }
    for arguments in [
        &["-h"][..],
        &["serve", "-h"],
        &["connect", "-h"],
        &["chat", "-h"],
        &["bench", "-h"],
    ] {
        assert!(
            printed(arguments, 80).starts_with("Examples:\n  "),
            "{arguments:?}"
        );
    }
}

#[test]
fn long_help_has_all_that_short_help_has() {
    for command in ["serve", "connect", "chat", "bench"] {
        let long = printed(&[command, "--help"], 100);
        let short = printed(&[command, "-h"], 100);
        for option in options(&short) {
            assert!(long.contains(&option), "{command} --help lacks {option}");
        }
        assert!(long.lines().count() > short.lines().count());
    }
}

/// The long options in a text.
fn options(text: &str) -> Vec<String> {
    text.split_whitespace()
        .filter(|word| word.starts_with("--") && word.len() > 3)
        // `--trace[=<VIEW>]` and `--trace=VIEW` are the option --trace.
        .filter_map(|word| word.split(['[', '=']).next())
        .map(|word| word.trim_end_matches(['.', ',', '\'', ')']).to_owned())
        .collect()
}

#[test]
fn every_exit_code_is_documented() {
    for (arguments, title) in [
        (&["--help"][..], "Exit codes:"),
        (&["serve", "--help"], "Exit codes:"),
        (&["man"], "EXIT STATUS"),
        (&["man", "serve"], "EXIT STATUS"),
    ] {
        let help = printed(arguments, 100);
        let (_, table) = help.split_once(title).expect("a table of exit codes");
        let codes: Vec<u8> = table
            .lines()
            .filter_map(|line| line.split_whitespace().next()?.parse().ok())
            .collect();
        assert_eq!(
            codes,
            [0, 1, 2, 3, 4, 5, 6, 7, 22, 28, 35, 67, 130],
            "{arguments:?}"
        );
    }
}

#[test]
fn help_is_as_it_was() {
    assert_snapshot("help.txt", &printed(&["-h"], 80));
    assert_snapshot("help-long.txt", &printed(&["--help"], 80));
    assert_snapshot("serve.txt", &printed(&["serve", "-h"], 80));
    assert_snapshot("serve-long.txt", &printed(&["serve", "--help"], 80));
    assert_snapshot("bench.txt", &printed(&["bench", "-h"], 100));
    assert_snapshot("bench-long.txt", &printed(&["bench", "--help"], 80));
}

#[test]
fn manual_pages_are_as_they_were_and_every_command_has_one() {
    assert_snapshot("wharf.1", &printed(&["man"], 80));
    assert_snapshot("wharf-bench.1", &printed(&["man", "bench"], 80));
    assert_snapshot("wharf-serve.1", &printed(&["man", "serve"], 80));
    for command in COMMANDS {
        let page = printed(&["man", command], 80);
        assert!(
            page.contains(&format!(".TH wharf-{command} 1")),
            "{command}"
        );
    }
    let ended = run(&mut wharf(["man", "srve"]), "");
    assert_eq!(ended.code(), 2);
    assert!(
        ended.stderr.contains("  try      wharf man serve\n"),
        "{ended:?}"
    );
}

#[test]
fn a_manual_page_says_something_of_every_option() {
    for command in ["serve", "connect", "chat", "bench"] {
        let page = printed(&["man", command], 80);
        let lines: Vec<&str> = page.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            if *line == ".TP" {
                let words = lines.get(index + 2).copied().unwrap_or_default();
                assert!(
                    words.starts_with(|first: char| first.is_alphabetic() || first == '['),
                    "{command}: nothing below {:?}",
                    lines[index + 1]
                );
            }
        }
    }
}

#[test]
fn manual_pages_are_good_roff() {
    for command in COMMANDS {
        let page = printed(&["man", command], 80);
        let mut groff = Command::new("groff");
        groff.args(["-man", "-Tutf8", "-ww", "-z"]);
        if !there("groff") {
            eprintln!("skipped: no groff here");
            return;
        }
        let ended = run(&mut groff, &page);
        assert_eq!((ended.code(), &*ended.stderr), (0, ""), "{command}");
    }
}

#[test]
fn completions_know_every_option_of_serve_and_parse() {
    let known = options(&printed(&["serve", "--help"], 100));
    assert!(known.len() > 20, "{known:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell], 80);
        for option in &known {
            let name = option.trim_start_matches('-');
            assert!(script.contains(name), "{shell} does not complete {option}");
        }
        if !there(shell) {
            eprintln!("skipped: no {shell} here to read its completions");
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("completions");
        std::fs::write(&file, &script).unwrap();
        let ended = run(Command::new(shell).arg("-n").arg(&file), "");
        assert_eq!((ended.code(), &*ended.stderr), (0, ""), "{shell}");
    }
}

#[test]
fn bash_completes_an_option() {
    let script = printed(&["completions", "bash"], 80);
    let asked = format!(
        "{script}\nCOMP_WORDS=(wharf serve --max-c); COMP_CWORD=2\n_wharf wharf --max-c serve\n\
         echo \"${{COMPREPLY[@]}}\"\n"
    );
    let ended = run(Command::new("bash").args(["--norc", "-c", &asked]), "");
    assert_eq!(ended.stdout.trim(), "--max-connections", "{ended:?}");
}

/// Whether a program is installed.
fn there(program: &str) -> bool {
    let found = run(
        Command::new("sh").args(["-c", &format!("command -v {program}")]),
        "",
    );
    found.code() == 0
}
