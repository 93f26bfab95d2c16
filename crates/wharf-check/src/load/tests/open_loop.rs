//! Messages at a fixed rate.

use super::*;

#[test]
fn an_open_loop_counts_from_when_a_message_was_due() {
    // A stall of 200 ms, in which 100 messages are due, well after the warm-up.
    let target = echo_with(|number, message| {
        if number == 120 {
            thread::sleep(Duration::from_millis(200));
        }
        Some(message)
    });
    let mut options = options(target);
    options.warm_up = Duration::from_millis(100);
    options.amount = requests(300);
    options.pacing = Pacing::Open {
        rate: 500,
        depth: 1,
    };
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.messages, 300);
    assert_eq!((report.sent_bytes, report.received_bytes), (19_200, 19_200));
    assert!(report.elapsed >= Duration::from_millis(500), "{report:?}");
    let open = report.open_loop.unwrap();
    assert_eq!((open.rate, open.behind), (500, 0));
    assert_eq!(open.uncorrected.histogram().len(), 300);
    // One message waited for the server, and some hundred for that one.
    let waited = |latency: &Latency| {
        let histogram = latency.histogram();
        histogram.len() - histogram.count_between(0, 20_000_000)
    };
    assert!(
        waited(&open.uncorrected) < 20,
        "{}",
        waited(&open.uncorrected)
    );
    assert!(waited(&report.latency) > 60, "{}", waited(&report.latency));
    assert!(report.slowest.took() >= Duration::from_millis(190));
}

#[test]
fn what_it_takes_to_open_another_connection_is_not_the_servers_latency() {
    // Every connection ends with its twentieth reply, which is wrong.
    let mut options = options(echo_with(|number, mut message| {
        message[17] ^= u8::from(number == 20);
        Some(message)
    }));
    options.errors_at_most = 1_000;
    options.pacing = Pacing::Open {
        rate: 500,
        depth: 1,
    };
    let report = run(&options).unwrap();
    only(&report, Cause::Wrong);
    assert!(report.errors.total() >= 5, "{}", report.errors);
    // A pause of 100 ms would keep fifty messages waiting, each time.
    let histogram = report.latency.histogram();
    let waited = histogram.len() - histogram.count_between(0, 40_000_000);
    assert!(waited < histogram.len() / 4, "{waited}");
}

#[test]
fn an_open_loop_tells_what_it_did_not_get_round_to() {
    let target = echo_with(|_, message| {
        thread::sleep(Duration::from_millis(5));
        Some(message)
    });
    let mut options = options(target);
    options.connections = 2;
    options.amount = Amount::Time(Duration::from_millis(400));
    options.pacing = Pacing::Open {
        rate: 2_000,
        depth: 1,
    };
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    let behind = report.open_loop.unwrap().behind;
    assert!((500..=800).contains(&behind), "{behind}");
}

#[test]
fn an_open_loop_of_connections_and_of_datagrams() {
    let mut options = options(Target::Tcp(tokio_echo()));
    options.connections = 3;
    options.messages_per_connection = Some(1);
    options.warm_up = Duration::from_millis(50);
    options.amount = requests(50);
    options.pacing = Pacing::Open {
        rate: 500,
        depth: 1,
    };
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!((report.messages, report.connections), (50, 50));
    assert!(report.elapsed >= Duration::from_millis(90), "{report:?}");

    options.target = udp(|_, datagram| vec![datagram]);
    options.messages_per_connection = None;
    options.pacing = Pacing::Open {
        rate: 500,
        depth: 64,
    };
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.messages, 50, "{:?}", report.datagrams);
    assert!(report.elapsed >= Duration::from_millis(90), "{report:?}");
    assert_eq!(report.open_loop.unwrap().uncorrected.histogram().len(), 50);
}

#[test]
fn what_is_due_as_the_time_runs_out_is_not_left_over() {
    let mut options = options(Target::Tcp(tokio_echo()));
    options.amount = Amount::Time(Duration::from_millis(100));
    // The eleventh message is due in the moment in which the run ends.
    options.pacing = Pacing::Open {
        rate: 100,
        depth: 1,
    };
    let behind = |_| run(&options).unwrap().open_loop.unwrap().behind;
    let behind: Vec<u64> = (0..15).map(behind).collect();
    assert_eq!(behind, [0; 15]);
}
