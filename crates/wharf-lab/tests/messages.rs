//! Who wrote which bytes, and who read them.

use std::collections::BTreeMap;
use std::time::Duration;

use wharf_lab::core::Action;
use wharf_lab::{Lab, LabError, Link, Tap, Topology};

/// Five writes of 7,030 bytes, which share segments, and what was read of each.
fn reads(link: Link) -> BTreeMap<u32, usize> {
    let lab = Lab::new(2).link(link).with_journal();
    let outcome = lab.run(async |hosts| {
        let mut server = hosts[1].listen("tcp4::9").await?;
        let mut client = hosts[0].connect("tcp4:h1:9").await?;
        let mut accepted = server.accept().await?;
        let reading =
            tokio::spawn(async move { accepted.read_to_end(1 << 20).await.map(|all| all.len()) });
        for _ in 0..5 {
            client.write_all(&[b'x'; 7_030]).await?;
        }
        client.finish().await?;
        let read = reading.await.map_err(std::io::Error::other)??;
        assert_eq!(read, 5 * 7_030);
        Ok::<_, LabError>(())
    });
    let outcome = outcome.unwrap();
    outcome.value.unwrap();
    let mut reads = BTreeMap::new();
    for entry in outcome.report.journal().unwrap().entries() {
        if let Action::Read(bytes) = entry.action {
            *reads.entry(entry.message.unwrap()).or_default() += bytes;
        }
    }
    let journal = outcome.report.journal().unwrap();
    let shared = journal
        .entries()
        .iter()
        .filter(|it| it.messages().count() > 1);
    assert!(shared.count() > 0, "no segment carries two messages");
    let second: Vec<_> = journal.about(2).collect();
    assert!(second.iter().any(|it| it.message == Some(1)), "{second:?}");
    reads
}

#[test]
fn every_message_is_credited_with_what_was_written() {
    let all: BTreeMap<u32, usize> = (1..=5).map(|message| (message, 7_030)).collect();
    assert_eq!(reads(Link::default()), all);
    let lossy = Link::default()
        .rate(10_000_000)
        .delay(Duration::from_millis(5))
        .loss(0.1)
        .reorder(0.1);
    assert_eq!(reads(lossy), all);
}

/// What later captures say of a datagram of 1,000 bytes that a link like this carried: the
/// frames before the link's end, and those on the link after it.
fn seen_behind(link: Link) -> [Vec<wharf_wire::frame::Frame>; 2] {
    let mut topology = Topology::line(2);
    let first = topology.link_between("h0", "s0").unwrap();
    let second = topology.link_between("s0", "s1").unwrap();
    topology.links[first].link = link;
    let lab = Lab::new(3).topology(topology).with_recording();
    let outcome = lab.run(async |hosts| {
        let mut socket = hosts[0].bind("udp4::0").await?;
        let to: std::net::SocketAddr = "255.255.255.255:9".parse().unwrap();
        socket.send_to(&[0; 1_000], &to.into()).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, LabError>(())
    });
    let outcome = outcome.unwrap();
    outcome.value.unwrap();
    [first, second].map(|index| {
        let tap = Tap::Link(wharf_lab::core::LinkId(index as u32));
        let frames = outcome.report.frames(tap);
        frames.filter(|frame| frame.bytes.len() > 1_000).collect()
    })
}

/// Whether a comment on a frame begins like this.
fn says(frame: &wharf_wire::frame::Frame, words: &str) -> bool {
    frame.comments.iter().any(|it| it.starts_with(words))
}

#[test]
fn damage_of_an_earlier_link_is_told_by_later_captures() {
    let [before, after] = seen_behind(Link::default().corrupt(1.0));
    let ([before], [after]) = (&before[..], &after[..]) else {
        panic!("{before:?} {after:?}");
    };
    let marked = |frame| says(frame, "damaged before, in byte ");
    assert!(!marked(before) && marked(after), "{before:?} {after:?}");
    assert_ne!(before.bytes, after.bytes);
}

#[test]
fn the_copy_of_an_earlier_link_is_told_by_later_captures() {
    let [before, after] = seen_behind(Link::default().duplicate(1.0));
    let ([before], [one, two]) = (&before[..], &after[..]) else {
        panic!("{before:?} {after:?}");
    };
    assert!(says(before, "doubled on the way"), "{before:?}");
    let copies = [before, one, two].map(|frame| says(frame, "a copy: doubled before"));
    assert_eq!(copies, [false, false, true], "{after:?}");
    assert_eq!(one.bytes, two.bytes);
}
