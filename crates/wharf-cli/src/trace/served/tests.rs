//! Conversations on the network in memory, as a server's side tells them.

use wharf::network::tap::{Calls, Tap};
use wharf::network::{
    BindOptions, ConnectOptions, Endpoint, ListenOptions, MemoryNetwork, Network, Os,
};
use wharf_wire::application::Dissectors;
use wharf_wire::conversation::Note;
use wharf_wire::frame::Origin;
use wharf_wire::packet::Segment;
use wharf_wire::trace::Trace;

use super::*;

fn run<T>(work: impl Future<Output = T>) -> T {
    // Not paused: frames stand at the time of day.
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap().block_on(work)
}

fn here() -> Endpoint {
    Endpoint::Inet("127.0.0.1:0".parse().unwrap())
}

/// The stories of everything that was called.
fn stories(calls: &mut Calls) -> Vec<Story> {
    let mut stories: BTreeMap<Key, Story> = BTreeMap::new();
    for event in calls.take() {
        let Some((key, begins)) = place(&event) else {
            continue;
        };
        if begins || stories.contains_key(&key) {
            stories.entry(key).or_default().add(event);
        }
    }
    stories.into_values().collect()
}

fn modelled(story: &Story) -> Trace {
    let why = "not allowed here".to_owned();
    story.trace(Err(why), Dissectors::standard())
}

/// What each frame does: `> SYN`, `< 5`.
fn segments(trace: &Trace) -> Vec<String> {
    let words = |step: &wharf_wire::trace::Step| {
        let arrow = if trace.direction(step).index() == 0 {
            ">"
        } else {
            "<"
        };
        let Note::Tcp(note) = &step.seen.note else {
            return format!("{arrow} datagram {}", step.data().len());
        };
        let names = [
            (Segment::SYN, "SYN"),
            (Segment::FIN, "FIN"),
            (Segment::ACK, "ACK"),
        ];
        let flags = names.iter().filter(|(flag, _)| note.flags & flag != 0);
        let flags: Vec<&str> = flags.map(|(_, name)| *name).collect();
        match note.len {
            0 => format!("{arrow} {}", flags.join(" ")),
            len => format!("{arrow} {len}"),
        }
    };
    trace.steps.iter().map(words).collect()
}

#[test]
fn a_connection_s_calls_and_its_modelled_frames_are_one_story() {
    let stories = run(async {
        let (network, mut calls) = Tap::new(MemoryNetwork::new());
        let options = ListenOptions::default();
        let mut listener = network.listen(&here(), &options).await.unwrap();
        let options = ConnectOptions::default();
        let mut client = network.connect(listener.local(), &options).await.unwrap();
        // The client's own calls are none of the server's story.
        calls.take();
        let mut server = listener.accept().await.unwrap();
        client.write_all(b"hello").await.unwrap();
        server.read_chunk().await.unwrap();
        server.write_all(b"HELLO").await.unwrap();
        client.finish().await.unwrap();
        assert!(server.read_chunk().await.unwrap().is_none());
        drop(server);
        stories(&mut calls)
    });
    let [story] = &stories[..] else {
        panic!("{stories:?}");
    };
    let trace = modelled(story);
    let names: Vec<&str> = trace
        .calls
        .iter()
        .map(|call| call.text.split('(').next().unwrap())
        .collect();
    assert_eq!(names, ["accept", "recv", "send", "recv", "close"]);
    assert!(trace.calls[0].remark.contains("stays in LISTEN"));
    assert_eq!(
        (trace.calls[1].moved, trace.calls[2].asked),
        (Some(5), Some(5))
    );
    let told = segments(&trace);
    assert_eq!(told[..3], ["> SYN", "< SYN ACK", "> ACK"], "{told:?}");
    let data: Vec<&String> = told.iter().filter(|one| one.ends_with('5')).collect();
    assert_eq!(data, ["> 5", "< 5"]);
    let fins = told.iter().filter(|one| one.contains("FIN"));
    assert_eq!(fins.count(), 2, "{told:?}");
    let is_modelled = |step: &wharf_wire::trace::Step| step.frame.origin == Origin::Modelled;
    assert!(trace.steps.iter().all(is_modelled));
    assert_eq!(trace.talks.len(), 1);
    let names = trace.talks[0].parties.each_ref().map(|party| &*party.name);
    assert_eq!(names, ["client", "server"]);
    let text = draw(&trace, View::Ladder, &wharf_wire::view::Look::plain(100));
    assert!(
        text.contains("modelled") && text.contains("not allowed here"),
        "{text}"
    );
}

