//! One JSON object per line, for machines; `docs/json.md` describes it.

use serde_json::{Map, Value as Json, json};

use crate::conversation::{Direction, Note, StreamMessage};
use crate::field::{Field, Value};
use crate::frame::Fate;
use crate::layers::Layer;
use crate::trace::{Call, Event, Step, Trace, Waited};

pub(super) fn draw(trace: &Trace) -> String {
    let mut lines: Vec<Json> = trace
        .notes
        .iter()
        .map(|note| json!({"event": "note", "text": note}))
        .collect();
    let mut events: Vec<Event<'_>> = trace.calls.iter().map(Event::Call).collect();
    events.extend(trace.steps.iter().map(Event::Frame));
    if !trace.calls.is_empty() {
        events.sort_by_key(Event::at);
    }
    lines.extend(events.iter().map(|event| match event {
        Event::Frame(step) => frame_json(trace, step),
        Event::Call(call) => call_json(trace, call),
    }));
    lines.extend(trace.messages.iter().map(message_json));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// A frame.
pub fn frame_json(trace: &Trace, step: &Step) -> Json {
    let frame = &step.frame;
    let talk = &trace.talks[step.talk];
    let direction = trace.direction(step);
    let (fate, why) = match &frame.fate {
        Fate::Travelled => ("travelled", None),
        Fate::Dropped(why) => ("dropped", Some(why)),
        Fate::Damaged(why) => ("damaged", Some(why)),
    };
    let kernel: Map<String, Json> = frame
        .kernel
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let tcp = match &step.seen.note {
        Note::Tcp(note) => json!({
            "seq": note.relative_seq,
            "ack": note.relative_ack,
            "bytes": note.len,
            "window": note.window,
            "verdicts": note.verdicts.iter().map(|verdict| verdict.name()).collect::<Vec<_>>(),
            "duplicate_of": note.duplicate.map(|(_, frame)| frame),
            "repeats": note.repeats.map(|(frame, _)| frame),
            "acknowledges": note.acks.map(|(frame, _)| frame),
            "rtt_seconds": note.rtt.map(|rtt| rtt.as_secs_f64()),
            "in_flight": note.in_flight,
            "states": note.states[1].map(|state| state.name()),
        }),
        _ => Json::Null,
    };
    let answers = match &step.seen.note {
        Note::Udp(note) => note.answers.map(|(frame, _)| frame),
        _ => None,
    };
    json!({
        "event": "frame",
        "number": step.number(),
        "time": seconds(frame.at.nanos()),
        "time_ns": frame.at.nanos(),
        "origin": frame.origin.word(),
        "link": frame.link.number(),
        "length": frame.original_len,
        "captured_length": frame.bytes.len(),
        "interface": frame.interface.as_deref(),
        "comments": frame.comments,
        "fate": fate,
        "fate_reason": why,
        "from_kernel": kernel,
        "from": talk.parties[direction.index()].address,
        "to": talk.parties[direction.other().index()].address,
        "flow": step.seen.flow,
        "tcp": tcp,
        "answers": answers,
        "fragments": step.seen.fragments,
        "layers": step.layers.list.iter().map(layer_json).collect::<Vec<_>>(),
    })
}

fn layer_json(layer: &Layer) -> Json {
    json!({
        "name": layer.kind.title(),
        "bytes": [layer.bytes.start, layer.bytes.end],
        "quoted": layer.is_quoted,
        "notes": layer.notes,
        "fields": layer.fields.iter().map(field_json).collect::<Vec<_>>(),
    })
}

fn field_json(field: &Field) -> Json {
    let value = match &field.value {
        Value::Number(number) | Value::Hex(number, _) => json!(number),
        Value::Flag(flag) => json!(flag),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!(
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        ),
        other => json!(other.to_string()),
    };
    json!({
        "name": field.name,
        "rfc_name": field.rfc_name,
        "spec": field.spec,
        "bits": [field.bits.start, field.bits.end],
        "value": value,
        "meaning": field.meaning,
    })
}

/// A call.
pub fn call_json(trace: &Trace, call: &Call) -> Json {
    json!({
        "event": "call",
        "time": seconds(call.at.nanos()),
        "time_ns": call.at.nanos(),
        "flow": trace.talks.get(call.talk).and_then(|talk| talk.flow),
        "lasted_seconds": call.lasted.as_secs_f64(),
        "waited": call.waited == Waited::Yes,
        "side": side(call.side),
        "call": call.text,
        "result": call.result,
        "asked_bytes": call.asked,
        "moved_bytes": call.moved,
        "remark": call.remark,
    })
}

/// An application's message.
pub fn message_json(message: &StreamMessage) -> Json {
    json!({
        "event": "message",
        "flow": message.flow,
        "side": side(message.direction),
        "protocol": message.protocol,
        "summary": message.message.summary,
        "bytes": message.bytes.len(),
        "text": crate::field::as_text(&message.bytes),
        "frames": message.frames,
        "lost_before": message.lost,
        "inside": message.inside,
    })
}

fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "client",
        Direction::Backward => "server",
    }
}
