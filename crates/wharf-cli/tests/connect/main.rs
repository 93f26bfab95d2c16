//! `wharf connect` as its peers and its pipes see it. All peers are on port 0 of
//! this machine.

mod broadcast;
mod datagram;
mod stream;
mod support;
mod tls;
mod view;
