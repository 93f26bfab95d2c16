//! The first things that must work: one service, unchanged, over the lab.

use std::time::Duration;

use wharf_lab::{Centre, EchoAnswer, Lab, LabError, Link, Topology};
use wharf_services::Echo;

fn slow() -> Link {
    Link::default()
        .rate(10_000_000)
        .delay(Duration::from_millis(20))
}

#[test]
fn echo_answers_over_a_star_in_virtual_time() {
    let lab = Lab::new(1).star(3).link(slow());
    let outcome = lab.run(async |hosts| {
        let _server = hosts[0].serve("tcp::7", Echo::default()).await?;
        let mut client = hosts[1].connect("h0:7").await?;
        let begun = tokio::time::Instant::now();
        client.write_all(b"hello").await?;
        let heard = client.read_chunk().await?.unwrap();
        assert_eq!(&*heard, b"hello");
        // Four links of 20 ms, and a few bytes at 10 Mbit/s.
        let took = begun.elapsed();
        let least = Duration::from_millis(80);
        assert!(
            took >= least && took < least + Duration::from_millis(1),
            "{took:?}"
        );
        client.finish().await?;
        assert!(client.read_chunk().await?.is_none());
        Ok::<_, LabError>(())
    });
    outcome.unwrap().value.unwrap();
}

#[test]
fn echo_answers_over_ipv6_and_udp_on_every_topology() {
    let shapes = [
        Topology::star(3, Centre::Switch),
        Topology::star(3, Centre::Hub),
        Topology::star(3, Centre::Host),
        Topology::bus(3),
        Topology::ring(3),
        Topology::switch_ring(3),
        Topology::router_ring(3),
        Topology::line(3),
        Topology::mesh(3),
        Topology::two_lans(2),
    ];
    for (i, shape) in shapes.into_iter().enumerate() {
        let outcome = Lab::new(i as u64).topology(shape).run(async |hosts| {
            let _server = hosts[0].serve("tcp::7", Echo::default()).await?;
            let _datagrams = hosts[0].serve_datagrams("udp::7", Echo::default()).await?;
            for scheme in ["tcp4", "tcp6"] {
                let mut client = hosts[2].connect(&format!("{scheme}:h0:7")).await?;
                client.write_all(scheme.as_bytes()).await?;
                let heard = client.read_chunk().await?.unwrap();
                assert_eq!(&*heard, scheme.as_bytes());
            }
            for ip in hosts[2].network().addresses("h0")? {
                let own = if ip.is_ipv4() { "udp4::0" } else { "udp6::0" };
                let mut socket = hosts[2].bind(own).await?;
                let to = std::net::SocketAddr::new(ip, 7).into();
                socket.send_to(b"datagram", &to).await?;
                let mut heard = Vec::new();
                let from = socket.receive_from(&mut heard).await?;
                assert_eq!((heard.as_slice(), from), (&b"datagram"[..], to));
            }
            Ok::<_, LabError>(())
        });
        outcome
            .unwrap()
            .value
            .unwrap_or_else(|error| panic!("shape {i}: {error}"));
    }
}

#[test]
fn nobody_listening_is_refused_at_once_over_tcp_and_udp() {
    let outcome = Lab::new(3).star(2).run(async |hosts| {
        let error = hosts[1].connect("h0:9").await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
        let mut socket = hosts[1].bind("udp::0").await?;
        let to = "10.0.0.1:9".parse::<std::net::SocketAddr>().unwrap().into();
        socket.connect(&to)?;
        socket.send_to(b"?", &to).await?;
        let error = socket.receive_from(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        let error = hosts[1].connect("h7:9").await.unwrap_err();
        assert!(
            format!("{error:?}").contains("no host of this name"),
            "{error:?}"
        );
        Ok::<_, LabError>(())
    });
    outcome.unwrap().value.unwrap();
}

#[test]
fn a_host_finds_all_its_neighbours_at_once() {
    const OTHERS: usize = 100;
    let outcome = Lab::new(7).star(OTHERS + 1).run(async |hosts| {
        let mut servers = Vec::new();
        for i in 1..=OTHERS {
            let service = hosts[i].serve_datagrams("udp::7", Echo::default());
            servers.push(service.await?);
        }
        let begun = tokio::time::Instant::now();
        for scheme in ["udp4", "udp6"] {
            let mut socket = hosts[0].bind(&format!("{scheme}::0")).await?;
            // Nobody has this address: those behind it must not wait for it.
            let nobody = match scheme {
                "udp4" => "10.0.0.200:7",
                _ => "[fd00::200]:7",
            };
            let nobody: std::net::SocketAddr = nobody.parse().unwrap();
            socket.send_to(b"?", &nobody.into()).await?;
            for i in 1..=OTHERS {
                let all = hosts[0].network().addresses(&format!("h{i}"))?;
                let ip = all.iter().find(|ip| ip.is_ipv4() == (scheme == "udp4"));
                let to = std::net::SocketAddr::new(*ip.unwrap(), 7).into();
                socket.send_to(b"hello", &to).await?;
            }
            let mut heard = Vec::new();
            for _ in 0..OTHERS {
                socket.receive_from(&mut heard).await?;
                assert_eq!(heard, b"hello");
            }
        }
        // Two links each way, for the question and for the datagram.
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(2), "{took:?}");
        Ok::<_, LabError>(())
    });
    outcome.unwrap().value.unwrap();
}

