//! The guide's tables say what the code says.

use std::time::Duration;

use wharf::limits::{self, Limits};

const CHAPTER: &str = include_str!("../../../docs/guide/timeouts-and-limits.md");
const SOURCE: &str = include_str!("../src/limits.rs");

/// `16384` as `16,384`.
fn count(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}

fn size(bytes: usize) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ => format!("{} KiB", bytes >> 10),
    }
}

fn time(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis.is_multiple_of(60_000) => format!("{} min", millis / 60_000),
        millis if millis.is_multiple_of(1_000) => format!("{} s", millis / 1_000),
        millis => format!("{millis} ms"),
    }
}

fn or_none(timeout: Option<Duration>) -> String {
    timeout.map_or("none".into(), time)
}

/// First and second cell of every row whose first cell is code and `wanted`.
fn rows(wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    CHAPTER
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .filter(|(name, _)| wanted(name))
        .map(|(name, rest)| {
            let value = rest.split(" |").next().unwrap_or_default();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

fn owned(pairs: Vec<(&str, String)>) -> Vec<(String, String)> {
    let own = |(name, value): (&str, String)| (name.to_owned(), value);
    pairs.into_iter().map(own).collect()
}

#[test]
fn every_field_of_limits_stands_in_the_table_with_its_default() {
    // Taken apart, so that a new field is missed here by the compiler.
    let Limits {
        max_connections,
        when_full,
        per_peer,
        refusal,
        idle_timeout,
        write_timeout,
        total_timeout,
        handshake_timeout,
        drain_timeout,
    } = Limits::default();
    assert_eq!(refusal, b"");
    let defaults = owned(vec![
        ("max_connections", count(max_connections)),
        ("when_full", format!("{when_full:?}")),
        ("per_peer", per_peer.map_or("none".into(), count)),
        ("refusal", "nothing".into()),
        ("idle_timeout", or_none(idle_timeout)),
        ("write_timeout", or_none(write_timeout)),
        ("total_timeout", or_none(total_timeout)),
        ("handshake_timeout", time(handshake_timeout)),
        ("drain_timeout", time(drain_timeout)),
    ]);
    assert_eq!(rows(|name| name == name.to_lowercase()), defaults);
}

#[test]
fn every_constant_stands_in_the_table_with_its_value() {
    let values = owned(vec![
        ("MAX_CONNECTIONS", count(limits::MAX_CONNECTIONS)),
        ("BACKLOG", count(limits::BACKLOG as usize)),
        ("IDLE_TIMEOUT", time(limits::IDLE_TIMEOUT)),
        ("WRITE_TIMEOUT", time(limits::WRITE_TIMEOUT)),
        ("HANDSHAKE_TIMEOUT", time(limits::HANDSHAKE_TIMEOUT)),
        ("DRAIN_TIMEOUT", time(limits::DRAIN_TIMEOUT)),
        ("DRAIN_PAUSE", time(limits::DRAIN_PAUSE)),
        ("DRAIN_PAUSE_ACTIVE", time(limits::DRAIN_PAUSE_ACTIVE)),
        ("QUIET", time(limits::QUIET)),
        ("LINGER", time(limits::LINGER)),
        ("DRAIN_LINGER", time(limits::DRAIN_LINGER)),
        ("DRAIN_HANDSHAKE", time(limits::DRAIN_HANDSHAKE)),
        ("LINGER_BYTES", size(limits::LINGER_BYTES)),
        ("MAX_MESSAGE", size(limits::MAX_MESSAGE)),
        ("ACCEPT_BACKOFF_MIN", time(limits::ACCEPT_BACKOFF_MIN)),
        ("ACCEPT_BACKOFF_MAX", time(limits::ACCEPT_BACKOFF_MAX)),
        ("ACCEPT_CALM", time(limits::ACCEPT_CALM)),
        ("KEEPALIVE", time(limits::KEEPALIVE)),
        ("KEEPALIVE_INTERVAL", time(limits::KEEPALIVE_INTERVAL)),
        ("KEEPALIVE_PROBES", count(limits::KEEPALIVE_PROBES as usize)),
        ("USER_TIMEOUT", time(limits::USER_TIMEOUT)),
        ("READ_BUFFER", size(limits::READ_BUFFER)),
        ("READ_BUFFERS_KEPT", count(limits::READ_BUFFERS_KEPT)),
        ("DATAGRAM_BUFFER", size(limits::DATAGRAM_BUFFER as usize)),
        ("DATAGRAM_BATCH", count(limits::DATAGRAM_BATCH)),
        ("DATAGRAM_REPLIES", count(limits::DATAGRAM_REPLIES)),
        ("DATAGRAM_REPLY_BYTES", size(limits::DATAGRAM_REPLY_BYTES)),
        ("MAX_DATAGRAM", count(limits::MAX_DATAGRAM)),
        ("MAX_SESSIONS", count(limits::MAX_SESSIONS)),
        (
            "MAX_UNPROVEN_SESSIONS",
            count(limits::MAX_UNPROVEN_SESSIONS),
        ),
        ("SESSION_IDLE", time(limits::SESSION_IDLE)),
        ("BLOCKING_THREADS", count(limits::BLOCKING_THREADS)),
        ("CONNECT_TIMEOUT", time(limits::CONNECT_TIMEOUT)),
        ("CONNECT_STAGGER", time(limits::CONNECT_STAGGER)),
    ]);
    assert_eq!(rows(|name| name == name.to_uppercase()), values);
    let declared: Vec<&str> = SOURCE
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split(':').next())
        .collect();
    let listed: Vec<&str> = values.iter().map(|(name, _)| &**name).collect();
    assert_eq!(listed, declared, "the order is that of limits.rs");
}
