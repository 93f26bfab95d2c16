use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn frame(nanos: u64, len: usize) -> Frame {
    let bytes = (0..len).map(|byte| byte as u8).collect();
    Frame::new(
        Timestamp::from_nanos(nanos),
        Link::Ethernet,
        Origin::Captured,
        bytes,
    )
}

fn all(file: &[u8]) -> (Vec<Frame>, Option<Broken>) {
    let mut reader = match Reader::open(file) {
        Ok(reader) => reader,
        Err(broken) => return (Vec::new(), Some(broken)),
    };
    let mut frames = Vec::new();
    loop {
        match reader.next_record() {
            Ok(Some(record)) => frames.push(record.to_frame()),
            Ok(None) => return (frames, None),
            Err(broken) => return (frames, Some(broken)),
        }
    }
}

fn pcapng(frames: &[Frame]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = PcapngWriter::new(&mut file, "a remark").unwrap();
    frames.iter().for_each(|frame| writer.write(frame).unwrap());
    file
}

#[test]
fn what_is_written_is_read_again() {
    let mut frames = vec![
        frame(1_700_000_000_123_456_789, 60),
        frame(1_700_000_001_000_000_001, 3),
    ];
    frames[0].interface = Some(Arc::from("eth0"));
    frames[0].comments = vec!["looks odd".into(), "very".into()];
    frames[1].link = Link::Cooked;
    frames[1].original_len = 1500;
    let (read, broken) = all(&pcapng(&frames));
    assert!(broken.is_none(), "{broken:?}");
    assert_eq!(read, frames);
    // pcap keeps neither names nor comments.
    let mut file = Vec::new();
    let mut writer = PcapWriter::new(&mut file, Link::Ethernet).unwrap();
    writer.write(&frame(1_700_000_000_123_456_789, 7)).unwrap();
    assert!(writer.write(&frames[1]).is_err());
    assert_eq!(all(&file).0, [frame(1_700_000_000_123_456_789, 7)]);
}

#[test]
fn labels_survive_a_file() {
    let mut modelled = frame(5, 10);
    modelled.origin = Origin::Modelled;
    let mut simulated = frame(6, 10).with_fate(Fate::Dropped("fault loss=5%".into()));
    simulated.origin = Origin::Simulated;
    let damaged = frame(7, 10)
        .with_fate(Fate::Damaged("fault corrupt=1%".into()))
        .with_comment("seen");
    let frames = [modelled, simulated, damaged];
    assert_eq!(all(&pcapng(&frames)).0, frames);
}

#[test]
fn a_damaged_file_gives_what_is_readable_and_says_where_it_broke() {
    let whole = pcapng(&[frame(1, 20), frame(2, 20), frame(3, 20)]);
    let (frames, broken) = all(&whole[..whole.len() - 10]);
    assert_eq!(frames.len(), 2);
    let broken = broken.unwrap();
    let last = whole.len() as u64 - 52;
    assert_eq!(
        broken.to_string(),
        format!("broken at byte {last}: the file ends in a block of type 6, after 42 of 52 bytes")
    );

    let (frames, broken) = all(b"GIF89a");
    assert!(frames.is_empty());
    assert!(
        broken
            .unwrap()
            .to_string()
            .contains("it begins with 47 49 46 38")
    );
    assert!(all(b"").1.is_some());
}

#[test]
fn every_byte_order_and_clock_is_read() {
    for (magic, nanos) in [(pcap::MICROS, 7_000), (pcap::NANOS, 7)] {
        let mut file = magic.to_be_bytes().to_vec();
        file.extend([0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 101]);
        file.extend([0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 9, 0x45]);
        let (frames, broken) = all(&file);
        assert!(broken.is_none());
        assert_eq!(frames[0].at.nanos(), 1_000_000_000 + nanos);
        assert_eq!((frames[0].link, frames[0].original_len), (Link::Raw, 9));
    }
    // pcapng, big endian, 2^-10 s, an offset of one second, a simple packet last.
    let mut file = Vec::new();
    let block = |file: &mut Vec<u8>, kind: u32, body: &[u8]| {
        let len = (body.len() as u32 + 12).to_be_bytes();
        file.extend(kind.to_be_bytes());
        file.extend(len);
        file.extend(body);
        file.extend(len);
    };
    block(
        &mut file,
        0x0a0d_0d0a,
        &[
            0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
        ],
    );
    block(
        &mut file,
        1,
        &[
            0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0x8a, 0, 0, 0, 0, 14, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1,
            0, 0, 0, 0,
        ],
    );
    block(
        &mut file,
        6,
        &[
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 0, 0,
        ],
    );
    block(&mut file, 3, &[0, 0, 0, 1, 9, 0, 0, 0]);
    let (frames, broken) = all(&file);
    assert!(broken.is_none(), "{broken:?}");
    assert_eq!(frames[0].at.nanos(), 1_500_000_000);
    assert_eq!(
        (&frames[0].bytes[..], &frames[1].bytes[..]),
        (&[1, 2][..], &[9][..])
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        all(&bytes);
    }

    #[test]
    fn a_file_with_one_wrong_byte_never_panics(at in 0usize..300, byte: u8) {
        let mut file = pcapng(&[frame(1, 20), frame(2, 33).with_comment("x"), frame(3, 20)]);
        let at = at % file.len();
        file[at] = byte;
        let (frames, _) = all(&file);
        prop_assert!(frames.len() <= 3 || file[..4] == [0x0a, 0x0d, 0x0d, 0x0a]);
    }
}
