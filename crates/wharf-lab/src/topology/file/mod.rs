//! A topology from a TOML file, with impairments, changes, services and clients.
//!
//! ```toml
//! seed = 1
//! for = "10s"
//! changes = ["at 5s link a-s down", "at 8s link a-s up", "at 9s link a-s loss 5%"]
//!
//! [defaults]                      # of every link
//! rate = "10mbit"
//!
//! [[host]]
//! name = "a"
//! serve = ["echo tcp::7"]
//!
//! [[host]]
//! name = "b"
//! serve = ["chat", { service = "echo", address = "tcp::8", password = "open sesame" }]
//!
//! [[switch]]
//! name = "s"
//!
//! [[link]]
//! ends = ["a", "s"]
//! delay = "20ms"
//! loss = "1%"
//!
//! [[link]]
//! ends = ["b", "s"]
//! medium = "coax"
//!
//! [[client]]
//! host = "b"
//! connect = "tcp:a:7"
//! send = "hello"                  # or several lines: ["HELLO ann", "PLAY house"]
//! count = 3
//! every = "1s"
//! ```
//!
//! Layout: this file is what a file means, `raw` what can be written in one, `reader`
//! goes from there to here and finds the mistakes.

mod raw;
mod reader;

use std::time::Duration;

use super::Topology;
use reader::Reader;

/// How many nodes a file may have, and how long it may be: hosts of 100 KB each
/// then need 1 GB.
pub const MOST_NODES: usize = 10_000;

/// The longest file, in bytes.
pub const LONGEST_FILE: usize = 4 << 20;

/// A lab as a file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct LabFile {
    /// Nodes, links and changes.
    pub topology: Topology,
    /// The seed, if the file has one.
    pub seed: Option<u64>,
    /// How long to run, if the file says so.
    pub span: Option<Duration>,
    /// What is served.
    pub services: Vec<ServicePlan>,
    /// Who talks to it.
    pub clients: Vec<ClientPlan>,
}

/// A service on a host.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePlan {
    /// The name of the host.
    pub host: String,
    /// The name of the service.
    pub service: String,
    /// Where it is served; `None` is its standard address.
    pub address: Option<String>,
    /// What opens it: the password of the password dialogue, or of the gate before any
    /// other service.
    pub password: Option<String>,
    /// Where this stands in the file.
    pub line: usize,
}

/// A client on a host.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientPlan {
    /// The name of the host.
    pub host: String,
    /// What it connects to, with the scheme `tcp`, `udp` or `tls`.
    pub connect: String,
    /// What it sends, line by line; each is one message.
    pub send: Vec<String>,
    /// How often all that.
    pub count: usize,
    /// How much time from one to the next.
    pub every: Duration,
    /// When it begins.
    pub start: Duration,
    /// Where this stands in the file.
    pub line: usize,
}

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct FileError {
    /// Where, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub cause: String,
    /// What to write instead, if there is something.
    pub cure: Option<String>,
}

/// Reads a file, given as text.
///
/// # Errors
/// [`FileError`] with the line of the first mistake.
pub fn parse(text: &str) -> Result<LabFile, FileError> {
    let reader = Reader { text };
    if text.len() > LONGEST_FILE {
        return Err(reader.mistake(0, "the file is longer than 4 MiB", None));
    }
    let raw: raw::RawFile = toml::from_str(text).map_err(|error| reader.toml(&error))?;
    reader.file(raw)
}

/// How many names a message lists.
const LISTED: usize = 12;

/// Names for people: those that there are, or the first of many.
pub fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names = names.peekable();
    let mut text = String::new();
    for name in names.by_ref().take(LISTED) {
        if !text.is_empty() {
            text += ", ";
        }
        text += name;
    }
    match names.count() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
