//! A large capture, summarised by Wharf and by tshark in the same run.
//!
//! ```text
//! cargo run --release -p wharf-wire --example summary_speed [MEGABYTES]
//! ```
//! Writes a file of so many megabytes (1000) of TCP conversations with loss and
//! retransmission into the folder for temporary files, summarises it, tells time and
//! the most memory, and then times `tshark -q -z conv,tcp` on the same file. The file
//! is removed at the end. The figures are for this machine, the ratio is the result.

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
const AT_ONCE: usize = 1_000;

/// Segments of each, of 1000 bytes.
const SEGMENTS: u32 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let megabytes: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(1_000), |text| text.parse())?;
    let path = std::env::temp_dir().join(format!("wharf-summary-{}.pcapng", std::process::id()));
    let outcome = run(&path, megabytes * 1_000_000);
    std::fs::remove_file(&path)?;
    outcome
}

fn run(path: &std::path::Path, size: u64) -> Result<(), Box<dyn Error>> {
    let frames = generate(path, size)?;
    println!("{frames} frames, {} bytes", std::fs::metadata(path)?.len());
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
    println!(
        "wharf   {:>8.3} s  {} conversations, {again} retransmissions, at most {} MiB",
        ours.as_secs_f64(),
        tracker.flow_count(),
        most_memory()
    );

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
        }
        Ok(status) => println!("tshark failed: {status}"),
        Err(error) => println!("tshark cannot be started: {error}"),
    }
    Ok(())
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

/// Conversations in groups: each sends, is acknowledged, and loses one segment in 50.
fn generate(path: &std::path::Path, size: u64) -> Result<u64, Box<dyn Error>> {
    let mut writer = PcapngWriter::new(BufWriter::new(File::create_new(path)?), "")?;
    let (mut written, mut frames, mut time) = (0u64, 0u64, 1_764_000_000_000_000_000u64);
    let data = [b'x'; 1_000];
    let server: SocketAddr = "192.0.2.1:80".parse()?;
    let mut group = 0u32;
    while written < size {
        let clients: Vec<SocketAddr> = (0..AT_ONCE as u32)
            .map(|index| {
                let [_, a, b, c] = (group * AT_ONCE as u32 + index).to_be_bytes();
                SocketAddr::from(([10, a, b, c], 40_000))
            })
            .collect();
        let mut put = |from, to, say: &Say, data: &[u8]| -> Result<u64, Box<dyn Error>> {
            time += 5_000;
            let bytes = tcp(from, to, say, data);
            let len = bytes.len() as u64;
            writer.write(&Frame::new(
                Timestamp::from_nanos(time),
                Link::Ethernet,
                Origin::Simulated,
                bytes,
            ))?;
            frames += 1;
            Ok(len)
        };
        let say = |seq, ack, flags| Say {
            seq,
            ack,
            flags,
            window: 60_000,
            options: Vec::new(),
        };
        for client in &clients {
            put(*client, server, &say(0, 0, Segment::SYN), b"")?;
            put(
                server,
                *client,
                &say(0, 1, Segment::SYN | Segment::ACK),
                b"",
            )?;
            put(*client, server, &say(1, 1, Segment::ACK), b"")?;
        }
        for index in 0..SEGMENTS {
            for (number, client) in clients.iter().enumerate() {
                let seq = 1 + index * 1_000;
                written += put(
                    *client,
                    server,
                    &say(seq, 1, Segment::ACK | Segment::PSH),
                    &data,
                )?;
                if (index as usize + number).is_multiple_of(50) {
                    written += put(
                        *client,
                        server,
                        &say(seq, 1, Segment::ACK | Segment::PSH),
                        &data,
                    )?;
                }
                if index % 2 == 1 {
                    written += put(server, *client, &say(1, seq + 1_000, Segment::ACK), b"")?;
                }
            }
            if written >= size {
                break;
            }
        }
        group += 1;
    }
    writer.flush()?;
    Ok(frames)
}
