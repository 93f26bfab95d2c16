//! A large capture, summarised by Wharf and by tshark in the same run.
//!
//! ```text
//! cargo run --release -p wharf-wire --example summary_speed [MEGABYTES] [KIND] [alone]
//! ```
//! Writes a file of so many megabytes (1000) into the folder for temporary files,
//! summarises it, tells time and the most memory, and then times `tshark -q -z conv,tcp`
//! on the same file. The file is removed at the end. The figures are for this machine,
//! the ratio is the result; with `alone` tshark is not started. It fails if that took 200 MiB
//! or more, or if tshark was as fast. What is in the file:
//!
//! - `usual`: conversations of 200 kB with loss and retransmission, a thousand at once;
//! - `short`: conversations of a request and an answer, millions of them;
//! - `one-way`: only one direction was captured, in small pieces, so that nothing is
//!   ever acknowledged.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Instant;

use wharf_wire::build::{Say, tcp};
use wharf_wire::conversation::{Limits, Tracker, Verdict};
use wharf_wire::file::{PcapngWriter, Reader};
use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
use wharf_wire::packet::Segment;

/// Conversations that go on at the same time.
const AT_ONCE: u32 = 1_000;

/// Segments of each, of 1000 bytes.
const SEGMENTS: u32 = 200;

/// So much memory is enough for a file of any size, in MiB.
const MOST_MEMORY: u64 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let megabytes: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(1_000), |text| text.parse())?;
    let kind = std::env::args().nth(2).unwrap_or_else(|| "usual".into());
    let path = std::env::temp_dir().join(format!("wharf-summary-{}.pcapng", std::process::id()));
    let outcome = run(&path, megabytes * 1_000_000, &kind);
    std::fs::remove_file(&path)?;
    outcome
}

fn run(path: &std::path::Path, size: u64, kind: &str) -> Result<(), Box<dyn Error>> {
    let frames = generate(path, size, kind)?;
    println!(
        "{kind}: {frames} frames, {} bytes",
        std::fs::metadata(path)?.len()
    );
    // Once, so that both find it in the page cache.
    std::io::copy(&mut File::open(path)?, &mut std::io::sink())?;

    let started = Instant::now();
    let mut reader = Reader::open(File::open(path)?)?;
    let mut tracker = Tracker::new(Limits::default());
    while let Some(record) = reader.next_record()? {
        tracker.see(record.at, record.link, record.bytes, record.original_len);
    }
    let ours = started.elapsed();
    let again: u32 = tracker
        .flows()
        .iter()
        .map(|flow| flow.verdicts[Verdict::Retransmission as usize])
        .sum();
    let memory = most_memory();
    println!(
        "wharf   {:>8.3} s  {} conversations, {again} retransmissions, at most {memory} MiB",
        ours.as_secs_f64(),
        tracker.flow_count(),
    );
    if memory >= MOST_MEMORY {
        return Err(format!("{memory} MiB of memory, where {MOST_MEMORY} must do").into());
    }

    if std::env::args().any(|word| word == "alone") {
        return Ok(());
    }
    let started = Instant::now();
    let mut command = Command::new("tshark");
    command
        .arg("-n")
        .arg("-q")
        .args(["-z", "conv,tcp", "-r"])
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => {
            let theirs = started.elapsed();
            println!(
                "tshark  {:>8.3} s  {:.1} times as long",
                theirs.as_secs_f64(),
                theirs.as_secs_f64() / ours.as_secs_f64()
            );
            match ours < theirs {
                true => Ok(()),
                false => Err("tshark was as fast, or faster".into()),
            }
        }
        Ok(status) => Err(format!("tshark failed: {status}").into()),
        Err(error) => Err(format!("tshark cannot be started: {error}").into()),
    }
}

/// The most memory that this process ever had, in MiB (proc(5), VmHWM).
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("0");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(0);
    kib / 1024
}

/// Writes frames one after the other, five microseconds apart.
struct Writer {
    file: PcapngWriter<BufWriter<File>>,
    written: u64,
    frames: u64,
    time: u64,
}

