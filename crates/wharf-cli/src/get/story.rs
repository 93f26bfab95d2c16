//! The story of a page: each step with what it gave and how long it took.
//!
//! ```text
//! * name        localhost is 127.0.0.1 and ::1                      0.2 ms
//! * port        8080
//! * connection  127.0.0.1:51234 > 127.0.0.1:8080                    0.1 ms
//! * request     GET / HTTP/1.1
//! * reply       HTTP/1.1 200 OK                                     0.4 ms
//! ```

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use wharf::connection::Connection;
use wharf::network::Endpoint;
use wharf_services::page::{Fetched, Link, Url};

use super::sockets::{self, Pair};
use super::timed::Asked;
use crate::args::Common;
use crate::failure::visible;
use crate::style::{Style, bytes, duration};

/// Where the times stand.
const TIME_COLUMN: usize = 66;

/// What happened for one URL, as far as it went.
pub(super) struct Story {
    style: Style,
    is_wanted: bool,
    is_told: bool,
    began: Instant,
    pages: Vec<String>,
    url: String,
    host: String,
    port: Option<u16>,
    is_secure: bool,
    steps: Vec<Asked>,
    connected_at: Option<Instant>,
    connection: Option<Ends>,
    link: Link,
    replied_at: Option<Instant>,
    sockets: Option<Pair>,
    body: Option<(u64, Duration)>,
    /// Time that was spent on the story itself.
    aside: Duration,
    total: Duration,
}

/// Both ends of the connection.
struct Ends {
    local: Endpoint,
    peer: Endpoint,
    tls: Option<String>,
    secured_at: Instant,
}

impl Story {
    pub(super) fn new(common: &Common) -> Self {
        Story {
            style: common.color.style_for(&io::stderr()),
            // One object tells it all.
            is_wanted: common.verbose > 0 && !common.json,
            is_told: false,
            began: Instant::now(),
            pages: Vec::new(),
            url: String::new(),
            host: String::new(),
            port: None,
            is_secure: false,
            steps: Vec::new(),
            connected_at: None,
            connection: None,
            link: Link::default(),
            replied_at: None,
            sockets: None,
            body: None,
            aside: Duration::ZERO,
            total: Duration::ZERO,
        }
    }

    /// Another page is asked for: the first one, or where that led.
    pub(super) fn begin(&mut self, url: &Url) {
        self.is_told = false;
        self.pages.push(url.to_string());
        self.url = url.to_string();
        self.host = url.host.clone();
        self.port = url.port();
        self.is_secure = url.is_secure();
        self.steps.clear();
        self.connected_at = None;
        self.connection = None;
        self.link = Link::default();
        self.replied_at = None;
        self.sockets = None;
        self.body = None;
    }

    pub(super) fn steps(&mut self, steps: Vec<Asked>) {
        self.connected_at = steps.iter().rev().find_map(|step| match step {
            Asked::Connected {
                error: None, at, ..
            } => Some(*at),
            _ => None,
        });
        self.steps = steps;
    }

    pub(super) fn connected(&mut self, connection: &Connection) {
        self.connection = Some(Ends {
            local: connection.local().clone(),
            peer: connection.peer().clone(),
            tls: connection.tls().map(ToString::to_string),
            secured_at: Instant::now(),
        });
    }

    pub(super) fn replied(&mut self, reply: &Fetched) {
        self.link = reply.link();
        let began = Instant::now();
        // The server has answered, so it has accepted.
        if let Some(Ends { local, peer, .. }) = &self.connection
            && let (Some(local), Some(peer)) = (local.inet(), peer.inet())
            && self.is_wanted
        {
            self.sockets = sockets::of(local, peer);
        }
        // What the looking took is not the page's.
        self.replied_at = Some(Instant::now());
        self.aside += began.elapsed();
    }

    /// The body has ended.
    pub(super) fn ended(&mut self, received: u64) {
        let took = self.replied_at.map(|at| at.elapsed()).unwrap_or_default();
        self.body = Some((received, took));
        self.total = self.began.elapsed().saturating_sub(self.aside);
    }

    /// A file was written.
    pub(super) fn saved(&self, path: &Path, received: u64) {
        // Without a stderr there is nobody to tell.
        let _ = writeln!(
            io::stderr(),
            "wrote {} to {}",
            bytes(received),
            path.display()
        );
    }

