use super::*;

fn direction(link: Link) -> Direction {
    Direction::new(link, 1, 0)
}

fn arrival(offer: Offer) -> Option<Time> {
    match offer {
        Offer::Carried(carried) => Some(carried.arrives),
        Offer::Dropped(_) => None,
    }
}

#[test]
fn a_frame_takes_its_transmission_and_the_delay_and_waits_for_the_one_before() {
    let slow = Link::default()
        .rate(8_000)
        .delay(Duration::from_millis(5))
        .queue(300);
    let mut link = direction(slow);
    let ms = |n: u64| Some(Time(n * 1_000_000));
    assert_eq!(arrival(link.offer(Time::ZERO, 100)), ms(105));
    assert_eq!(arrival(link.offer(Time::ZERO, 100)), ms(205));
    assert_eq!(arrival(link.offer(Time::ZERO, 100)), ms(305));
    assert_eq!(
        link.offer(Time::ZERO, 100),
        Offer::Dropped(Cause::QueueFull)
    );
    assert_eq!(arrival(link.offer(Time(100_000_000), 100)), ms(405));
}

#[test]
fn changing_one_fault_leaves_the_dice_of_the_others_alone() {
    let run = |link: Link| -> Vec<Option<Time>> {
        let mut link = direction(link.jitter(Duration::from_millis(9)));
        let offers = (0..500).map(|i| arrival(link.offer(Time(i * 50_000_000), 100)));
        offers.collect()
    };
    let calm = run(Link::default());
    let lossy = run(Link::default().loss(0.2));
    let lost = lossy.iter().filter(|at| at.is_none()).count();
    assert!((60..140).contains(&lost), "{lost}");
    for (calm, lossy) in calm.iter().zip(&lossy) {
        assert!(lossy.is_none() || lossy == calm);
    }
}

/// What became of frames that are far apart, on a link with these properties.
fn fates(link: Link) -> Vec<Offer> {
    let mut link = direction(link);
    let at = |i: u64| Time(i * 50_000_000);
    (0..2_000).map(|i| link.offer(at(i), 100)).collect()
}

#[test]
fn each_of_the_six_dice_can_be_taken_away_without_touching_the_others() {
    let burst = Burst {
        every: Duration::from_secs(1),
        lasting: Duration::from_millis(100),
        loss: 0.5,
    };
    let all = Link::default()
        .loss(0.2)
        .bursts(burst)
        .duplicate(0.2)
        .reorder(0.2)
        .corrupt(0.2)
        .jitter(Duration::from_millis(9));
    let whole = fates(all.clone());
    let with = |has: fn(&Carried) -> bool| {
        let carried = whole
            .iter()
            .filter(|it| matches!(it, Offer::Carried(it) if has(it)));
        carried.count()
    };
    let lost = |cause| {
        whole
            .iter()
            .filter(|it| **it == Offer::Dropped(cause))
            .count()
    };
    let counts = [
        with(|it| it.twin.is_some()),
        with(|it| it.held_back),
        with(|it| it.damage.is_some()),
        lost(Cause::Lost),
        lost(Cause::Burst),
    ];
    assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
    let without = [
        all.clone().loss(0.0),
        Link {
            burst: None,
            ..all.clone()
        },
        all.clone().duplicate(0.0),
        all.clone().reorder(0.0),
        all.clone().corrupt(0.0),
        all.clone().jitter(Duration::ZERO),
    ];
    for (fault, link) in without.into_iter().enumerate() {
        for (before, after) in whole.iter().zip(fates(link)) {
            match (before, after) {
                (Offer::Carried(before), Offer::Carried(after)) => {
                    let twins = (before.twin.is_some(), after.twin.is_some());
                    assert!(fault == 2 || twins.0 == twins.1, "{fault}");
                    assert!(fault == 3 || before.held_back == after.held_back, "{fault}");
                    assert!(fault == 4 || before.damage == after.damage, "{fault}");
                    let same = before.arrives == after.arrives;
                    let late = before.held_back || fault == 5;
                    assert!(late || same, "{fault}: {before:?} {after:?}");
                }
                (Offer::Dropped(before), Offer::Dropped(after)) => {
                    assert!(*before == after || fault == 1, "{fault}");
                }
                // What is lost no more without this fault.
                (Offer::Dropped(cause), Offer::Carried(_)) => {
                    let own = [Cause::Lost, Cause::Burst];
                    assert_eq!(own.get(fault), Some(cause));
                }
                (Offer::Carried(_), Offer::Dropped(cause)) => panic!("{fault}: {cause:?}"),
            }
        }
    }
}

