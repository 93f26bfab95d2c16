//! Both ends of a conversation in one process, so that the calls of both are seen: the
//! upper-case service of the lectures and its client.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Type};
use wharf_wire::conversation::Direction;

use super::args::{DemoArgs, DemoTransport};
use super::calls::{Record, Traced};
use super::conversation::{assemble, ends};
use super::model::{self, Owned};
use super::show::Show;
use crate::capture::{Capture, Filter, Refused, belongs};
use crate::exit::Exit;
use crate::failure::Failure;

/// The room that the lectures' programs give to recv().
const ROOM: usize = 2_048;

/// Connections that may wait for accept(), as in the lectures.
const BACKLOG: i32 = 5;

/// Both ends are here: nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

const QUIET: Duration = Duration::from_millis(120);
const MOST_QUIET: Duration = Duration::from_secs(1);

/// Runs both ends, and shows them.
pub(super) fn run(show: &Show, args: &DemoArgs) -> Result<Exit, Failure> {
    let record = Record::default();
    let host = match args.ipv6 {
        true => IpAddr::V6(Ipv6Addr::LOCALHOST),
        false => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let capture = match args.transport {
        DemoTransport::Tcp => tcp(&record, host, &args.send.0),
        DemoTransport::Udp => udp(&record, host, &args.send.0),
    };
    let capture = capture.map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!(
                "the demonstration failed: {}",
                crate::failure::words(&error)
            ),
        )
    })?;
    let record = record.take();
    let mut notes = Vec::new();
    let frames = match capture {
        Ok(capture) => {
            let ends = ends(&record);
            let frames = capture.drain(QUIET, MOST_QUIET);
            notes.extend(capture.stop());
            frames
                .into_iter()
                .filter(|frame| belongs(frame, &ends))
                .collect()
        }
        Err(refused) => {
            notes.push(refused.explain());
            match args.transport {
                DemoTransport::Tcp => model::tcp(&record, Owned::Both).0,
                DemoTransport::Udp => model::udp(&record, Owned::Both),
            }
        }
    };
    show.finish(&assemble(show, &frames, &record, &notes))
}

type Captured = io::Result<Result<Capture, Refused>>;

fn tcp(record: &Record, host: IpAddr, text: &[u8]) -> Captured {
    let domain = Domain::for_address(SocketAddr::new(host, 0));
    let mut listening = Traced::open(record, Direction::Backward, domain, Type::STREAM)?;
    let server = listening.bind(SocketAddr::new(host, 0))?;
    let capture = Capture::start(&Filter::server(server));
    listening.listen(BACKLOG)?;
    listening.patience(PATIENCE)?;
    let serving = std::thread::spawn(move || serve_stream(listening));
    let mut client = Traced::open(record, Direction::Forward, domain, Type::STREAM)?;
    client.patience(PATIENCE)?;
    client.connect(&server.into(), &server.to_string(), PATIENCE)?;
    client.send(text)?;
    let mut received = 0;
    while received < text.len() {
        match client.recv(ROOM)?.len() {
            0 => break,
            more => received += more,
        }
    }
    client.shutdown()?;
    client.recv(ROOM)?;
    client.close();
    join(serving)?;
    Ok(capture)
}

/// The server: one client, capital letters until it ends.
fn serve_stream(listening: Traced) -> io::Result<()> {
    let connection = listening.accept()?;
    connection.patience(PATIENCE)?;
    loop {
        let mut bytes = connection.recv(ROOM)?;
        if bytes.is_empty() {
            break;
        }
        bytes.make_ascii_uppercase();
        connection.send(&bytes)?;
    }
    connection.close();
    listening.close();
    Ok(())
}

fn udp(record: &Record, host: IpAddr, text: &[u8]) -> Captured {
    let domain = Domain::for_address(SocketAddr::new(host, 0));
    let mut socket = Traced::open(record, Direction::Backward, domain, Type::DGRAM)?;
    let server = socket.bind(SocketAddr::new(host, 0))?;
    let capture = Capture::start(&Filter::server(server));
    socket.patience(PATIENCE)?;
    let serving = std::thread::spawn(move || serve_datagram(socket));
    let mut client = Traced::open(record, Direction::Forward, domain, Type::DGRAM)?;
    client.patience(PATIENCE)?;
    client.send_to(text, server)?;
    client.recv_from(ROOM)?;
    client.close();
    join(serving)?;
    Ok(capture)
}

/// The server: one datagram.
fn serve_datagram(mut socket: Traced) -> io::Result<()> {
    let (mut bytes, from) = socket.recv_from(ROOM)?;
    bytes.make_ascii_uppercase();
    socket.send_to(&bytes, from)?;
    socket.close();
    Ok(())
}

fn join(serving: std::thread::JoinHandle<io::Result<()>>) -> io::Result<()> {
    serving
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the server's thread ended early")))
}