#[test]
fn refusal_over_both_versions_takes_no_time() {
    let outcome = Lab::new(8).star(2).run(async |hosts| {
        let begun = tokio::time::Instant::now();
        hosts[1].connect("tcp4:h0:9").await.unwrap_err();
        hosts[1].connect("tcp6:h0:9").await.unwrap_err();
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(1), "{took:?}");
        Ok::<_, LabError>(())
    });
    outcome.unwrap().value.unwrap();
}

#[test]
fn a_neighbour_that_does_not_answer_is_asked_three_times_and_then_unreachable() {
    let lab = Lab::new(9).star(2).with_recording();
    let outcome = lab.run(async |hosts| {
        let begun = tokio::time::Instant::now();
        let error = hosts[0].connect("tcp4:10.0.0.99:7").await.unwrap_err();
        assert!(error.to_string().contains("no route to host"), "{error}");
        // Nothing more is said to a peer that was never there (RFC 9293 section 3.10.5).
        tokio::time::sleep(Duration::from_secs(20)).await;
        let mut socket = hosts[0].bind("udp4::0").await?;
        let nobody: std::net::SocketAddr = "10.0.0.99:7".parse().unwrap();
        socket.connect(&nobody.into())?;
        socket.send_to(b"?", &nobody.into()).await?;
        let error = socket.receive_from(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::HostUnreachable);
        assert_eq!(begun.elapsed().as_secs(), 38);
        Ok::<_, LabError>(())
    });
    let outcome = outcome.unwrap();
    outcome.value.unwrap();
    let frames = outcome.report.recording().unwrap().frames().iter();
    // Asked on its own link, and flooded to that of the other host.
    let questions = frames.filter(|it| it.frame.ether_type() == 0x0806);
    assert_eq!(questions.count(), 2 * 6);
}

#[test]
fn who_finds_no_room_among_the_neighbours_is_told() {
    let outcome = Lab::new(11).star(2).run(async |hosts| {
        let begun = tokio::time::Instant::now();
        let to = |number: usize| -> wharf::network::Endpoint {
            let ip = std::net::Ipv6Addr::from((0xFD00 << 112) + 0x1_0000 + number as u128);
            std::net::SocketAddr::from((ip, 7)).into()
        };
        let mut first = hosts[0].bind("udp6::0").await?;
        first.connect(&to(0))?;
        first.send_to(b"?", &to(0)).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut others = hosts[0].bind("udp6::0").await?;
        for number in 1..=4_096 {
            others.send_to(b"?", &to(number)).await?;
        }
        let mut heard = Vec::new();
        let error = first.receive_from(&mut heard);
        let error = tokio::time::timeout(Duration::from_secs(60), error).await;
        let error = error.map_err(std::io::Error::from)?.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::HostUnreachable);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
        Ok::<_, LabError>(())
    });
    outcome.unwrap().value.unwrap();
}

