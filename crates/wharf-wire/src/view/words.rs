//! What several views say in the same words.

use std::time::Duration;

use super::text::{Glyphs, Hue};
use crate::conversation::{Direction, Note, State, Verdict};
use crate::field::as_text;
use crate::frame::{Fate, Origin};
use crate::layers::{Kind, flag_words};
use crate::packet::Segment;
use crate::trace::{Step, Talk, Trace};

/// The longest piece of an application's text in a line.
const SHOWN_TEXT: usize = 200;

/// A difference of time with its unit: `+436 us`, `-1.2 s`.
pub(crate) fn delta(nanos: i64) -> String {
    let sign = if nanos < 0 { '-' } else { '+' };
    let size = nanos.unsigned_abs();
    let text = match size {
        0 => return "0".to_owned(),
        1..1_000 => format!("{size} ns"),
        1_000..1_000_000 => format!("{} us", size / 1_000),
        1_000_000..10_000_000 => format!("{:.2} ms", size as f64 / 1e6),
        10_000_000..1_000_000_000 => format!("{:.1} ms", size as f64 / 1e6),
        _ => format!("{:.3} s", size as f64 / 1e9),
    };
    format!("{sign}{text}")
}

/// A time with its unit: `27 us`.
pub(crate) fn time(time: Duration) -> String {
    let nanos = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    delta(nanos).trim_start_matches(['+', '-']).to_owned()
}

/// Bytes as text for one line, or what they are; empty for none.
pub(crate) fn content(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    match as_text(beginning(bytes)) {
        Some(text) if bytes.len() > SHOWN_TEXT => text + "…",
        Some(text) => text,
        None => {
            let shown: Vec<String> = bytes
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let more = if bytes.len() > 8 { " …" } else { "" };
            format!("<{}{more}>", shown.join(" "))
        }
    }
}

/// As much as is shown, without a piece of a character at its end.
fn beginning(bytes: &[u8]) -> &[u8] {
    let Some(shown) = bytes.get(..SHOWN_TEXT) else {
        return bytes;
    };
    match std::str::from_utf8(shown) {
        Err(error) if error.error_len().is_none() => &shown[..error.valid_up_to()],
        _ => shown,
    }
}

/// What a frame says, in one line: `DATA 6 seq 1..7 ack 1`.
pub fn headline(step: &Step) -> String {
    headline_words(step).join(" ")
}

/// The same in pieces, the most important first: what has no room is left out from the end.
pub(crate) fn headline_words(step: &Step) -> Vec<String> {
    let words = match &step.seen.note {
        Note::Tcp(note) => {
            let control = note.flags & (Segment::SYN | Segment::FIN | Segment::RST);
            let mut words = Vec::new();
            if control != 0 {
                words.push(flag_words(control));
            }
            if note.flags & Segment::ACK != 0
                && (control & Segment::SYN != 0 || (control == 0 && note.len == 0))
            {
                words.push("ACK".into());
            }
            if note.len > 0 {
                let end = note.relative_seq.wrapping_add(note.len);
                words.push(format!("DATA {}", note.len));
                words.push(format!("seq {}..{end}", note.relative_seq));
            } else if control != 0 {
                words.push(format!("seq {}", note.relative_seq));
            }
            match note.relative_ack {
                Some(ack) if control == 0 && note.len == 0 => words.push(ack.to_string()),
                Some(ack) => words.push(format!("ack {ack}")),
                None => {}
            }
            if note.is_syn
                && let Some(mss) = step
                    .layers
                    .find(Kind::Tcp)
                    .and_then(|tcp| tcp.number("MSS"))
            {
                words.push(format!("mss {mss}"));
            }
            return words;
        }
        Note::Udp(_) => format!("DATAGRAM {}", step.data().len()),
        Note::Fragment | Note::None => match step.layers.top() {
            Some(layer) if layer.kind == Kind::Ipv4 || layer.kind == Kind::Fragment => {
                let fragment = layer.brief.iter().find(|part| part.starts_with("fragment"));
                fragment
                    .cloned()
                    .unwrap_or_else(|| format!("{} {}", layer.kind.title(), layer.brief.join("  ")))
            }
            Some(layer) => {
                let brief: Vec<&str> = layer.brief.iter().take(2).map(String::as_str).collect();
                format!("{} {}", layer.kind.title(), brief.join(", "))
            }
            None => format!("{} bytes", step.frame.original_len),
        },
    };
    vec![words]
}

/// What the application says with it: the message's own words, or its bytes.
pub(crate) fn said(step: &Step, glyphs: Glyphs) -> String {
    glyphs.said(&said_plainly(step)).into_owned()
}

fn said_plainly(step: &Step) -> String {
    let plain = plaintext(step);
    if !plain.is_empty() {
        return format!("encrypted: {}", plain.join(" "));
    }
    let messages = step.layers.list.iter().filter(|layer| !layer.is_quoted);
    let more = messages
        .filter(|layer| matches!(layer.kind, Kind::Application(_)))
        .count()
        .saturating_sub(1);
    let more = match more {
        0 => String::new(),
        more => format!(" (+{more} more)"),
    };
    match step.layers.payload() {
        Some(layer) if matches!(layer.kind, Kind::Application(_)) => match layer.brief.first() {
            Some(summary) if !summary.is_empty() => {
                format!("{}: {summary}{more}", layer.kind.title())
            }
            _ => content(step.data()),
        },
        _ => content(step.data()),
    }
}

