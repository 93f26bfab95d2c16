//! A UDP relay between one client and a server that loses, doubles and swaps datagrams.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the relay looks whether the test is over.
const LOOK: Duration = Duration::from_millis(50);

/// The relay; it ends with the test.
pub(crate) struct Lossy {
    pub(crate) address: String,
    over: Arc<AtomicBool>,
    lost: Arc<AtomicU32>,
    threads: Vec<JoinHandle<()>>,
}

impl Lossy {
    /// A relay to a port of this machine. Of ten datagrams each way it loses three,
    /// doubles two, and lets one be overtaken by the next.
    pub(crate) fn to(port: &str, seed: u64) -> Lossy {
        let (near, far) = (socket(), socket());
        let server: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
        let address = near.local_addr().unwrap().to_string();
        let over = Arc::new(AtomicBool::new(false));
        let lost = Arc::new(AtomicU32::new(0));
        let last = Arc::new(std::sync::Mutex::new(None));
        let mut threads = Vec::new();
        for (from, to, is_near, seed) in [
            (
                near.try_clone().unwrap(),
                far.try_clone().unwrap(),
                true,
                seed,
            ),
            (far, near, false, seed + 1),
        ] {
            let (last, over, lost) = (last.clone(), over.clone(), lost.clone());
            let target = move |peer: SocketAddr| match is_near {
                true => {
                    *last.lock().unwrap() = Some(peer);
                    Some(server)
                }
                false => *last.lock().unwrap(),
            };
            threads.push(std::thread::spawn(move || {
                carry(&from, &to, target, seed, &over, &lost);
            }));
        }
        Lossy {
            address,
            over,
            lost,
            threads,
        }
    }

    /// How many datagrams were lost so far.
    pub(crate) fn lost(&self) -> u32 {
        self.lost.load(Ordering::Relaxed)
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LOOK)).unwrap();
    socket
}

/// Carries one way, with its faults.
fn carry(
    from: &UdpSocket,
    to: &UdpSocket,
    target: impl Fn(SocketAddr) -> Option<SocketAddr>,
    mut seed: u64,
    over: &AtomicBool,
    lost: &AtomicU32,
) {
    let mut held: Option<Vec<u8>> = None;
    let mut payload = [0; 2_048];
    while !over.load(Ordering::Relaxed) {
        let (length, peer) = match from.recv_from(&mut payload) {
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            // A port that is gone answers so; the next one may be there again.
            Err(_) => continue,
        };
        let Some(target) = target(peer) else {
            continue;
        };
        // A linear congruential generator (Knuth, MMIX).
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let datagram = payload[..length].to_vec();
        let copies = match (seed >> 33) % 10 {
            0..=2 => {
                lost.fetch_add(1, Ordering::Relaxed);
                0
            }
            3 | 4 => 2,
            5 if held.is_none() => {
                held = Some(datagram);
                continue;
            }
            _ => 1,
        };
        let late = held.take();
        let all = std::iter::repeat_n(datagram, copies).chain(late);
        for datagram in all {
            // What is not taken is lost.
            let _ = to.send_to(&datagram, target);
        }
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
