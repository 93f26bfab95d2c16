//! `wharf lab gateway`: programs outside talk to hosts inside, in real time.
//!
//! ```text
//!   program ──▶ 127.0.0.1:12000 ║ gateway host ──▶ links, faults ──▶ h0:12000
//! ```
//! The gateway is a host of the lab: the last one that serves nothing. A connection
//! from outside is accepted only to be tried inside; if that fails, or breaks later, it
//! is reset.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;
use wharf::address::{Address, Scheme};
use wharf::datagram::Datagrams;
use wharf::network::{BindOptions, Endpoint, Network, Os, Role};
use wharf_lab::{Hosts, LabHost};

use super::args::GatewayArgs;
use super::failed;
use super::network::Plan;
use super::services::check_address;
use super::traffic::Traffic;
use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;

/// How long a connection inside may take.
const CONNECT: Duration = Duration::from_secs(30);

/// How many UDP peers outside have a socket inside at once; the oldest makes room.
const PEERS: usize = 256;

/// A datagram from outside that is longer finds no place in a lab's socket.
const LONGEST: usize = 64_999;

/// How many datagrams wait for their way out or in.
const WAITING: usize = 256;

/// What is exposed.
#[derive(Clone, Debug)]
struct Exposed {
    inside: Address,
    outside: Address,
}

pub(super) fn run(common: &Common, args: &GatewayArgs) -> Result<Exit, Failure> {
    let exposed: Result<Vec<Exposed>, Failure> =
        args.expose.iter().map(|text| parse(text)).collect();
    let exposed = exposed?;
    let mut plan = Plan::make(&args.network)?;
    for it in &exposed {
        check_address(&plan, &it.inside).map_err(|(cause, cure)| {
            let failure = Failure::usage(format!("--expose: {cause}"));
            match cure {
                Some(cure) => failure.cure(cure),
                None => failure,
            }
        })?;
    }
    // Programs outside are the clients.
    plan.clients.clear();
    let gateway = add_gateway(&mut plan)?;
    let traffic = Traffic::of(&plan, None)?;
    let json = common.json;
    let outcome = plan.lab().in_real_time().run(async |hosts| {
        // Its servers live as long as this.
        let serving = traffic.run(hosts.clone(), Some(Duration::from_secs(u32::MAX.into())));
        tokio::select! {
            biased;
            ended = expose(&hosts, &gateway, &exposed, json) => ended,
            ended = serving => ended.map(|_| Exit::Done).map_err(|error| failed(&error)),
            ended = asked_to_stop() => ended,
        }
    });
    outcome.map_err(|error| failed(&error))?.value
}

/// Waits for ^C, or for whoever started this to end it.
async fn asked_to_stop() -> Result<Exit, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    Ok(Exit::Done)
}

/// `h0:12000=:12000`, `udp:h0:7=udp::7000`.
fn parse(text: &str) -> Result<Exposed, Failure> {
    let wrong = |why: String| {
        Failure::usage(format!("--expose {text:?}: {why}"))
            .cure("--expose h0:12000=:12000 or --expose udp:h0:7=udp::7000")
    };
    let (inside, outside) = text
        .split_once('=')
        .ok_or_else(|| wrong("there is no =".into()))?;
    let address = |text: &str| {
        text.parse::<Address>()
            .map_err(|error| wrong(error.to_string()))
    };
    let (inside, outside) = (address(inside)?, address(outside)?);
    let carried = |scheme: Scheme| scheme.is_datagram();
    let plain = [
        Scheme::Tcp,
        Scheme::Tcp4,
        Scheme::Tcp6,
        Scheme::Udp,
        Scheme::Udp4,
        Scheme::Udp6,
    ];
    if carried(inside.scheme) != carried(outside.scheme) {
        return Err(wrong("both sides have to be TCP, or both UDP".into()));
    }
    if !plain.contains(&inside.scheme) || !plain.contains(&outside.scheme) {
        return Err(wrong(
            "the gateway carries tcp and udp; TLS goes through it as it is".into(),
        ));
    }
    Ok(Exposed { inside, outside })
}

