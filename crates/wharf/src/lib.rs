//! Serve network services and connect to them.
pub mod address;
pub mod connection;
pub mod datagram;
pub mod framing;
pub mod limits;
pub mod names;
pub mod network;
pub mod server;
pub mod service;
pub mod tls;
