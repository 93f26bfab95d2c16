//! How a conversation looks on stdout.

use std::io::{self, IsTerminal};

use serde_json::{Value, json};
use tokio::time::Instant;
use wharf::framing::Framing;
use wharf::network::Endpoint;
use wharf::tls::Established;

use super::args::ConnectArgs;
use super::report::Ended;
use super::visible::{Visible, one_line};
use super::{hex, report::Totals};
use crate::args::Common;
use crate::style::Style;

/// What both directions look like.
#[derive(Debug)]
pub(super) struct View {
    form: Form,
    /// Lines begin with the time since this moment.
    stamps_since: Option<Instant>,
    started: Instant,
    style: Style,
    is_hex: bool,
    sent: u64,
    received: u64,
    /// A stream stands at the beginning of a line.
    at_line_start: bool,
    /// Each piece is shown above the line that is edited, so it ends a line itself.
    is_above_a_line: bool,
}

#[derive(Debug)]
enum Form {
    /// As it came; a message has a line feed after it.
    Bytes,
    /// As it came, messages too.
    Exact,
    /// For a person: control characters are shown.
    Terminal(Visible),
    Hex,
    Json,
}

impl View {
    pub(super) fn new(
        common: &Common,
        args: &ConnectArgs,
        is_above_a_line: bool,
        started: Instant,
    ) -> Self {
        let form = if common.json {
            Form::Json
        } else if args.hex {
            Form::Hex
        } else if io::stdout().is_terminal() {
            Form::Terminal(Visible::default())
        } else if args.frame == Some(Framing::Raw) {
            Form::Exact
        } else {
            Form::Bytes
        };
        View {
            form,
            stamps_since: args.timestamps.then_some(started),
            started,
            style: common.color.style_for(&io::stdout()),
            is_hex: args.hex,
            sent: 0,
            received: 0,
            at_line_start: true,
            is_above_a_line,
        }
    }

    /// Whether it shows the bytes of a stream, even if they hold messages.
    pub(super) fn wants_bytes(&self) -> bool {
        matches!(self.form, Form::Hex)
    }

    /// Whether it shows what is sent, too.
    pub(super) fn shows_sent(&self) -> bool {
        matches!(self.form, Form::Hex | Form::Json)
    }

    pub(super) fn connected(
        &self,
        local: &Endpoint,
        peer: &Endpoint,
        tls: Option<&Established>,
    ) -> Vec<u8> {
        let Form::Json = self.form else {
            return Vec::new();
        };
        let tls = tls.map(|tls| {
            json!({
                "version": tls.version,
                "cipher_suite": tls.cipher_suite,
                "alpn": tls.alpn,
                "peer_certificate": tls.peer_certificate.map(|print| print.to_string()),
            })
        });
        let (local, peer) = (local.to_string(), peer.to_string());
        line(&json!({"event": "connected", "local": local, "peer": peer, "tls": tls}))
    }

    /// What is sent: a message, and its bytes on the wire.
    pub(super) fn sent(&mut self, payload: &[u8], wire: &[u8]) -> Vec<u8> {
        let offset = self.sent;
        self.sent += wire.len() as u64;
        match self.form {
            Form::Hex => {
                let prefix = format!("{}> ", self.stamp());
                hex::dump(&prefix, offset, wire).into_bytes()
            }
            Form::Json => self.event("sent", payload, None),
            Form::Bytes | Form::Exact | Form::Terminal(_) => Vec::new(),
        }
    }

    /// A datagram that is sent.
    pub(super) fn sent_datagram(&mut self, payload: &[u8]) -> Vec<u8> {
        self.sent = 0;
        self.sent(payload, payload)
    }