#[test]
fn damage_turns_one_bit_anywhere_in_the_frame() {
    let mut link = direction(Link::default().corrupt(1.0));
    let mut seen = std::collections::BTreeSet::new();
    for i in 0..2_000 {
        let Offer::Carried(carried) = link.offer(Time(i * 1_000_000), 64) else {
            panic!("nothing drops it");
        };
        let (byte, mask) = carried.damage.unwrap();
        assert!(byte < 64 && mask.count_ones() == 1, "{byte} {mask}");
        seen.insert((byte, mask));
    }
    assert!(seen.len() > 450, "{} of 512 bits", seen.len());
    assert_eq!(link.counters.damaged, 2_000);
}

#[test]
fn frames_that_are_held_back_are_overtaken_and_the_others_keep_their_order() {
    let mut link = direction(Link::default().reorder(0.1));
    let mut arrivals = Vec::new();
    for i in 0..2_000 {
        let Offer::Carried(carried) = link.offer(Time(i * 100_000), 100) else {
            panic!("nothing drops it");
        };
        arrivals.push((carried.held_back, carried.arrives));
    }
    let straight: Vec<Time> = arrivals.iter().filter(|it| !it.0).map(|it| it.1).collect();
    assert!(straight.is_sorted());
    let overtaken = (0..1_900).filter(|&i| {
        let (held, at) = arrivals[i];
        held && arrivals[i + 1..].iter().any(|(_, later)| *later < at)
    });
    let held = arrivals.iter().filter(|it| it.0).count();
    assert_eq!(link.counters.held_back, held as u64);
    assert!((120..280).contains(&held), "{held}");
    assert!(overtaken.count() > held / 2);
    let late = arrivals
        .iter()
        .zip(0..)
        .map(|((_, at), i)| at.0 - i * 100_000);
    let most = HOLD_BACK + Duration::from_micros(2);
    assert!(
        late.max()
            .is_some_and(|late| u128::from(late) <= most.as_nanos())
    );
}

#[test]
fn a_frame_longer_than_the_mtu_is_dropped_and_takes_no_time() {
    let mut link = direction(Link::default().mtu(100));
    assert!(arrival(link.offer(Time::ZERO, 100 + 14)).is_some());
    let busy = link.counters.busy;
    assert_eq!(
        link.offer(Time::ZERO, 101 + 14),
        Offer::Dropped(Cause::TooLong)
    );
    assert_eq!(link.counters.drops[Cause::TooLong as usize], 1);
    assert_eq!(link.counters.busy, busy);
}

#[test]
fn bad_periods_depend_on_the_time_alone() {
    let burst = Burst {
        every: Duration::from_secs(1),
        lasting: Duration::from_millis(100),
        loss: 1.0,
    };
    let lost_at = |step: u64| -> Vec<u64> {
        let mut link = direction(Link::default().bursts(burst));
        let times = (0..60_000_000_000 / step).map(|i| i * step);
        times
            .filter(|&t| arrival(link.offer(Time(t), 60)).is_none())
            .collect()
    };
    let (often, seldom) = (lost_at(1_000_000), lost_at(10_000_000));
    assert!(seldom.iter().all(|t| often.contains(t)));
    // A bad period of 100 ms in 1.1 s: about 9 % of the time.
    assert!((2_000..11_000).contains(&often.len()), "{}", often.len());
}

