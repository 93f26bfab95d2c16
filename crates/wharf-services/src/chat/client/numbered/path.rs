//! How good the network is: which share of what is asked the server answers.

use super::super::super::grammar::Request;
use super::login::Login;
use super::outgoing::Outgoing;
use super::{Numbered, written};

/// How many requests the share of answered ones is made of before it is believed, and
/// how many of them are sent at once.
const PATH_SAMPLES: f64 = 24.0;

const PATH_BURST: usize = 8;

/// How far back the share of answered requests looks, in requests.
const PATH_MEMORY: f64 = 64.0;

/// How many requests the server answered, of the last ones.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// At how many repetitions it was measured before.
    pub(super) measured_at: u32,
    pub(super) asked: f64,
    pub(super) answered: f64,
}

impl Numbered {
    /// Before a receiver counts as one that acknowledges nothing, the network must be
    /// known. The server answers a second HELLO-FROM, and nobody else hears it.
    pub(super) fn measure_path(&mut self) {
        let unsure: u32 = self
            .outgoing
            .values()
            .map(Outgoing::repeated_to_stranger)
            .sum();
        if unsure <= self.path.measured_at || self.path.asked >= PATH_SAMPLES {
            return;
        }
        self.path.measured_at = unsure;
        if let Login::In(name) = &self.login {
            for _ in 0..PATH_BURST {
                self.output.push_back(written(Request::HelloFrom(name)));
                self.path.asked();
            }
        }
    }
}

impl Path {
    pub(super) fn asked(&mut self) {
        let kept = 1.0 - 1.0 / PATH_MEMORY;
        self.asked = self.asked * kept + 1.0;
        self.answered *= kept;
    }

    pub(super) fn answered(&mut self) {
        self.answered = (self.answered + 1.0).min(self.asked);
    }

    /// The share of requests that are answered: by little experience, rather too low.
    pub(super) fn share(&self) -> f64 {
        self.answered / (self.asked + 1.0)
    }
}
