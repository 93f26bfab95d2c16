//! The services that Wharf ships.
//!
//! | service | what it does | streams | datagrams |
//! |---|---|---|---|
//! | [`Echo`] | sends everything back (RFC 862) | yes | yes |
//! | [`Upper`] | sends text back in upper case | yes | yes |
//! | [`Chat`] | users log in and send each other lines | yes | [`UnreliableChat`](chat::UnreliableChat) |
//! | [`Rps`] | a referee for rock, paper, scissors | yes | [`DatagramRps`](rps::DatagramRps) |
//! | [`Blackjack`] | tables of blackjack with cards that can be checked | yes | no |
//! | [`Message`] | takes messages and shows them | yes | yes |
//! | [`Password`] | says whether a password is right, and [guards](password::Gate) other services | yes | no |
//! | `Page` | serves files and a page of its own (feature `page`) | yes | no |
//! | [`Discard`] | throws everything away (RFC 863) | yes | yes |
//! | [`Chargen`] | sends a pattern without end (RFC 864) | yes | yes |
//! | [`Daytime`] | says the date and the time in words (RFC 867) | yes | yes |
//! | [`Time`] | says the time as a number (RFC 868) | yes | yes |
//! | [`Exec`] | starts a program for each connection | yes | no |
//!
//! A service implements [`wharf::service::Service`] for streams (tcp, tls, unix,
//! seqpacket) and [`wharf::datagram::DatagramService`] for datagrams (udp,
//! unix-dgram). [`catalog()`] is the table of them all with their standard addresses.
//!
//! ```
//! use wharf::server::Server;
//! use wharf_services::{Echo, Upper};
//!
//! let server = Server::new()
//!     .serve("echo", "tcp::0".parse().unwrap(), Echo::default())
//!     .serve_datagrams("upper", "udp::0".parse().unwrap(), Upper::default());
//! ```
//!
//! No datagram of a peer on another machine is answered by a longer one: its
//! address may be forged, and the service would be an amplifier for attacks.
//! What that means for each service is said there.

pub mod blackjack;
pub mod catalog;
pub mod chargen;
pub mod chat;
pub mod daytime;
pub mod discard;
pub mod dissect;
pub mod echo;
#[cfg(unix)]
pub mod exec;
pub mod message;
#[cfg(all(unix, feature = "page"))]
pub mod page;
pub mod password;
pub mod rps;
pub mod time;
pub mod upper;

#[cfg(fuzzing)]
pub use games::fuzzing;

mod date;
mod games;
mod loops;
#[cfg(test)]
mod noise;
mod rtt;
#[cfg(test)]
mod testing;

pub use blackjack::Blackjack;
pub use catalog::catalog;
pub use chargen::Chargen;
pub use chat::Chat;
pub use daytime::Daytime;
pub use discard::Discard;
pub use echo::{Echo, echo_reply};
#[cfg(unix)]
pub use exec::Exec;
pub use message::Message;
#[cfg(all(unix, feature = "page"))]
pub use page::Page;
pub use password::Password;
pub use rps::Rps;
pub use time::Time;
pub use upper::{Upper, upper_ascii_reply, upper_reply};