/// The host that stands for the programs outside: the last one without a service.
fn add_gateway(plan: &mut Plan) -> Result<String, Failure> {
    let serves = |name: &str| plan.services.iter().any(|service| service.host == name);
    let hosts = plan.topology.nodes.iter().rev();
    let mut hosts = hosts.filter(|node| node.kind == wharf_lab::topology::NodeKind::Host);
    let free = hosts.find(|node| !serves(&node.name));
    free.map(|node| node.name.clone()).ok_or_else(|| {
        Failure::usage("every host of this network serves something")
            .cure("add a host without a service: it is the programs outside")
    })
}

async fn expose(
    hosts: &Hosts,
    gateway: &str,
    exposed: &[Exposed],
    json: bool,
) -> Result<Exit, Failure> {
    let Some(host) = hosts.named(gateway) else {
        return Err(Failure::new(Exit::Failed, "the gateway has gone"));
    };
    let mut tasks = tokio::task::JoinSet::new();
    for it in exposed {
        let endpoints = Os.resolve(&it.outside, Role::Serve).await;
        let endpoints = endpoints.map_err(|error| {
            let failure = Failure::new(Exit::Resolve, error.to_string());
            match &error.cure {
                Some(cure) => failure.cure(cure.clone()),
                None => failure,
            }
        })?;
        let first = endpoints.into_iter().next();
        let at = first.ok_or_else(|| Failure::new(Exit::Resolve, "nowhere to listen"))?;
        let (host, it) = (host.clone(), it.clone());
        let cannot = |error: io::Error| {
            Failure::new(
                Exit::CannotListen,
                format!("cannot listen on {at}: {error}"),
            )
        };
        if it.outside.scheme.is_datagram() {
            let socket = Os
                .bind(&at, &BindOptions::default())
                .await
                .map_err(cannot)?;
            announce(&it, socket.local(), gateway, json);
            tasks.spawn(datagrams(socket, host, it.inside));
        } else {
            let inet = at.inet().ok_or(io::ErrorKind::Unsupported.into());
            let listener = TcpListener::bind(inet.map_err(cannot)?)
                .await
                .map_err(cannot)?;
            let local = listener.local_addr().map_err(cannot)?;
            announce(&it, &local.into(), gateway, json);
            tasks.spawn(streams(listener, host, it.inside));
        }
    }
    // They end only if their sockets break.
    while tasks.join_next().await.is_some() {}
    Ok(Exit::Failed)
}

fn announce(it: &Exposed, at: &Endpoint, gateway: &str, json: bool) {
    let line = match json {
        true => format!(
            "{}\n",
            serde_json::json!({
                "event": "lab-exposed",
                "inside": it.inside.to_string(),
                "outside": at.to_string(),
                "gateway": gateway,
            })
        ),
        false => format!("{at} leads to {} from {gateway}\n", it.inside),
    };
    // A closed stdout does not keep the gateway from working.
    let _ = io::stdout().write_all(line.as_bytes());
    let _ = io::stdout().flush();
}

async fn streams(listener: TcpListener, host: LabHost, inside: Address) {
    loop {
        let Ok((outside, _)) = listener.accept().await else {
            // Out of descriptors, or a client that went away: neither is the end.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        tokio::spawn(stream(outside, host.clone(), inside.clone()));
    }
}

/// One connection: inside first, and reset outside if that fails.
async fn stream(outside: TcpStream, host: LabHost, inside: Address) {
    // Without it Nagle's algorithm would add its own delays to those of the lab.
    let _ = outside.set_nodelay(true);
    let connected = timeout(CONNECT, host.connect(&inside.to_string())).await;
    match connected {
        Ok(Ok(connection)) => relay(outside, connection, &inside).await,
        Ok(Err(error)) => {
            tell(&error.to_string());
            refuse(&outside);
        }
        Err(_) => {
            tell(&format!("{inside}: no connection within 30 s"));
            refuse(&outside);
        }
    }
}

/// Carries bytes both ways until both have ended, or one has broken.
async fn relay<S>(mut outside: TcpStream, connection: S, inside: &Address)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut watched = Watched {
        inner: connection,
        broken: None,
    };
    // However it ended, both ends are closed by being dropped.
    let _ = copy_bidirectional(&mut outside, &mut watched).await;
    if let Some(error) = watched.broken {
        tell(&format!("{inside}: {error}"));
        refuse(&outside);
    }
}

