//! The conversation as a story about letters: for those who see it for the first time.
//!
//! The IP address is the house, the port is the name on a door in it; UDP sends
//! postcards, TCP registered letters with numbered pages and receipts.

use super::text::{Glyphs, Hue, Line, Look, wrap_words};
use super::words::{content, delta, plaintext, since_when, talk_title, time};
use super::{Stage, preamble};
use crate::conversation::{Direction, Note, Verdict};
use crate::frame::{Fate, Timestamp};
use crate::layers::Layer;
use crate::packet::Segment;
use crate::trace::{Call, Event, Party, Step, Talk, Trace, Waited};

pub(super) fn draw(trace: &Trace, look: &Look) -> Vec<Line> {
    let mut lines = preamble(trace, look);
    for (index, talk) in trace.talks.iter().enumerate() {
        lines.push(Line::new());
        lines.push(Line::of(Hue::Strong, talk_title(talk, look.glyphs)).fit(look.width));
        lines.extend(paragraph(
            &look.glyphs.said(&setting(talk)),
            Hue::Dim,
            2,
            look.width,
        ));
        let start = trace.start();
        for event in trace.events(index) {
            let (at, hue, text) = match event {
                Event::Call(call) => {
                    let text = look.glyphs.said(&call_text(talk, call)).into_owned();
                    (call.at, Hue::Strong, text)
                }
                Event::Frame(step) => (
                    step.frame.at,
                    hue(step),
                    step_text(trace, talk, step, look.glyphs),
                ),
            };
            lines.extend(told(at, start, &text, hue, look.width));
        }
    }
    lines
}

fn told(at: Timestamp, start: Timestamp, text: &str, hue: Hue, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, part) in wrap_words(text, width.saturating_sub(11))
        .into_iter()
        .enumerate()
    {
        let when = if index == 0 {
            delta(at.delta(start))
        } else {
            String::new()
        };
        lines.push(Line::of(Hue::Dim, format!("{when:>9}  ")).with(hue, part));
    }
    lines
}

fn paragraph(text: &str, hue: Hue, indent: usize, width: usize) -> Vec<Line> {
    let parts = wrap_words(text, width.saturating_sub(indent));
    parts
        .into_iter()
        .map(|part| Line::of(hue, format!("{}{part}", " ".repeat(indent))))
        .collect()
}

fn hue(step: &Step) -> Hue {
    match step.frame.fate {
        Fate::Travelled if step.data().is_empty() => Hue::Stage(Stage::Transport),
        Fate::Travelled => Hue::Stage(Stage::Application),
        _ => Hue::Bad,
    }
}

/// Who lives where.
fn setting(talk: &Talk) -> String {
    let [one, other] = &talk.parties;
    if talk.flow.is_none() && talk.protocol.is_none() && one.address.is_empty() {
        let place = match other.address.as_str() {
            "" => String::new(),
            path => format!(" at {path}"),
        };
        return format!(
            "{} and {} live in one house. They need no post: there is a hatch{place} between their \
             rooms, a Unix socket, and the kernel hands through it what one says to the other.",
            capital(&who(one, "the one who begins")),
            who(other, "the other")
        );
    }
    let door = |party: &Party| match party.port {
        Some(port) => format!(
            "behind door {port} of the house {}",
            party.address.rsplit_once(':').map_or("", |(host, _)| host)
        ),
        None => format!("in the house {}", party.address),
    };
    let how = match talk.protocol {
        Some(6) => {
            "They agree to write registered letters: every byte has a number, and what arrives is confirmed."
        }
        Some(17) => {
            "They send postcards: each stands for itself, and nobody confirms that one has arrived."
        }
        _ => "",
    };
    format!(
        "{} lives {}, {} {}. {how}",
        who(one, "The one who begins"),
        door(one),
        who(other, "the other"),
        door(other)
    )
}

fn who(party: &Party, otherwise: &str) -> String {
    match party.name.as_str() {
        "" => otherwise.to_owned(),
        role @ ("client" | "server") => format!("the {role}"),
        // The name of a host is a name.
        name => name.to_owned(),
    }
}

fn call_text(talk: &Talk, call: &Call) -> String {
    let name = call.text.split('(').next().unwrap_or_default();
    let meaning = match name {
        "socket" => "gets itself a letter box that has no address yet",
        "bind" => "writes an address on its letter box",
        "listen" => "tells the porter that visitors are welcome",
        "accept" => {
            "asks the porter for the next visitor; the listening box stays, the visitor gets one of its own"
        }
        "connect" => "asks the other side for a connection",
        "send" | "sendto" | "write" => "puts something into the post",
        "recv" | "recvfrom" | "read" => "looks whether post has come",
        "shutdown" => "says that it will write no more, but still reads",
        "close" => "gives its letter box back",
        _ => "asks the system",
    };
    let waited = match call.waited {
        Waited::Yes => format!(", and waits {} for it", time(call.lasted)),
        Waited::No => String::new(),
    };
    let party = &talk.parties[call.side.index()];
    format!(
        "{} {meaning}{waited}: {} = {}",
        who(party, "somebody"),
        call.text,
        call.result
    )
}

