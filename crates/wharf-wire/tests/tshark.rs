//! Wharf and tshark on the same files: the same value for every field that both know,
//! and the same verdicts on TCP, frame by frame.
//!
//! The corpus is made here (`corpus`). Where the two differ, the difference stands in
//! [`FIELD_DIFFERENCES`] and [`VERDICT_DIFFERENCES`] with its reason, and a difference that is gone fails the test as
//! one that is new does. Without tshark on the machine the test says so and passes,
//! unless CI is set in the environment: `./ci.sh test` installs it.

#[path = "tshark/corpus.rs"]
mod corpus;
#[path = "tshark/damage.rs"]
mod damage;
#[path = "tshark/fields.rs"]
mod fields;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use wharf_wire::application::Dissectors;
use wharf_wire::conversation::{Limits, Note, TcpNote, Tracker, Verdict};
use wharf_wire::file::PcapngWriter;
use wharf_wire::frame::Frame;
use wharf_wire::layers::Layers;

/// Fields: (file, frame, tshark's field, why).
const FIELD_DIFFERENCES: &[(&str, u64, &str, &str)] = &[];

/// Verdicts, likewise.
const VERDICT_DIFFERENCES: &[(&str, u64, &str, &str)] = &[];

#[test]
fn every_field_that_both_know_has_the_same_value() {
    let Some(version) = tshark_version() else {
        return;
    };
    let mut compared = vec![0; fields::FIELDS.len()];
    let mut differences = BTreeSet::new();
    let frames = labelled(corpus::all());
    let theirs = Capture::write("fields", &frames).fields(
        &fields::names(),
        &["-o", "tcp.relative_sequence_numbers:FALSE"],
    );
    assert_eq!(theirs.len(), frames.len());
    for ((name, number, frame), row) in frames.iter().zip(theirs) {
        let layers = Layers::of(frame, &Dissectors::none());
        for ((field, theirs), times) in fields::FIELDS.iter().zip(row).zip(&mut compared) {
            let ours = field.ours(&layers);
            // What only one of them knows is not compared.
            let (Some(ours), false) = (ours, theirs.is_empty()) else {
                continue;
            };
            *times += 1;
            if !field.is_same(&ours, &theirs) {
                let words = format!("ours {ours}, tshark {theirs}");
                differences.insert((name.clone(), *number, field.tshark, words));
            }
        }
    }
    let total: u32 = compared.iter().sum();
    eprintln!("{total} values compared with {version}");
    // A field that never occurs, or has another name by now, is not compared at all.
    let pairs = fields::FIELDS.iter().zip(&compared);
    let never: Vec<&str> = pairs
        .filter(|(_, times)| **times == 0)
        .map(|(field, _)| field.tshark)
        .collect();
    assert!(never.is_empty(), "never compared: {never:?}");
    explained(&differences, FIELD_DIFFERENCES);
}

/// Where bytes are flipped or cut off nothing panics, and where tshark does not call the
/// frame malformed both read the same out of it.
#[test]
fn damaged_frames_have_the_same_values() {
    let frames = labelled(vec![("damaged".to_owned(), damage::damaged(corpus::all()))]);
    // Also without tshark: what is read must not panic, and must lie within the frame.
    let mut tracker = Tracker::new(Limits::default());
    for (_, number, frame) in &frames {
        tracker.see(frame.at, frame.link, &frame.bytes, frame.original_len);
        for layer in &Layers::of(frame, &Dissectors::standard()).list {
            let bits = frame.bytes.len() * 8;
            let mut fields = layer.fields.iter();
            assert!(fields.all(|field| field.bits.end <= bits), "#{number}");
        }
    }
    if tshark_version().is_none() {
        return;
    }
    let mut names = fields::names();
    names.extend(damage::SIGNS);
    let theirs = Capture::write("damaged", &frames)
        .fields(&names, &["-o", "tcp.relative_sequence_numbers:FALSE"]);
    assert_eq!(theirs.len(), frames.len());
    let (mut compared, mut whole) = (0, 0);
    let mut used = BTreeSet::new();
    let mut differences = BTreeSet::new();
    for ((name, number, frame), row) in frames.iter().zip(theirs) {
        let (values, signs) = row.split_at(fields::FIELDS.len());
        if damage::is_malformed(signs) {
            continue;
        }
        whole += 1;
        let layers = Layers::of(frame, &Dissectors::none());
        for (field, theirs) in fields::FIELDS.iter().zip(values) {
            let (Some(ours), false) = (field.ours(&layers), theirs.is_empty()) else {
                continue;
            };
            compared += 1;
            let is_same = field.is_same(&ours, theirs);
            if is_same {
                continue;
            }
            if let Some(reason) = damage::explained(field.tshark, &layers) {
                used.insert(reason);
            } else {
                let words = format!("ours {ours}, tshark {theirs}: {:02x?}", frame.bytes);
                differences.insert((name.clone(), *number, field.tshark, words));
            }
        }
    }
    eprintln!("{compared} values of {whole} damaged frames compared");
    assert!(whole > frames.len() / 2, "{whole} frames are whole enough");
    explained(&differences, &[]);
    for (place, reason) in damage::REASONS.iter().enumerate() {
        assert!(used.contains(&place), "no difference any more: {reason}");
    }
}