    /// Bytes of a stream.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        let offset = self.received;
        self.received += bytes.len() as u64;
        match &mut self.form {
            Form::Hex => {
                let prefix = format!("{}< ", self.stamp());
                hex::dump(&prefix, offset, bytes).into_bytes()
            }
            Form::Json => self.event("received", bytes, None),
            Form::Terminal(visible) => {
                let text = visible.push(bytes);
                self.stamped(text.as_bytes())
            }
            Form::Bytes | Form::Exact => self.stamped(bytes),
        }
    }

    /// A message, and who sent it where that can be anybody.
    pub(super) fn message(&mut self, payload: &[u8], from: Option<&Endpoint>) -> Vec<u8> {
        let mut text = self.stamp().into_bytes();
        let sender = from.map(|from| self.style.name(&from.to_string()));
        match self.form {
            Form::Json => return self.event("received", payload, from),
            Form::Hex => {
                let prefix = match sender {
                    Some(sender) => format!("{}{sender} < ", self.stamp()),
                    None => format!("{}< ", self.stamp()),
                };
                return hex::dump(&prefix, 0, payload).into_bytes();
            }
            Form::Exact | Form::Bytes | Form::Terminal(_) => {}
        }
        if let Some(sender) = sender {
            text.extend_from_slice(sender.as_bytes());
            text.extend_from_slice(b"  ");
        }
        match self.form {
            Form::Terminal(_) => text.extend_from_slice(one_line(payload).as_bytes()),
            _ => text.extend_from_slice(payload),
        }
        if !matches!(self.form, Form::Exact) {
            text.push(b'\n');
        }
        text
    }

    /// A datagram that came. A line feed that it brought itself is its line's end.
    pub(super) fn datagram(&mut self, payload: &[u8], from: Option<&Endpoint>) -> Vec<u8> {
        let payload = match self.form {
            Form::Terminal(_) => {
                let line = payload.strip_suffix(b"\n").unwrap_or(payload);
                line.strip_suffix(b"\r").unwrap_or(line)
            }
            Form::Bytes => payload.strip_suffix(b"\n").unwrap_or(payload),
            Form::Exact | Form::Hex | Form::Json => payload,
        };
        self.message(payload, from)
    }

    /// Something that a person should know in the middle of a conversation.
    pub(super) fn note(&self, text: &str) -> Vec<u8> {
        match self.form {
            Form::Json => line(&json!({"event": "note", "text": text})),
            _ => format!("{} {text}\n", self.style.warning("note:")).into_bytes(),
        }
    }

    /// What is left to show at the end.
    pub(super) fn closed(&mut self, ended: Ended, totals: Totals) -> Vec<u8> {
        match &mut self.form {
            Form::Terminal(visible) => {
                let mut text = visible.finish().into_bytes();
                if !text.is_empty() || !self.at_line_start {
                    text.push(b'\n');
                }
                text
            }
            Form::Json => line(&json!({
                "event": "closed",
                "reason": ended.name(),
                "sent": totals.sent,
                "received": totals.received,
                "seconds": self.seconds(),
            })),
            Form::Bytes | Form::Exact | Form::Hex => Vec::new(),
        }
    }

    fn seconds(&self) -> f64 {
        // Microseconds are what there is to see.
        (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e6
    }

    fn event(&self, event: &str, payload: &[u8], from: Option<&Endpoint>) -> Vec<u8> {
        let mut object = json!({"event": event, "seconds": self.seconds(), "bytes": payload.len()});
        let (key, text) = match std::str::from_utf8(payload) {
            Ok(text) if !self.is_hex => ("text", text.to_owned()),
            _ => ("hex", hex::digits(payload)),
        };
        object[key] = text.into();
        if let Some(from) = from {
            object["from"] = from.to_string().into();
        }
        line(&object)
    }

    fn stamp(&self) -> String {
        match self.stamps_since {
            Some(since) => {
                let text = format!("+{:.6}", since.elapsed().as_secs_f64());
                format!("{} ", self.style.dim(&text))
            }
            None => String::new(),
        }
    }

    /// A piece of a stream, with the time before each line that begins in it.
    fn stamped(&mut self, bytes: &[u8]) -> Vec<u8> {
        let text = self.with_stamps(bytes);
        self.at_line_start |= self.is_above_a_line;
        text
    }

    fn with_stamps(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes.len());
        if self.stamps_since.is_none() {
            text.extend_from_slice(bytes);
            if let Some(last) = bytes.last() {
                self.at_line_start = *last == b'\n';
            }
            return text;
        }
        let stamp = self.stamp();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.at_line_start {
                text.extend_from_slice(stamp.as_bytes());
            }
            text.extend_from_slice(part);
            self.at_line_start = part.ends_with(b"\n");
        }
        text
    }
}

fn line(object: &Value) -> Vec<u8> {
    format!("{object}\n").into_bytes()
}
