//! The mark that ends a message: a line end or a delimiter.

use memchr::{memchr, memchr2};

use super::{Defect, Delimiter, LineEnd};

/// What ends a message.
#[derive(Debug, Clone)]
pub(super) enum Terminator {
    Line(LineEnd),
    Delimiter(Delimiter),
}

/// What a search came upon first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hit {
    /// The terminator starts here.
    End(usize),
    /// Here stands a byte that no message of this framing holds.
    Stray(usize, Defect),
}

impl Hit {
    pub(super) fn moved(self, by: usize) -> Self {
        match self {
            Self::End(at) => Self::End(at + by),
            Self::Stray(at, defect) => Self::Stray(at + by, defect),
        }
    }
}

impl Terminator {
    /// The first hit; `None` also when the bytes end in what may become one.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<Hit> {
        match self {
            Self::Line(LineEnd::Lf) => memchr(b'\n', bytes).map(Hit::End),
            Self::Line(LineEnd::CrLf) => find_crlf(bytes),
            Self::Delimiter(delimiter) => delimiter.find(bytes).map(Hit::End),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Line(LineEnd::Lf) => b"\n",
            Self::Line(LineEnd::CrLf) => b"\r\n",
            Self::Delimiter(delimiter) => delimiter.as_bytes(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// The most bytes that can follow a message up to the end of its terminator.
    pub(super) fn slack(&self) -> usize {
        match self {
            Self::Line(_) => 2, // CR LF
            Self::Delimiter(delimiter) => delimiter.as_bytes().len(),
        }
    }

    /// The length of the message in `before`, which is all that stands before the terminator.
    pub(super) fn message_len(&self, before: &[u8]) -> usize {
        match self {
            Self::Line(LineEnd::Lf) if before.ends_with(b"\r") => before.len() - 1,
            _ => before.len(),
        }
    }
}

/// The first CR or LF must be the CR of a CR LF.
fn find_crlf(bytes: &[u8]) -> Option<Hit> {
    let at = memchr2(b'\r', b'\n', bytes)?;
    if bytes[at] == b'\n' {
        return Some(Hit::Stray(at, Defect::BareLf));
    }
    match bytes.get(at + 1)? {
        b'\n' => Some(Hit::End(at)),
        _ => Some(Hit::Stray(at, Defect::BareCr)),
    }
}
