//! Datagrams between endpoints of the network in memory, and what can happen to
//! them on the way.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::{MemoryNetwork, World, locked};
use crate::datagram::{Batch, BufferSize, DatagramIo, Datagrams};
use crate::limits;
use crate::network::{BindOptions, Endpoint, PortSharing};

/// How many datagrams wait at one endpoint; further ones are dropped and counted.
pub const DATAGRAM_QUEUE: usize = 1_024;

/// What happens to one datagram on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramFault {
    /// Nothing: it arrives.
    Deliver,
    /// It is lost.
    Drop,
    /// It arrives twice.
    Duplicate,
    /// It arrives after the next one.
    Overtaken,
    /// It arrives, but longer than the receiver can take: only this many bytes of it
    /// could be read.
    Truncate(usize),
    /// It is lost, and the receiving socket reports this error number (`errno`) once.
    Error(i32),
}

/// Where datagrams can be sent to, by the text of the endpoint.
pub(super) type Inboxes = BTreeMap<String, Arc<Mutex<Inbox>>>;

/// What waits at one endpoint.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: VecDeque<Item>,
    held_back: Option<Item>,
    faults: VecDeque<DatagramFault>,
    dropped: u64,
    /// The only peer that is heard.
    peer: Option<Endpoint>,
    waker: Option<Waker>,
    closed: bool,
}

#[derive(Clone, Debug)]
enum Item {
    Datagram {
        payload: Vec<u8>,
        from: Endpoint,
        to: Option<IpAddr>,
    },
    Truncated,
    Error(i32),
}

impl MemoryNetwork {
    /// Decides what happens to the next datagrams that are sent to `at`, one
    /// fault for each; later ones arrive.
    pub fn fault_datagrams(&self, at: &Endpoint, faults: impl IntoIterator<Item = DatagramFault>) {
        if let Some(inbox) = locked(&self.0).inbox(at) {
            locked(&inbox).faults.extend(faults);
        }
    }

    pub(super) fn bind_datagrams(
        &self,
        at: &Endpoint,
        options: &BindOptions,
    ) -> io::Result<Datagrams> {
        let mut world = locked(&self.0);
        let at = match (at, at.port()) {
            (Endpoint::Inet(address), Some(0)) => {
                let port = world.dynamic_endpoint().port().unwrap_or(0);
                SocketAddr::new(address.ip(), port).into()
            }
            _ => at.clone(),
        };
        let found = world.datagrams.get(&at.to_string()).cloned();
        let inbox = match found.filter(|inbox| !locked(inbox).closed) {
            Some(inbox) if options.sharing == PortSharing::SharedNext => inbox,
            Some(_) => return Err(io::ErrorKind::AddrInUse.into()),
            None => Arc::default(),
        };
        world.datagrams.retain(|_, inbox| !locked(inbox).closed);
        world.datagrams.insert(at.to_string(), Arc::clone(&inbox));
        let asked = options.receive_buffer as usize;
        let size = BufferSize {
            asked,
            granted: asked,
        };
        let carrier = MemoryDatagrams {
            network: self.clone(),
            inbox,
            local: at.clone(),
        };
        Ok(Datagrams::new(at, carrier).with_receive_buffer(size))
    }
}

impl World {
    /// Who gets what is sent to `to`: the socket at that address, or else the one
    /// at all addresses.
    fn inbox(&self, to: &Endpoint) -> Option<Arc<Mutex<Inbox>>> {
        let found = self.datagrams.get(&to.to_string()).or_else(|| {
            let address = to.inet()?;
            let all = match address.ip() {
                IpAddr::V4(_) => IpAddr::from([0_u8; 4]),
                IpAddr::V6(_) => IpAddr::from([0_u8; 16]),
            };
            let all = Endpoint::Inet(SocketAddr::new(all, address.port()));
            self.datagrams.get(&all.to_string())
        });
        found.filter(|inbox| !locked(inbox).closed).cloned()
    }
}

impl Inbox {
    /// A datagram arrives, if no fault is waiting for it.
    fn arrive(&mut self, item: Item) {
        let overtaken = self.held_back.take();
        match self.faults.pop_front().unwrap_or(DatagramFault::Deliver) {
            DatagramFault::Deliver => self.push(item),
            DatagramFault::Drop => {}
            DatagramFault::Duplicate => {
                self.push(item.clone());
                self.push(item);
            }
            DatagramFault::Overtaken => self.held_back = Some(item),
            DatagramFault::Truncate(length) => match item {
                Item::Datagram { payload, .. } if payload.len() > length => {
                    self.push(Item::Truncated);
                }
                whole => self.push(whole),
            },
            DatagramFault::Error(code) => self.push(Item::Error(code)),
        }
        if let Some(overtaken) = overtaken {
            self.push(overtaken);
        }
    }

