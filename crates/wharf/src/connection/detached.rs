//! A connection between two runtimes.

use std::io;

use super::Connection;
use super::stream::DetachedStream;
use crate::network::Endpoint;

/// A connection on its way from one runtime to another.
pub(crate) struct Detached {
    pub(super) stream: DetachedStream,
    pub(super) local: Endpoint,
    pub(super) peer: Endpoint,
}

impl Detached {
    /// The connection again, bound to the current runtime.
    pub(crate) fn attach(self) -> io::Result<Connection> {
        Ok(Connection::over(
            self.stream.attach()?,
            self.local,
            self.peer,
        ))
    }
}
