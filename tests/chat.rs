//! `wharf chat` with a real server, by itself and in company.

mod support;

#[path = "chat/company.rs"]
mod company;
#[path = "chat/gate.rs"]
mod gate;
#[path = "chat/plain.rs"]
mod plain;
#[path = "chat/screen.rs"]
mod screen;
#[path = "support/screen.rs"]
mod terminal;
#[path = "chat/udp.rs"]
mod udp;