/// A stream that remembers how it broke: what failed inside must be told from what
/// failed outside.
struct Watched<S> {
    inner: S,
    broken: Option<String>,
}

impl<S> Watched<S> {
    fn note<T>(&mut self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &polled {
            self.broken.get_or_insert(error.to_string());
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_read(cx, space);
        self.note(polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.note(polled)
    }
}

/// Closing sends a reset: what failed inside must not look like an end outside.
fn refuse(outside: &TcpStream) {
    // If it cannot be set, the connection is closed in the ordinary way.
    let _ = outside.set_zero_linger();
}

fn tell(text: &str) {
    // Nothing to do about a closed stderr.
    let _ = writeln!(io::stderr(), "{text}");
}

/// What is worth saying once.
#[derive(Default)]
struct Once {
    told: bool,
}

impl Once {
    fn tell(&mut self, text: &str) {
        if !std::mem::replace(&mut self.told, true) {
            tell(text);
        }
    }
}

/// Every peer outside gets a socket of its own inside, so that answers find back.
async fn datagrams(mut socket: Datagrams, host: LabHost, inside: Address) {
    let (answers, mut answered) = mpsc::channel::<(Endpoint, Vec<u8>)>(WAITING);
    let mut peers: BTreeMap<String, mpsc::Sender<Vec<u8>>> = BTreeMap::new();
    let mut oldest = std::collections::VecDeque::new();
    let mut payload = Vec::new();
    let (mut too_long, mut too_many) = (Once::default(), Once::default());
    loop {
        tokio::select! {
            biased;
            Some((to, answer)) = answered.recv() => {
                // What cannot be sent is lost, as datagrams are.
                let _ = socket.send_to(&answer, &to).await;
            }
            received = socket.receive_from(&mut payload) => {
                let Ok(from) = received else { continue };
                if payload.len() > LONGEST {
                    too_long.tell(&format!(
                        "{from} sent {} bytes in a datagram: more than {LONGEST} are not carried",
                        payload.len()
                    ));
                    continue;
                }
                let key = from.to_string();
                if !peers.contains_key(&key) {
                    if peers.len() >= PEERS {
                        too_many.tell(&format!(
                            "more than {PEERS} peers over UDP: answers to the oldest are lost"
                        ));
                        oldest.pop_front().and_then(|old| peers.remove(&old));
                    }
                    let (sender, waiting) = mpsc::channel(WAITING);
                    let task = peer(host.clone(), inside.clone(), from, waiting, answers.clone());
                    tokio::spawn(task);
                    peers.insert(key.clone(), sender);
                    oldest.push_back(key.clone());
                }
                if let Some(peer) = peers.get(&key) {
                    // A full queue loses it.
                    let _ = peer.try_send(std::mem::take(&mut payload));
                }
            }
        }
    }
}

async fn peer(
    host: LabHost,
    inside: Address,
    outside: Endpoint,
    mut waiting: mpsc::Receiver<Vec<u8>>,
    answers: mpsc::Sender<(Endpoint, Vec<u8>)>,
) {
    let client = wharf::client::Client::on(host.network());
    let (mut socket, to) = match client.datagrams(&inside).await {
        Ok(bound) => bound,
        Err(error) => return tell(&error.to_string()),
    };
    let mut heard = Vec::new();
    loop {
        tokio::select! {
            biased;
            next = waiting.recv() => match next {
                Some(payload) => {
                    // An error of an earlier datagram: this one was not sent either.
                    let _ = socket.send_to(&payload, &to).await;
                }
                None => return,
            },
            received = socket.receive_from(&mut heard) => {
                if received.is_ok() && answers.send((outside.clone(), heard.clone())).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// A connection that is reset by its peer as soon as it is read from.
    struct Reset;

    impl AsyncRead for Reset {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }

    impl AsyncWrite for Reset {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_is_reset_inside_is_reset_outside() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(at).await.unwrap();
        let (outside, _) = listener.accept().await.unwrap();
        relay(outside, Reset, &"tcp:h0:7".parse().unwrap()).await;
        let error = client.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