#[test]
fn every_peer_of_a_datagram_socket_has_a_story() {
    let stories = run(async {
        let (network, mut calls) = Tap::new(MemoryNetwork::new());
        let options = BindOptions::default();
        let mut server = network.bind(&here(), &options).await.unwrap();
        let at = server.local().clone();
        let mut text = Vec::new();
        for _ in 0..2 {
            let mut client = network.bind(&here(), &options).await.unwrap();
            client.send_to(b"hello", &at).await.unwrap();
            calls.take();
            let from = server.receive_from(&mut text).await.unwrap();
            server.send_to(b"HELLO", &from).await.unwrap();
        }
        // Calls of the first exchange were taken with the second client's.
        stories(&mut calls)
    });
    let [story] = &stories[..] else {
        panic!("{stories:?}");
    };
    let trace = modelled(story);
    assert_eq!(segments(&trace), ["> datagram 5", "< datagram 5"]);
    let names: Vec<&str> = trace
        .calls
        .iter()
        .map(|call| call.text.split('(').next().unwrap())
        .collect();
    assert_eq!(names, ["recvfrom", "sendto"]);
}

#[test]
fn a_story_keeps_its_last_call_and_counts_what_has_no_place() {
    let stories = run(async {
        let (network, mut calls) = Tap::new(MemoryNetwork::new());
        let options = ListenOptions::default();
        let mut listener = network.listen(&here(), &options).await.unwrap();
        let options = ConnectOptions::default();
        let mut client = network.connect(listener.local(), &options).await.unwrap();
        let mut server = listener.accept().await.unwrap();
        for _ in 0..5_000 {
            client.write_all(b"x").await.unwrap();
            server.read_chunk().await.unwrap();
        }
        drop(server);
        stories(&mut calls)
    });
    let story = stories.iter().find(|story| story.ends().is_some()).unwrap();
    let trace = modelled(story);
    assert!(trace.calls.last().unwrap().text.starts_with("close"));
    assert!(
        trace
            .notes
            .iter()
            .any(|note| note.contains("calls are missing"))
    );
}

fn last_segment(trace: &Trace) -> (u8, usize) {
    let last = trace.steps.last().unwrap();
    let Note::Tcp(note) = &last.seen.note else {
        panic!("{last:?}");
    };
    (note.flags, trace.direction(last).index())
}

#[test]
fn a_connection_that_the_client_cuts_ends_with_its_reset() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    let stories = runtime.block_on(async {
        let (network, mut calls) = Tap::new(Os);
        let options = ListenOptions::default();
        let mut listener = network.listen(&here(), &options).await.unwrap();
        let at = listener.local().inet().unwrap();
        let client = std::net::TcpStream::connect(at).unwrap();
        let mut server = listener.accept().await.unwrap();
        // RST instead of FIN (socket(7), SO_LINGER).
        let client = socket2::Socket::from(client);
        client.set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        server.read_chunk().await.unwrap_err();
        drop(server);
        stories(&mut calls)
    });
    let trace = modelled(&stories[0]);
    let (flags, side) = last_segment(&trace);
    assert!(flags & Segment::RST != 0, "{:?}", segments(&trace));
    assert_eq!(side, 0);
}

#[test]
fn a_connection_that_the_server_cuts_ends_with_its_reset() {
    let stories = run(async {
        let (network, mut calls) = Tap::new(MemoryNetwork::new());
        let options = ListenOptions::default();
        let mut listener = network.listen(&here(), &options).await.unwrap();
        let options = ConnectOptions::default();
        let mut client = network.connect(listener.local(), &options).await.unwrap();
        calls.take();
        let mut server = listener.accept().await.unwrap();
        client.write_all(b"hello").await.unwrap();
        server.read_chunk().await.unwrap();
        drop(server);
        stories(&mut calls)
    });
    let mut cut = Story::default();
    for mut event in stories.into_iter().next().unwrap().events() {
        if let Call::Close { reset } = &mut event.call {
            *reset = true;
        }
        cut.add(event);
    }
    let trace = modelled(&cut);
    let (flags, side) = last_segment(&trace);
    let told = segments(&trace);
    assert!(flags & Segment::RST != 0, "{told:?}");
    assert_eq!(side, 1);
    assert!(!told.iter().any(|one| one.contains("FIN")), "{told:?}");
}
