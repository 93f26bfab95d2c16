//! Is that peer right, and how fast.
//!
//! [`load`] puts a load on a server and believes no reply that it did not
//! compare byte for byte.

#[cfg(target_os = "linux")]
pub mod load;