    /// Tells what happened since the page was asked for, up to the head of the reply;
    /// once for each page.
    pub(super) fn tell(&mut self) {
        if self.is_wanted && !self.is_told {
            self.is_told = true;
            let began = Instant::now();
            // Without a stderr there is nobody to tell.
            let _ = io::stderr().write_all(self.text().as_bytes());
            self.aside += began.elapsed();
        }
    }

    /// Tells how it ended.
    pub(super) fn tell_end(&self) {
        if let (true, Some((received, took))) = (self.is_wanted, self.body) {
            let mut lines = Lines::new(self.style);
            lines.step("body", &bytes(received), Some(took));
            lines.step("in all", "", Some(self.total));
            let _ = io::stderr().write_all(lines.text.as_bytes());
        }
    }

    fn text(&self) -> String {
        let mut lines = Lines::new(self.style);
        lines.step("page", &self.url, None);
        self.tell_name(&mut lines);
        self.tell_port(&mut lines);
        self.tell_connection(&mut lines);
        self.tell_request(&mut lines);
        self.tell_reply(&mut lines);
        self.tell_sockets(&mut lines);
        lines.text
    }

    fn tell_name(&self, lines: &mut Lines) {
        for step in &self.steps {
            if let Asked::Resolved { endpoints, took } = step {
                let mut addresses: Vec<String> = endpoints
                    .iter()
                    .filter_map(|endpoint| Some(endpoint.inet()?.ip().to_string()))
                    .collect();
                addresses.dedup();
                let host = self
                    .host
                    .rsplit_once(':')
                    .map_or(&*self.host, |(host, _)| host);
                let host = host.trim_matches(['[', ']']);
                let is_address = addresses.iter().any(|address| address == host);
                let text = match is_address {
                    true => format!("{host} is an address already"),
                    false => format!("{host} is {}", addresses.join(" and ")),
                };
                lines.step("name", &text, (!is_address).then_some(*took));
            }
        }
    }

    fn tell_port(&self, lines: &mut Lines) {
        if let Some(port) = self.port {
            let (scheme, usual) = match self.is_secure {
                true => ("https", 443),
                false => ("http", 80),
            };
            let text = match port == usual {
                true => format!("{port}, where {scheme} is by agreement"),
                false => format!("{port} ({scheme} without a port would be {usual})"),
            };
            lines.step("port", &text, None);
        }
    }

    fn tell_connection(&self, lines: &mut Lines) {
        for step in &self.steps {
            if let Asked::Connected {
                to, took, error, ..
            } = step
            {
                match (error, &self.connection) {
                    (Some(error), _) => {
                        lines.step("connection", &format!("to {to}: {error}"), Some(*took));
                    }
                    (None, Some(ends)) if ends.peer == *to => {
                        let text = format!("{} > {to}", ends.local);
                        lines.step("connection", &text, Some(*took));
                    }
                    (None, _) => lines.step("connection", &format!("to {to}"), Some(*took)),
                }
            }
        }
        if let (
            Some(Ends {
                tls: Some(tls),
                secured_at,
                ..
            }),
            Some(at),
        ) = (&self.connection, self.connected_at)
        {
            lines.step("tls", tls, Some(secured_at.duration_since(at)));
        }
    }

    fn tell_request(&self, lines: &mut Lines) {
        let mut head = head(&self.link.sent);
        if let Some(first) = head.next() {
            lines.step("request", &visible(&first), None);
            head.for_each(|line| lines.more(&visible(&line)));
        }
    }

    fn tell_reply(&self, lines: &mut Lines) {
        let mut head = head(&self.link.received);
        if let Some(first) = head.next() {
            lines.step("reply", &visible(&first), self.waited());
            head.for_each(|line| lines.more(&visible(&line)));
        }
    }

    /// From the last byte of the request to the first one of the reply.
    fn waited(&self) -> Option<Duration> {
        Some(
            self.link
                .received_at?
                .saturating_duration_since(self.link.sent_at?),
        )
    }

