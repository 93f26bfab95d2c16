//! Datagrams, numbered and not.

use super::*;

fn datagrams(target: Target) -> (Report, Datagrams) {
    let mut options = options(target);
    options.pacing = Pacing::Closed { depth: 16 };
    options.loss_timeout = Duration::from_millis(500);
    let report = run(&options).unwrap();
    let counts = report.datagrams.unwrap();
    assert!(counts.receive_buffer > 0);
    assert_eq!(
        counts.sent,
        counts.answered + counts.lost + counts.late + report.errors.count(Cause::Wrong),
        "{counts:?}"
    );
    (report, counts)
}

#[test]
fn every_datagram_of_a_right_server_is_accounted_for() {
    let (report, counts) = datagrams(udp(|_, datagram| vec![datagram]));
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(
        (report.messages, counts.answered, counts.lost),
        (200, 200, 0)
    );
    assert_eq!(
        (counts.late, counts.duplicated, counts.reordered),
        (0, 0, 0)
    );
}

#[test]
fn many_flows_of_long_datagrams_in_upper_case() {
    let mut options = options(udp(|_, datagram| vec![datagram.to_ascii_uppercase()]));
    // What is in flight fits the server's default receive buffer of 208 KiB.
    options.connections = 4;
    options.loss_timeout = Duration::from_secs(1);
    options.messages = Messages::Size(9_000);
    options.expect = Expect::AsciiUpper;
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.messages, 200, "{:?}", report.datagrams);
}

#[test]
fn lost_duplicated_and_reordered_datagrams_are_counted() {
    let (_, lost) = datagrams(udp(|number, datagram| match number {
        50 => vec![],
        _ => vec![datagram],
    }));
    assert_eq!((lost.answered, lost.lost, lost.duplicated), (199, 1, 0));

    let (_, twice) = datagrams(udp(|number, datagram| match number {
        50 => vec![datagram.clone(), datagram],
        _ => vec![datagram],
    }));
    assert_eq!((twice.answered, twice.lost, twice.duplicated), (200, 0, 1));

    let mut kept = None;
    let (_, swapped) = datagrams(udp(move |number, datagram| match number {
        50 => {
            kept = Some(datagram);
            vec![]
        }
        _ => std::iter::once(datagram).chain(kept.take()).collect(),
    }));
    assert_eq!(
        (swapped.answered, swapped.lost, swapped.reordered),
        (200, 0, 1)
    );
}

#[test]
fn a_wrong_datagram_is_found_and_named() {
    let (report, counts) = datagrams(udp(|number, mut datagram| {
        if number == 50 {
            datagram[20] ^= 1;
        }
        vec![datagram]
    }));
    only(&report, Cause::Wrong);
    assert!(
        report.errors.to_string().contains("byte 20 is"),
        "{}",
        report.errors
    );
    // It came.
    assert_eq!((counts.answered, counts.lost), (199, 0));
}

#[test]
fn datagrams_of_any_size_out_of_a_range() {
    let mut options = options(udp(|_, datagram| vec![datagram]));
    options.messages = Messages::Sizes(8..=1_000);
    options.pacing = Pacing::Closed { depth: 8 };
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.messages, 200, "{:?}", report.datagrams);
    assert!(report.sent_bytes > 200 * 200, "{}", report.sent_bytes);
}

#[test]
fn datagrams_without_a_number_are_asked_one_by_one() {
    let exchange = |request: &str, reply: &str| Exchange {
        request: request.into(),
        reply: reply.into(),
    };
    let ports = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    let seen = ports.clone();
    thread::spawn(move || {
        let mut space = [0; 100];
        for number in 1.. {
            let (length, peer) = socket.recv_from(&mut space).unwrap();
            seen.lock().unwrap().insert(peer.port());
            if number != 50 {
                let reply = space[..length].to_ascii_uppercase();
                socket.send_to(&reply, peer).unwrap();
            }
        }
    });
    let mut options = options(Target::Udp(at));
    options.messages = Messages::Script(vec![exchange("one", "ONE"), exchange("two", "TWO")]);
    options.loss_timeout = Duration::from_millis(100);
    let report = run(&options).unwrap();
    assert!(report.errors.is_empty(), "{}", report.errors);
    let counts = report.datagrams.unwrap();
    assert_eq!((counts.sent, counts.answered, counts.lost), (200, 199, 1));
    // After the loss another port asks, whom a late answer cannot reach.
    assert_eq!(ports.lock().unwrap().len(), 2);

    options.messages = asked(|reply| reply.starts_with(b"ONE"));
    let report = run(&options).unwrap();
    only(&report, Cause::Wrong);
    assert!(
        report
            .errors
            .to_string()
            .contains("a reply is \"AND TWO\\n\""),
        "{}",
        report.errors
    );
    options.pacing = Pacing::Closed { depth: 2 };
    assert!(matches!(run(&options), Err(LoadError::Option(_))));
}
