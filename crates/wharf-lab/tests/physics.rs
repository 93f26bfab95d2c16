//! What must hold on every network: nothing is faster than its medium, no link
//! carries more than its rate, and no frame is created or lost without a trace.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use wharf_lab::core::{Action, Fabric, Frame, Mac, Node, NodeId, Place, Step, Time, Turn};
use wharf_lab::node::{Bus, Switch, settle};
use wharf_lab::{Burst, Link};

/// A node that sends frames at times, and notes what comes.
struct Talker {
    plan: Vec<(Time, Mac, usize)>,
    mac: Mac,
    heard: Vec<(Time, Vec<u8>)>,
}

impl Talker {
    fn new(mac: Mac, mut plan: Vec<(Time, Mac, usize)>) -> Self {
        plan.sort();
        plan.reverse();
        let heard = Vec::new();
        Talker { plan, mac, heard }
    }
}

impl Node for Talker {
    fn kind(&self) -> &'static str {
        "talker"
    }
    fn attach(&mut self, _: usize) {}
    fn receive(&mut self, _: usize, frame: Frame, turn: &mut Turn<'_>) {
        self.heard.push((turn.now(), frame.bytes().to_vec()));
    }
    fn wake(&mut self, turn: &mut Turn<'_>) {
        while let Some(&(at, to, length)) = self.plan.last() {
            if at > turn.now() {
                return turn.wake_at(at);
            }
            self.plan.pop();
            let mut bytes = vec![0; 14 + length];
            bytes[..6].copy_from_slice(&to.0);
            bytes[6..12].copy_from_slice(&self.mac.0);
            bytes[12] = 0x88;
            let frame = Frame::new(turn.new_frame(), bytes);
            turn.send(0, frame);
        }
    }
}

fn links() -> impl Strategy<Value = Link> {
    let faults = (
        0.0..0.3_f64,
        0.0..0.2_f64,
        0.0..0.2_f64,
        0.0..0.1_f64,
        any::<bool>(),
    );
    let shape = (
        1_000_000..1_000_000_000_u64,
        0..20_000_u64,
        0..5_000_u64,
        2_000..100_000_usize,
    );
    (shape, faults).prop_map(
        |((rate, delay, jitter, queue), (loss, twice, late, bits, bursts))| {
            let link = Link::default()
                .rate(rate)
                .delay(Duration::from_micros(delay))
                .jitter(Duration::from_micros(jitter))
                .queue(queue)
                .loss(loss)
                .duplicate(twice)
                .reorder(late)
                .corrupt(bits);
            match bursts {
                false => link,
                true => link.bursts(Burst {
                    every: Duration::from_millis(20),
                    lasting: Duration::from_millis(5),
                    loss: 0.5,
                }),
            }
        },
    )
}

