//! Clients in Rust.

use super::*;

pub(super) fn program(client: &Client) -> String {
    let template = match client.place.is_datagram() {
        true => include_str!("../programs/client_datagram.rs"),
        false => include_str!("../programs/client.rs"),
    };
    let (imports, constants, open) = open(client);
    let (frame, framed, receive) = frame(client.frame);
    filled(
        template,
        &[
            ("IMPORTS", imports),
            ("CONSTANTS", &constants),
            ("OPEN", &open),
            ("SEND", &send(client, framed)),
            ("FINISH", finish(client)),
            ("FRAME", &frame),
            (
                "RECEIVE",
                if client.half_close == HalfClose::Close {
                    ""
                } else {
                    &receive
                },
            ),
            ("TALK", talk(client)),
            ("ANSWER", answer(client)),
            ("TIMEOUT_MS", &client.timeout_ms.to_string()),
            ("ADDRESS", &client.address),
        ],
    )
    .replace(
        "use std::io::{self, ErrorKind, Read, Write};",
        datagram_imports(client),
    )
    .replace("use std::io::{self, Read, Write};", stream_imports(client))
    .trim_end()
    .to_owned()
        + "\n"
}

fn datagram_imports(client: &Client) -> &'static str {
    match (client.messages.is_empty(), client.half_close) {
        (true, HalfClose::Close) => "use std::io::{self, BufRead, ErrorKind};",
        (true, _) => "use std::io::{self, BufRead, ErrorKind, Write};",
        (false, HalfClose::Close) => "use std::io::{self, ErrorKind};",
        (false, _) => "use std::io::{self, ErrorKind, Write};",
    }
}

fn stream_imports(client: &Client) -> &'static str {
    let reads = client.half_close != HalfClose::Close
        || (client.messages.is_empty() && client.frame == Frame::Raw);
    match (
        client.messages.is_empty() && client.frame != Frame::Raw,
        reads,
    ) {
        (true, true) => "use std::io::{self, BufRead, Read, Write};",
        (true, false) => "use std::io::{self, BufRead, Write};",
        (false, true) => "use std::io::{self, Read, Write};",
        (false, false) => "use std::io::{self, Write};",
    }
}

fn open(client: &Client) -> (&'static str, String, String) {
    match &client.place {
        Place::Tcp(inet) | Place::Tls(inet) => (
            match client.half_close {
                HalfClose::Send => "use std::net::{Shutdown, TcpStream, ToSocketAddrs};",
                _ => "use std::net::{TcpStream, ToSocketAddrs};",
            },
            constants(inet),
            include_str!("../programs/open_tcp.rs")
                .trim_end()
                .replace("@FILTER@", filter(inet)),
        ),
        Place::Udp(inet) => (
            "use std::net::{ToSocketAddrs, UdpSocket};\n",
            constants(inet) + "\n",
            include_str!("../programs/open_udp.rs")
                .trim_end()
                .replace("@FILTER@", filter(inet)),
        ),
        Place::Unix(unix) => (
            match client.half_close {
                HalfClose::Send => "use std::net::Shutdown;\nuse std::os::unix::net::UnixStream;",
                _ => "use std::os::unix::net::UnixStream;",
            },
            String::new(),
            format!(
                "type Peer = UnixStream;\n\nfn connect() -> io::Result<Peer> {{\n    {}\n}}",
                unix_call("UnixStream::connect", unix)
            ),
        ),
        Place::UnixDgram(unix) => (
            "use std::os::unix::net::UnixDatagram;\n",
            String::new(),
            include_str!("../programs/open_unix_dgram.rs")
                .trim_end()
                .replace("@CONNECT@", &unix_call("socket.connect", unix)),
        ),
    }
}

fn constants(inet: &Inet) -> String {
    let host = literal::text(Language::Rust, &inet.host);
    format!(
        "const HOST: &str = {host};\nconst PORT: u16 = {};\n",
        inet.port
    )
}

fn filter(inet: &Inet) -> &'static str {
    match inet.family {
        None => "",
        Some(Family::V4) => ".filter(|address| address.is_ipv4())",
        Some(Family::V6) => ".filter(|address| address.is_ipv6())",
    }
}

