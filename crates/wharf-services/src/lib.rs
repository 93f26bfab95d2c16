//! The services that Wharf ships, one module each.

pub mod echo;

pub use echo::Echo;
