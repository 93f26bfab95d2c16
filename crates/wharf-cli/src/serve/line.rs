//! One event, owned, as text and as JSON.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use wharf::connection::CloseReason;
use wharf::datagram::BufferSize;
use wharf::server::{ConnectionInfo, Event};

use crate::failure::{visible, without_numbers, words};
use crate::style::{Style, bytes, count, duration, seconds};

/// An event with its time.
pub(crate) struct Line {
    pub(crate) at: SystemTime,
    pub(crate) told: Told,
}

/// What an event tells.
pub(crate) enum Told {
    Listening {
        service: Arc<str>,
        scheme: &'static str,
        local: String,
        fingerprint: Option<String>,
        /// Of a datagram socket.
        buffer: Option<BufferSize>,
    },
    Opened(Who),
    Secured {
        who: Who,
        tls: String,
    },
    Closed {
        who: Who,
        reason: CloseReason,
        detail: Option<String>,
        received: u64,
        sent: u64,
        messages: u64,
        lasted: Duration,
    },
    Refused {
        service: String,
        peer: String,
        reason: CloseReason,
    },
    AcceptFailing {
        service: String,
        local: String,
        error: String,
    },
    AcceptRecovered {
        service: String,
        local: String,
        failures: u64,
    },
    Broken {
        service: String,
        local: String,
        error: String,
    },
    Panicked {
        service: String,
        local: String,
        detail: String,
    },
    Full {
        cap: usize,
    },
    Draining {
        open: usize,
    },
    Note {
        text: String,
    },
    /// What a service itself shows, made fit to be shown by it.
    Shown {
        service: Arc<str>,
        text: String,
        /// The same in fields, for machines: an object, or null where there are only words.
        fields: Value,
    },
    /// The picture of a conversation, ready to be printed.
    Traced(String),
    Lost {
        events: u64,
    },
    /// A service that could not start; people read it on stderr.
    Failed(Value),
    /// The totals at the end; people read them on stderr.
    Stopped(Value),
}

/// Which connection. Shared, not copied: the serving threads must not pay for text
/// that only the printer needs.
pub(crate) struct Who(Arc<ConnectionInfo>);

impl Line {
    pub(crate) fn now(told: Told) -> Self {
        Line {
            at: SystemTime::now(),
            told,
        }
    }

    /// The event of a server; `None` for those that the command does not show, or, as
    /// a socket that listens, shows itself.
    pub(crate) fn of(event: &Event<'_>) -> Option<Line> {
        let told = match event {
            Event::Opened { connection } => Told::Opened(Who(Arc::clone(connection))),
            Event::Secured { connection, tls } => Told::Secured {
                who: Who(Arc::clone(connection)),
                tls: tls.to_string(),
            },
            Event::Closed {
                connection,
                reason,
                detail,
                received,
                sent,
                messages,
                lasted,
            } => Told::Closed {
                who: Who(Arc::clone(connection)),
                reason: *reason,
                detail: detail.clone().map(without_numbers),
                received: *received,
                sent: *sent,
                messages: *messages,
                lasted: *lasted,
            },
            Event::Refused {
                service,
                peer,
                reason,
            } => Told::Refused {
                service: (*service).to_owned(),
                peer: peer.to_string(),
                reason: *reason,
            },
            Event::AcceptFailing {
                service,
                local,
                error,
            } => Told::AcceptFailing {
                service: (*service).to_owned(),
                local: local.to_string(),
                error: words(error),
            },
            Event::AcceptRecovered {
                service,
                local,
                failures,
            } => Told::AcceptRecovered {
                service: (*service).to_owned(),
                local: local.to_string(),
                failures: *failures,
            },
            Event::Broken {
                service,
                local,
                error,
            } => Told::Broken {
                service: (*service).to_owned(),
                local: local.to_string(),
                error: words(error),
            },
            Event::Panicked {
                service,
                local,
                detail,
            } => Told::Panicked {
                service: (*service).to_owned(),
                local: local.to_string(),
                detail: (*detail).to_owned(),
            },
            Event::Full { cap } => Told::Full { cap: *cap },
            Event::Draining { open } => Told::Draining { open: *open },
            Event::Note { text } => Told::Note {
                text: without_numbers((*text).to_owned()),
            },
            _ => return None,
        };
        Some(Line::now(told))
    }

