//! The document: docs/benchmarks.md, made of the measurements and of nothing else.

pub(crate) mod chat;
mod data;
mod goals;
pub(crate) mod machine;
mod tables;

use std::fmt::Write;
use std::fs;

use crate::arguments::{Arguments, Scale};
use crate::hold::FIRST;
use crate::modes::{self, CONVERSATION, IDLE_TIMEOUT, MODES};
use crate::peers::{PEERS, Peer};
use crate::plan::{Place, SECTIONS, SPARSE, Section, Service, Transport};
use crate::record::{Head, load};
use crate::run::{HELD, MEMORY_SECTION, MODES_SECTION};

use chat::CHAT_SECTION;
use data::Data;

/// A ratio near its bound is not decided by fewer rounds.
const ROUNDS_WANTED: usize = 9;

pub(crate) fn print(arguments: &Arguments) -> Result<(), String> {
    let (head, mut records) = load(&arguments.results)?;
    let chats = chat::load(&arguments.chat)?;
    records.extend(chats.records);
    let data = Data::of(records);
    let notes = fs::read_to_string(&arguments.notes)
        .map_err(|error| format!("{}: {error}", arguments.notes.display()))?;
    let mut text = introduction(&head, &data);
    text += &goals_section(&data);
    text += &machine_section(&head);
    for section in &SECTIONS {
        if data.has_section(section.name) {
            text += &section_text(&data, section);
        }
    }
    if data.has_section(CHAT_SECTION) {
        text += &chat_section(&data, chats.seconds);
    }
    if data.has_section(MEMORY_SECTION) {
        text += &memory_section(&data);
    }
    if data.has_section(MODES_SECTION) {
        text += &modes_section(&data);
    }
    // They are there only where they were measured in the same run.
    let mut missing = Vec::new();
    match fs::read_to_string(&arguments.client) {
        Ok(said) => text += &client_section(&said),
        Err(_) => missing.push("The client was"),
    }
    match fs::read_to_string(&arguments.lab) {
        Ok(said) => text += &lab_section(&said),
        Err(_) => missing.push("The lab was"),
    }
    text += &failures_section(&data);
    text += &left_out_section(&head, &data, &missing);
    text += notes.trim_end();
    text += "\n\n";
    text += REPEAT;
    print!("{text}");
    Ok(())
}

fn introduction(head: &Head, data: &Data) -> String {
    let (measured, warm_up) = head.milliseconds;
    let quick = if head.quick {
        "**This was a quick run: it shows that the suite works, and says nothing about speed.**\n\n"
    } else {
        ""
    };
    let rounds = data.rounds();
    let few = match rounds {
        ..ROUNDS_WANTED => format!(
            "**The goals ask for at least {ROUNDS_WANTED} rounds, and this run had {rounds}: \
             it does not decide about rows that are near their bounds.**\n\n"
        ),
        _ => String::new(),
    };
    format!(
        "# Benchmarks\n\n\
         This page is written by `./ci.sh bench`; do not edit it. Every server is a process of \
         its own on loopback, driven by the load engine of `wharf-check`, which compares every \
         byte of every reply. The servers of a row are measured one after the other in every \
         round, in rotating order, {measured} ms each after {warm_up} ms of warm-up; every \
         round starts them anew. A ratio is the median of the ratios within the rounds, and its \
         *middle half* reaches from the lower to the upper quartile; losses are compared by their \
         difference. Absolute figures drift with \
         the machine; **the ratios are what counts.**\n\n\
         Rounds: {rounds} of the bare loops in C, Wharf and tokio; {sparse} of all other peers \
         and of the serving modes, which take part in every {SPARSE}th round. A serving mode is \
         measured for {mode} ms after {mode_warm_up} ms, or after {mode_warm_up_many} ms with \
         1,000 clients. Memory is measured once. The chats have rounds of their own.\n\n\
         *C epoll* and *C mmsg* are bare loops without limits, timeouts or counters: what the \
         socket API itself allows. Wharf is the whole server as `wharf serve` starts it.\n\n{few}{quick}",
        sparse = rounds.div_ceil(SPARSE),
        mode = modes::MEASURED.as_millis(),
        mode_warm_up = modes::WARM_UP.as_millis(),
        mode_warm_up_many = modes::WARM_UP_MANY.as_millis(),
    )
}

