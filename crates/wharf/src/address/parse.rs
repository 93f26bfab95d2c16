//! From text to [`Address`]: the scheme, then the target, then the options.
//!
//! ```text
//! tcp://localhost:80/?ttl=4          unix:/run/x.sock,mode=0660
//! └┬┘└┬┘└────┬─────┘│└─┬─┘           └┬─┘ └────┬────┘ └───┬───┘
//! scheme  target    │ options       scheme   target     options
//!    form: a URL    └ dropped
//! ```

use std::path::Path;

use super::error::{AddressErrorKind as Kind, Cure, Fault};
use super::host::{self, Percent};
use super::text::{bytes_of, find_unescaped, path_of, split_unescaped, unescape};
use super::{ADDRESS_TEXT_MAX, Address, AddressError, Scheme, Target, UNIX_PATH_MAX, keys};
use crate::names;

pub(super) fn parse(text: &str, home: Option<&Path>) -> Result<Address, AddressError> {
    let whole = |fault: Fault| finish(text, text, "", "", fault);
    check_text(text).map_err(whole)?;
    let head = split_scheme(text).map_err(whole)?;
    let (target_text, tail) = split_options(&head);
    let prefix = &text[..text.len() - head.rest.len()];
    let around = |fault| finish(text, prefix, target_text, tail, fault);
    let target = parse_target(&head, target_text, home).map_err(around)?;

    let before = &text[..text.len() - tail.len()];
    let given = tail.get(1..).map_or_else(Vec::new, |given| {
        split_unescaped(given, |byte| {
            byte == b',' || (tail.starts_with('?') && byte == b'&')
        })
    });
    let options = keys::parse(&given, head.scheme, &target, home).map_err(|fault| {
        // An option's cure replaces the options and leaves scheme and target alone.
        let cure = match fault.cure {
            Cure::Target(options) if options.is_empty() => Some(before.to_owned()),
            Cure::Target(options) => Some(format!("{before},{options}")),
            Cure::Address(words) | Cure::Words(words) => Some(words),
            Cure::None => None,
        };
        AddressError::new(text, fault.kind, cure)
    })?;
    Ok(Address {
        scheme: head.scheme,
        target,
        options,
    })
}

/// Puts the cure of a part back into what stands around that part.
fn finish(text: &str, prefix: &str, target: &str, tail: &str, fault: Fault) -> AddressError {
    let cure = match fault.cure {
        Cure::Target(better) if better != target => Some(format!("{prefix}{better}{tail}")),
        Cure::Address(better) => Some(format!("{better}{tail}")),
        Cure::Words(words) => Some(words),
        Cure::Target(_) | Cure::None => None,
    };
    AddressError::new(text, fault.kind, cure)
}

fn check_text(text: &str) -> Result<(), Fault> {
    if text.is_empty() {
        let cure = Cure::Words("a port such as 7000, host:port, or /path of a Unix socket".into());
        return Err(Fault::new(Kind::Empty, cure));
    }
    if text.len() > ADDRESS_TEXT_MAX {
        let length = text.len();
        return Err(Fault::new(Kind::TooLong { length }, Cure::None));
    }
    if text.contains('\0') {
        let cure = if text.contains('@') {
            Cure::Words(r"\x00 for a NUL in an abstract name".into())
        } else {
            Cure::None
        };
        return Err(Fault::new(Kind::Nul, cure));
    }
    Ok(())
}

/// How the scheme was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Not at all: `:7000`, `/run/x.sock`.
    Bare,
    /// `tcp:`.
    Plain,
    /// `tcp://`.
    Url,
}

struct Head<'a> {
    scheme: Scheme,
    form: Form,
    rest: &'a str,
}

impl Head<'_> {
    /// Whether the target is a path or an abstract name.
    fn is_path(&self) -> bool {
        self.scheme.is_unix() || (self.scheme == Scheme::Rdm && is_path_like(self.rest))
    }
}

/// Whether the text is a path or an abstract name by its first characters.
pub(super) fn is_path_like(text: &str) -> bool {
    ["/", "./", "../", "@", "~", "\\"]
        .iter()
        .any(|start| text.starts_with(start))
}

