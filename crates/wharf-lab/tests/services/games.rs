//! The games: spoken to line by line, and with the project's own clients.

use tokio::time::Instant;
use wharf::connection::Messages;
use wharf::datagram::Amplification;
use wharf::framing::{Framing, Limits};
use wharf::server::{DatagramOptions, Server};
use wharf_lab::{Hosts, LabError, LabHost};
use wharf_services::blackjack::{Action, Reply};
use wharf_services::rps::{DatagramRps, Move, Outcome, Phase, Request};
use wharf_services::{Blackjack, Rps};

use super::{ask, endpoint, line};

pub(super) async fn rps(hosts: Hosts) -> Result<(), LabError> {
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

pub(super) async fn blackjack(hosts: Hosts) -> Result<(), LabError> {
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

/// Requests have numbers, so that one that is sent again is done once.
pub(super) async fn rps_datagrams(hosts: Hosts) -> Result<(), LabError> {
    let referee = DatagramRps::new(wharf_services::rps::Rules::default(), |_| {});
    let options = DatagramOptions {
        amplification: Amplification::Allowed,
        ..DatagramOptions::default()
    };
    let server = Server::on(hosts[0].network());
    let server = server.serve_datagrams_with("rps", "udp::5379".parse()?, referee, options);
    let _server = server.start().await?;
    let mut socket = hosts[1].bind("udp::0").await?;
    let to = endpoint(&hosts, "h0", 5_379)?;
    let requests = [
        ("HELLO ann", "WELCOME ann "),
        ("PLAY house", "MATCH ann house 3 "),
        ("ROCK", "MOVED ROCK "),
    ];
    for (number, (say, hear)) in requests.into_iter().enumerate() {
        let request = format!("#{number} {say}\n");
        ask(&mut socket, &to, request.as_bytes(), |heard| {
            let heard = String::from_utf8_lossy(heard);
            heard.starts_with(&format!("#{number}\n")) && heard.contains(&format!("\n{hear}"))
        })
        .await?;
    }
    Ok(())
}

/// A player of the project's client.
struct Player {
    lines: Messages,
}

impl Player {
    async fn new(host: &LabHost, at: &str) -> Result<Player, LabError> {
        let connection = host.connect(at).await?;
        let lines = connection.framed(&Framing::default(), Limits::default());
        Ok(Player { lines })
    }

    async fn say(&mut self, request: &str) -> Result<(), LabError> {
        let line = format!("{request}\n");
        Ok(self.lines.connection().write_all(line.as_bytes()).await?)
    }

    async fn hear(&mut self) -> String {
        let message = self.lines.next().await.unwrap();
        String::from_utf8(message.expect("the server went away").to_vec()).unwrap()
    }
}

/// Two players; whoever always has rock beats whoever always has scissors, two to none.
pub(super) async fn rps_clients(hosts: Hosts) -> Result<(), LabError> {
    let referee = Rps::new(wharf_services::rps::Rules::default(), |_| {});
    let _server = hosts[0].serve("tcp::5379", referee).await?;
    let ann = tokio::spawn(rps_match(hosts[1].clone(), "ann", Move::Rock));
    let bob = tokio::spawn(rps_match(hosts[2].clone(), "bob", Move::Scissors));
    let mut ended = Vec::new();
    for player in [ann, bob] {
        ended.push(player.await.map_err(std::io::Error::other)??);
    }
    assert_eq!(ended, [(Outcome::Win, [2, 0]), (Outcome::Lose, [0, 2])]);
    Ok(())
}

async fn rps_match(
    host: LabHost,
    name: &'static str,
    shown: Move,
) -> Result<(Outcome, [u32; 2]), LabError> {
    let mut player = Player::new(&host, "h0:5379").await?;
    let mut client = wharf_services::rps::Client::default();
    player.say(&format!("HELLO {name}")).await?;
    player.say("PLAY").await?;
    let mut played = 0;
    loop {
        let line = player.hear().await;
        client.receive(&line, Instant::now()).expect(&line);
        match client.phase {
            Phase::Move if client.round > played => {
                played = client.round;
                player.say(&Request::Move(shown).to_string()).await?;
            }
            Phase::Over(outcome, _) => return Ok((outcome, client.wins)),
            _ => {}
        }
    }
}

/// Three rounds against the dealer, with hidden nonces, each found to be fair.
pub(super) async fn blackjack_client(hosts: Hosts) -> Result<(), LabError> {
    let house = Blackjack::new(wharf_services::blackjack::Rules::default(), |_| {});
    let _server = hosts[0].serve("tcp::5380", house).await?;
    let mut player = Player::new(&hosts[1], "h0:5380").await?;
    let mut client = wharf_services::blackjack::Client::default();
    let (mut judged, mut is_over) = (0, false);
    for request in ["HELLO ann", "SIT ALONE"] {
        client.said(request);
        player.say(request).await?;
    }
    while judged < 3 {
        let line = player.hear().await;
        let say = match client.receive(&line, Instant::now()).expect(&line) {
            Reply::Bets { .. } => {
                // This is noted as said.
                let bet = client.bet(10, &format!("nonce{judged}"));
                player.say(&bet).await?;
                None
            }
            Reply::Reveal(_) => client.reveal(),
            Reply::Turn { .. } if client.is_own_turn() => Some(Action::Stand.word().to_owned()),
            Reply::End(_) => {
                is_over = true;
                None
            }
            // The verdict waits for what the player has now.
            Reply::Balance(_) if std::mem::take(&mut is_over) => {
                let verdict = client.verdict.as_ref().expect("a verdict");
                assert!(verdict.is_fair(), "{verdict:?}");
                judged += 1;
                None
            }
            Reply::No(no) => panic!("{no:?}"),
            _ => None,
        };
        if let Some(request) = say {
            client.said(&request);
            player.say(&request).await?;
        }
    }
    Ok(())
}
