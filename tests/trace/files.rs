//! `wharf trace read`: long files, and which frames of them are picked.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;

use wharf_wire::build::{Say, ip, tcp, udp};
use wharf_wire::file::{PcapngWriter, Reader};
use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
use wharf_wire::packet::Segment;

use crate::{events, folder, of, path, trace};

const CLIENT: &str = "192.0.2.1:40000";
const SERVER: &str = "192.0.2.2:7000";

fn end(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn write(path: &Path, frames: impl IntoIterator<Item = Vec<u8>>) {
    let file = std::io::BufWriter::new(File::create_new(path).unwrap());
    let mut writer = PcapngWriter::new(file, "").unwrap();
    for (number, bytes) in (1..).zip(frames) {
        let at = Timestamp::from_nanos(1_764_000_000_000_000_000 + number * 1_000);
        let frame = Frame::new(at, Link::Ethernet, Origin::Captured, bytes);
        writer.write(&frame).unwrap();
    }
    writer.flush().unwrap();
}

/// How many frames a file has.
fn count(path: &Path) -> usize {
    let mut reader = Reader::open(File::open(path).unwrap()).unwrap();
    let mut count = 0;
    while reader.next_record().unwrap().is_some() {
        count += 1;
    }
    count
}

/// The numbers of the frames that are shown.
fn numbers(arguments: &[&str]) -> Vec<u64> {
    let ended = trace(&[arguments, &["--json"]].concat());
    assert_eq!(ended.code(), 0, "{ended:?}");
    let events = events(&ended);
    let frames = of(&events, "frame");
    frames
        .iter()
        .map(|frame| frame["number"].as_u64().unwrap())
        .collect()
}

#[test]
fn more_frames_than_are_drawn_are_written_and_explained() {
    let folder = folder();
    let (long, cut) = (path(&folder, "long"), path(&folder, "cut"));
    let (long_name, cut_name) = (long.display().to_string(), cut.display().to_string());
    write(
        &long,
        (0..10_003).map(|number| udp(end(CLIENT), end(SERVER), format!("no {number}").as_bytes())),
    );
    let ended = trace(&["read", &long_name, "--view", "story", "-w", &cut_name]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(
        ended
            .stdout
            .contains("only the first 10000 frames are drawn")
    );
    assert_eq!(count(&cut), 10_003);

    let summed = path(&folder, "summed");
    let name = summed.display().to_string();
    let ended = trace(&["read", &long_name, "--summary", "-w", &name]);
    assert!(
        ended.stdout.starts_with("10003 frames, "),
        "{}",
        ended.stdout
    );
    assert_eq!(count(&summed), 10_003);

    let ended = trace(&["read", &long_name, "--explain", "10002"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stdout.starts_with("#10002 "), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("6e 6f 20 31 30 30 30 31"),
        "{}",
        ended.stdout
    );
    let ended = trace(&["read", &long_name, "--explain", "10004"]);
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr.contains("1 to 10003"), "{}", ended.stderr);
    let picked = ["read", &long_name, "--text", "no 7", "--explain", "2"];
    let ended = trace(&picked);
    assert!(ended.stderr.contains("8 to 8000"), "{}", ended.stderr);
}

#[test]
fn a_text_is_looked_for_in_the_data_alone() {
    let folder = folder();
    let file = path(&folder, "f");
    let name = file.display().to_string();
    let say = Say {
        flags: Segment::SYN,
        ..Say::default()
    };
    write(
        &file,
        [
            tcp(end(CLIENT), end(SERVER), &say, b""),
            udp(end(CLIENT), end(SERVER), b"EHLO"),
            udp(end(CLIENT), end(SERVER), b"quit"),
        ],
    );
    // An IPv4 header begins with 0x45.
    assert_eq!(numbers(&["read", &name, "--text", "E"]), [2]);
    let cut = path(&folder, "cut");
    let to = cut.display().to_string();
    trace(&["read", &name, "--text", "E", "--summary", "-w", &to]);
    assert_eq!(count(&cut), 1);
}

/// An ICMP error to the client that quotes its packet.
fn refused(packet: &[u8]) -> Vec<u8> {
    let mut message = vec![3, 3, 0, 0, 0, 0, 0, 0];
    message.extend(&packet[14..]);
    ip(end(SERVER).ip(), end(CLIENT).ip(), 1, &message)
}

/// The two pieces of a datagram, the second without ports.
fn pieces(datagram: &[u8], id: u8) -> [Vec<u8>; 2] {
    let (headers, payload) = datagram.split_at(14 + 20);
    let (first, second) = payload.split_at(16);
    let piece = |content: &[u8], flags: [u8; 2]| {
        let mut frame = [headers, content].concat();
        let total = u16::try_from(20 + content.len()).unwrap();
        frame[16..18].copy_from_slice(&total.to_be_bytes());
        frame[18..20].copy_from_slice(&[0, id]);
        frame[20..22].copy_from_slice(&flags);
        frame
    };
    [piece(first, [0x20, 0]), piece(second, [0, 2])]
}

#[test]
fn hosts_ports_and_protocols_are_picked_with_what_is_about_them() {
    let folder = folder();
    let file = path(&folder, "f");
    let name = file.display().to_string();
    let other = end("198.51.100.7:9");
    let (asked, unasked) = (
        udp(end(CLIENT), end(SERVER), b"is anybody there?"),
        udp(end(CLIENT), other, b"is anybody else there?"),
    );
    let (whole, foreign) = (pieces(&asked, 1), pieces(&unasked, 2));
    write(
        &file,
        [
            asked.clone(),
            unasked.clone(),
            refused(&unasked),
            refused(&asked),
            foreign[0].clone(),
            whole[0].clone(),
            foreign[1].clone(),
            whole[1].clone(),
        ],
    );
    assert_eq!(numbers(&["read", &name, "--port", "7000"]), [1, 4, 6, 8]);
    assert_eq!(numbers(&["read", &name, "--port", "9"]), [2, 3, 5, 7]);
    assert_eq!(
        numbers(&["read", &name, "--host", "198.51.100.7"]),
        [2, 5, 7]
    );
    assert_eq!(
        numbers(&["read", &name, "--protocol", "icmp", "--port", "9"]),
        [3]
    );
    assert_eq!(numbers(&["read", &name, "--host", "203.0.113.1"]), [0; 0]);
}
