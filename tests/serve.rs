//! `wharf serve` as people and scripts see it: real processes, real sockets.
//!
//! Layout: `start` and `stop` are its beginning and end; `limits`, `modes`,
//! `frames`, `exec`, `unix`, `tls` and `chat` its options; `json` what machines read;
//! `mistakes`, `ordinary` and `looks` what people read.

#[path = "support/namespace.rs"]
mod namespace;
#[path = "support/peer.rs"]
mod peer;
mod support;

#[path = "serve/chat.rs"]
mod chat;
#[path = "serve/exec.rs"]
mod exec;
#[path = "serve/frames.rs"]
mod frames;
#[path = "serve/json.rs"]
mod json;
#[path = "serve/limits.rs"]
mod limits;
#[path = "serve/looks.rs"]
mod looks;
#[path = "serve/mistakes.rs"]
mod mistakes;
#[path = "serve/modes.rs"]
mod modes;
#[path = "serve/ordinary.rs"]
mod ordinary;
#[path = "serve/start.rs"]
mod start;
#[path = "serve/stop.rs"]
mod stop;
#[path = "serve/tls.rs"]
mod tls;
#[path = "serve/unix.rs"]
mod unix;
