//! The frames of one tap in the views of `wharf trace`.

use std::net::{IpAddr, SocketAddr};

use wharf_lab::{Report, Tap, is_upkeep};
use wharf_wire::frame::Frame;
use wharf_wire::trace::Trace;
use wharf_wire::view::{Look, View, draw};

use crate::style;
use crate::trace::dissectors;

/// Frames that a picture is drawn of; of more it would be none.
const MOST_DRAWN: usize = 10_000;

/// Draws what a tap has seen. What only keeps the network up is left out; frames have
/// the numbers that they have in a capture of the tap.
pub(super) fn picture(report: &Report, tap: Tap, view: View, look: &Look) -> String {
    draw(&trace(report, tap), view, look)
}

/// The first frame that `wanted` is true of, as nested boxes.
pub(super) fn boxes_of(
    report: &Report,
    tap: Tap,
    look: &Look,
    wanted: impl Fn(&Frame) -> bool,
) -> String {
    let mut trace = trace(report, tap);
    trace.notes.clear();
    trace.steps.retain(|step| wanted(&step.frame));
    trace.steps.truncate(1);
    draw(&trace, View::Boxes, look)
}

fn trace(report: &Report, tap: Tap) -> Trace {
    let mut trace = Trace::new(dissectors(None, &[]));
    let mut upkeep = 0;
    for frame in report.frames(tap) {
        if trace.steps.len() == MOST_DRAWN {
            let note = format!("only the first {MOST_DRAWN} frames are drawn; -w has them all");
            trace.notes.push(note);
            break;
        }
        if is_upkeep(&frame.bytes) {
            upkeep += 1;
            trace.pass_over();
        } else {
            trace.push(frame);
        }
    }
    trace.finish();
    if upkeep > 0 {
        let frames = style::count(upkeep, "frame");
        let note = format!("{frames} of ARP, IPv6 groups and switches left out");
        trace.notes.push(note);
    }
    name_parties(report, &mut trace);
    trace
}

fn name_parties(report: &Report, trace: &mut Trace) {
    for party in trace.talks.iter_mut().flat_map(|talk| &mut talk.parties) {
        let with_port = party.address.parse().map(|end: SocketAddr| end.ip());
        let ip = with_port.or_else(|_| party.address.parse::<IpAddr>());
        if let Some(name) = ip.ok().and_then(|ip| report.host_with(ip)) {
            name.clone_into(&mut party.name);
        }
    }
}
