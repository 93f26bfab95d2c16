//! No bytes make the header parsers panic, whatever link they are said to come from;
//! every layer and field lies within the frame; and each view draws what is found.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_wire::application::Dissectors;
use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
use wharf_wire::layers::Layers;
use wharf_wire::trace::Trace;
use wharf_wire::view::{Look, View, draw};

/// With the parsers of Wharf's own services.
fn dissectors() -> Dissectors {
    let mut all = Dissectors::standard();
    for one in wharf_services::dissect::all() {
        all.register(one);
    }
    all
}

const LINKS: [Link; 8] = [
    Link::Ethernet,
    Link::Null,
    Link::Loop,
    Link::Raw,
    Link::Ipv4,
    Link::Ipv6,
    Link::Cooked,
    Link::Cooked2,
];

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    let link = LINKS[usize::from(choice & 7)];
    let frame = Frame::new(Timestamp::from_nanos(1), link, Origin::Captured, bytes.to_vec());
    let layers = Layers::of(&frame, &dissectors());
    for layer in &layers.list {
        assert!(layer.bytes.start <= layer.bytes.end && layer.bytes.end <= bytes.len());
        for field in &layer.fields {
            assert!(field.bits.start <= field.bits.end && field.bits.end <= bytes.len() * 8);
        }
    }
    let mut trace = Trace::new(dissectors());
    trace.push(frame);
    trace.finish();
    let (view, _) = View::ALL[usize::from(choice >> 3) % View::ALL.len()];
    draw(&trace, view, &Look::plain(40 + usize::from(*choice)));
});