fn goals_section(data: &Data) -> String {
    let mut text = String::from(
        "## Goals\n\n\
         A goal is reached on a row when the median reaches it; *within the spread* when only \
         the middle half of the rounds does. The number behind a row is the median.\n\n\
         | goal | rows that reach it | within the spread | short |\n|---|---|---|---|\n",
    );
    for goal in goals::all(data) {
        line(&mut text, &format!("| {} |", goal.cells().join(" | ")));
    }
    text + "\nThe goals of the client and of the lab stand with their figures, below.\n\n"
}

fn machine_section(head: &Head) -> String {
    let mut text = format!(
        "## Machine\n\nMeasured on {} at commit `{}`.\n\n| | |\n|---|---|\n",
        head.day, head.commit
    );
    for (name, value) in &head.machine {
        line(&mut text, &format!("| {name} | {value} |"));
    }
    text + "\n"
}

fn section_text(data: &Data, section: &Section) -> String {
    let rows: Vec<_> = section.rows(Scale::Full).collect();
    let measured: Vec<_> = rows
        .into_iter()
        .filter(|row| {
            let base = tables::base_of(section);
            data.figure(section.name, row.name, base, tables::RATE)
                .is_some()
        })
        .collect();
    let mut text = format!(
        "## {}\n\n{}\n",
        title(section),
        tables::goals_table(data, section, &measured)
    );
    if let Some(peers) = tables::peers_table(data, section, &measured) {
        let all = goals::in_rounds(data.rounds());
        let sparse = goals::in_rounds(data.rounds().div_ceil(SPARSE));
        text += &format!(
            "Beside what people use instead, as ratios to C: Wharf and tokio over {all}, the \
             others over {sparse}.\n\n"
        );
        text += &peers;
        text += "\n";
    }
    text
}

fn title(section: &Section) -> String {
    let transport = match section.transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    };
    let place = match section.place {
        Place::Pinned => "server and engine on a core each",
        Place::Free => "not pinned",
    };
    format!("{transport} {}, {place}", section.service.name())
}

fn chat_section(data: &Data, seconds: f64) -> String {
    format!(
        "## Chat\n\n\
         `bench/compare.sh chat`: server and engine on a core each, {}, {:.0} ms each, the IRC \
         servers in every third of them; messages \
         count when they were answered and delivered. *C epoll* is a bare chat in C \
         (`bench/peers/chat_epoll.c`). IRC servers write one line for a message where this \
         protocol writes two, so the lines written are compared, too.\n\n{}\n",
        goals::in_rounds(data.rounds_of(CHAT_SECTION)),
        seconds * 1e3,
        tables::chat_table(data)
    )
}

fn memory_section(data: &Data) -> String {
    format!(
        "## Memory of idle connections\n\n\
         {} connections at once, one message exchanged on each, then silence; the server's \
         anonymous pages – heap and stacks – with the first {FIRST} connections and with all of \
         them. What the kernel keeps for a socket is not in it.\n\n{}\n",
        tables::grouped(HELD as f64),
        tables::memory_table(data)
    )
}

fn modes_section(data: &Data) -> String {
    let mut text = format!(
        "## Serving modes\n\n\
         The same echo, served in five ways. Each client has a conversation of {CONVERSATION} \
         messages of 64 bytes, closes, and comes again; cells are messages per second and the \
         99th percentile of the time to a reply, the wait in the queue included. The second \
         line of a mode has one more client that stays connected and says nothing. *Second \
         client waits*: somebody is connected and silent; how long until the next client has \
         its first reply? (With `--idle-timeout {}s` and a second or two of grace for the client to close in order.) \
         Nothing is pinned.\n\n{}\n",
        IDLE_TIMEOUT.as_secs(),
        tables::modes_table(data)
    );
    for mode in &MODES {
        line(&mut text, &format!("- *{}*: {}.", mode.name, mode.what));
    }
    text + "\n" + CHOICE
}