#[test]
fn a_router_goes_on_while_it_asks_for_a_neighbour_again() {
    const FILE: &str = r#"
        [[host]]
        name = "a"
        [[host]]
        name = "b"
        [[router]]
        name = "r"
        [[link]]
        ends = ["a", "r"]
        [[link]]
        ends = ["r", "b"]
        delay = "300ms"
    "#;
    let topology = wharf_lab::topology::file::parse(FILE).unwrap().topology;
    let outcome = Lab::new(12).topology(topology).run(async |hosts| {
        let mut receiver = hosts[1].bind("udp4::7").await?;
        let ip = hosts[1].network().addresses("b")?;
        let ip = ip.into_iter().find(|ip| ip.is_ipv4()).unwrap();
        let to = std::net::SocketAddr::from((ip, 7)).into();
        let counting = tokio::spawn(async move {
            let mut heard = Vec::new();
            let mut count = 0;
            let quiet = Duration::from_secs(5);
            while tokio::time::timeout(quiet, receiver.receive_from(&mut heard))
                .await
                .is_ok()
            {
                count += 1;
            }
            count
        });
        let mut socket = hosts[0].bind("udp4::0").await?;
        // Two minutes and more: what is known about a neighbour is old after one.
        for _ in 0..13_000 {
            socket.send_to(b"one way", &to).await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let count = counting.await.map_err(std::io::Error::other)?;
        assert_eq!(count, 13_000);
        Ok::<_, LabError>(())
    });
    outcome.unwrap().value.unwrap();
}

#[test]
fn a_full_backlog_is_silent_and_the_client_tries_again() {
    use wharf::network::{ListenOptions, Network};
    use wharf_lab::core::Action;

    let lab = Lab::new(10).star(2).with_journal();
    let outcome = lab.run(async |hosts| {
        let options = ListenOptions {
            backlog: Some(1),
            ..ListenOptions::default()
        };
        let at = std::net::SocketAddr::from(([0, 0, 0, 0], 7)).into();
        let mut listener = hosts[0].network().listen(&at, &options).await?;
        let _first = hosts[1].connect("tcp4:h0:7").await?;
        let begun = tokio::time::Instant::now();
        let host = hosts[1].clone();
        let second = tokio::spawn(async move { host.connect("tcp4:h0:7").await });
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!second.is_finished());
        let _accepted = listener.accept().await?;
        let _second = second.await.unwrap()?;
        // A SYN is sent again after a second (RFC 6298).
        assert_eq!(begun.elapsed().as_secs(), 1);
        let _accepted = listener.accept().await?;
        Ok::<_, LabError>(())
    });
    let outcome = outcome.unwrap();
    outcome.value.unwrap();
    let entries = outcome.report.journal().unwrap().entries().iter();
    let full = entries.filter(|it| it.action == Action::Refused("the backlog is full"));
    assert_eq!(full.count(), 1);
}

#[test]
fn routers_count_hops_and_say_what_is_unreachable() {
    let lab = Lab::new(4).topology(Topology::router_ring(4));
    let outcome = lab.run(async |hosts| {
        let patience = Duration::from_secs(10);
        let network = hosts[0].network();
        let mut way = Vec::new();
        for hops in 1..=4 {
            let pong = network.ping("h1", hops, patience).await?;
            way.push(pong.answer);
            if pong.answer == EchoAnswer::Reply {
                break;
            }
        }
        use EchoAnswer::{Reply, TimeExceeded};
        assert_eq!(way, [TimeExceeded, TimeExceeded, Reply]);
        // An address of the far network that nobody has: its router gives up.
        let far = hosts[0].network().addresses("h1")?[0];
        let std::net::IpAddr::V4(far) = far else {
            panic!()
        };
        let nobody = std::net::Ipv4Addr::from(u32::from(far) + 9);
        let pong = network.ping_address(nobody.into(), 64, patience).await?;
        assert_eq!(pong.answer, EchoAnswer::Unreachable);
        let error = hosts[0].connect(&format!("{nobody}:7")).await.unwrap_err();
        assert!(error.to_string().contains("no route to host"), "{error}");
        // A network that no router knows.
        let pong = network
            .ping_address([192, 0, 2, 1].into(), 64, patience)
            .await?;
        assert_eq!(pong.answer, EchoAnswer::Unreachable);
        Ok::<_, LabError>(())
    });
    outcome.unwrap().value.unwrap();
}

#[test]
fn a_host_talks_to_itself_without_its_link() {
    let outcome = Lab::new(5).star(1).with_recording().run(async |hosts| {
        let _server = hosts[0].serve("tcp::7", Echo::default()).await?;
        let mut client = hosts[0].connect("tcp4:localhost:7").await?;
        client.write_all(b"me").await?;
        assert_eq!(&*client.read_chunk().await?.unwrap(), b"me");
        Ok::<_, LabError>(())
    });
    let outcome = outcome.unwrap();
    outcome.value.unwrap();
    // Only the announcement of its IPv6 groups goes out (MLD).
    let frames = outcome.report.recording().unwrap().frames();
    let tcp = frames.iter().filter(|it| it.frame.ether_type() == 0x0800);
    assert_eq!(tcp.count(), 0);
}

#[test]
fn handles_are_of_no_use_after_their_lab() {
    let outcome = Lab::new(6).run(async |hosts| {
        let connected = hosts[0].listen("tcp::7").await;
        (hosts[0].clone(), connected.unwrap())
    });
    let (host, listener) = outcome.unwrap().value;
    assert_eq!(
        host.network().now().unwrap_err().kind(),
        std::io::ErrorKind::NotConnected
    );
    drop(listener);
}