fn step_text(trace: &Trace, talk: &Talk, step: &Step, glyphs: Glyphs) -> String {
    let content = |bytes: &[u8]| glyphs.said(&content(bytes)).into_owned();
    let direction = trace.direction(step);
    let fallback = ["the one who began", "the other"];
    let from = who(
        &talk.parties[direction.index()],
        fallback[direction.index()],
    );
    let to = who(
        &talk.parties[direction.other().index()],
        fallback[direction.other().index()],
    );
    let mut text = match &step.seen.note {
        Note::Tcp(note) => {
            let bytes = match step.data() {
                [] => String::new(),
                data => match plaintext(step) {
                    sealed if !sealed.is_empty() => {
                        format!(
                            " (sealed, only the two ends read it) “{}”",
                            glyphs.said(&sealed.join(" "))
                        )
                    }
                    _ => match discreet(trace, step) {
                        words if words.is_empty() => format!(" “{}”", content(data)),
                        words => format!(" “{}”", glyphs.said(&words)),
                    },
                },
            };
            let end = note.relative_seq.wrapping_add(note.len);
            let pages = format!("bytes {} to {}", note.relative_seq, end.wrapping_sub(1));
            let again = note.verdicts.has(Verdict::Retransmission)
                || note.verdicts.has(Verdict::SpuriousRetransmission);
            match note.flags {
                flags if flags & Segment::RST != 0 => {
                    format!("{from} slams the door: the connection is over at once (RST).")
                }
                flags if flags & Segment::SYN != 0 && flags & Segment::ACK != 0 => {
                    format!(
                        "{from} to {to}: “Gladly. I count from here, and I have understood yours.” (SYN ACK)"
                    )
                }
                flags if flags & Segment::SYN != 0 => format!(
                    "{from} to {to}: “May I write to you? I count my bytes from here.” (SYN)"
                ),
                _ if note.len > 0 && again => {
                    format!("{from} sends {pages} once more, since nobody confirmed them:{bytes}")
                }
                flags if note.len > 0 && flags & Segment::FIN != 0 => {
                    format!("{from} to {to}, {pages}:{bytes} “That was all from me.” (FIN)")
                }
                _ if note.len > 0 => format!("{from} to {to}, {pages}:{bytes}"),
                flags if flags & Segment::FIN != 0 => {
                    format!("{from} to {to}: “That was all from me.” (FIN)")
                }
                _ => match note.relative_ack {
                    Some(ack) => {
                        format!("{from} to {to}: “I have everything before byte {ack}.” (ACK)")
                    }
                    None => format!("{from} sends an empty envelope."),
                },
            }
        }
        Note::Udp(note) => {
            let answer = match note.answers {
                Some((_, after)) => format!(", as an answer after {}", time(after)),
                None => String::new(),
            };
            format!(
                "{from} sends {to} a postcard{answer}: “{}”",
                content(step.data())
            )
        }
        _ => format!("{from} to {to}: {}", super::words::headline(step)),
    };
    match &step.frame.fate {
        Fate::Travelled => {}
        Fate::Dropped(why) => text += &format!(" It never arrives: {why}."),
        Fate::Damaged(why) => text += &format!(" It arrives damaged: {why}."),
    }
    for side in [Direction::Forward, Direction::Backward] {
        if let Some(state) = step.new_state(side) {
            let is = since_when(state);
            text += &format!(
                " {} {is} {state}: {}.",
                capital(&who(&talk.parties[side.index()], fallback[side.index()])),
                state.meaning()
            );
        }
    }
    capital(&text)
}

/// What a frame says where a part of it was said to a gate: that part is not said again.
/// Empty where none was.
fn discreet(trace: &Trace, step: &Step) -> String {
    let layers = step.layers.list.iter().filter(|layer| !layer.is_quoted);
    let said: Vec<&Layer> = layers
        .filter(|layer| layer.kind.stage() == Stage::Application)
        .collect();
    if !said.iter().any(|layer| trace.is_gate(layer)) {
        return String::new();
    }
    let words = said.into_iter().map(|layer| match trace.is_gate(layer) {
        true => format!("({})", layer.brief.join(" ")),
        false => content(
            step.frame
                .bytes
                .get(layer.bytes.clone())
                .unwrap_or_default(),
        ),
    });
    words.collect::<Vec<String>>().join(" ")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
