//! What a run measures of a server that answers rightly.

use std::thread;
use std::time::Duration;

use crate::support::{Process, Server, run, wharf};
use crate::{bench, event, find, serve};

#[test]
fn a_right_server_is_measured_and_the_exit_code_is_zero() {
    let (server, at) = serve("echo", "tcp", &[]);
    let pid = server.process.pid();
    let result = event("result", &at, &["-c", "5", "-d", "4", "-n", "1000"]);
    assert_eq!(result["messages"], 1000);
    assert_eq!(result["sent_bytes"], 64_000);
    assert_eq!(result["received_bytes"], 64_000);
    assert_eq!(result["errors"], serde_json::json!({}));
    // There is one connection for all.
    assert!(result["connections_ended"].is_null(), "{result}");
    assert_eq!(result["cut_short"], false);
    for latency in ["latency", "corrected_latency"] {
        for quantile in ["p50", "p90", "p99", "p99.9", "max", "mean"] {
            let seconds = result[latency][quantile].as_f64().unwrap();
            assert!(seconds > 0.0, "{latency} {quantile}");
        }
    }
    assert!(result["messages_per_second"].as_f64().unwrap() > 0.0);
    assert!(result["client"]["cores"].as_f64().unwrap() > 0.0);
    // Nobody said which process it is.
    assert_eq!(result["server_process"]["pid"], pid);
    assert!(result["server_process"]["private_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn a_report_for_people_has_every_figure_and_fits_eighty_columns() {
    let (_server, at) = serve("upper", "tcp", &[]);
    let ended = bench(&at, &["-n", "100", "--expect", "upper", "--late", "none"]);
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
    for word in [
        "1 connection, depth 1, 64 B, upper",
        "messages/s",
        "100 in ",
        "no reply wrong or missing",
        "p50",
        "p99.9",
        "corrected",
        "of a core",
        "wharf, pid",
    ] {
        assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
    }
    let widest = ended.stdout.lines().map(|line| line.chars().count()).max();
    assert!(widest.unwrap() <= 80, "{}", ended.stdout);
}

#[test]
fn messages_are_framed_and_of_any_size() {
    let (_server, at) = serve("upper", "tcp", &["--frame", "u32"]);
    for options in [
        &["-m", "hello", "--frame", "u32"][..],
        &[
            "-m",
            "Grüße",
            "-m",
            "and again",
            "--frame",
            "u32",
            "-d",
            "3",
        ],
        &["--size", "1..2KiB", "--frame", "u32", "-d", "5"],
    ] {
        let all = [options, &["-n", "300", "-e", "upper"]].concat();
        assert_eq!(event("result", &at, &all)["messages"], 300, "{options:?}");
    }
    let (_server, at) = serve("echo", "tcp", &[]);
    let sizes = ["--size", "10..1000", "-n", "300", "-d", "3"];
    let result = event("result", &at, &sizes);
    assert_ne!(result["sent_bytes"], 300 * 10);
    assert_eq!(result["sent_bytes"], result["received_bytes"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message");
    std::fs::write(&file, vec![7; 100_000]).unwrap();
    let message = format!("@{}", file.display());
    let result = event("result", &at, &["-m", &message, "-n", "20"]);
    assert_eq!(result["received_bytes"], 2_000_000);
}

#[test]
fn replies_are_expected_as_a_text_a_pattern_or_anything() {
    let (_server, at) = serve("upper", "tcp", &["--frame", "lines"]);
    for expect in ["text=PING", "regex=^P.NG$", "any"] {
        let options = ["-m", "ping", "--frame", "lines", "-e", expect, "-n", "100"];
        assert_eq!(event("result", &at, &options)["messages"], 100, "{expect}");
    }
    for expect in ["text=PONG", "regex=^PO"] {
        let options = ["-m", "ping", "--frame", "lines", "-e", expect, "-n", "100"];
        let ended = bench(&at, &options);
        assert_eq!(ended.code(), 4, "{expect}: {}", ended.stderr);
        assert!(ended.stderr.contains("wrong reply"), "{}", ended.stderr);
    }
}

#[test]
fn tls_and_unix_sockets_are_loaded_as_well() {
    let mut server = Server::start(["echo", "tls:127.0.0.1:0,self-signed"]);
    let (local, print) = server.process.wait_for_event("listening", |event| {
        let text = |name: &str| event[name].as_str().map(str::to_owned);
        Some((text("local")?, text("fingerprint")?))
    });
    let at = format!("tls:{},pin={print}", local.trim_start_matches("tls:"));
    let load = ["-c", "3", "-d", "4", "-n", "500", "--size", "3000"];
    assert_eq!(event("result", &at, &load)["received_bytes"], 1_500_000);
    let unverified = at.split_once(',').unwrap().0;
    let ended = bench(unverified, &["-n", "1"]);
    assert_eq!(ended.code(), 35, "{}", ended.stderr);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock").display().to_string();
    let mut server = Server::start(["echo", &path]);
    server.local();
    assert_eq!(event("result", &path, &["-n", "500"])["messages"], 500);
}

#[test]
fn datagrams_are_all_accounted_for() {
    let (_server, at) = serve("echo", "udp", &[]);
    let result = event("result", &at, &["-c", "2", "-d", "8", "-n", "500"]);
    let counts = &result["datagrams"];
    assert!(counts["receive_buffer_granted"].as_u64().unwrap() > 0);
    let count = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!(count("sent"), 500);
    assert_eq!(count("answered") + count("lost") + count("late"), 500);
    assert_eq!(count("duplicated"), 0);
    // Whatever a service says over datagrams, one at a time.
    let (_server, at) = serve("upper", "udp", &[]);
    let asked = ["-m", "hello", "-e", "text=HELLO", "-n", "100", "-c", "3"];
    assert_eq!(event("result", &at, &asked)["datagrams"]["sent"], 100);
    let ended = bench(&at, &["-n", "50"]);
    assert_eq!(ended.code(), 4, "{}", ended.stderr);
}

#[test]
fn a_connection_for_each_message() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let result = event("result", &at, &["--churn", "-c", "4", "-n", "200"]);
    assert_eq!(result["messages"], 200);
    assert_eq!(result["connections_ended"], 200);
}

#[test]
fn a_fixed_rate_shows_both_latencies() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let result = event("result", &at, &["-c", "3", "--rate", "500", "-n", "200"]);
    assert!(result["seconds"].as_f64().unwrap() >= 0.39);
    let open = &result["open_loop"];
    assert_eq!((&open["rate"], &open["behind"]), (&500.into(), &0.into()));
    assert!(open["uncorrected_latency"]["p99"].as_f64().unwrap() > 0.0);
    assert!(result["corrected_latency"].is_null());
    let ended = bench(&at, &["--rate", "500", "-n", "50"]);
    assert!(ended.stdout.contains("uncorrected"), "{}", ended.stdout);
    // No server answers so many on one connection one by one.
    let never = ["--rate", "5M", "--duration", "300ms"];
    let ended = bench(&at, &never);
    assert_eq!(ended.code(), 5, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the rate was not kept"),
        "{}",
        ended.stderr
    );
}

#[test]
fn so_many_messages_at_a_fixed_rate_are_as_many_after_a_warm_up() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let (_datagrams, udp) = serve("echo", "udp", &[]);
    let rate = ["-n", "200", "--rate", "1000", "--late", "none", "--json"];
    for (at, more) in [
        (&at, &[][..]),
        (&at, &["-c", "8"]),
        (&at, &["-c", "8", "--churn"]),
        (&udp, &["--fail-if", "loss>0"]),
        (&udp, &["-m", "hello"]),
    ] {
        let mut command = wharf(["bench", at]);
        let ended = run(command.args(rate).args(more), "");
        assert_eq!(ended.code(), 0, "{more:?}: {}", ended.stderr);
        let result = find("result", &ended);
        assert_eq!(result["messages"], 200, "{more:?}");
        assert_eq!(result["sent_bytes"], result["received_bytes"], "{more:?}");
        if more.contains(&"--churn") {
            assert_eq!(result["connections_ended"], 200);
        }
    }
}

#[test]
fn connections_that_come_and_go_at_a_rate_are_all_counted() {
    let (_server, at) = serve("echo", "tcp", &[]);
    // More often than one connection can come and go: it is always behind.
    let often = ["--churn", "--rate", "50000", "-n", "2000"];
    let ended = bench(&at, &[&often[..], &["--late", "none", "--json"]].concat());
    let result = find("result", &ended);
    assert_eq!(result["messages"], 2_000, "{result}");
    assert_eq!(result["connections_ended"], 2_000, "{result}");
    assert_eq!(result["errors"], serde_json::json!({}));
}

#[test]
fn a_rate_that_is_kept_is_no_failure() {
    let (_server, at) = serve("echo", "tcp", &[]);
    // The eleventh message is due in the moment in which the run ends.
    let runs: Vec<_> = (0..10)
        .map(|_| {
            let at = at.clone();
            thread::spawn(move || {
                bench(&at, &["--rate", "10", "--duration", "1s", "--late", "none"])
            })
        })
        .collect();
    for one in runs {
        let ended = one.join().unwrap();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
    }
}

#[test]
fn limits_fail_a_run_that_passes_them() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let kept = ["--fail-if", "p99>10s", "--fail-if", "rate<1", "-n", "100"];
    let kept = [&kept[..], &["--late", "none"]].concat();
    assert_eq!(bench(&at, &kept).code(), 0);
    let passed = [
        "-n",
        "100",
        "--fail-if",
        "p99 > 1us",
        "--fail-if",
        "memory>1B",
    ];
    let ended = bench(&at, &passed);
    assert_eq!(ended.code(), 5);
    for limit in ["p99 > 1us: it is ", "memory>1B: it is "] {
        assert!(ended.stderr.contains(limit), "{}", ended.stderr);
    }
    let ended = bench(&at, &[&passed[..], &["--json"]].concat());
    let told = find("error", &ended)["evidence"]["limit"].clone();
    assert_eq!(told.as_array().map(Vec::len), Some(2), "{told}");
}

