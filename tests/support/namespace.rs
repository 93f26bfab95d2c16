//! A network namespace of a test's own, where every port is free.

use std::process::Command;

use crate::support;

/// Runs the test `name` again in a namespace whose loopback is up, where it does `body`.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    if std::env::var_os("WHARF_TEST_ALONE").is_some() {
        return body();
    }
    let mut inside = Command::new("unshare");
    inside
        .args(["--map-root-user", "--net", "sh", "-c"])
        .arg(format!(
            "ip link set lo up && exec \"$0\" --exact {name} --nocapture"
        ))
        .arg(std::env::current_exe().unwrap())
        .env("WHARF_TEST_ALONE", "1");
    let ended = support::run(&mut inside, "");
    if ended.stderr.contains("unshare failed") {
        eprintln!("skipped: no network namespace can be made here");
        return;
    }
    assert_eq!(ended.code(), 0, "{}\n{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.contains("1 passed"),
        "no test is called {name}:\n{}",
        ended.stdout
    );
}
