//! One line for each frame.

use super::text::{Hue, Line, Look};
use super::words::{delta, headline, remarks, route, said};
use super::{Stage, preamble};
use crate::conversation::{Direction, Note};
use crate::frame::{Origin, Timestamp};
use crate::layers::Kind;
use crate::trace::{Call, Event, Party, Step, Trace, Waited};

/// What the application says has so many columns, so that remarks are seen, too.
const SHOWN: usize = 48;

pub(super) fn draw(trace: &Trace, look: &Look) -> Vec<Line> {
    let mut lines = preamble(trace, look);
    let start = trace.start();
    let mut events: Vec<Event<'_>> = trace.calls.iter().map(Event::Call).collect();
    events.extend(trace.steps.iter().map(Event::Frame));
    if !trace.calls.is_empty() {
        events.sort_by_key(Event::at);
    }
    for event in events {
        lines.push(match event {
            Event::Frame(step) => line(trace, step, start, look),
            Event::Call(call) => call_line(trace, call, start, look).fit(look.width),
        });
    }
    lines
}

/// The line of a frame, its time counted from `start`.
pub fn line(trace: &Trace, step: &Step, start: Timestamp, look: &Look) -> Line {
    let mut line = Line::of(
        Hue::Dim,
        format!(
            "{:>4} {:>9} ",
            format!("#{}", step.number()),
            delta(step.frame.at.delta(start))
        ),
    );
    let mark = match step.frame.origin {
        Origin::Captured => "",
        Origin::Simulated => "sim ",
        Origin::Modelled => "mod ",
    };
    line.push(Hue::Remark, mark);
    line.push(Hue::None, format!("{}  ", path(trace, step, look)));
    let stage = step
        .layers
        .top()
        .map_or(Stage::Link, |layer| layer.kind.stage());
    if let Note::Tcp(_) | Note::Udp(_) = step.seen.note {
        let name = step.layers.find(Kind::Tcp).map_or("UDP", |_| "TCP");
        line.push(Hue::Stage(stage), format!("{name} "));
    }
    line.push(Hue::Stage(stage), headline(step));
    let text = said(step, look.glyphs);
    if !text.is_empty() {
        line.push(
            Hue::Stage(Stage::Application),
            format!("  {}", super::text::fit(&text, SHOWN)),
        );
    }
    for side in [Direction::Forward, Direction::Backward] {
        if let Some(state) = step.new_state(side) {
            let party = &trace.talks[step.talk].parties[side.index()];
            let name = party
                .port
                .map_or_else(|| party.short(), |port| format!(":{port}"));
            line.push(Hue::Good, format!("  {name} {state}"));
        }
    }
    for (hue, remark) in remarks(step, look.glyphs) {
        line.push(hue, format!("  {remark}"));
    }
    line.fit(look.width)
}

/// From where to where; where there is little room, of two ports of one machine the
/// ports alone.
fn path(trace: &Trace, step: &Step, look: &Look) -> String {
    let parties = &trace.talks[step.talk].parties;
    let host = |party: &Party| {
        party
            .address
            .rsplit_once(':')
            .map(|(host, _)| host.to_owned())
    };
    let [one, other] = parties;
    let is_one_machine = one.name.is_empty() && other.name.is_empty() && host(one) == host(other);
    match (one.port, other.port) {
        (Some(one), Some(other)) if look.width < 80 && is_one_machine => {
            let ends = [one, other];
            let direction = trace.direction(step);
            format!(
                ":{} ▶ :{}",
                ends[direction.index()],
                ends[direction.other().index()]
            )
        }
        _ => route(trace, step),
    }
}

fn call_line(trace: &Trace, call: &Call, start: Timestamp, look: &Look) -> Line {
    let said = |text: &str| look.glyphs.said(text).into_owned();
    let party = &trace.talks[call.talk].parties[call.side.index()];
    let name = if party.name.is_empty() {
        party.address.clone()
    } else {
        party.name.clone()
    };
    let mut line = Line::of(
        Hue::Dim,
        format!("     {:>9} ", delta(call.at.delta(start))),
    );
    line.push(
        Hue::Strong,
        format!("{} calls {}", said(&name), said(&call.text)),
    );
    line.push(Hue::None, format!(" = {}", said(&call.result)));
    if call.waited == Waited::Yes {
        line.push(
            Hue::Remark,
            format!("  waited {}", super::words::time(call.lasted)),
        );
    }
    if !call.remark.is_empty() {
        line.push(Hue::Dim, format!("  {}", said(&call.remark)));
    }
    line
}
