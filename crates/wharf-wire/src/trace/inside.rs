//! What stands encrypted in records, told by one who has the keys.

use std::collections::BTreeMap;

use super::Trace;
use super::course::Course;
use crate::application::{Dissected, Hint, Message, Transport};
use crate::conversation::{Direction, StreamMessage};
use crate::layers::{Kind, Layer, Stage};

/// What a TLS record holds, told by one who has the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// The record as it was on the link, its header first.
    pub record: Vec<u8>,
    /// What it is, in words: `a message of the handshake`.
    pub words: &'static str,
    /// What the application said in it; empty where it is TLS's own.
    pub plaintext: Vec<u8>,
}

impl Trace {
    /// Adds to TLS's records what is in them. It stands in a layer of its own, which says
    /// that no link ever had it; records that were not seen are passed over. To be called
    /// after [`Trace::finish`].
    pub fn reveal(&mut self, insides: &[Inside]) {
        let known: BTreeMap<&[u8], &Inside> = insides
            .iter()
            .map(|inside| (inside.record.as_slice(), inside))
            .collect();
        let mut courses = BTreeMap::new();
        let mut said = self.said_inside(&known, &mut courses);
        if courses.values().any(Course::was_misread) {
            courses
                .values_mut()
                .for_each(|course| *course = course.again());
            said = self.said_inside(&known, &mut courses);
        }
        let mut said = said.into_iter();
        let mut messages = Vec::with_capacity(self.messages.len());
        for mut record in std::mem::take(&mut self.messages) {
            if let Some(inside) = inside_of(&record, &known) {
                let said = said.next().unwrap_or_default();
                record.message.summary += &format!(": {}", inside.words);
                self.add_inside(&record, inside, &said);
                messages.push(record);
                messages.extend(said);
            } else {
                messages.push(record);
            }
        }
        self.messages = messages;
    }

    /// The messages in the plaintext of each record that is known, in their order.
    fn said_inside(
        &self,
        known: &BTreeMap<&[u8], &Inside>,
        courses: &mut BTreeMap<u64, Course>,
    ) -> Vec<Vec<StreamMessage>> {
        let records = self.messages.iter();
        let known = records.filter_map(|record| Some((record, inside_of(record, known)?)));
        known
            .map(|(record, inside)| {
                let course = courses.entry(record.flow).or_default();
                self.said_in(record, &inside.plaintext, course)
            })
            .collect()
    }

    /// The messages in a record's plaintext.
    fn said_in(
        &self,
        record: &StreamMessage,
        plaintext: &[u8],
        course: &mut Course,
    ) -> Vec<StreamMessage> {
        let ports = self.by_flow.get(&record.flow).map(|talk| {
            let parties = &self.talks[*talk].parties;
            let port = |side: Direction| parties[side.index()].port.unwrap_or_default();
            (port(record.direction), port(record.direction.other()))
        });
        let (source, destination) = ports.unwrap_or_default();
        let mut said = Vec::new();
        let mut rest = plaintext;
        while !rest.is_empty() {
            let hint = Hint {
                transport: Transport::Tcp,
                source,
                destination,
                is_whole: true,
                spoken: course.speaks,
                gate: course.gate(record.direction),
            };
            let (protocol, message) = match self.dissectors.message(rest, &hint) {
                Some((name, Dissected::Message(message))) => (Some(name), message),
                _ => {
                    let len = rest.len();
                    (
                        None,
                        Message {
                            len,
                            ..Message::default()
                        },
                    )
                }
            };
            let (bytes, after) = rest.split_at(message.len);
            rest = after;
            let message = StreamMessage {
                protocol,
                message,
                bytes: bytes.to_vec(),
                lost: 0,
                inside: Some("TLS"),
                ..record.clone()
            };
            course.hear(&message, &self.dissectors);
            said.push(message);
        }
        said
    }

    /// The layer behind the record in the frame that completed it.
    fn add_inside(&mut self, record: &StreamMessage, inside: &Inside, said: &[StreamMessage]) {
        let Some(number) = record.frames.last() else {
            return;
        };
        let mut steps = self.steps.iter_mut();
        let Some(step) = steps.find(|step| step.number() == *number) else {
            return;
        };
        let is_tls = |layer: &Layer| layer.kind == Kind::Application("TLS");
        let is_it = |layer: &Layer| {
            is_tls(layer) && step.frame.bytes.get(layer.bytes.clone()) == Some(&record.bytes[..])
        };
        let layers = &mut step.layers.list;
        let place = layers.iter().position(is_it);
        // Of a record in several segments a frame shows only a piece.
        let place = place.or_else(|| {
            layers
                .iter()
                .rposition(|layer| layer.kind.stage() == Stage::Application)
        });
        let Some(place) = place else {
            return;
        };
        if let Some(first) = layers[place].brief.first_mut()
            && !first.is_empty()
        {
            *first += &format!(": {}", inside.words);
        }
        if said.is_empty() {
            return;
        }
        let end = layers[place].bytes.end;
        let size = inside.plaintext.len();
        let words = |one: &StreamMessage| match (one.protocol, one.message.summary.as_str()) {
            (Some(name), summary) if !summary.is_empty() => format!("{name}: {summary}"),
            _ => crate::view::content(&one.bytes),
        };
        layers.insert(
            place + 1,
            Layer {
                kind: Kind::Plaintext,
                bytes: end..end,
                fields: Vec::new(),
                brief: said.iter().map(words).collect(),
                notes: vec![format!(
                    "{size} bytes that were on no link: this program is one of the two ends and has the \
                     keys; whoever looks at the link sees the record above"
                )],
                is_quoted: false,
            },
        );
    }
}

/// What is in a record of TLS, where that is known.
fn inside_of<'a>(
    record: &StreamMessage,
    known: &BTreeMap<&[u8], &'a Inside>,
) -> Option<&'a Inside> {
    let inside = known.get(record.bytes.as_slice());
    inside.filter(|_| record.protocol == Some("TLS")).copied()
}