/// Finds the scheme; without one, a path is `unix` and everything else `tcp`.
fn split_scheme(text: &str) -> Result<Head<'_>, Fault> {
    let scheme = match is_path_like(text) {
        true => Scheme::Unix,
        false => Scheme::Tcp,
    };
    let bare = Head {
        scheme,
        form: Form::Bare,
        rest: text,
    };
    let Some((word, after)) = text.split_once(':') else {
        return match Scheme::from_name(text) {
            Some(scheme) => Err(no_target(scheme)),
            None => Ok(bare),
        };
    };
    if !is_scheme_like(word) {
        return Ok(bare);
    }
    if let Some(scheme) = Scheme::from_name(word) {
        let (form, rest) = match after.strip_prefix("//") {
            Some(rest) => (Form::Url, rest),
            None => (Form::Plain, after),
        };
        return Ok(Head { scheme, form, rest });
    }
    if let Some(fault) = unsupported(word, after) {
        return Err(fault);
    }
    if is_host_and_port(after) && slip_of(word).is_none() || may_be_ipv6(text) {
        return Ok(bare);
    }
    Err(unknown_scheme(word, after))
}

fn is_scheme_like(word: &str) -> bool {
    word.starts_with(|char: char| char.is_ascii_alphabetic())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(&byte))
}

/// Whether `word:after` reads as a host and its port rather than as a scheme and its target.
fn is_host_and_port(after: &str) -> bool {
    let end = after.find([',', '?']).unwrap_or(after.len());
    let port = after[..end].trim_start();
    let starts_as_port = port.is_empty() || port.starts_with(|char: char| char.is_alphanumeric());
    let number_then_path = port.starts_with(|char: char| char.is_ascii_digit());
    starts_as_port && !port.contains(':') && (number_then_path || !port.contains('/'))
}

/// Whether the text is an IPv6 address without brackets, which the target's parser explains.
fn may_be_ipv6(text: &str) -> bool {
    let end = text.find([',', '?', ']']).unwrap_or(text.len());
    let text = &text[..end];
    let head = text.rsplit_once(':').map_or(text, |(head, _)| head);
    host::is_ipv6(text) || host::is_ipv6(head)
}

/// The scheme that is meant although a host could have the name: `tpc`, `upd`, and the roles that
/// socat puts into its words (`TCP4-LISTEN`). `tcp:tpc:80` is the way to such a host.
fn slip_of(word: &str) -> Option<Scheme> {
    let word = word.to_ascii_lowercase();
    let role = ["-listen", "-connect", "-recv", "-sendto", "-recvfrom"]
        .iter()
        .find_map(|role| word.strip_suffix(role));
    if let Some(scheme) = role.and_then(Scheme::from_name) {
        return Some(scheme);
    }
    let word = word.into_bytes();
    Scheme::ALL.into_iter().find(|scheme| {
        let name = scheme.as_str().as_bytes();
        name.len() == word.len()
            && (1..name.len()).any(|at| {
                let mut swapped = word.clone();
                swapped.swap(at - 1, at);
                swapped == name
            })
    })
}

fn unknown_scheme(word: &str, after: &str) -> Fault {
    let kind = Kind::UnknownScheme(word.into());
    let alias = match word.to_ascii_lowercase().as_str() {
        "ssl" | "tcps" => Some("tls"),
        "ipc" | "local" | "unix-stream" | "npipe" => Some("unix"),
        "abstract" | "unix-abstract" | "abstract-unix" => Some("unix"),
        "unixgram" | "unix-datagram" => Some("unix-dgram"),
        "unix-seqpacket" | "unixpacket" => Some("seqpacket"),
        _ => slip_of(word)
            .map(Scheme::as_str)
            .or_else(|| names::suggest(word, Scheme::ALL.map(Scheme::as_str))),
    };
    let cure = match alias {
        Some(scheme) if is_host_and_port(after) && slip_of(word).is_some() => {
            let after = if after.is_empty() { ":PORT" } else { after };
            format!("{scheme}:{after}")
        }
        Some(scheme) => format!("{scheme}:{after}"),
        None => {
            let names = Scheme::ALL.map(Scheme::as_str).join(", ");
            format!("one of {names}")
        }
    };
    Fault::new(kind, Cure::Words(cure))
}