#[test]
fn files_are_written_and_never_overwritten() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (hdr, csv) = (path("run.hgrm"), path("run.csv"));
    let files = ["--duration", "300ms", "--hdr", &hdr, "--csv", &csv];
    let result = event("result", &at, &files);
    let text = std::fs::read_to_string(&hdr).unwrap();
    // The one that was owed at the end is in it, and none else.
    let messages = result["messages"].as_u64().unwrap();
    let totals = [messages, messages + 1].map(|total| format!("Total count    = {total:>12}]"));
    assert!(
        text.starts_with("       Value     Percentile TotalCount"),
        "{text}"
    );
    assert!(totals.iter().any(|total| text.contains(total)), "{text}");
    let text = std::fs::read_to_string(&csv).unwrap();
    assert!(text.starts_with("seconds,phase,"), "{text}");
    let rows: Vec<Vec<&str>> = text.lines().map(|row| row.split(',').collect()).collect();
    let last = rows.iter().rfind(|row| row[1] == "measuring").unwrap();
    let end: f64 = last[0].parse().unwrap();
    // The last part of the run has a row, too.
    assert!(end >= 0.3, "{text}");
    // And none of them is of the warm-up as well.
    let (csv, warm) = (path("warm.csv"), ["--warmup", "350ms"]);
    let more = [&["--duration", "250ms", "--csv", &csv], &warm[..]].concat();
    let result = event("result", &at, &more);
    let text = std::fs::read_to_string(&csv).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|row| row.split(',').collect()).collect();
    let end_of = |phase: &str| -> f64 {
        let row = rows.iter().rfind(|row| row[1] == phase).unwrap();
        row[0].parse().unwrap()
    };
    let measured = end_of("measuring") - end_of("warm-up");
    let seconds = result["seconds"].as_f64().unwrap();
    assert!((measured - seconds).abs() < 0.002, "{seconds}: {text}");
    let again = bench(&at, &files);
    assert_eq!(again.code(), 1, "{}", again.stderr);
    assert!(
        again.stderr.contains("is there already"),
        "{}",
        again.stderr
    );
}