#[test]
fn the_verdicts_on_tcp_are_the_same() {
    if tshark_version().is_none() {
        return;
    }
    let mut differences = BTreeSet::new();
    let mut given = BTreeSet::new();
    // tshark numbers the streams of TCP alone.
    let mut streams: Vec<u64> = Vec::new();
    let names: Vec<&str> = VERDICTS
        .iter()
        .map(|(name, _)| *name)
        .chain(NUMBERS)
        .collect();
    let frames = labelled(corpus::all().into_iter().chain(corpus::random()).collect());
    let theirs = Capture::write("verdicts", &frames).fields(&names, &[]);
    let mut tracker = Tracker::new(Limits::default());
    // Frames are numbered through; in words they are counted from their file's first.
    for ((index, (name, number, frame)), row) in frames.iter().enumerate().zip(theirs) {
        let first = index as u64 + 1 - number;
        let seen = tracker.see(frame.at, frame.link, &frame.bytes, frame.original_len);
        let Note::Tcp(note) = seen.note else {
            continue;
        };
        let flow = seen.flow.unwrap();
        if !streams.contains(&flow) {
            streams.push(flow);
        }
        let stream = streams.iter().position(|known| *known == flow).unwrap() as u64;
        let mut differs = |field: &'static str, ours: String, theirs: &str| {
            if ours != theirs {
                let theirs = match theirs.parse::<u64>() {
                    Ok(frame) if field.ends_with("_frame") => (frame - first).to_string(),
                    _ => theirs.to_owned(),
                };
                let words = format!("ours {ours:?}, tshark {theirs:?}");
                differences.insert((name.clone(), *number, field, words));
            }
        };
        for ((field, verdict), theirs) in VERDICTS.iter().zip(&row) {
            let ours = note.verdicts.has(*verdict);
            if ours {
                given.insert(verdict.name());
            }
            differs(
                field,
                ours.to_string(),
                if theirs.is_empty() { "false" } else { "true" },
            );
        }
        for (field, theirs) in NUMBERS.into_iter().zip(&row[VERDICTS.len()..]) {
            differs(field, shown(field, &note, stream), theirs);
        }
    }
    // A comparison in which a verdict never occurs says nothing about it.
    let missing: Vec<&str> = Verdict::ALL
        .iter()
        .map(|verdict| verdict.name())
        .filter(|name| !given.contains(name))
        .collect();
    assert!(missing.is_empty(), "the corpus never shows: {missing:?}");
    explained(&differences, VERDICT_DIFFERENCES);
}

const VERDICTS: [(&str, Verdict); 15] = [
    ("tcp.analysis.retransmission", Verdict::Retransmission),
    (
        "tcp.analysis.fast_retransmission",
        Verdict::FastRetransmission,
    ),
    (
        "tcp.analysis.spurious_retransmission",
        Verdict::SpuriousRetransmission,
    ),
    ("tcp.analysis.out_of_order", Verdict::OutOfOrder),
    ("tcp.analysis.lost_segment", Verdict::PreviousNotCaptured),
    ("tcp.analysis.ack_lost_segment", Verdict::AckedUnseen),
    ("tcp.analysis.duplicate_ack", Verdict::DuplicateAck),
    ("tcp.analysis.zero_window", Verdict::ZeroWindow),
    ("tcp.analysis.zero_window_probe", Verdict::ZeroWindowProbe),
    (
        "tcp.analysis.zero_window_probe_ack",
        Verdict::ZeroWindowProbeAck,
    ),
    ("tcp.analysis.window_update", Verdict::WindowUpdate),
    ("tcp.analysis.window_full", Verdict::WindowFull),
    ("tcp.analysis.keep_alive", Verdict::KeepAlive),
    ("tcp.analysis.keep_alive_ack", Verdict::KeepAliveAck),
    ("tcp.analysis.reused_ports", Verdict::PortsReused),
];

const NUMBERS: [&str; 8] = [
    "tcp.stream",
    "tcp.seq",
    "tcp.ack",
    "tcp.len",
    "tcp.window_size",
    "tcp.analysis.bytes_in_flight",
    "tcp.analysis.acks_frame",
    "tcp.analysis.duplicate_ack_num",
];