    fn tell_sockets(&self, lines: &mut Lines) {
        let Some(pair) = &self.sockets else {
            return;
        };
        let listening = pair.listening.local;
        lines.step(
            "sockets",
            &format!("{listening} listens, and stays for the next client"),
            None,
        );
        lines.more(&format!(
            "{} to {} is what accept returned: another socket, the same port",
            pair.accepted.local, pair.accepted.peer
        ));
        lines.more(&format!(
            "{} to {} is ours",
            pair.ours.local, pair.ours.peer
        ));
    }

    /// What happened, as one JSON object.
    pub(super) fn to_json(
        &self,
        url: &Url,
        reply: &Fetched,
        body: Option<String>,
        saved: Option<&Path>,
    ) -> Value {
        let seconds = |time: Duration| time.as_secs_f64();
        let resolved = self.steps.iter().find_map(|step| match step {
            Asked::Resolved { took, .. } => Some(seconds(*took)),
            Asked::Connected { .. } => None,
        });
        let connected = self.steps.iter().find_map(|step| match step {
            Asked::Connected {
                error: None, took, ..
            } => Some(seconds(*took)),
            _ => None,
        });
        let ends = self.connection.as_ref();
        let secured = ends
            .filter(|ends| ends.tls.is_some())
            .zip(self.connected_at);
        let headers: Vec<Value> = reply
            .headers
            .iter()
            .map(|(name, value)| json!([name, value]))
            .collect();
        json!({
            "event": "fetched",
            "url": url.to_string(),
            "redirects": self.pages[..self.pages.len().saturating_sub(1)],
            "local": ends.map(|ends| ends.local.to_string()),
            "peer": ends.map(|ends| ends.peer.to_string()),
            "tls": ends.and_then(|ends| ends.tls.clone()),
            "status": reply.status,
            "reason": reply.reason(),
            "headers": headers,
            "body_bytes": self.body.map(|(received, _)| received),
            "body": body,
            "file": saved.map(|path| path.display().to_string()),
            "resolve_seconds": resolved,
            "connect_seconds": connected,
            "tls_seconds": secured.map(|(ends, at)| seconds(ends.secured_at.duration_since(at))),
            "wait_seconds": self.waited().map(seconds),
            "body_seconds": self.body.map(|(_, took)| seconds(took)),
            "total_seconds": seconds(self.total),
        })
    }
}

/// The lines before the empty one.
fn head(bytes: &[u8]) -> impl Iterator<Item = String> + '_ {
    bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty())
        .map(|line| String::from_utf8_lossy(line).into_owned())
}

/// The text of a story.
struct Lines {
    style: Style,
    text: String,
}

impl Lines {
    fn new(style: Style) -> Self {
        Lines {
            style,
            text: String::new(),
        }
    }

    fn step(&mut self, label: &str, text: &str, took: Option<Duration>) {
        let label = self.style.name(&format!("{label:<10}"));
        self.line("* ", &label, text, took);
    }

    /// More of the step before.
    fn more(&mut self, text: &str) {
        self.line("  ", &format!("{:<10}", ""), text, None);
    }

    fn line(&mut self, mark: &str, label: &str, text: &str, took: Option<Duration>) {
        self.text += &format!("{}{label}  {text}", self.style.dim(mark));
        if let Some(took) = took {
            let pad = TIME_COLUMN.saturating_sub(14 + text.chars().count()).max(2);
            let time = format!("{:>9}", duration(took));
            self.text += &format!("{:pad$}{}", "", self.style.good(&time));
        }
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_the_empty_line() {
        let lines: Vec<String> = head(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nbody").collect();
        assert_eq!(lines, ["GET / HTTP/1.1", "host: x"]);
        assert_eq!(head(b"half").collect::<Vec<_>>(), ["half"]);
        assert_eq!(head(b"").count(), 0);
    }

    #[test]
    fn times_stand_in_one_column() {
        let mut lines = Lines::new(Style::Plain);
        lines.step("name", "short", Some(Duration::from_millis(1)));
        lines.step(
            "connection",
            "somewhat longer",
            Some(Duration::from_micros(80)),
        );
        let ends: Vec<usize> = lines
            .text
            .lines()
            .map(|line| line.chars().count())
            .collect();
        assert_eq!(ends[0], ends[1], "{}", lines.text);
    }
}