/// What stands encrypted in a frame, where one who has the keys told it.
pub(crate) fn plaintext(step: &Step) -> Vec<&str> {
    let layers = step.layers.list.iter();
    layers
        .filter(|layer| layer.kind == Kind::Plaintext)
        .flat_map(|layer| layer.brief.iter().map(String::as_str))
        .collect()
}

/// What is remarkable about a frame, each with its hue; the most important first.
pub fn remarks(step: &Step, glyphs: Glyphs) -> Vec<(Hue, String)> {
    let mut remarks = Vec::new();
    match &step.frame.fate {
        Fate::Travelled => {}
        Fate::Dropped(why) => remarks.push((Hue::Bad, format!("✗ dropped by {why}"))),
        Fate::Damaged(why) => remarks.push((Hue::Bad, format!("⚠ damaged by {why}"))),
    }
    if let Note::Tcp(note) = &step.seen.note {
        for verdict in note.verdicts.iter() {
            // A fast retransmission is a retransmission; once is enough.
            let is_special = note.verdicts.has(Verdict::FastRetransmission)
                || note.verdicts.has(Verdict::SpuriousRetransmission);
            if verdict == Verdict::Retransmission && is_special {
                continue;
            }
            remarks.push(verdict_words(verdict, step));
        }
        // The times of modelled acknowledgments are nobody's measurement.
        let is_measured = step.frame.origin != Origin::Modelled;
        let rtt = note.rtt.filter(|_| note.len == 0 || note.is_syn);
        if let Some(rtt) = rtt.filter(|_| is_measured) {
            remarks.push((Hue::Dim, format!("rtt {}", time(rtt))));
        }
        if let Some(count) = note.in_flight {
            remarks.push((Hue::Dim, format!("in flight {count}")));
        }
    }
    if let Note::Udp(note) = &step.seen.note
        && let Some((frame, after)) = note.answers
    {
        remarks.push((Hue::Dim, format!("answers #{frame} after {}", time(after))));
    }
    if step.seen.fragments.len() > 1 {
        let frames: Vec<String> = step
            .seen
            .fragments
            .iter()
            .map(|frame| format!("#{frame}"))
            .collect();
        remarks.push((
            Hue::Remark,
            format!("put together from {}", frames.join(" ")),
        ));
    }
    for (name, value) in &step.frame.kernel {
        remarks.push((Hue::Dim, format!("{name} {value} (from the kernel)")));
    }
    remarks.extend(
        step.frame
            .comments
            .iter()
            .map(|comment| (Hue::Dim, glyphs.said(comment).into_owned())),
    );
    remarks
}

fn verdict_words(verdict: Verdict, step: &Step) -> (Hue, String) {
    let Note::Tcp(note) = &step.seen.note else {
        return (Hue::Remark, verdict.name().into());
    };
    let name = verdict.name();
    match verdict {
        Verdict::Retransmission | Verdict::FastRetransmission | Verdict::SpuriousRetransmission => {
            let of = note
                .repeats
                .map(|(frame, after)| format!(" of #{frame} after {}", time(after)));
            (Hue::Bad, format!("⟳ {name}{}", of.unwrap_or_default()))
        }
        Verdict::DuplicateAck => {
            let which = note
                .duplicate
                .map(|(count, of)| format!(" {count} of #{of}"));
            (Hue::Remark, format!("{name}{}", which.unwrap_or_default()))
        }
        Verdict::OutOfOrder
        | Verdict::PreviousNotCaptured
        | Verdict::AckedUnseen
        | Verdict::ZeroWindow => (Hue::Bad, format!("⚠ {name}")),
        _ => (Hue::Remark, name.into()),
    }
}

/// `half-closed` and the like, which no single end's state tells.
pub(crate) fn half_closed(step: &Step) -> Option<&'static str> {
    let Note::Tcp(note) = &step.seen.note else {
        return None;
    };
    if note.flags & Segment::FIN == 0 {
        return None;
    }
    use crate::conversation::State::CloseWait;
    let [_, after] = note.states;
    let peer = after[step.seen.direction.other().index()];
    (peer == CloseWait).then_some(match step.seen.direction {
        Direction::Forward => "half-closed →, still open ←",
        Direction::Backward => "half-closed ←, still open →",
    })
}

/// A port that is asked listened before: the question did not change it.
pub(crate) fn since_when(state: State) -> &'static str {
    match state {
        State::Listen => "was in",
        _ => "is now",
    }
}

/// What a talk is called above its picture: `TCP  client … ▶ server …`.
pub(crate) fn talk_title(talk: &Talk, glyphs: Glyphs) -> String {
    let protocol = match talk.protocol {
        Some(number) => crate::layers::protocol_name(number),
        None if talk.flow.is_none() && talk.parties[0].address == "link" => "link".into(),
        None => String::new(),
    };
    let [one, other] = &talk.parties;
    let [one, other] = [one.title(), other.title()];
    format!(
        "{protocol}  {} ▶ {}",
        glyphs.said(&one),
        glyphs.said(&other)
    )
    .trim_start()
    .to_owned()
}

/// From where to where a frame goes.
pub(crate) fn route(trace: &Trace, step: &Step) -> String {
    let talk = &trace.talks[step.talk];
    let direction = trace.direction(step);
    let from = &talk.parties[direction.index()];
    let to = &talk.parties[direction.other().index()];
    format!("{} ▶ {}", from.short(), to.short())
}