/// A call with a path, or with a name in the abstract namespace.
pub(super) fn unix_call(function: &str, unix: &UnixPlace) -> String {
    match unix.0.strip_prefix(b"\0") {
        None => match std::str::from_utf8(&unix.0) {
            Ok(path) => format!("{function}({path:?})"),
            Err(_) => format!(
                "{function}(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes({}))",
                literal::bytes(Language::Rust, &unix.0)
            ),
        },
        Some(name) => format!(
            "{function}_addr(&<std::os::unix::net::SocketAddr as \
             std::os::linux::net::SocketAddrExt>::from_abstract_name({})?)",
            literal::bytes(Language::Rust, name)
        ),
    }
}

fn send(client: &Client, framed: &str) -> String {
    let given: Vec<String> = client
        .messages
        .iter()
        .map(|message| literal::bytes(Language::Rust, message))
        .collect();
    let given = given.join(", ");
    if client.place.is_datagram() {
        return match client.messages.is_empty() {
            false => format!(
                "    let messages: &[&[u8]] = &[{given}];\n    for message in messages {{\n        \
                 ask(&peer, message)?;\n    }}\n"
            ),
            true => "    for line in io::stdin().lock().split(b'\\n') {\n        \
                     ask(&peer, &line?)?;\n    }\n"
                .to_owned(),
        };
    }
    let given = format!(
        "    let messages: &[&[u8]] = &[{given}];\n    for message in messages {{\n        \
         peer.write_all({framed})?;\n    }}\n"
    );
    let raw = "    io::copy(&mut io::stdin().lock(), &mut peer)?;\n";
    let lines = format!(
        "    for line in io::stdin().lock().split(b'\\n') {{\n        \
         let message = &line?[..];\n        peer.write_all({framed})?;\n    }}\n"
    );
    one_of(client, &given, raw, &lines).to_owned()
}

fn finish(client: &Client) -> &'static str {
    match client.half_close {
        HalfClose::Send => {
            "    // The peer reads to its end, and may still answer.\n    \
             peer.shutdown(Shutdown::Write)?;\n"
        }
        HalfClose::Keep | HalfClose::Close => "",
    }
}

/// The function that frames, its call, and what receives.
fn frame(frame: Frame) -> (String, &'static str, String) {
    match frame {
        Frame::Raw => (
            String::new(),
            "message",
            include_str!("../programs/receive.rs").to_owned(),
        ),
        Frame::Lines => (
            String::new(),
            "&[message, b\"\\n\"].concat()",
            include_str!("../programs/receive.rs").to_owned(),
        ),
        Frame::Length(prefix) => {
            let number = format!("u{}", 8 * prefix.width.bytes());
            let order = match prefix.endian {
                Endian::Big => "be",
                Endian::Little => "le",
            };
            let replace = |text: &str| {
                text.replace("@NUMBER@", &number)
                    .replace("@ORDER@", order)
                    .replace("@WIDTH@", &prefix.width.bytes().to_string())
            };
            (
                replace(include_str!("../programs/framed_length.rs")),
                "&framed(message)?",
                replace(include_str!("../programs/receive_length.rs")),
            )
        }
    }
}

fn talk(client: &Client) -> &'static str {
    match client.half_close {
        HalfClose::Close => "    send(peer)",
        _ => {
            "    let sending = peer.try_clone()?;\n    \
             // By itself, so that a peer that answers while we send stops nobody.\n    \
             std::thread::spawn(move || {\n        if let Err(error) = send(sending) {\n            \
             eprintln!(\"error: cannot send: {error}\");\n        }\n    });\n    receive(peer)"
        }
    }
}

fn answer(client: &Client) -> &'static str {
    match client.half_close {
        HalfClose::Close => "",
        _ => {
            "    let mut buffer = [0; 65535];\n    let count = peer.recv(&mut buffer)?;\n    \
             let answer = &buffer[..count];\n    let mut stdout = io::stdout().lock();\n    \
             stdout.write_all(answer.strip_suffix(b\"\\n\").unwrap_or(answer))?;\n    \
             stdout.write_all(b\"\\n\")?;\n    stdout.flush()?;\n"
        }
    }
}
