//! What does not go together, found out before anybody is connected to.

use wharf_check::load::cpu_of;

use super::args::{BenchArgs, Way};
use super::text::Expected;
use crate::failure::{Failure, words};

/// Whether something is wrong, what, and what to do instead.
type Rule = (bool, &'static str, &'static str);

/// The most messages in flight on a connection of a chat.
const CHAT_DEPTH: usize = 1_024;

/// Refuses what does not go together.
pub(super) fn check(args: &BenchArgs) -> Result<(), Failure> {
    let of_streams: &[Rule] = &[
        &bulk(args)[..],
        &one_way(args),
        &silent(args),
        &others(args),
    ]
    .concat();
    let mut addresses = std::iter::once(&args.address).chain(&args.compare);
    let rules = match addresses.any(|to| to.scheme.is_datagram()) {
        true => [&no_stream(args)[..], &flows(args), of_streams].concat(),
        false => of_streams.to_vec(),
    };
    if let Some((_, what, cure)) = rules.into_iter().find(|(holds, ..)| *holds) {
        return Err(Failure::usage(what).cure(cure));
    }
    limits(args)?;
    if let (Some(hdr), Some(csv)) = (&args.hdr, &args.csv)
        && hdr == csv
    {
        let cause = format!("--hdr and --csv both go to {}", hdr.display());
        return Err(Failure::usage(cause).cure("a file for each of them"));
    }
    match args.pid {
        // Whether it can be read is found out before the run, not after it.
        Some(pid) => cpu_of(pid).map(drop).map_err(|error| {
            let cause = format!("cannot read what process {pid} uses: {}", words(&error));
            Failure::usage(cause).cure("--pid with the number of a process that runs")
        }),
        None => Ok(()),
    }
}

/// Limits of figures that the run will not have.
fn limits(args: &BenchArgs) -> Result<(), Failure> {
    let is_datagram = args.address.scheme.is_datagram();
    for limit in &args.fail_if {
        if limit.is_of_datagrams() && !is_datagram {
            let cause = format!("--fail-if '{limit}' is for udp: a stream loses nothing");
            return Err(Failure::usage(cause).cure("--fail-if 'p99>5ms'"));
        }
        if limit.is_of_messages() && is_one_way(args) {
            let cause = format!("--fail-if '{limit}' is for messages: bulk has none");
            return Err(Failure::usage(cause).cure("--fail-if 'bytes<100MiB'"));
        }
    }
    Ok(())
}

fn is_one_way(args: &BenchArgs) -> bool {
    matches!(args.bulk, Some(Way::Send | Way::Receive))
}

/// What udp has none of.
fn no_stream(args: &BenchArgs) -> [Rule; 3] {
    [
        (
            args.bulk.is_some(),
            "bulk goes over streams, and udp has none",
            "--bulk with a tcp, tls or unix address",
        ),
        (
            args.chat,
            "a chat goes over streams, and udp has none",
            "--chat with a tcp, tls or unix address",
        ),
        (
            args.idle.is_some(),
            "udp has no connections to hold",
            "--idle with a tcp, tls or unix address",
        ),
    ]
}

/// What udp does otherwise.
fn flows(args: &BenchArgs) -> [Rule; 4] {
    [
        (
            args.churn,
            "a UDP flow has no connection to close",
            "udp without --churn",
        ),
        (
            args.frame.is_some(),
            "--frame does not apply to udp: a datagram is a message already",
            "udp without --frame",
        ),
        (
            !args.ramp_up.is_zero(),
            "UDP flows are not opened one by one",
            "udp without --ramp-up",
        ),
        (
            !args.message.is_empty() && args.depth.is_some_and(|depth| depth > 1),
            "the depth of datagrams that carry no number is 1",
            "--size in place of --message    or    more --connections in place of --depth",
        ),
    ]
}

fn bulk(args: &BenchArgs) -> [Rule; 3] {
    let both_ways = args.bulk == Some(Way::Both);
    let is_computed = matches!(args.expect, None | Some(Expected::Echo | Expected::Upper));
    [
        (
            args.bulk.is_some() && (args.size.is_some() || args.frame.is_some()),
            "--bulk moves bytes and no messages: --size and --frame do not apply to it",
            "--bulk without them",
        ),
        (
            both_ways && !args.message.is_empty(),
            "--bulk both makes up what it sends: --message does not apply to it",
            "--bulk both without --message",
        ),
        (
            both_ways && !is_computed,
            "--bulk both expects what it sent, or that in upper case: --expect echo or upper",
            "--expect echo    or    --expect upper",
        ),
    ]
}

fn one_way(args: &BenchArgs) -> [Rule; 4] {
    let one_way = is_one_way(args);
    [
        (
            one_way && (args.depth.is_some() || args.expect.is_some() || args.late.is_some()),
            "--bulk send and receive wait for no reply: --depth, --expect and --late do not apply to them",
            "--bulk without them    or    --bulk both if the server answers",
        ),
        (
            one_way && !args.ramp_up.is_zero(),
            "--bulk send and receive open all connections at once: --ramp-up does not apply to them",
            "--bulk without --ramp-up",
        ),
        (
            args.bulk == Some(Way::Send) && !args.message.is_empty(),
            "--bulk send makes up what it sends: --message does not apply to it",
            "--bulk send without --message",
        ),
        (
            args.bulk == Some(Way::Receive) && args.message.len() > 1,
            "of messages, --bulk receive takes one: what makes the server send",
            "one --message",
        ),
    ]
}

fn silent(args: &BenchArgs) -> [Rule; 2] {
    let is_idle = args.idle.is_some();
    [
        (
            is_idle && (args.size.is_some() || args.late.is_some() || !args.ramp_up.is_zero()),
            "--idle holds silent connections: --size, --late and --ramp-up do not apply to it",
            "--idle without them",
        ),
        (
            is_idle && args.message.is_empty() && (args.frame.is_some() || args.expect.is_some()),
            "--idle without --message says nothing: --frame and --expect do not apply to it",
            "--message with what each says first    or    --idle alone",
        ),
    ]
}

fn others(args: &BenchArgs) -> [Rule; 3] {
    [
        (
            args.churn && args.depth.is_some_and(|depth| depth > 1),
            "--churn sends one message on each connection: --depth does not apply to it",
            "more --connections in place of --depth",
        ),
        (
            args.chat && args.size().one().is_none(),
            "messages of a chat have one size",
            "--size 64",
        ),
        (
            args.chat && args.depth.is_some_and(|depth| depth > CHAT_DEPTH),
            "the depth of a chat is at most 1,024",
            "--depth 1024",
        ),
    ]
}
