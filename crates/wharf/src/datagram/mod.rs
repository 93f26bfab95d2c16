//! Datagrams, many at a time. (sketch)
use crate::network::Endpoint;
use crate::service::Context;
use std::io;
use std::time::Instant;
/// A bound datagram socket.
#[derive(Debug)]
pub struct Datagrams;
impl Datagrams {
    /// Granted receive buffer in bytes.
    pub fn receive_buffer(&self) -> usize {
        0
    }
}
