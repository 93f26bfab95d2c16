//! What can be wrong with the text of an address: cause, evidence, cure.

use super::{ADDRESS_TEXT_MAX, Family, Scheme};

/// Why a text is not an address.
///
/// `Display` is one line with the cause and its evidence. The cure is apart, so that a program can
/// set it on a line of its own.
///
/// ```
/// use wharf::address::Address;
/// let mistake = "tcp:localhost:70000".parse::<Address>().unwrap_err();
/// assert_eq!(
///     mistake.to_string(),
///     r#"bad address "tcp:localhost:70000": port 70000 is above 65535"#,
/// );
/// assert_eq!(mistake.cure(), Some("tcp:localhost:7000"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad address {}: {kind}", quoted(text))]
pub struct AddressError {
    text: String,
    kind: AddressErrorKind,
    cure: Option<String>,
}

impl AddressError {
    pub(super) fn new(text: &str, kind: AddressErrorKind, cure: Option<String>) -> Self {
        Self {
            text: text.to_owned(),
            kind,
            // A cure is shown on a terminal as it is, so one with control characters is dropped.
            cure: cure.filter(|cure| !cure.contains(char::is_control)),
        }
    }

    /// The text that was to be an address.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is wrong with it.
    pub fn kind(&self) -> &AddressErrorKind {
        &self.kind
    }

    /// What to write instead: an address where one can be guessed, else a few words.
    ///
    /// `PORT` stands where only the user knows the port.
    pub fn cure(&self) -> Option<&str> {
        self.cure.as_deref()
    }
}

/// The mistakes that an address can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the message above each variant documents it and its fields"
)]
pub enum AddressErrorKind {
    #[error("it is empty")]
    Empty,
    #[error("it is {length} bytes long, more than {ADDRESS_TEXT_MAX}")]
    TooLong { length: usize },
    #[error("it contains a NUL byte")]
    Nul,
    #[error("it contains a blank where none belongs")]
    Blank,

    #[error("{} is not a scheme", quoted(.0))]
    UnknownScheme(String),
    #[error("{name}: is not supported: {reason}")]
    UnsupportedScheme {
        name: &'static str,
        reason: &'static str,
    },
    #[error("nothing follows {}:", .0.as_str())]
    NoTarget(Scheme),
    #[error("{} belongs after the target, not into it: an address has no URL path", quoted(.0))]
    UrlPath(String),

    #[error("it names no port")]
    NoPort,
    #[error("port {} is above 65535", shortened(.0))]
    PortOutOfRange(String),
    #[error("{} is neither a port number nor a service name", quoted(.0))]
    BadPort(String),

    #[error("an IPv6 address needs brackets, since its colons look like the one before the port")]
    NoBrackets,
    #[error("a bracket around the IPv6 address is missing")]
    MissingBracket,
    #[error("only an IPv6 address stands in brackets, and {} is none", quoted(.0))]
    BadIpv6(String),
    #[error("{} is not an IPv4 address: {reason}", quoted(.text))]
    BadIpv4 { text: String, reason: String },
    #[error("{} is not a zone: it takes an interface name or number of 1 to 15 characters", quoted(.0))]
    BadZone(String),
    #[error("{} is not a host name: {reason}", quoted(.text))]
    BadHost { text: String, reason: String },
    #[error("{} is {}, which {}: does not carry", quoted(.text), family_name(*.family), .scheme.as_str())]
    WrongFamily {
        text: String,
        family: Family,
        scheme: Scheme,
    },

    #[error("{}: takes a host and a port, not a path", .0.as_str())]
    PathForPort(Scheme),
    #[error("{}: takes a path, and {} looks like a port", .scheme.as_str(), quoted(.text))]
    PortForPath { text: String, scheme: Scheme },
    #[error(
        "the path of the socket is {length} bytes long, and {limit} is the most a Unix socket can have"
    )]
    PathTooLong { length: usize, limit: usize },
    #[error(
        "the abstract name is {length} bytes long, and {limit} is the most a Unix socket can have"
    )]
    NameTooLong { length: usize, limit: usize },
    #[error("no name follows the @")]
    NoName,
    #[error("the path ends in a directory and names no socket in it")]
    DirectoryPath,
    #[error("~ stands for the home directory, and HOME is not set")]
    NoHome,
    #[error("only ~/ is expanded, not {}", quoted(.0))]
    OtherHome(String),
    #[error("{} is not an escape", quoted(.0))]
    BadEscape(String),

    #[error("an option is missing beside a comma")]
    EmptyOption,
    #[error("there is no option {}", quoted(.0))]
    UnknownOption(String),
    #[error("the option {key} belongs to {belongs_to}, not to this address")]
    ForeignOption {
        key: &'static str,
        belongs_to: &'static str,
    },
    #[error("the option {0} needs a value")]
    NoOptionValue(&'static str),
    #[error("the option {0} takes no value")]
    UnwantedOptionValue(&'static str),
    #[error("{} is no value for the option {key}: {reason}", quoted(.value))]
    BadOptionValue {
        key: &'static str,
        value: String,
        reason: String,
    },
    #[error("the option {0} is given twice")]
    RepeatedOption(&'static str),
    #[error("the options {first} and {second} do not go together: {reason}")]
    ConflictingOptions {
        first: &'static str,
        second: &'static str,
        reason: &'static str,
    },
    #[error("the option {key} needs {needs} beside it")]
    LonelyOption {
        key: &'static str,
        needs: &'static str,
    },
}

const fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// How many characters of the user's text a message repeats.
const EVIDENCE_MAX: usize = 80;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(EVIDENCE_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The text as evidence: short, on one line, without control characters.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in shortened(text).chars() {
        // A backslash is shown as typed; doubling it would not be what the user sees.
        if char == '\\' || char == '\'' {
            quoted.push(char);
        } else {
            quoted.extend(char.escape_debug());
        }
    }
    quoted.push('"');
    quoted
}

/// A mistake in one part, before it is known what stands around that part.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: AddressErrorKind,
    pub(super) cure: Cure,
}

/// What to write instead, by how much of the text it replaces.
#[derive(Debug)]
pub(super) enum Cure {
    /// Nothing can be guessed.
    None,
    /// The target; scheme and options stay.
    Target(String),
    /// Scheme and target; the options stay.
    Address(String),
    /// The whole text, or words about it.
    Words(String),
}

impl Fault {
    pub(super) fn new(kind: AddressErrorKind, cure: Cure) -> Self {
        Self { kind, cure }
    }
}