#[test]
fn sigterm_ends_a_run_with_its_report_as_well() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let mut command = wharf(["bench", &at, "--json", "--warmup", "0", "-t", "60s"]);
    let mut process = Process::start(&mut command);
    process.wait_for_event("interval", |event| {
        (event["phase"] == "measuring").then_some(())
    });
    process.signal("TERM");
    let ended = process.end();
    assert_eq!(ended.code(), 130, "{}", ended.stderr);
    assert_eq!(find("result", &ended)["cut_short"], true);
}

#[test]
fn ctrl_c_ends_a_run_with_the_figures_so_far() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let mut command = wharf(["bench", &at, "--json", "--warmup", "0", "-t", "60s"]);
    let mut process = Process::start(&mut command);
    process.wait_for_event("interval", |event| {
        (event["phase"] == "measuring" && event["latency"]["p50"].as_f64()? > 0.0).then_some(())
    });
    process.signal("INT");
    let ended = process.end();
    assert_eq!(ended.code(), 130, "{}", ended.stderr);
    let result = find("result", &ended);
    assert_eq!(result["cut_short"], true);
    assert!(result["messages"].as_u64().unwrap() > 0);
    assert!(result["seconds"].as_f64().unwrap() < Duration::from_secs(30).as_secs_f64());
}
