//! Every service and client of the project, unchanged, in the lab: on a clean
//! network, and on one that loses, doubles, reorders and damages frames.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;
use wharf::connection::Connection;
use wharf::datagram::{Amplification, Datagrams};
use wharf::framing::{Framing, Limits};
use wharf::network::Endpoint;
use wharf::server::{DatagramOptions, Server};
use wharf_lab::{Hosts, Lab, LabError, Link};
use wharf_services::chat::{Rules, UnreliableChat};
use wharf_services::password::{Cost, Door, Hash, Users};
use wharf_services::{
    Blackjack, Chargen, Chat, Daytime, Discard, Echo, Message, Password, Rps, Time, Upper,
};

type Case = fn(Hosts) -> Pin<Box<dyn Future<Output = Result<(), LabError>>>>;

/// How a service is run here, or why it is not.
enum How {
    InTheLab(Case),
    /// It cannot run in a lab.
    Exempt(&'static str),
}
use How::{Exempt, InTheLab};

/// Every name of the catalogue must stand here.
const TABLE: &[(&str, How)] = &[
    ("echo", InTheLab(|hosts| Box::pin(echo(hosts)))),
    ("echo", InTheLab(|hosts| Box::pin(echo_datagrams(hosts)))),
    ("upper", InTheLab(|hosts| Box::pin(upper(hosts)))),
    ("upper", InTheLab(|hosts| Box::pin(upper_datagrams(hosts)))),
    ("chat", InTheLab(|hosts| Box::pin(chat(hosts)))),
    ("chat", InTheLab(|hosts| Box::pin(unreliable_chat(hosts)))),
    ("rps", InTheLab(|hosts| Box::pin(rps(hosts)))),
    ("blackjack", InTheLab(|hosts| Box::pin(blackjack(hosts)))),
    ("message", InTheLab(|hosts| Box::pin(message(hosts)))),
    ("password", InTheLab(|hosts| Box::pin(password(hosts)))),
    ("daytime", InTheLab(|hosts| Box::pin(daytime(hosts)))),
    ("time", InTheLab(|hosts| Box::pin(time(hosts)))),
    ("discard", InTheLab(|hosts| Box::pin(discard(hosts)))),
    ("chargen", InTheLab(|hosts| Box::pin(chargen(hosts)))),
    ("echo", InTheLab(|hosts| Box::pin(echo_over_tls(hosts)))),
    ("exec", Exempt("processes are outside of the lab")),
    ("page", Exempt("its files are outside of the lab")),
];

/// No conversation here takes longer than this, in the lab's time.
const PATIENCE: Duration = Duration::from_secs(600);

fn clean() -> Link {
    Link::default()
        .rate(10_000_000)
        .delay(Duration::from_millis(5))
}

fn bad() -> Link {
    clean()
        .loss(0.05)
        .duplicate(0.02)
        .reorder(0.02)
        .corrupt(0.001)
}

#[test]
fn every_service_works_on_a_clean_network_and_on_a_bad_one() {
    for (name, how) in TABLE {
        let InTheLab(case) = how else { continue };
        for (weather, link) in [("clean", clean()), ("bad", bad())] {
            for seed in 1..=3 {
                let lab = Lab::new(seed).star(3).link(link.clone());
                let outcome = lab.run(async |hosts| timeout(PATIENCE, case(hosts)).await);
                match outcome.unwrap().value {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => panic!("{name}, {weather}, seed {seed}: {error}"),
                    Err(_) => panic!("{name}, {weather}, seed {seed}: it does not end"),
                }
            }
        }
    }
}

#[test]
fn no_service_is_forgotten() {
    for entry in wharf_services::catalog() {
        let known = TABLE.iter().any(|(name, _)| *name == entry.name);
        assert!(known, "{} is not in the table of this test", entry.name);
    }
    for (name, how) in TABLE {
        if let Exempt(reason) = how {
            assert!(!reason.is_empty(), "{name}");
        }
    }
}

/// Reads until `count` bytes are there.
async fn exactly(connection: &mut Connection, count: usize) -> Result<Vec<u8>, LabError> {
    let mut heard = Vec::new();
    while heard.len() < count {
        let chunk = connection.read_chunk().await?;
        let chunk = chunk.unwrap_or_else(|| panic!("ended after {} bytes", heard.len()));
        heard.extend_from_slice(&chunk);
    }
    Ok(heard)
}

async fn to_the_end(connection: &mut Connection) -> Result<Vec<u8>, LabError> {
    Ok(connection.read_to_end(1 << 20).await?)
}

/// Sends every payload until it is answered by `expected`, as a client over UDP
/// must; what comes late or twice belongs to an earlier one and is skipped.
async fn ask(
    socket: &mut Datagrams,
    to: &Endpoint,
    payload: &[u8],
    expected: impl Fn(&[u8]) -> bool,
) -> Result<(), LabError> {
    let mut heard = Vec::new();
    for _ in 0..60 {
        socket.send_to(payload, to).await?;
        let answered = timeout(Duration::from_secs(1), async {
            loop {
                socket.receive_from(&mut heard).await?;
                if expected(&heard) {
                    return Ok::<_, LabError>(());
                }
            }
        });
        if let Ok(answered) = answered.await {
            return answered;
        }
    }
    panic!(
        "no answer to sixty datagrams of {} B: {:?}",
        payload.len(),
        String::from_utf8_lossy(&payload[..payload.len().min(40)])
    );
}

fn endpoint(hosts: &Hosts, host: &str, port: u16) -> Result<Endpoint, LabError> {
    let ip = hosts[0].network().addresses(host)?[0];
    Ok(std::net::SocketAddr::new(ip, port).into())
}

async fn echo(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::7", Echo::default()).await?;
    let mut client = hosts[1].connect("h0:7").await?;
    let all: Vec<u8> = (0..200_000_u32).map(|i| (i * 7 / 3) as u8).collect();
    for part in all.chunks(20_000) {
        client.write_all(part).await?;
        assert_eq!(exactly(&mut client, part.len()).await?, part);
    }
    client.finish().await?;
    assert!(to_the_end(&mut client).await?.is_empty());
    Ok(())
}

async fn echo_over_tls(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0]
        .serve("tls::7,self-signed", Echo::default())
        .await?;
    let mut client = hosts[1].connect("tls:h0:7,insecure").await?;
    client.write_all(b"in secret").await?;
    assert_eq!(exactly(&mut client, 9).await?, b"in secret");
    client.finish().await?;
    assert!(to_the_end(&mut client).await?.is_empty());
    Ok(())
}

