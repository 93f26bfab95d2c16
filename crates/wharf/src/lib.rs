//! Serve network services and connect to them.
pub mod address;
pub mod framing;
pub mod names;
pub mod tls;