/// Talkers around switches that are joined at random, with loops.
fn network(
    links: &[Link],
    switches: usize,
    plans: &[Vec<(u64, usize, usize)>],
    extra: &[(usize, usize)],
    seed: u64,
) -> Fabric {
    let mut fabric = Fabric::new(seed);
    fabric.keep_journal();
    fabric.keep_recording();
    let mut link = links.iter().cycle().cloned();
    let mut next = || link.next().unwrap();
    let all: Vec<NodeId> = (0..switches)
        .map(|i| {
            fabric.add(
                &format!("s{i}"),
                Switch::with_tree(Mac::of(1_000 + i as u32, 0)),
            )
        })
        .collect();
    for i in 1..switches {
        fabric.join(all[i], all[i * 7 % i], next());
    }
    for (a, b) in extra {
        fabric.join(all[a % switches], all[b % switches], next());
    }
    for (i, plan) in plans.iter().enumerate() {
        let plan = plan.iter().map(|(at, to, length)| {
            let to = Mac::of((to % plans.len()) as u32, 0);
            (Time(at * 1_000), to, *length)
        });
        let mac = Mac::of(i as u32, 0);
        let talker = fabric.add(&format!("h{i}"), Talker::new(mac, plan.collect()));
        fabric.join(talker, all[i % switches], next());
    }
    settle(&mut fabric, &all);
    fabric
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn frames_obey_their_links_and_are_all_accounted_for(
        links in prop::collection::vec(links(), 1..6),
        switches in 1_usize..5,
        plans in prop::collection::vec(
            prop::collection::vec((0_u64..200_000, 0_usize..6, 0_usize..1_600), 0..40), 2..6),
        extra in prop::collection::vec((0_usize..5, 0_usize..5), 0..3),
        cut in (0_u64..200_000, 0_usize..8),
        seed in any::<u64>(),
    ) {
        let extra: Vec<_> = extra.into_iter().filter(|(a, b)| a % switches != b % switches).collect();
        let mut fabric = network(&links, switches, &plans, &extra, seed);
        let count = fabric.links().len();
        let victim = wharf_lab::core::LinkId((cut.1 % count) as u32);
        fabric.schedule(Time(cut.0 * 1_000), victim, wharf_lab::core::Change::Down);
        fabric.schedule(Time(cut.0 * 2_000), victim, wharf_lab::core::Change::Up);
        // In the middle of it, and when everything has come to rest.
        for end in [Time(100_000_000), Time(400_000_000)] {
            fabric.run_until(end);
            for view in fabric.links() {
                for counters in [view.forth, view.back] {
                    prop_assert_eq!(
                        counters.sent + counters.duplicated,
                        counters.delivered + counters.dropped() + counters.in_flight
                    );
                    let rate = view.link.bits_per_second().unwrap();
                    let most = rate as f64 * end.0 as f64 / 8e9;
                    // One frame may be in the middle of its transmission.
                    prop_assert!(counters.delivered_bytes as f64 <= most + 2_000.0);
                }
            }
        }
        prop_assert!(no_arrival_is_too_early(&fabric));
    }

    #[test]
    fn a_bus_carries_each_frame_to_everybody_or_says_why_not(
        plans in prop::collection::vec(
            prop::collection::vec((0_u64..20_000, 0_usize..6, 0_usize..1_500), 0..30), 2..6),
        spacing in 0_u64..25_000,
        seed in any::<u64>(),
    ) {
        let mut fabric = Fabric::new(seed);
        let bus = Bus::line(10_000_000, Duration::from_nanos(spacing), seed, 9);
        let bus = fabric.add("bus", bus);
        let stations = plans.len() as u64;
        let mut talkers = Vec::new();
        for (i, plan) in plans.iter().enumerate() {
            let plan = plan.iter().map(|(at, to, length)| {
                (Time(at * 1_000), Mac::of((to % plans.len()) as u32, 0), *length)
            });
            let mac = Mac::of(i as u32, 0);
            let talker = fabric.add(&format!("h{i}"), Talker::new(mac, plan.collect()));
            fabric.join(talker, bus, Link::attachment());
            talkers.push(talker);
        }
        fabric.run_until(Time(60_000_000_000));
        let counters = fabric.node::<Bus>(bus).unwrap().counters();
        let offered: u64 = plans.iter().map(|plan| plan.len() as u64).sum();
        let whole = plans.iter().flatten().filter(|(_, _, length)| *length <= 1_500).count() as u64;
        prop_assert_eq!(whole, offered);
        prop_assert_eq!(offered, counters.carried + counters.given_up + counters.queue_full);
        prop_assert_eq!(counters.sent, counters.carried + counters.collisions);
        prop_assert_eq!(counters.heard + counters.garbled, counters.carried * (stations - 1));
        let heard: u64 = talkers.iter()
            .map(|id| fabric.node::<Talker>(*id).unwrap().heard.len() as u64).sum();
        prop_assert_eq!(heard, counters.heard);
        // Shorter than a slot, so every collision is noticed: nothing is garbled unseen.
        if spacing * (stations - 1) * 2 < 51_200 - 9_600 {
            prop_assert_eq!(counters.garbled, 0);
        }
    }
}

