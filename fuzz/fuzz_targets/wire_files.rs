//! No bytes make the readers of pcap and pcapng panic, hoard or loop.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_wire::file::Reader;

fuzz_target!(|data: &[u8]| {
    let Ok(mut reader) = Reader::open(data) else {
        return;
    };
    // A record takes at least its header, so there are no more than these.
    let most = data.len() / 12 + 1;
    let mut records = 0;
    while let Ok(Some(record)) = reader.next_record() {
        record.to_frame();
        records += 1;
        assert!(records <= most);
    }
    assert!(reader.offset() <= data.len() as u64);
});