impl Writer {
    fn put(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        (seq, ack, flags): (u32, u32, u8),
        data: &[u8],
    ) -> Result<(), Box<dyn Error>> {
        let say = Say {
            seq,
            ack,
            flags,
            window: 60_000,
            options: Vec::new(),
        };
        let bytes = tcp(from, to, &say, data);
        self.time += 5_000;
        self.frames += 1;
        // With the block around it.
        self.written += 32 + bytes.len().next_multiple_of(4) as u64;
        self.file.write(&Frame::new(
            Timestamp::from_nanos(self.time),
            Link::Ethernet,
            Origin::Captured,
            bytes,
        ))?;
        Ok(())
    }
}

/// Gives the number of frames.
fn generate(path: &std::path::Path, size: u64, kind: &str) -> Result<u64, Box<dyn Error>> {
    let mut writer = Writer {
        file: PcapngWriter::new(BufWriter::new(File::create_new(path)?), "")?,
        written: 0,
        frames: 0,
        time: 1_764_000_000_000_000_000,
    };
    match kind {
        "usual" => usual(&mut writer, size)?,
        "short" => short(&mut writer, size)?,
        "one-way" => one_way(&mut writer, size)?,
        other => return Err(format!("{other} is neither usual, short nor one-way").into()),
    }
    writer.file.flush()?;
    Ok(writer.frames)
}

const SYN: u8 = Segment::SYN;
const ACK: u8 = Segment::ACK;
const PSH: u8 = Segment::PSH;
const FIN: u8 = Segment::FIN;

/// A port that tshark knows no application for: it would put the streams together for it,
/// which we do not.
fn server() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 50_000))
}

/// The client of this number, each at an address of its own.
fn client(number: u32) -> SocketAddr {
    let [_, a, b, c] = number.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 40_000))
}

fn open(writer: &mut Writer, client: SocketAddr) -> Result<(), Box<dyn Error>> {
    writer.put(client, server(), (0, 0, SYN), b"")?;
    writer.put(server(), client, (0, 1, SYN | ACK), b"")?;
    writer.put(client, server(), (1, 1, ACK), b"")
}

/// Conversations in groups: each sends, is acknowledged, and loses one segment in 50.
fn usual(writer: &mut Writer, size: u64) -> Result<(), Box<dyn Error>> {
    let data = [b'x'; 1_000];
    let mut group = 0;
    while writer.written < size {
        let clients: Vec<SocketAddr> = (0..AT_ONCE).map(|index| client(group + index)).collect();
        group += AT_ONCE;
        for client in &clients {
            open(writer, *client)?;
        }
        for index in 0..SEGMENTS {
            for (number, client) in (0u32..).zip(&clients) {
                let seq = 1 + index * 1_000;
                writer.put(*client, server(), (seq, 1, ACK | PSH), &data)?;
                if (index + number).is_multiple_of(50) {
                    writer.put(*client, server(), (seq, 1, ACK | PSH), &data)?;
                }
                if index % 2 == 1 {
                    writer.put(server(), *client, (1, seq + 1_000, ACK), b"")?;
                }
            }
            if writer.written >= size {
                break;
            }
        }
    }
    Ok(())
}

/// A handshake, a request, an answer and both ends.
fn short(writer: &mut Writer, size: u64) -> Result<(), Box<dyn Error>> {
    let mut number = 0;
    while writer.written < size {
        let client = client(number);
        number += 1;
        open(writer, client)?;
        writer.put(client, server(), (1, 1, ACK | PSH), &[b'q'; 100])?;
        writer.put(server(), client, (1, 101, ACK | PSH), &[b'a'; 200])?;
        writer.put(client, server(), (101, 201, ACK | FIN), b"")?;
        writer.put(server(), client, (201, 102, ACK | FIN), b"")?;
        writer.put(client, server(), (102, 202, ACK), b"")?;
    }
    Ok(())
}

/// Data of ten bytes each by very many, who are never heard to be answered.
fn one_way(writer: &mut Writer, size: u64) -> Result<(), Box<dyn Error>> {
    let mut round = 0;
    while writer.written < size {
        for number in 0..40 * AT_ONCE {
            writer.put(
                client(number),
                server(),
                (1 + round * 10, 1, ACK | PSH),
                &[b'x'; 10],
            )?;
        }
        round += 1;
    }
    Ok(())
}