    fn push(&mut self, item: Item) {
        if self.waiting.len() >= DATAGRAM_QUEUE {
            self.dropped += 1;
            return;
        }
        self.waiting.push_back(item);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

struct MemoryDatagrams {
    network: MemoryNetwork,
    inbox: Arc<Mutex<Inbox>>,
    local: Endpoint,
}

impl MemoryDatagrams {
    fn send_one(&self, to: &Endpoint, from: Option<IpAddr>, payload: &[u8]) -> io::Result<()> {
        if payload.len() > limits::MAX_DATAGRAM {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        let from = self.source(to, from);
        let inbox = locked(&self.network.0).inbox(to);
        let Some(inbox) = inbox else {
            // Nobody is there. Like a real socket, only a connected one hears of it.
            let mut mine = locked(&self.inbox);
            if mine.peer.is_some() {
                mine.push(Item::Error(libc::ECONNREFUSED));
            }
            return Ok(());
        };
        let mut inbox = locked(&inbox);
        if inbox.peer.as_ref().is_none_or(|peer| *peer == from) {
            inbox.arrive(Item::Datagram {
                payload: payload.to_vec(),
                from,
                to: to.inet().map(|address| address.ip()),
            });
        }
        Ok(())
    }

    /// The address that a datagram to `to` leaves from. A socket at all addresses
    /// uses the one it was told, or else the one of its peer's host: there are no
    /// routes here.
    fn source(&self, to: &Endpoint, from: Option<IpAddr>) -> Endpoint {
        match (&self.local, to) {
            (Endpoint::Inet(local), Endpoint::Inet(to)) if local.ip().is_unspecified() => {
                SocketAddr::new(from.unwrap_or(to.ip()), local.port()).into()
            }
            _ => self.local.clone(),
        }
    }

    fn is_at_all_addresses(&self) -> bool {
        self.local
            .inet()
            .is_some_and(|address| address.ip().is_unspecified())
    }
}

impl DatagramIo for MemoryDatagrams {
    fn poll_receive(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        let all = self.is_at_all_addresses();
        let mut inbox = locked(&self.inbox);
        while !batch.is_full() {
            match inbox.waiting.pop_front() {
                Some(Item::Datagram { payload, from, to }) => {
                    batch.push_received(&payload, &from, to.filter(|_| all));
                }
                Some(Item::Truncated) => batch.tally_mut().truncated += 1,
                Some(Item::Error(code)) if inbox.peer.is_some() => {
                    if !batch.is_empty() {
                        inbox.waiting.push_front(Item::Error(code));
                        break;
                    }
                    batch.tally_mut().icmp_errors += 1;
                    return Poll::Ready(Err(io::Error::from_raw_os_error(code)));
                }
                Some(Item::Error(_)) => batch.tally_mut().icmp_errors += 1,
                None => break,
            }
        }
        if !batch.is_empty() {
            return Poll::Ready(Ok(()));
        }
        inbox.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_send(&mut self, _: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        while let Some(next) = batch.next_outgoing() {
            match self.send_one(next.to, next.from, next.payload) {
                Ok(()) => batch.note_sent(1),
                Err(error) => batch.note_failed(error),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn connect(&mut self, to: &Endpoint) -> io::Result<Endpoint> {
        locked(&self.inbox).peer = Some(to.clone());
        self.local = self.source(to, None);
        Ok(self.local.clone())
    }

    fn kernel_dropped(&self) -> u64 {
        locked(&self.inbox).dropped
    }
}

impl Drop for MemoryDatagrams {
    fn drop(&mut self) {
        // The world holds one; a socket that shares the endpoint holds another.
        if Arc::strong_count(&self.inbox) <= 2 {
            locked(&self.inbox).closed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;

    fn endpoint(text: &str) -> Endpoint {
        Endpoint::Inet(text.parse().unwrap())
    }

    async fn pair(network: &MemoryNetwork) -> (Datagrams, Datagrams) {
        let options = BindOptions::default();
        let server = network.bind(&endpoint("192.0.2.1:7"), &options).await;
        let client = network.bind(&endpoint("192.0.2.9:0"), &options).await;
        (server.unwrap(), client.unwrap())
    }

    /// Sends these words to the server under these faults, and says what it received.
    async fn received(faults: &[DatagramFault], words: &[&str]) -> (Vec<String>, Datagrams) {
        let network = MemoryNetwork::new();
        let (mut server, mut client) = pair(&network).await;
        network.fault_datagrams(server.local(), faults.iter().copied());
        for word in words {
            let to = server.local();
            client.send_to(word.as_bytes(), to).await.unwrap();
        }
        let mut batch = Batch::with_slots(8, 64);
        server.receive(&mut batch).await.unwrap();
        let text = |payload| String::from_utf8_lossy(payload).into_owned();
        let heard = batch.iter().map(|datagram| text(datagram.payload));
        (heard.collect(), server)
    }

    #[tokio::test]
    async fn datagrams_are_lost_doubled_overtaken_and_cut_as_asked() {
        use DatagramFault::{Deliver, Drop, Duplicate, Error, Overtaken, Truncate};
        let (heard, _) = received(&[Drop, Duplicate], &["a", "b", "c"]).await;
        assert_eq!(heard, ["b", "b", "c"]);
        let (heard, _) = received(&[Deliver, Overtaken], &["a", "b", "c"]).await;
        assert_eq!(heard, ["a", "c", "b"]);
        let (heard, server) = received(&[Truncate(1), Truncate(9)], &["long", "ok"]).await;
        assert_eq!(heard, ["ok"]);
        assert_eq!(server.counters().truncated, 1);
        let (heard, server) = received(&[Error(libc::EHOSTUNREACH)], &["a", "b"]).await;
        assert_eq!(heard, ["b"]);
        assert_eq!(server.counters().icmp_errors, 1);
    }

    #[tokio::test]
    async fn a_full_queue_loses_datagrams_and_counts_them() {
        let network = MemoryNetwork::new();
        let (server, mut client) = pair(&network).await;
        for _ in 0..DATAGRAM_QUEUE + 3 {
            client.send_to(b"x", server.local()).await.unwrap();
        }
        assert_eq!(server.counters().kernel_dropped, 3);
    }

    #[tokio::test]
    async fn a_peer_elsewhere_is_not_answered_with_more_than_it_sent() {
        let network = MemoryNetwork::new();
        let (mut server, mut client) = pair(&network).await;
        client.send_to(b"abc", server.local()).await.unwrap();
        let mut batch = Batch::with_slots(8, 64);
        server.receive(&mut batch).await.unwrap();
        batch.reply(0, b"abcd");
        batch.reply(0, b"cba");
        server.send(&mut batch).await.unwrap();
        let mut heard = Vec::new();
        client.receive_from(&mut heard).await.unwrap();
        assert_eq!(heard, b"cba");
        assert_eq!(server.counters().amplification_refused, 1);
    }

    #[tokio::test]
    async fn a_socket_at_all_addresses_answers_from_the_one_that_was_called() {
        let network = MemoryNetwork::new();
        let options = BindOptions::default();
        let all = endpoint("0.0.0.0:7");
        let mut server = network.bind(&all, &options).await.unwrap();
        let mut client = network
            .bind(&endpoint("192.0.2.9:0"), &options)
            .await
            .unwrap();
        let called = endpoint("192.0.2.5:7");
        client.send_to(b"?", &called).await.unwrap();
        let mut batch = Batch::with_slots(8, 64);
        server.receive(&mut batch).await.unwrap();
        batch.reply_in_place(0);
        server.send(&mut batch).await.unwrap();
        let from = client.receive_from(&mut Vec::new()).await.unwrap();
        assert_eq!(from, called);
    }

    #[tokio::test]
    async fn an_endpoint_is_free_again_once_its_socket_is_gone() {
        let network = MemoryNetwork::new();
        let at = endpoint("192.0.2.1:7");
        let options = BindOptions::default();
        let first = network.bind(&at, &options).await.unwrap();
        let error = network.bind(&at, &options).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        network.bind(&at, &options).await.unwrap();

        let mut client = network
            .bind(&endpoint("192.0.2.9:0"), &options)
            .await
            .unwrap();
        let nobody = endpoint("192.0.2.1:8");
        client.connect(&nobody).unwrap();
        client.send_to(b"?", &nobody).await.unwrap();
        let error = client.receive_from(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