async fn echo_datagrams(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve_datagrams("udp::7", Echo::default()).await?;
    let mut socket = hosts[1].bind("udp::0").await?;
    let to = endpoint(&hosts, "h0", 7)?;
    for i in 0..20 {
        // The longest is cut into fragments.
        let payload = vec![i as u8 + 1; 1 + i * 150];
        ask(&mut socket, &to, &payload, |heard| heard == payload).await?;
    }
    Ok(())
}

async fn upper(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::12000", Upper::default()).await?;
    let mut client = hosts[1].connect("h0:12000").await?;
    client.write_all("grüße\nfrom the lab\n".as_bytes()).await?;
    client.finish().await?;
    let heard = to_the_end(&mut client).await?;
    assert_eq!(String::from_utf8_lossy(&heard), "GRÜSSE\nFROM THE LAB\n");
    Ok(())
}

async fn upper_datagrams(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0]
        .serve_datagrams("udp::12000", Upper::default())
        .await?;
    let mut socket = hosts[2].bind("udp::0").await?;
    let to = endpoint(&hosts, "h0", 12_000)?;
    ask(&mut socket, &to, b"hello", |heard| heard == b"HELLO").await
}

/// Reads lines until one begins with `start`.
async fn line(lines: &mut wharf::connection::Messages, start: &str) -> String {
    loop {
        let message = lines.next().await.unwrap();
        let text = String::from_utf8(message.expect("the server went away").to_vec()).unwrap();
        if text.starts_with(start) {
            return text;
        }
    }
}

async fn chat(hosts: Hosts) -> Result<(), LabError> {
    let chat = Chat::new(Rules::default(), |_| {});
    let _server = hosts[0].serve("tcp::5378", chat).await?;
    let mut users = Vec::new();
    for (host, name) in [(1, "ann"), (2, "bob")] {
        let mut user = hosts[host].connect("h0:5378").await?;
        user.write_all(format!("HELLO-FROM {name}\n").as_bytes())
            .await?;
        let mut lines = user.framed(&Framing::default(), Limits::default());
        assert_eq!(line(&mut lines, "HELLO").await, format!("HELLO {name}"));
        users.push(lines);
    }
    let [ann, bob] = &mut users[..] else { panic!() };
    ann.connection().write_all(b"SEND bob hi there\n").await?;
    assert_eq!(line(bob, "DELIVERY").await, "DELIVERY ann hi there");
    assert_eq!(line(ann, "SEND-OK").await, "SEND-OK");
    ann.connection().write_all(b"LIST\n").await?;
    let list = line(ann, "LIST-OK").await;
    assert!(list.contains("ann") && list.contains("bob"), "{list}");
    Ok(())
}

async fn unreliable_chat(hosts: Hosts) -> Result<(), LabError> {
    let chat = UnreliableChat::new(Rules::default(), 1, |_| {});
    let options = DatagramOptions {
        amplification: Amplification::Allowed,
        ..DatagramOptions::default()
    };
    let server = Server::on(hosts[0].network());
    let address = "udp::5382".parse()?;
    let server = server.serve_datagrams_with("chat", address, chat, options);
    let _server = server.start().await?;
    let to = endpoint(&hosts, "h0", 5_382)?;
    let mut ann = hosts[1].bind("udp::0").await?;
    // A lost answer is said again to who asks again.
    ask(&mut ann, &to, b"HELLO-FROM ann\n", |heard| {
        heard == b"HELLO ann\n"
    })
    .await?;
    ask(&mut ann, &to, b"LIST\n", |heard| {
        heard.starts_with(b"LIST-OK") && heard.ends_with(b",ann\n")
    })
    .await
}

