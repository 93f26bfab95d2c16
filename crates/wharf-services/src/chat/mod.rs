//! Chat: users log in by name and send each other lines.

#![allow(dead_code)]

mod grammar;
mod room;
mod rules;

pub use grammar::{BadRequest, Dialect, Reply, Request, Verb, is_name};
pub use room::{Leave, PIECE_PAUSE, Refusal};
pub use rules::*;
