//! What is done to links while a lab runs: a change alters what it names, and
//! nothing else.

use std::time::Duration;

use wharf_lab::topology::file;
use wharf_lab::{EchoAnswer, Lab, LabError, Link, Topology};
use wharf_services::Echo;

const PAIR: &str = r#"
[[host]]
name = "a"
[[host]]
name = "b"
[[link]]
ends = ["a", "b"]
delay = "1ms"
"#;

fn pair(head: &str, link: &str) -> Topology {
    file::parse(&format!("{head}\n{PAIR}\n{link}"))
        .unwrap()
        .topology
}

/// Pings once a second, and gives the time of each that was answered.
fn pings(topology: Topology, count: usize) -> Vec<Option<Duration>> {
    let outcome = Lab::new(1).topology(topology).run(async |hosts| {
        let mut answers = Vec::new();
        for second in 0..count as u64 {
            let patience = Duration::from_millis(900);
            let ping = hosts[1].network().ping("a", 64, patience).await;
            let reply = ping.ok().filter(|pong| pong.answer == EchoAnswer::Reply);
            answers.push(reply.map(|pong| pong.rtt));
            let start = Duration::from_millis(1_000 * (second + 1) + 500);
            let now = hosts[1].network().now()?.since_start();
            tokio::time::sleep(start.saturating_sub(now)).await;
        }
        Ok::<_, LabError>(answers)
    });
    outcome.unwrap().value.unwrap()
}

fn millis(answers: &[Option<Duration>]) -> Vec<Option<u128>> {
    let whole = |it: &Option<Duration>| it.map(|span| span.as_millis());
    answers.iter().map(whole).collect()
}

#[test]
fn a_later_change_leaves_an_earlier_one_in_force() {
    let changes = r#"changes = ["at 2s link a-b loss 100%", "at 4s link a-b delay 20ms"]"#;
    let answers = pings(pair(changes, ""), 6);
    assert_eq!(answers.iter().flatten().count(), 2, "{answers:?}");
    let changes = r#"changes = [
        "at 2s link a-b loss 100%", "at 4s link a-b delay 20ms", "at 5s link a-b loss 0%"]"#;
    let answers = pings(pair(changes, ""), 7);
    let answers = millis(&answers[1..]);
    assert_eq!(answers, [Some(2), None, None, None, Some(40), Some(40)]);
}

#[test]
fn a_change_leaves_the_properties_of_each_direction_alone() {
    let changes = r#"changes = ["at 2s link a-b delay 20ms"]"#;
    // Everything from a to b is lost, and nothing on the way back.
    let link = "loss = \"100%\"\nback = { loss = \"0%\" }";
    let topology = pair(changes, link);
    let lab = Lab::new(1).topology(topology).run(async |hosts| {
        let _server = hosts[0].serve_datagrams("udp4::7", Echo::default()).await?;
        let mut socket = hosts[1].bind("udp4::0").await?;
        let to: std::net::SocketAddr = "10.0.0.1:7".parse().unwrap();
        for _ in 0..5 {
            socket.send_to(b"hello", &to.into()).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok::<_, LabError>(())
    });
    let outcome = lab.unwrap();
    outcome.value.unwrap();
    let summary = outcome.report.summary();
    let [forth, back] = &summary.links[0].directions;
    assert_eq!((forth.delivered, back.dropped), (0, 0));
    assert!(
        back.delivered >= 4 && forth.dropped >= 4,
        "{forth:?} {back:?}"
    );
}

#[test]
fn a_change_leaves_what_was_set_from_outside_alone() {
    let changes = r#"changes = ["at 2s link a-b delay 20ms"]"#;
    let mut topology = pair(changes, "");
    // As an option of the command line does.
    topology.set_links(&Link::default().loss(1.0));
    assert_eq!(pings(topology, 4), [None; 4]);
}

/// How long a ping takes behind twenty datagrams of 1,000 bytes that were sent at
/// `before`, half a second after the link got the rate `after`.
fn ping_behind(before: &str, after: &str, patience: u64) -> Option<Duration> {
    let changes = format!("changes = [\"at 2s link a-b rate {after}\"]");
    let topology = pair(&changes, &format!("rate = \"{before}\""));
    let outcome = Lab::new(1).topology(topology).run(async |hosts| {
        let _receiver = hosts[0].bind("udp4::7").await?;
        let mut socket = hosts[1].bind("udp4::0").await?;
        let to: std::net::SocketAddr = "10.0.0.1:7".parse().unwrap();
        let wait = Duration::from_secs(5);
        hosts[1].network().ping("a", 64, wait).await?;
        let since = hosts[1].network().now()?.since_start();
        tokio::time::sleep(Duration::from_millis(1_990) - since).await;
        for _ in 0..20 {
            socket.send_to(&[0; 1_000], &to.into()).await?;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        let wait = Duration::from_secs(patience);
        let ping = hosts[1].network().ping("a", 64, wait).await;
        Ok::<_, LabError>(ping.ok().map(|pong| pong.rtt))
    });
    outcome.unwrap().value.unwrap()
}

#[test]
fn what_waits_for_a_link_leaves_it_at_its_new_rate() {
    // 20 KB are 16 s at 10 kbit/s, and 16 ms at 10 Mbit/s, of which 10 are over.
    let rtt = ping_behind("10kbit", "10mbit", 30).unwrap();
    let (least, most) = (Duration::from_millis(2), Duration::from_millis(12));
    assert!(rtt >= least && rtt <= most, "{rtt:?}");
    // 12.5 KB are gone when the rate falls, and the rest takes 3.3 s at 20 kbit/s.
    let rtt = ping_behind("10mbit", "20kbit", 30).unwrap();
    let (least, most) = (Duration::from_secs(3), Duration::from_secs(4));
    assert!(rtt >= least && rtt <= most, "{rtt:?}");
}

#[test]
fn what_cannot_be_changed_is_said() {
    let bus = Topology::bus(2);
    let error = bus.change("at 1s link h0-bus rate 1mbit").unwrap_err();
    assert!(error.cause.contains("takes no time"), "{error}");
    bus.change("at 1s link bus-h0 loss 5%").unwrap();
    let ring = Topology::ring(5);
    ring.change("at 1s link r0-r1 down").unwrap();
    let error = ring.change("at 1s link r0-r7 down").unwrap_err();
    assert_eq!(error.cause, "there is no link between r0 and r7");
    assert!(error.cure.is_some_and(|cure| cure.starts_with("r0-r")));
}