    /// The event as a line for people; `since` is when the server started.
    pub(crate) fn to_text(&self, since: SystemTime, style: Style) -> Option<String> {
        let passed = self.at.duration_since(since).unwrap_or_default();
        let time = style.dim(&format!("{:>9.3}s", passed.as_secs_f64()));
        let text = match &self.told {
            // The table at the start says it better.
            Told::Listening { .. } | Told::Failed(_) | Told::Stopped(_) => return None,
            Told::Shown { service, text, .. } => format!("{} {text}", style.name(service)),
            Told::Traced(picture) => return Some(picture.clone()),
            Told::Opened(who) => {
                format!(
                    "{} opened  {} > {}",
                    who.label(style),
                    who.0.peer,
                    who.0.local
                )
            }
            Told::Secured { who, tls } => format!("{} secured {tls}", who.label(style)),
            Told::Closed { .. } => self.closed_text(style)?,
            Told::Refused {
                service,
                peer,
                reason,
            } => format!(
                "{} {} {peer}",
                style.name(service),
                style.warning(reason.as_str())
            ),
            Told::AcceptFailing {
                service,
                local,
                error,
            } => format!(
                "{} {} accept at {local} fails: {error}; trying again until it works",
                style.name(service),
                style.warning("warning:")
            ),
            Told::AcceptRecovered {
                service,
                local,
                failures,
            } => format!(
                "{} {} accept at {local} works again after {}",
                style.name(service),
                style.good("recovered:"),
                count(*failures, "failure")
            ),
            Told::Broken {
                service,
                local,
                error,
            } => format!(
                "{} {} {local} is broken and served no more: {error}",
                style.name(service),
                style.error("error:")
            ),
            Told::Panicked {
                service,
                local,
                detail,
            } => format!(
                "{} {} at {local} panicked; the datagrams at hand are lost: {}",
                style.name(service),
                style.error("error:"),
                visible(detail)
            ),
            Told::Full { cap } => format!(
                "{} all {cap} places are taken; new clients wait or are refused",
                style.warning("full:")
            ),
            // Said on stderr, with how to hurry it.
            Told::Draining { .. } => return None,
            Told::Note { text } => format!("{} {text}", style.warning("note:")),
            Told::Lost { events } => format!(
                "{} {} not shown: stdout is too slow",
                style.warning("note:"),
                count(*events, "event")
            ),
        };
        Some(format!("{time}  {text}"))
    }

    fn closed_text(&self, style: Style) -> Option<String> {
        let Told::Closed {
            who,
            reason,
            detail,
            received,
            sent,
            messages,
            lasted,
        } = &self.told
        else {
            return None;
        };
        let painted = match reason {
            CloseReason::PeerClosed | CloseReason::Finished | CloseReason::Drained => {
                style.good(reason.as_str())
            }
            _ => style.warning(reason.as_str()),
        };
        let mut text = format!("{} closed  {painted}", who.label(style));
        if *messages > 0 {
            text += &format!(", {}", count(*messages, "message"));
        }
        text += &format!(
            ", in {}, out {}, {}",
            bytes(*received),
            bytes(*sent),
            duration(*lasted)
        );
        // "peer-reset (connection reset by peer)" says it twice.
        if let Some(detail) = detail
            && *reason != CloseReason::PeerReset
        {
            text += &format!(" ({})", visible(detail));
        }
        Some(text)
    }

    /// The event as one JSON object; docs/json.md describes it.
    pub(crate) fn to_json(&self) -> Value {
        let object = match &self.told {
            Told::Listening {
                service,
                scheme,
                local,
                fingerprint,
                buffer,
            } => json!({
                "event": "listening",
                "service": **service,
                "transport": scheme,
                "local": local,
                "fingerprint": fingerprint,
                "receive_buffer_asked": buffer.map(|buffer| buffer.asked),
                "receive_buffer_granted": buffer.map(|buffer| buffer.granted),
            }),
            Told::Opened(who) => who.to_json("opened"),
            Told::Secured { who, tls } => with(who.to_json("secured"), "tls", json!(tls)),
            Told::Closed {
                who,
                reason,
                detail,
                received,
                sent,
                messages,
                lasted,
            } => {
                let mut object = who.to_json("closed");
                for (key, value) in [
                    ("reason", json!(reason.as_str())),
                    ("detail", json!(detail)),
                    ("received_bytes", json!(received)),
                    ("sent_bytes", json!(sent)),
                    ("messages", json!(messages)),
                    ("lasted_seconds", json!(lasted.as_secs_f64())),
                ] {
                    object = with(object, key, value);
                }
                object
            }
            Told::Refused {
                service,
                peer,
                reason,
            } => {
                json!({"event": "refused", "service": service, "peer": peer, "reason": reason.as_str()})
            }
            Told::AcceptFailing {
                service,
                local,
                error,
            } => {
                json!({"event": "accept-failing", "service": service, "local": local, "error": error})
            }
            Told::AcceptRecovered {
                service,
                local,
                failures,
            } => {
                json!({"event": "accept-recovered", "service": service, "local": local, "failures": failures})
            }
            Told::Broken {
                service,
                local,
                error,
            } => json!({"event": "broken", "service": service, "local": local, "error": error}),
            Told::Panicked {
                service,
                local,
                detail,
            } => json!({"event": "panicked", "service": service, "local": local, "detail": detail}),
            Told::Full { cap } => json!({"event": "full", "cap": cap}),
            Told::Draining { open } => json!({"event": "draining", "open": open}),
            Told::Note { text } => json!({"event": "note", "text": text}),
            Told::Shown {
                service,
                text,
                fields,
            } => {
                let shown = json!({"event": "shown", "service": **service, "text": text});
                let fields = fields.as_object().into_iter().flatten();
                fields.fold(shown, |shown, (key, value)| with(shown, key, value.clone()))
            }
            Told::Traced(picture) => json!({"event": "traced", "text": picture}),
            Told::Lost { events } => json!({"event": "lost", "events": events}),
            Told::Failed(object) | Told::Stopped(object) => object.clone(),
        };
        with(object, "time", json!(seconds(self.at)))
    }
}