/// Schemes of other tools that are known, and not offered: name, reason, what stands in.
const UNSUPPORTED: [(&str, &str, Instead); 9] = [
    (
        "http",
        "HTTP is spoken over TCP, and an address names only the connection",
        Instead::Server("tcp", 80),
    ),
    (
        "https",
        "HTTPS is spoken over TLS, and an address names only the connection",
        Instead::Server("tls", 443),
    ),
    (
        "ws",
        "WebSocket is spoken over TCP, and an address names only the connection",
        Instead::Server("tcp", 80),
    ),
    (
        "wss",
        "WebSocket is spoken over TLS, and an address names only the connection",
        Instead::Server("tls", 443),
    ),
    (
        "dtls",
        "TLS is offered over TCP, not over datagrams",
        Instead::Scheme("tls"),
    ),
    (
        "sctp",
        "no SCTP is offered",
        Instead::Words(
            "seqpacket:/path for messages in order on one machine, tcp: between machines",
        ),
    ),
    (
        "vsock",
        "sockets between virtual machines and their host are not offered",
        Instead::Words("tcp:HOST:PORT over the network between them"),
    ),
    (
        "fd",
        "an address cannot name an inherited descriptor",
        Instead::Words("unix:/path, tcp:HOST:PORT"),
    ),
    (
        "exec",
        "a program is a service, not an address",
        Instead::Words("an address such as tcp::7000 for the service that starts the program"),
    ),
];

