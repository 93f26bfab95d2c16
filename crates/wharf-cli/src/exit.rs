//! Exit codes: one per kind of cause. Where curl has a code for the same cause,
//! it is curl's.

use std::fmt;

/// Why the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; also a server that was asked to stop.
    Done = 0,
    /// A failure that has no code of its own.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// An address cannot be listened on: in use, not permitted, not of this machine.
    CannotListen = 3,
    /// The peer broke the protocol or the connection.
    PeerBroke = 4,
    /// What was expected did not come.
    CheckFailed = 5,
    /// A name could not be resolved.
    Resolve = 6,
    /// Nobody could be reached.
    Unreachable = 7,
    /// A page was answered with an error.
    HttpError = 22,
    /// Nothing came in time.
    TimedOut = 28,
    /// TLS failed.
    Tls = 35,
    /// A password was wrong.
    Denied = 67,
    /// Ended by Ctrl-C before it was done.
    Aborted = 130,
}

impl Exit {
    /// Every code with its meaning, for the help and the manual page.
    pub(crate) const ALL: [(Exit, &'static str); 13] = [
        (Exit::Done, "done; also a server that was asked to stop"),
        (Exit::Failed, "a failure without a code of its own"),
        (
            Exit::Usage,
            "the command line is wrong; also exec without its program",
        ),
        (
            Exit::CannotListen,
            "cannot listen: address in use, or not permitted",
        ),
        (
            Exit::PeerBroke,
            "the peer broke the protocol or the connection",
        ),
        (Exit::CheckFailed, "what was expected did not come"),
        (Exit::Resolve, "a name could not be resolved"),
        (Exit::Unreachable, "refused or unreachable"),
        (Exit::HttpError, "a page was answered with an error"),
        (Exit::TimedOut, "nothing came in time"),
        (Exit::Tls, "TLS failed"),
        (Exit::Denied, "access denied: a password was wrong"),
        (Exit::Aborted, "ended by Ctrl-C"),
    ];

    /// The codes as a table, one line each.
    pub(crate) fn table() -> String {
        Exit::ALL
            .iter()
            .map(|(code, meaning)| format!("  {code:>3}  {meaning}\n"))
            .collect()
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&(*self as u8).to_string())
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}
