//! The chat: spoken to line by line, and with the project's own clients.

use tokio::sync::oneshot;
use wharf::datagram::Amplification;
use wharf::framing::{Framing, Limits};
use wharf::server::{DatagramOptions, Running, Server};
use wharf_lab::{Hosts, LabError, LabHost, LabNetwork};
use wharf_services::Chat;
use wharf_services::chat::client::{ChatClient, Check, Event, Message, Receipt, Reconnect};
use wharf_services::chat::{Rules, UnreliableChat};

use super::{ask, endpoint, line};

/// How many messages go from one to the other.
const MESSAGES: usize = 30;

pub(super) async fn chat(hosts: Hosts) -> Result<(), LabError> {
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

pub(super) async fn unreliable_chat(hosts: Hosts) -> Result<(), LabError> {
    let _server = serve_datagrams(&hosts[0]).await?;
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

async fn serve_datagrams(host: &LabHost) -> Result<Running, LabError> {
    let chat = UnreliableChat::new(Rules::default(), 1, |_| {});
    let options = DatagramOptions {
        amplification: Amplification::Allowed,
        ..DatagramOptions::default()
    };
    let server = Server::on(host.network());
    let address = "udp::5382".parse()?;
    let server = server.serve_datagrams_with("chat", address, chat, options);
    Ok(server.start().await?)
}

pub(super) async fn clients_over_streams(hosts: Hosts) -> Result<(), LabError> {
    let chat = Chat::new(Rules::default(), |_| {});
    let _server = hosts[0].serve("tcp::5378", chat).await?;
    talk(&hosts, "tcp:h0:5378", Receipt::Queued, Check::Stream).await
}

/// Whatever the network does to datagrams, the client makes good.
pub(super) async fn clients_over_datagrams(hosts: Hosts) -> Result<(), LabError> {
    let _server = serve_datagrams(&hosts[0]).await?;
    talk(&hosts, "udp:h0:5382", Receipt::Acknowledged, Check::Checked).await
}

/// Every message comes once, unchanged and in order, and its sender is told so.
async fn talk(hosts: &Hosts, at: &str, receipt: Receipt, check: Check) -> Result<(), LabError> {
    let mut ann = log_in(&hosts[1], at, "ann").await?;
    let mut bob = log_in(&hosts[2], at, "bob").await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let listening = tokio::spawn(async move {
        let (mut heard, mut stopped) = (Vec::new(), stopped);
        loop {
            // It answers until nobody needs an answer any more.
            tokio::select! {
                biased;
                _ = &mut stopped => return heard,
                event = bob.next() => match event {
                    Event::Message(message) => heard.push(message),
                    Event::Lost { why, .. } => panic!("bob: {why}"),
                    _ => {}
                }
            }
        }
    });
    ann.who();
    let users = event(&mut ann, |event| match event {
        Event::Users(users) => Some(users),
        _ => None,
    });
    let users = users.await;
    assert!(
        ["ann", "bob"]
            .iter()
            .all(|name| users.iter().any(|user| user == name))
    );
    for i in 0..MESSAGES {
        let ticket = ann.send("bob", &format!("message {i}")).unwrap();
        let sent = event(&mut ann, |event| match event {
            Event::Sent { ticket, receipt } => Some((ticket, receipt)),
            Event::NotSent { why, .. } => panic!("message {i}: {why}"),
            _ => None,
        });
        assert_eq!(sent.await, (ticket, receipt));
    }
    if receipt == Receipt::Queued {
        // Who has it in its queue has it some time later.
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    }
    drop(stop);
    let heard = listening.await.map_err(std::io::Error::other)?;
    let expected = (0..MESSAGES).map(|i| Message {
        from: "ann".to_owned(),
        text: format!("message {i}"),
        check,
    });
    assert_eq!(heard, expected.collect::<Vec<Message>>());
    ann.leave().await;
    Ok(())
}

async fn log_in(host: &LabHost, at: &str, name: &str) -> Result<ChatClient<LabNetwork>, LabError> {
    let client = ChatClient::on(host.network(), at.parse()?);
    let mut client = client.reconnect(Reconnect::Always);
    client.log_in(name);
    let own = event(&mut client, |event| match event {
        Event::LoggedIn(own) => Some(own),
        Event::Refused { why, .. } => panic!("{name}: {why}"),
        _ => None,
    });
    assert_eq!(own.await, name);
    Ok(client)
}

/// The first event that is wanted.
async fn event<T>(client: &mut ChatClient<LabNetwork>, wanted: impl Fn(Event) -> Option<T>) -> T {
    loop {
        if let Some(found) = wanted(client.next().await) {
            return found;
        }
    }
}