/// What to use in place of a scheme that is not offered.
enum Instead {
    /// The same text under another scheme.
    Scheme(&'static str),
    /// The server in the URL, with its usual port.
    Server(&'static str, u16),
    Words(&'static str),
}

fn unsupported(word: &str, after: &str) -> Option<Fault> {
    let (name, reason, instead) = UNSUPPORTED
        .iter()
        .find(|(name, ..)| name.eq_ignore_ascii_case(word))?;
    let cure = match instead {
        Instead::Words(words) => (*words).to_owned(),
        Instead::Scheme(scheme) => format!("{scheme}:{after}"),
        Instead::Server(scheme, port) => server_of_url(after, scheme, *port),
    };
    Some(Fault::new(
        Kind::UnsupportedScheme { name, reason },
        Cure::Words(cure),
    ))
}

/// `//example.org/x?y` → `tcp:example.org:80`.
fn server_of_url(after: &str, scheme: &str, port: u16) -> String {
    let after = after.strip_prefix("//").unwrap_or(after);
    let end = after.find(['/', '?', '#', ',']).unwrap_or(after.len());
    let server = &after[..end];
    let server = server.rsplit('@').next().unwrap_or(server);
    let has_port = server.bytes().all(|byte| byte.is_ascii_digit())
        || server
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.contains(']'));
    match (server, has_port) {
        ("", _) => format!("{scheme}:HOST:{port}"),
        (_, true) => format!("{scheme}:{server}"),
        (_, false) => format!("{scheme}:{server}:{port}"),
    }
}

/// Splits off the options, with the comma or question mark before them.
fn split_options<'a>(head: &Head<'a>) -> (&'a str, &'a str) {
    let rest = head.rest;
    // A question mark may be part of a path; only a URL gives it a meaning there.
    let end = if head.is_path() {
        let query = head.form == Form::Url;
        find_unescaped(rest, |byte| byte == b',' || (query && byte == b'?'))
    } else {
        rest.find([',', '?'])
    };
    rest.split_at(end.unwrap_or(rest.len()))
}

fn no_target(scheme: Scheme) -> Fault {
    let example = if scheme.is_unix() { "/path" } else { ":PORT" };
    let cure = Cure::Address(format!("{scheme}:{example}"));
    Fault::new(Kind::NoTarget(scheme), cure)
}

fn parse_target(head: &Head, text: &str, home: Option<&Path>) -> Result<Target, Fault> {
    let scheme = head.scheme;
    if text.is_empty() {
        return Err(no_target(scheme));
    }
    if head.is_path() {
        return unix_target(text, scheme, home);
    }
    if is_path_like(text) {
        let instead = if scheme.is_datagram() {
            Scheme::UnixDgram
        } else {
            Scheme::Unix
        };
        let cure = Cure::Address(format!("{instead}:{text}"));
        return Err(Fault::new(Kind::PathForPort(scheme), cure));
    }
    match head.form {
        Form::Url => {
            host::internet_target(text.strip_suffix('/').unwrap_or(text), scheme, Percent::Url)
        }
        Form::Plain | Form::Bare => host::internet_target(text, scheme, Percent::Plain),
    }
}

/// `/path`, `./path`, `~/path`, `path` or `@name`.
pub(super) fn unix_target(
    text: &str,
    scheme: Scheme,
    home: Option<&Path>,
) -> Result<Target, Fault> {
    let blank = |char: char| char.is_ascii_whitespace();
    if text.starts_with(blank) || (text.ends_with(blank) && !text.ends_with("\\ ")) {
        let cure = match text.trim_matches(blank) {
            "" => Cure::None,
            trimmed => Cure::Target(trimmed.into()),
        };
        return Err(Fault::new(Kind::Blank, cure));
    }
    if let Some(name) = text.strip_prefix('@') {
        return abstract_name(name);
    }
    if !text.contains(['/', '\\']) && looks_like_port(text) {
        let instead = if scheme.is_datagram() {
            Scheme::Udp
        } else {
            Scheme::Tcp
        };
        let kind = Kind::PortForPath {
            text: text.into(),
            scheme,
        };
        return Err(Fault::new(kind, Cure::Address(format!("{instead}:{text}"))));
    }
    let path = expand_home(text, home)?;
    let length = path.len();
    if path.contains(&0) {
        return Err(Fault::new(Kind::Nul, Cure::None));
    }
    if length > UNIX_PATH_MAX {
        let limit = UNIX_PATH_MAX;
        let cure = Cure::Words(format!(
            "a path of at most {limit} bytes, or a relative one such as {scheme}:./x.sock"
        ));
        return Err(Fault::new(Kind::PathTooLong { length, limit }, cure));
    }
    if is_directory(&path) {
        let slash = if path.ends_with(b"/") { "" } else { "/" };
        let cure = Cure::Target(format!("{text}{slash}x.sock"));
        return Err(Fault::new(Kind::DirectoryPath, cure));
    }
    Ok(Target::Path(path_of(path)?))
}

fn abstract_name(text: &str) -> Result<Target, Fault> {
    let name = unescape(text)?;
    let (length, limit) = (name.len(), UNIX_PATH_MAX);
    if name.is_empty() {
        return Err(Fault::new(Kind::NoName, Cure::Target("@NAME".into())));
    }
    if length > limit {
        let cure = Cure::Words(format!("a name of at most {limit} bytes"));
        return Err(Fault::new(Kind::NameTooLong { length, limit }, cure));
    }
    Ok(Target::Abstract(name))
}

/// Whether a relative path without a slash is a port or `host:port`.
pub(super) fn looks_like_port(text: &str) -> bool {
    let port = text.rsplit(':').next().unwrap_or(text);
    port.bytes().all(|byte| byte.is_ascii_digit())
        && host::internet_target(text, Scheme::Tcp, Percent::Plain).is_ok()
}

fn is_directory(path: &[u8]) -> bool {
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    matches!(last, b"" | b"." | b"..")
}

/// The bytes of a path, with the home directory in place of a leading `~`.
pub(super) fn expand_home(text: &str, home: Option<&Path>) -> Result<Vec<u8>, Fault> {
    let Some(after) = text.strip_prefix('~') else {
        return unescape(text);
    };
    if !after.starts_with('/') {
        let user = text.split('/').next().unwrap_or(text);
        let cure = Cure::Target(format!("\\{text}"));
        return Err(Fault::new(Kind::OtherHome(user.into()), cure));
    }
    let Some(home) = home else {
        let cure = Cure::Words("the whole path, or HOME in the environment".into());
        return Err(Fault::new(Kind::NoHome, cure));
    };
    let mut path = bytes_of(home);
    path.extend(unescape(after)?);
    Ok(path)
}