impl Who {
    fn label(&self, style: Style) -> String {
        format!("{} #{}", style.name(&self.0.service), self.0.id)
    }

    fn to_json(&self, event: &str) -> Value {
        json!({
            "event": event,
            "service": *self.0.service,
            "connection": self.0.id,
            "peer": self.0.peer.to_string(),
            "local": self.0.local.to_string(),
        })
    }
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    if let Value::Object(map) = &mut object {
        map.insert(key.to_owned(), value);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;
    use crate::failure::Failure;

    fn every_event() -> Vec<Told> {
        let at = |text: &str| text.parse::<std::net::SocketAddr>().unwrap().into();
        let info = Arc::new(ConnectionInfo {
            id: 1,
            service: "echo".into(),
            peer: at("127.0.0.1:51234"),
            local: at("127.0.0.1:7000"),
            opened: tokio::time::Instant::now(),
        });
        let who = || Who(Arc::clone(&info));
        let (service, local) = (String::from("echo"), String::from("127.0.0.1:7000"));
        let error = String::from("too many open files");
        vec![
            Told::Listening {
                service: "echo".into(),
                scheme: "tcp",
                local: local.clone(),
                fingerprint: None,
                buffer: None,
            },
            Told::Opened(who()),
            Told::Secured {
                who: who(),
                tls: "TLS 1.3".into(),
            },
            Told::Closed {
                who: who(),
                reason: CloseReason::PeerClosed,
                detail: None,
                received: 0,
                sent: 0,
                messages: 0,
                lasted: Duration::ZERO,
            },
            Told::Refused {
                service: service.clone(),
                peer: local.clone(),
                reason: CloseReason::RefusedFull,
            },
            Told::AcceptFailing {
                service: service.clone(),
                local: local.clone(),
                error: error.clone(),
            },
            Told::AcceptRecovered {
                service: service.clone(),
                local: local.clone(),
                failures: 3,
            },
            Told::Broken {
                service,
                local,
                error,
            },
            Told::Full { cap: 1 },
            Told::Draining { open: 1 },
            Told::Note { text: "x".into() },
            Told::Shown {
                service: "message".into(),
                text: "x".into(),
                fields: Value::Null,
            },
            Told::Lost { events: 1 },
            Told::Failed(Failure::new(Exit::CannotListen, "x").to_json()),
            Told::Stopped(super::super::summary::Summary::of_nothing().json()),
        ]
    }

    /// The names in backquotes of a table's cell.
    fn quoted(cell: &str) -> Vec<&str> {
        cell.split('`').skip(1).step_by(2).collect()
    }

    #[test]
    fn every_event_has_the_members_that_the_documentation_names() {
        let text = include_str!("../../../../docs/json.md");
        let (_, section) = text.split_once("## `wharf serve --json`").unwrap();
        let opened = ["service", "connection", "peer", "local"];
        for told in every_event() {
            let event = Line::now(told).to_json();
            let name = event["event"].as_str().unwrap();
            let row = section
                .lines()
                .find(|line| line.starts_with(&format!("| `{name}`")))
                .unwrap_or_else(|| panic!("{name} is not documented"));
            let cell = row.split('|').nth(2).unwrap();
            let mut members = quoted(cell);
            if cell.contains("as `opened`") {
                members.retain(|member| *member != "opened");
                members.extend(opened);
            }
            members.extend(["event", "time"]);
            members.sort_unstable();
            let mut found: Vec<&String> = event.as_object().unwrap().keys().collect();
            found.sort_unstable();
            assert_eq!(found, members, "{event}");
        }
    }
}