fn shown(field: &str, note: &TcpNote, stream: u64) -> String {
    let number = match field {
        "tcp.stream" => Some(stream),
        "tcp.seq" => Some(note.relative_seq.into()),
        // tshark shows the field of a segment without ACK, too.
        "tcp.ack" => Some(note.relative_ack.unwrap_or_default().into()),
        "tcp.len" => Some(note.len.into()),
        "tcp.window_size" => Some(note.window.into()),
        "tcp.analysis.bytes_in_flight" => note.in_flight.map(u64::from),
        "tcp.analysis.acks_frame" => note.acks.map(|(frame, _)| frame),
        _ => note.duplicate.map(|(count, _)| count.into()),
    };
    number
        .map(|number: u64| number.to_string())
        .unwrap_or_default()
}

#[test]
fn fragments_give_the_same_packets() {
    if tshark_version().is_none() {
        return;
    }
    let frames = labelled(corpus::all());
    let file = Capture::write("fragments", &frames);
    let theirs = file.run(&["-T", "fields", "-e", "udp.payload"]);
    let mut tracker = Tracker::new(Limits::default());
    let mut put_together = 0;
    for ((name, number, frame), theirs) in frames.iter().zip(theirs.lines()) {
        let seen = tracker.see(frame.at, frame.link, &frame.bytes, frame.original_len);
        if let Note::Udp(_) = seen.note {
            let bytes = seen.data.bytes(&frame.bytes);
            let ours: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(ours, theirs, "{name} #{number}");
            put_together += usize::from(seen.fragments.len() > 1);
        }
    }
    assert_eq!(put_together, 3);
}

/// All files as one, since it is tshark's start that takes the time; each frame with
/// its file and its number there.
fn labelled(files: Vec<(String, Vec<Frame>)>) -> Vec<(String, u64, Frame)> {
    let number = |(name, frames): (String, Vec<Frame>)| {
        let frames = frames.into_iter().zip(1u64..);
        frames.map(move |(frame, number)| (name.clone(), number, frame))
    };
    files.into_iter().flat_map(number).collect()
}

/// Fails for a difference that is not explained, and for an explanation of none.
fn explained(
    found: &BTreeSet<(String, u64, &'static str, String)>,
    known: &[(&str, u64, &str, &str)],
) {
    let is_known = |file: &str, frame, field| {
        known
            .iter()
            .any(|one| (one.0, one.1, one.2) == (file, frame, field))
    };
    let new: Vec<_> = found
        .iter()
        .filter(|(file, frame, field, _)| !is_known(file, *frame, field))
        .collect();
    let total = new.len();
    assert!(
        new.is_empty(),
        "{total} differences are not explained: {:#?}",
        {
            let short: Vec<String> = new
                .iter()
                .take(80)
                .map(|one| format!("{} #{} {} {}", one.0, one.1, one.2, one.3))
                .collect();
            short
        }
    );
    for (file, frame, field, why) in known {
        let is_found = found
            .iter()
            .any(|one| (one.0.as_str(), one.1, one.2) == (*file, *frame, *field));
        assert!(
            is_found,
            "no difference any more: {file} #{frame} {field} ({why})"
        );
    }
}

fn tshark_version() -> Option<String> {
    let output = Command::new("tshark").arg("--version").output();
    match output {
        Ok(output) => String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .map(str::to_owned),
        // There it is installed, and passing would be a claim that nobody checked.
        Err(error) if std::env::var_os("CI").is_some() => {
            panic!("tshark cannot be started: {error}; ./ci.sh test installs it")
        }
        Err(error) => {
            eprintln!("not compared: tshark cannot be started: {error}");
            None
        }
    }
}

/// A file of the corpus, removed with the test.
struct Capture(PathBuf);

impl Capture {
    fn write(name: &str, frames: &[(String, u64, Frame)]) -> Capture {
        let unique = format!(
            "wharf-tshark-{}-{:?}-{name}.pcapng",
            std::process::id(),
            std::thread::current().id()
        );
        let path = std::env::temp_dir().join(unique);
        let mut file = std::fs::File::create(&path).unwrap();
        let mut writer = PcapngWriter::new(&mut file, "").unwrap();
        frames
            .iter()
            .for_each(|(_, _, frame)| writer.write(frame).unwrap());
        Capture(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// The first value of each field, for each frame.
    fn fields(&self, names: &[&str], settings: &[&str]) -> Vec<Vec<String>> {
        let mut arguments = vec!["-T", "fields", "-E", "occurrence=f", "-E", "separator=|"];
        arguments.extend(settings);
        // Each frame for itself, as our layers are.
        arguments.extend(["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]);
        arguments.extend(["-o", "tcp.desegment_tcp_streams:FALSE"]);
        for name in names {
            arguments.extend(["-e", name]);
        }
        let text = self.run(&arguments);
        text.lines()
            .map(|line| line.split('|').map(str::to_owned).collect())
            .collect()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tshark");
        command.arg("-n").arg("-r").arg(self.path()).args(arguments);
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // It is in the folder for what is temporary.
        let _ = std::fs::remove_file(&self.0);
    }
}
