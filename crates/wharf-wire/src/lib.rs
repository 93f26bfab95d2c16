//! The bytes of every layer, and the pictures of a message.
//!
//! This crate does no I/O and knows no clock: it takes bytes and times, and gives
//! fields, verdicts and text.
//!
//! # Layout
//!
//! - [`frame`]: bytes on a link at a moment, and how we come to know them.
//! - [`layers`]: the headers of a frame, each a list of [`field`]s.
//! - [`packet`]: the few numbers that conversations are followed by, without allocating.
//! - [`conversation`]: flows, TCP's states and verdicts, fragments and streams put together.
//! - [`file`](mod@file): pcap and pcapng, read and written as streams.
//! - [`build`]: making frames: simulated ones, and such as are modelled from socket calls.
//! - [`trace`] and [`view`]: the model behind every picture, and the pictures.
//! - [`application`]: what transports carry, and the [`Dissect`](application::Dissect) trait.

pub mod application;
pub mod build;
pub mod conversation;
pub mod field;
pub mod file;
pub mod frame;
pub mod layers;
pub mod packet;
pub mod trace;
pub mod view;