/// Looks at every pair of entering and arriving in the journal.
fn no_arrival_is_too_early(fabric: &Fabric) -> bool {
    let mut entered: BTreeMap<(u64, u32), Time> = BTreeMap::new();
    let links: Vec<_> = fabric
        .links()
        .map(|view| {
            (
                view.link.bits_per_second().unwrap(),
                view.link.propagation(),
            )
        })
        .collect();
    let names: Vec<&str> = fabric.names().collect();
    let ends: Vec<(u32, u32)> = fabric
        .links()
        .map(|view| {
            let find = |name| names.iter().position(|it| *it == name).unwrap() as u32;
            (find(view.first), find(view.second))
        })
        .collect();
    let Some(journal) = fabric.journal() else {
        return false;
    };
    let recording = fabric.recording().unwrap().frames().iter();
    let lengths: BTreeMap<u64, usize> = recording
        .map(|it| (it.frame.id.0, it.frame.len()))
        .collect();
    let mut checked = 0;
    for entry in journal.entries() {
        let Some(frame) = entry.frame else { continue };
        match (entry.place, entry.action) {
            (Place::Link { link, forth }, Action::Entered(waited)) => {
                let (first, second) = ends[link as usize];
                let to = if forth { second } else { first };
                let (rate, delay) = links[link as usize];
                let bits = lengths[&frame.0] as u64 * 8;
                let sending = Duration::from_nanos((bits * 1_000_000_000).div_ceil(rate));
                // A frame may go to one node by several links: the first counts.
                let at = entry.at + waited + sending + delay;
                let first = entered.entry((frame.0, to)).or_insert(at);
                *first = (*first).min(at);
            }
            (Place::Node(node), Action::Arrived) => {
                if let Some(earliest) = entered.get(&(frame.0, node)) {
                    checked += 1;
                    if entry.at < *earliest {
                        return false;
                    }
                }
            }
            _ => {}
        }
    }
    checked > 0 || journal.entries().is_empty() || fabric.counters().hops < 20
}

#[test]
fn a_spanning_tree_breaks_the_circle_and_heals_it() {
    let ring = |cut: Option<Time>| {
        let mut fabric = Fabric::new(1);
        let switches: Vec<NodeId> = (0..4)
            .map(|i| fabric.add(&format!("s{i}"), Switch::with_tree(Mac::of(100 + i, 0))))
            .collect();
        let mut links = Vec::new();
        for i in 0..4 {
            links.push(fabric.join(switches[i], switches[(i + 1) % 4], Link::default()));
        }
        let plan = (0..80).map(|i| (Time(i * 1_000_000_000), Mac::of(1, 0), 100));
        let first = fabric.add("h0", Talker::new(Mac::of(0, 0), plan.collect()));
        let second = fabric.add("h1", Talker::new(Mac::of(1, 0), Vec::new()));
        fabric.join(first, switches[0], Link::default());
        fabric.join(second, switches[1], Link::default());
        settle(&mut fabric, &switches);
        if let Some(at) = cut {
            fabric.schedule(at, links[0], wharf_lab::core::Change::Down);
        }
        fabric.run_until(Time(80_000_000_000));
        let heard: Vec<u64> = fabric
            .node::<Talker>(second)
            .unwrap()
            .heard
            .iter()
            .filter(|(_, bytes)| bytes[12] == 0x88)
            .map(|(at, _)| at.0 / 1_000_000_000)
            .collect();
        heard
    };
    // Each frame arrives once, although there are two ways.
    assert_eq!(ring(None), (0..80).collect::<Vec<u64>>());
    // A port has to age, listen and learn: about half a minute without a way.
    let healed = ring(Some(Time(10_500_000_000)));
    let gap = healed
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .max()
        .unwrap();
    assert!((30..=52).contains(&gap), "{gap} s, {healed:?}");
    assert_eq!(healed.last(), Some(&79));
}

#[test]
fn an_empty_fabric_comes_to_rest() {
    let mut fabric = Fabric::new(1);
    assert_eq!(fabric.step(), None::<Step>);
    fabric.run_until(Time(5));
    assert_eq!(fabric.now(), Time(5));
}