proptest::proptest! {
    #[test]
    fn no_frame_is_earlier_than_its_bits_and_no_link_faster_than_its_rate(
        (rate, delay, jitter) in (1_000_u64..1_000_000_000, 0_u64..50_000, 0_u64..50_000),
        faults in (0.0..1.0_f64, 0.0..1.0_f64, 0.0..1.0_f64),
        frames in proptest::collection::vec((0_u64..10_000_000, 1_usize..1_514), 1..60),
    ) {
        let (lost, twice, late) = faults;
        let shape = Link::default()
            .rate(rate)
            .delay(Duration::from_nanos(delay))
            .jitter(Duration::from_nanos(jitter))
            .queue(20_000)
            .loss(lost)
            .duplicate(twice)
            .reorder(late);
        let mut link = direction(shape);
        let mut now = Time::ZERO;
        for (pause, length) in frames {
            now += Duration::from_nanos(pause);
            let bits = transmission(length, rate);
            if let Offer::Carried(carried) = link.offer(now, length) {
                let earliest = carried.begins + bits + Duration::from_nanos(delay);
                proptest::prop_assert!(carried.arrives >= earliest);
                proptest::prop_assert!(carried.twin.is_none_or(|(twin, _)| twin >= earliest + bits));
            }
            // Whatever was sent by then fits into the time and what still waits.
            let most = now.0 + link.free_at.0.saturating_sub(now.0);
            proptest::prop_assert!(link.counters.busy <= most);
        }
    }
}

#[test]
fn a_cut_link_loses_what_is_on_it() {
    let mut link = direction(Link::default().delay(Duration::from_millis(1)));
    let Offer::Carried(carried) = link.offer(Time::ZERO, 100) else {
        panic!("it is whole");
    };
    link.set_up(Time(10), false);
    assert_eq!(link.offer(Time(10), 100), Offer::Dropped(Cause::LinkDown));
    link.set_up(Time(20), true);
    assert!(!link.arrived(100, carried.life));
    let counters = &link.counters;
    assert_eq!(
        (counters.sent, counters.dropped(), counters.in_flight),
        (2, 2, 0)
    );
}

#[test]
fn what_waits_stays_as_many_bytes_when_the_rate_changes() {
    let slow = Link::default().rate(8_000).queue(10_000);
    let mut link = direction(slow.clone());
    for _ in 0..10 {
        assert!(arrival(link.offer(Time::ZERO, 1_000)).is_some());
    }
    let full = Offer::Dropped(Cause::QueueFull);
    assert_eq!(link.offer(Time::ZERO, 1), full);
    // Two and a half frames have left after 2.5 s.
    let now = Time(2_500_000_000);
    let moved = link.change(now, slow.clone().rate(8_000_000)).unwrap();
    assert_eq!(link.waiting(now), 7_500);
    assert!(arrival(link.offer(now, 1_000)).is_some());
    // The third frame needs half a millisecond more, and the tenth 7.5.
    let third = moved.departure(Time(3_000_000_000));
    assert_eq!(third, now + Duration::from_micros(500));
    let tenth = moved.departure(Time(10_000_000_000));
    assert_eq!(tenth, now + Duration::from_micros(7_500));
    // What has left is not held up.
    assert_eq!(moved.departure(now), now);
    assert_eq!(moved.departure(Time(1)), Time(1));
    // 2.5 s, and then 8.5 ms.
    assert_eq!(link.counters.busy, 2_508_500_000);
    // As slow as before: what waits is counted still.
    link.change(now, slow).unwrap();
    assert_eq!(link.waiting(now), 8_500);
    assert_eq!(link.offer(now, 1_501), full);
    assert!(arrival(link.offer(now, 1_500)).is_some());
    assert_eq!(link.counters.busy, 12_500_000_000);
}

#[test]
fn a_link_without_faults_passes_over_what_others_roll() {
    let all = Link::default()
        .loss(0.5)
        .duplicate(0.5)
        .reorder(0.5)
        .corrupt(0.5)
        .jitter(Duration::from_millis(1));
    let new = || direction(Link::default()).dice;
    let (mut passed, mut sound, mut faulty) = (new(), new(), new());
    for _ in 0..20 {
        passed.pass();
        sound.roll(&Link::default(), 1_000);
        faulty.roll(&all, 1_000);
        assert_eq!(format!("{passed:?}"), format!("{sound:?}"));
        assert_eq!(format!("{passed:?}"), format!("{faulty:?}"));
    }
}