seed = 5
for = "10s"
changes = ["at 5s link a-s down", "at 8s link s-a up", "at 9s link b-s loss 5%"]
[defaults]
rate = "10mbit"
[[host]]
name = "a"
serve = ["echo tcp::7", "daytime", { service = "chat", password = "open" }]
[[host]]
name = "b"
[[switch]]
name = "s"
[[link]]
ends = ["a", "s"]
delay = "20ms"
loss = "1%"
back = { loss = "0%" }
[[link]]
ends = ["b", "s"]
medium = "coax"
burst = { every = "1s", lasting = "100ms", loss = "50%" }
[[client]]
host = "b"
connect = "tcp:a:7"
send = "hello"
count = 3
[[client]]
host = "b"
connect = "tcp:a:13"
send = ["one", "two"]
"#;

    #[test]
    fn a_file_says_everything_about_a_lab() {
        let file = parse(WHOLE).unwrap();
        assert_eq!(
            (file.seed, file.span),
            (Some(5), Some(Duration::from_secs(10)))
        );
        assert_eq!(file.topology.nodes.len(), 3);
        let first = &file.topology.links[0];
        assert_eq!(first.link.bits_per_second(), Some(10_000_000));
        assert_eq!(first.link.propagation(), Duration::from_millis(20));
        assert_ne!(first.back.as_ref(), Some(&first.link));
        assert_eq!(file.topology.links[1].link.medium_name(), "coax");
        assert_eq!(file.topology.changes.len(), 3);
        assert_eq!(file.services[1].address, None);
        let chat = &file.services[2];
        assert_eq!((&*chat.service, chat.line), ("chat", 9));
        assert_eq!(chat.password.as_deref(), Some("open"));
        assert_eq!((file.clients[0].count, file.clients[0].send.len()), (3, 1));
        assert_eq!(file.clients[1].send, ["one", "two"]);
    }

    #[test]
    fn mistakes_have_a_line_a_cause_and_a_cure() {
        let mistake = |from: &str, to: &str| {
            assert!(WHOLE.contains(from));
            let error = parse(&WHOLE.replace(from, to)).unwrap_err();
            (error.line, error.cause, error.cure)
        };
        let (line, cause, cure) = mistake("delay = \"20ms\"", "dely = \"20ms\"");
        assert_eq!((line, cure.as_deref()), (16, Some("delay")), "{cause}");
        let (line, cause, cure) = mistake("\"20ms\"", "\"20\"");
        assert_eq!((line, cause.as_str()), (16, "\"20\" is not understood"));
        assert!(cure.unwrap().contains("20ms"));
        let (line, cause, _) = mistake("[\"b\", \"s\"]", "[\"b\", \"t\"]");
        assert_eq!((line, cause.as_str()), (20, "there is no node t"));
        let (line, cause, _) = mistake("[\"b\", \"s\"]", "[\"a\", \"s\"]");
        assert_eq!((line, cause.as_str()), (20, "host a has a link already"));
        let (_, _, cure) = mistake("\"coax\"", "\"coaxe\"");
        assert_eq!(cure.as_deref(), Some("coax"));
        let (line, cause, _) = mistake("s-a up", "s-b-up");
        assert_eq!(line, 4, "{cause}");
        let (line, cause, cure) = mistake("password =", "passwort =");
        assert_eq!((line, cure.as_deref()), (9, Some("password")), "{cause}");
        let (line, ..) = mistake("[\"one\", \"two\"]", "2");
        assert_eq!(line, 31);
        let (line, ..) = mistake("name = \"s\"", "name = \"a\"");
        assert_eq!(line, 13);
        let (line, cause, cure) = mistake("ends = [\"b\", \"s\"]\n", "");
        assert_eq!((line, cause.as_str()), (19, "a [[link]] has no ends"));
        assert!(cure.is_some());
        let (line, cause, _) = mistake("[[switch]]", "[[host]]\nname = \"c\"\n[[switch]]");
        assert_eq!((line, cause.as_str()), (13, "host c has no link"));
        let (line, ..) = mistake("seed = 5", "seed = ");
        assert_eq!(line, 2);
    }

    #[test]
    fn a_cable_to_a_bus_has_the_faults_of_all_links_and_no_time() {
        let bus = WHOLE.replace("[[switch]]", "[[bus]]");
        let defaults = bus.replace("[defaults]\n", "[defaults]\nloss = \"5%\"\n");
        let without = |text: &str| {
            text.replace("medium = \"coax\"\n", "")
                .replace("delay = \"20ms\"\n", "")
        };
        let file = parse(&without(&defaults)).unwrap();
        let links = &file.topology.links;
        assert_eq!(links[0].link.loss, 0.01);
        assert_eq!(links[1].link.loss, 0.05);
        assert_eq!(links[1].link.bits_per_second(), None);
        let error = parse(&bus).unwrap_err();
        assert_eq!(
            error.cause,
            "the cable to s takes no time, and has no delay"
        );
        assert_eq!((error.line, error.cure.is_some()), (16, true));
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        for cut in 0..WHOLE.len() {
            let _ = parse(&WHOLE[..cut]);
        }
    }
}
