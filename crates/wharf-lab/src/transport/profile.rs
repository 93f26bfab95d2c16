//! The lectures' applications, with what they send and what they need.

use std::time::Duration;

/// One application.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// By which it is chosen; several profiles may share one.
    pub key: &'static str,
    /// What it is.
    pub name: &'static str,
    /// The lecture's row: data loss, throughput, time-sensitive.
    pub row: [&'static str; 3],
    /// What it sends.
    pub traffic: Traffic,
}

/// What an application sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Traffic {
    /// As much as there is, as fast as it goes.
    Elastic(Elastic),
    /// Messages at their times.
    Stream(Stream),
}

/// Objects that must arrive whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elastic {
    /// How many objects.
    pub objects: usize,
    /// How many bytes each.
    pub bytes: usize,
    /// Good if all are there within this time, or three times what the link needs.
    pub good: Duration,
    /// Usable at all only within this time, or thirty times what the link needs.
    pub limit: Duration,
}

/// Messages that are sent at their times and of no use when they are late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stream {
    /// Bytes of each message.
    pub bytes: usize,
    /// From one to the next.
    pub every: Duration,
    /// Good if they arrive within this time.
    pub good: Duration,
    /// Usable at all only within this time.
    pub limit: Duration,
    /// The share of unusable messages that the application bears.
    pub bears: f64,
}

/// What an application lacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Bytes or messages are missing.
    NoLoss,
    /// Messages came too late.
    Delay,
    /// The network could not carry as much as the application sends.
    Throughput,
}

impl Need {
    /// The need in words.
    pub fn name(self) -> &'static str {
        match self {
            Need::NoLoss => "data loss",
            Need::Delay => "delay",
            Need::Throughput => "throughput",
        }
    }
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A frame of video, 24 in a second.
const FRAME: Duration = Duration::from_micros(41_667);

const fn stream(bytes: usize, every: Duration, good: u64, limit: u64, bears: f64) -> Traffic {
    Traffic::Stream(Stream {
        bytes,
        every,
        good: ms(good),
        limit: ms(limit),
        bears,
    })
}

const fn elastic(objects: usize, bytes: usize, good: u64, limit: u64) -> Traffic {
    Traffic::Elastic(Elastic {
        objects,
        bytes,
        good: ms(good),
        limit: ms(limit),
    })
}

/// All applications, in the order of the lecture's table, with both ends of the
/// ranges of rates.
pub const PROFILES: &[Profile] = &[
    Profile {
        key: "file",
        name: "file transfer, 10 MB",
        row: ["no loss", "elastic", "no"],
        traffic: elastic(1, 10_000_000, 0, 0),
    },
    Profile {
        key: "mail",
        name: "e-mail, 50 kB",
        row: ["no loss", "elastic", "no"],
        // TS 22.105: e-mail, server access, 4 s.
        traffic: elastic(1, 50_000, 4_000, 60_000),
    },
    Profile {
        key: "web",
        name: "web page, 20 × 10 kB",
        row: ["no loss", "elastic", "no"],
        // TS 22.105: web browsing, 4 s per page.
        traffic: elastic(20, 10_000, 4_000, 10_000),
    },
    Profile {
        key: "voice",
        name: "real-time audio, 5 kbit/s",
        row: ["loss-tolerant", "5 kbit/s – 1 Mbit/s", "yes, 100s of ms"],
        // 20 ms of sound in a packet; TS 22.105: 150 ms preferred, 400 ms limit, 3 % loss.
        traffic: stream(13, ms(20), 150, 400, 0.03),
    },
    Profile {
        key: "voice",
        name: "real-time audio, 1 Mbit/s",
        row: ["loss-tolerant", "5 kbit/s – 1 Mbit/s", "yes, 100s of ms"],
        traffic: stream(2_500, ms(20), 150, 400, 0.03),
    },
    Profile {
        key: "video",
        name: "real-time video, 10 kbit/s",
        row: ["loss-tolerant", "10 kbit/s – 5 Mbit/s", "yes, 100s of ms"],
        // TS 22.105: videophone, 150 ms preferred, 400 ms limit, 1 % frames lost.
        traffic: stream(52, FRAME, 150, 400, 0.01),
    },
    Profile {
        key: "video",
        name: "real-time video, 5 Mbit/s",
        row: ["loss-tolerant", "10 kbit/s – 5 Mbit/s", "yes, 100s of ms"],
        traffic: stream(26_042, FRAME, 150, 400, 0.01),
    },
    Profile {
        key: "stored",
        name: "stored audio, 5 kbit/s",
        row: ["loss-tolerant", "as above", "yes, few s"],
        // Five seconds are buffered; later is a stall.
        traffic: stream(62, ms(100), 5_000, 10_000, 0.01),
    },
    Profile {
        key: "stored",
        name: "stored video, 5 Mbit/s",
        row: ["loss-tolerant", "as above", "yes, few s"],
        traffic: stream(26_042, FRAME, 5_000, 10_000, 0.01),
    },
    Profile {
        key: "game",
        name: "interactive game, 8 kbit/s",
        row: ["loss-tolerant", "few kbit/s – 10 kbit/s", "yes, 100s of ms"],
        // TS 22.105: interactive games, 250 ms. The lecture bears loss (of states,
        // which the next one replaces), TS 22.105 none (of commands).
        traffic: stream(50, ms(50), 250, 500, 0.01),
    },
    Profile {
        key: "text",
        name: "text messages, 200 B",
        row: ["no loss", "elastic", "yes and no"],
        traffic: stream(200, ms(1_000), 4_000, 30_000, 0.0),
    },
];
