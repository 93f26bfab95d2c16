//! How much memory an idle TLS connection holds: the goal is at most 20 KiB.
//!
//! The two ends run on threads of their own, and an allocator counts for each thread
//! what it holds. Kernel memory is not counted.

#![allow(unsafe_code)] // a GlobalAlloc cannot be written without

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::os::unix::net::UnixStream;
use std::sync::Barrier;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wharf::tls::{ClientTls, ServerTls, TlsStream, Trust};

const CONNECTIONS: usize = 100;
const GOAL: usize = 20 * 1024;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get().wrapping_add(layout.size()));
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Stream = Box<TlsStream<tokio::net::UnixStream>>;

#[test]
fn an_idle_connection_holds_at_most_20_kib() {
    let server = ServerTls::self_signed(["example.test"]).unwrap();
    let client = ClientTls::new(Trust::Pins(vec![server.fingerprint()])).unwrap();
    let (near, far): (Vec<_>, Vec<_>) = (0..CONNECTIONS)
        .map(|_| UnixStream::pair().unwrap())
        .unzip();
    let measured = Barrier::new(2);
    let (at_server, at_client) = std::thread::scope(|scope| {
        let accepting = scope.spawn(|| {
            per_connection(far, &measured, async |socket| {
                let mut stream: Stream = Box::new(server.accept(socket).await.unwrap().0);
                exchange(&mut stream).await;
                stream
            })
        });
        let connecting = per_connection(near, &measured, async |socket| {
            let connected = client.connect("example.test", socket).await;
            let mut stream: Stream = Box::new(connected.unwrap().0);
            exchange(&mut stream).await;
            stream
        });
        (accepting.join().unwrap(), connecting)
    });
    println!("bytes per idle TLS connection: server {at_server}, client {at_client}");
    assert!(at_server <= GOAL, "the server holds {at_server} bytes");
    assert!(at_client <= GOAL, "the client holds {at_client} bytes");
}

/// Opens every connection and says what this thread holds for each.
fn per_connection(
    sockets: Vec<UnixStream>,
    measured: &Barrier,
    open: impl AsyncFn(tokio::net::UnixStream) -> Stream,
) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut streams = Vec::with_capacity(sockets.len());
        let before = HELD.get();
        for socket in sockets {
            socket.set_nonblocking(true).unwrap();
            streams.push(open(tokio::net::UnixStream::from_std(socket).unwrap()).await);
        }
        let held = HELD.get().wrapping_sub(before);
        measured.wait();
        held / streams.len()
    })
}

/// A full record each way, so that every buffer has been at its largest.
async fn exchange(stream: &mut Stream) {
    let mut bytes = vec![7; 16 * 1024];
    stream.write_all(&bytes).await.unwrap();
    stream.read_exact(&mut bytes).await.unwrap();
    // An idle connection waits in a read; that is when rustls gives its buffer back.
    let waiting = std::pin::pin!(stream.read_u8());
    assert!(poll_once(waiting).await.is_pending());
}

/// Polls once, and does not wait.
async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx))).await
}