const CHOICE: &str = "\
**What to choose.** Serve async on one core, the default, until one core is measured to be the \
bottleneck, and then on all; take a thread each when the code blocks and clients number in the \
hundreds, and a program each when it is not yours to change or must not share memory with others. \
One at a time is for what must not happen twice at once, and only with an idle timeout, because \
one silent client stops all others for as long as it likes.\n\n";

fn failures_section(data: &Data) -> String {
    let failures = data.failures();
    if failures.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "## Failures\n\nServers that did not answer as they had to, the first case of each:\n\n",
    );
    for (section, row, peer, failure) in failures {
        line(&mut text, &format!("- {peer}, {section}, {row}: {failure}"));
    }
    text + "\n"
}

fn client_section(said: &str) -> String {
    format!(
        "## The client\n\n\
         `bench/client.sh`: is `wharf bench` itself a bottleneck? On the same bare server run in \
         turns a bare generator in C (`bench/peers/load_epoll.c`: epoll, every byte compared, no \
         histogram) and `wharf bench`, messages per second; at least 1 is wanted.\n\n\
         ```text\n{}\n```\n\n",
        said.trim()
    )
}

fn lab_section(said: &str) -> String {
    format!(
        "## The lab\n\n\
         `cargo bench --workspace --bench speed`: frames per second of wall-clock time in a \
         simulated network, beside a bare loop of two of the same stacks that hand each other \
         their frames. In parentheses stands what is wanted.\n\n```text\n{}\n```\n\n",
        said.trim()
    )
}

/// `others` are what was not measured, apart from peers and chats.
fn left_out_section(head: &Head, data: &Data, others: &[&str]) -> String {
    let mut text = String::from("## Peers, and what is left out\n\n");
    for peer in &PEERS {
        line(
            &mut text,
            &format!("- *{}* ({}): {}.", peer.name, transport_of(peer), peer.what),
        );
    }
    text += "\n";
    let mut missing = Vec::new();
    for (peer, why) in &head.missing {
        missing.push(format!("- {peer} was not measured: {why}."));
    }
    if !data.has_section(CHAT_SECTION) {
        missing.push("- The chats were not compared in this run.".to_owned());
    }
    for what in others {
        missing.push(format!("- {what} not measured in this run."));
    }
    // One program serves over both transports.
    missing.dedup();
    for one in &missing {
        line(&mut text, one);
    }
    if !missing.is_empty() {
        text += "\n";
    }
    text + LEFT_OUT
}

fn transport_of(peer: &Peer) -> &'static str {
    let tcp = |section: &&Section| {
        section.transport == Transport::Tcp && section.service == Service::Echo
    };
    match SECTIONS.iter().find(tcp) {
        Some(section) if peer.serves(section) => "TCP",
        _ => "UDP",
    }
}

const LEFT_OUT: &str = "\
Left out: the relay, which Wharf does not have yet; 1,000 connections × 64 KiB at depth 16, since \
a gigabyte in flight measures the kernel's limits of memory and no server; socat and ncat beyond \
50 connections, since each is a process; socat over UDP, which starts a process for each datagram.\n\n";

const REPEAT: &str = "\
## How to repeat it

```sh
./ci.sh bench                                    # all of it, some eighteen minutes
BENCH_OPTIONS=\"--rounds 15 --seconds 1 --minutes 120\" ./ci.sh bench
BENCH_OPTIONS=\"--resume\" ./ci.sh bench           # goes on with a run that was ended
bench/suite.sh --quick                           # does it run? half a minute, writes no page
bench/suite.sh --sections tcp-upper --rounds 15  # some sections, the table to stdout
bench/compare.sh upper --rows 1000x64B           # two or three servers on one row
```

It needs what `bench/peers` is built with and Debian's `golang-go nodejs socat
ncat ngircd inspircd liburing-dev python3-uvloop`, and the crates of monoio; what
cannot be installed is left out and named above. A machine with something else to do gives other figures: look
at the load average above, and at the middle halves.
";

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