async fn rps(hosts: Hosts) -> Result<(), LabError> {
    let referee = Rps::new(wharf_services::rps::Rules::default(), |_| {});
    let _server = hosts[0].serve("tcp::7400", referee).await?;
    let player = hosts[1].connect("h0:7400").await?;
    let mut lines = player.framed(&Framing::default(), Limits::default());
    for (say, hear) in [
        ("HELLO ann\n", "WELCOME ann "),
        ("PLAY house\n", "ROUND 1 "),
        ("ROCK\n", "RESULT 1 ROCK "),
    ] {
        lines.connection().write_all(say.as_bytes()).await?;
        line(&mut lines, hear).await;
    }
    Ok(())
}

async fn blackjack(hosts: Hosts) -> Result<(), LabError> {
    let house = Blackjack::new(wharf_services::blackjack::Rules::default(), |_| {});
    let _server = hosts[0].serve("tcp::7500", house).await?;
    let player = hosts[1].connect("h0:7500").await?;
    let mut lines = player.framed(&Framing::default(), Limits::default());
    for (say, hear) in [
        ("HELLO ann\n", "WELCOME ann "),
        ("SIT\n", "BETS 1 "),
        ("BET 10 lucky\n", "DEAL 1 "),
    ] {
        lines.connection().write_all(say.as_bytes()).await?;
        line(&mut lines, hear).await;
    }
    Ok(())
}

async fn message(hosts: Hosts) -> Result<(), LabError> {
    let shown = Arc::new(Mutex::new(String::new()));
    let service = Message::new({
        let shown = Arc::clone(&shown);
        move |event| shown.lock().unwrap().push_str(&event.to_string())
    });
    let server = hosts[0].serve("tcp::11267", service).await?;
    let mut client = hosts[1].connect("h0:11267").await?;
    client.write_all(b"one line of it\n").await?;
    client.finish().await?;
    assert!(to_the_end(&mut client).await?.is_empty());
    server.drain().await;
    assert!(shown.lock().unwrap().contains("one line of it"));
    Ok(())
}

async fn password(hosts: Hosts) -> Result<(), LabError> {
    let hash = Hash::of(b"open sesame", [0; 16], Cost::LEAST).unwrap();
    let door = Door::new(Users::one(hash), |_| {});
    let _server = hosts[0].serve("tcp::7300", Password::new(door)).await?;
    let mut client = hosts[1].connect("h0:7300").await?;
    client.write_all(b"open sesame\n").await?;
    client.finish().await?;
    let heard = to_the_end(&mut client).await?;
    assert_eq!(String::from_utf8_lossy(&heard), "access granted\n");
    Ok(())
}

async fn daytime(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::13", Daytime).await?;
    let mut client = hosts[1].connect("h0:13").await?;
    let heard = to_the_end(&mut client).await?;
    let heard = String::from_utf8(heard).unwrap();
    // Every lab begins at the same time of day.
    assert!(heard.contains("2026"), "{heard}");
    let _datagrams = hosts[0].serve_datagrams("udp::13", Daytime).await?;
    let mut socket = hosts[2].bind("udp::0").await?;
    let to = endpoint(&hosts, "h0", 13)?;
    let question = [b' '; 64];
    ask(&mut socket, &to, &question, |heard| {
        heard.windows(4).any(|w| w == b"2026")
    })
    .await
}

async fn time(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::37", Time).await?;
    let mut client = hosts[1].connect("h0:37").await?;
    let heard = to_the_end(&mut client).await?;
    let seconds = u32::from_be_bytes(heard.try_into().unwrap());
    // 2026-01-01 in seconds since 1900, and what has passed in the lab.
    let begun = 2_208_988_800_u64 + wharf_lab::EPOCH.as_secs();
    let passed = u64::from(seconds) - begun;
    assert!(passed < PATIENCE.as_secs(), "{passed}");
    Ok(())
}

async fn discard(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::9", Discard::default()).await?;
    let mut client = hosts[1].connect("h0:9").await?;
    client.write_all(&[7; 100_000]).await?;
    client.finish().await?;
    assert!(to_the_end(&mut client).await?.is_empty());
    Ok(())
}

async fn chargen(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::19", Chargen).await?;
    let mut client = hosts[1].connect("h0:19").await?;
    let heard = exactly(&mut client, 7_400).await?;
    assert!(heard.starts_with(b" !\"#$%&'()*+,-./0123456789"));
    assert_eq!(heard[72..74], *b"\r\n");
    assert_eq!(heard[..74], heard[95 * 74..96 * 74]);
    Ok(())
}
