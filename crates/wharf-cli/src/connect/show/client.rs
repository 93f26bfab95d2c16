//! Clients, put together.

use wharf::address::Family;
use wharf::framing::{Endian, LengthPrefix};

use super::plan::{Client, Frame, Inet, Place, UnixPlace};
use super::{Language, filled, literal, without_function};
use crate::connect::args::HalfClose;
use crate::exit::Exit;
use crate::failure::Failure;

/// The whole program.
pub(super) fn program(client: &Client, language: Language) -> Result<String, Failure> {
    if matches!(client.place, Place::Tls(_)) && language != Language::Python {
        return Err(Failure::new(
            Exit::Failed,
            "--show knows tls: only in Python: the standard libraries of Rust and C have no TLS",
        )
        .cure("--show python"));
    }
    Ok(match language {
        Language::Python => python::program(client),
        Language::Rust => rust::program(client),
        Language::C => c::program(client),
    })
}

/// The pieces that are chosen by whether messages were given.
fn one_of<'a>(client: &Client, given: &'a str, raw: &'a str, lines: &'a str) -> &'a str {
    match (client.messages.is_empty(), client.frame) {
        (false, _) => given,
        (true, Frame::Raw) if !client.place.is_datagram() => raw,
        (true, _) => lines,
    }
}

mod python {
    use super::*;

    pub(super) fn program(client: &Client) -> String {
        let template = match client.place.is_datagram() {
            true => include_str!("programs/client_datagram.py"),
            false => include_str!("programs/client.py"),
        };
        let (constants, open) = open(&client.place);
        let frame = frame(client.frame);
        let timeout = format!("{}", client.timeout_ms as f64 / 1e3);
        let imports = match client.place {
            Place::Tls(_) => "import ssl\nimport struct\n",
            _ => "import struct\n",
        };
        let text = filled(
            template,
            &[
                ("IMPORTS", imports),
                ("CONSTANTS", &constants),
                ("OPEN", open),
                ("MESSAGES", &messages(client)),
                ("FRAME", &frame),
                ("FINISH", finish(client)),
                ("RECEIVE", &receive(client.frame)),
                ("TALK", talk(client)),
                ("ANSWER", answer(client)),
                ("TIMEOUT", &timeout),
                ("ADDRESS", &client.address),
            ],
        );
        without_unused(text)
    }

    /// Imports that only some programs need.
    fn without_unused(mut text: String) -> String {
        for module in ["os", "struct", "threading"] {
            if !text.contains(&format!("{module}.")) {
                text = text.replace(&format!("import {module}\n"), "");
            }
        }
        text
    }

    fn open(place: &Place) -> (String, &'static str) {
        match place {
            Place::Tcp(inet) => (
                constants(inet),
                include_str!("programs/open_tcp.py").trim_end(),
            ),
            Place::Udp(inet) => (
                constants(inet),
                include_str!("programs/open_udp.py").trim_end(),
            ),
            Place::Tls(inet) => (
                constants(inet),
                include_str!("programs/open_tls.py").trim_end(),
            ),
            Place::Unix(unix) => (path(unix), include_str!("programs/open_unix.py").trim_end()),
            Place::UnixDgram(unix) => (
                path(unix),
                include_str!("programs/open_unix_dgram.py").trim_end(),
            ),
        }
    }

    fn constants(inet: &Inet) -> String {
        let family = match inet.family {
            None => "socket.AF_UNSPEC",
            Some(Family::V4) => "socket.AF_INET",
            Some(Family::V6) => "socket.AF_INET6",
        };
        let host = literal::text(Language::Python, &inet.host);
        format!("HOST = {host}\nPORT = {}\nFAMILY = {family}\n", inet.port)
    }

    fn path(unix: &UnixPlace) -> String {
        format!("PATH = {}\n", literal::bytes(Language::Python, &unix.0))
    }

    fn messages(client: &Client) -> String {
        let given: Vec<String> = client
            .messages
            .iter()
            .map(|message| literal::bytes(Language::Python, message))
            .collect();
        let given = format!("def messages():\n    return [{}]", given.join(", "));
        let raw = "def messages():\n    \"\"\"Stdin, as it comes.\"\"\"\n    \
                   while chunk := os.read(0, 65536):\n        yield chunk";
        let lines = "def messages():\n    \"\"\"The lines of stdin.\"\"\"\n    rest = b\"\"\n    \
                     while chunk := os.read(0, 65536):\n        \
                     *lines, rest = (rest + chunk).split(b\"\\n\")\n        yield from lines\n    \
                     if rest:\n        yield rest";
        one_of(client, &given, raw, lines).to_owned()
    }

    fn code(prefix: LengthPrefix) -> String {
        let order = match prefix.endian {
            Endian::Big => '>',
            Endian::Little => '<',
        };
        let letter = match prefix.width.bytes() {
            1 => 'B',
            2 => 'H',
            4 => 'I',
            _ => 'Q',
        };
        format!("\"{order}{letter}\"")
    }

    fn frame(frame: Frame) -> String {
        match frame {
            Frame::Raw => "def framed(message):\n    return message".to_owned(),
            Frame::Lines => "def framed(message):\n    return message + b\"\\n\"".to_owned(),
            Frame::Length(prefix) => format!(
                "LENGTH = struct.Struct({})\n\n\ndef framed(message):\n    \
                 \"\"\"The length first, so that the receiver knows where the message ends.\"\"\"\n    \
                 return LENGTH.pack(len(message)) + message",
                code(prefix)
            ),
        }
    }

    fn receive(frame: Frame) -> String {
        match frame {
            Frame::Length(_) => include_str!("programs/receive_length.py"),
            Frame::Raw | Frame::Lines => include_str!("programs/receive.py"),
        }
        .trim_end()
        .to_owned()
    }

    fn finish(client: &Client) -> &'static str {
        match client.half_close {
            HalfClose::Send => {
                "        peer.shutdown(socket.SHUT_WR)  # the peer reads to its end, and may still answer\n"
            }
            HalfClose::Keep | HalfClose::Close => "",
        }
    }

    fn talk(client: &Client) -> &'static str {
        match (client.half_close, &client.place) {
            (HalfClose::Close, _) => "        send(peer)\n        peer.close()\n",
            // An ssl object is not for two threads at once.
            (_, Place::Tls(_)) => "        send(peer)\n        receive(peer)\n",
            _ => {
                "        # By itself, so that a peer that answers while we send stops nobody.\n        \
                 threading.Thread(target=send, args=(peer,), daemon=True).start()\n        \
                 receive(peer)\n"
            }
        }
    }

    fn answer(client: &Client) -> &'static str {
        match client.half_close {
            HalfClose::Close => "",
            HalfClose::Send | HalfClose::Keep => {
                "            answer = peer.recv(65535)\n            \
                 sys.stdout.buffer.write(answer.removesuffix(b\"\\n\") + b\"\\n\")\n            \
                 sys.stdout.buffer.flush()\n"
            }
        }
    }
}

mod rust {
    use super::*;

    pub(super) fn program(client: &Client) -> String {
        let template = match client.place.is_datagram() {
            true => include_str!("programs/client_datagram.rs"),
            false => include_str!("programs/client.rs"),
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
                include_str!("programs/open_tcp.rs")
                    .trim_end()
                    .replace("@FILTER@", filter(inet)),
            ),
            Place::Udp(inet) => (
                "use std::net::{ToSocketAddrs, UdpSocket};\n",
                constants(inet) + "\n",
                include_str!("programs/open_udp.rs")
                    .trim_end()
                    .replace("@FILTER@", filter(inet)),
            ),
            Place::Unix(unix) => (
                match client.half_close {
                    HalfClose::Send => {
                        "use std::net::Shutdown;\nuse std::os::unix::net::UnixStream;"
                    }
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
                include_str!("programs/open_unix_dgram.rs")
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
                include_str!("programs/receive.rs").to_owned(),
            ),
            Frame::Lines => (
                String::new(),
                "&[message, b\"\\n\"].concat()",
                include_str!("programs/receive.rs").to_owned(),
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
                    replace(include_str!("programs/framed_length.rs")),
                    "&framed(message)?",
                    replace(include_str!("programs/receive_length.rs")),
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
}

mod c {
    use super::*;

    pub(super) fn program(client: &Client) -> String {
        let template = match client.place.is_datagram() {
            true => include_str!("programs/client_datagram.c"),
            false => include_str!("programs/client.c"),
        };
        let (includes, open) = open(&client.place);
        let (frame, receive) = frame(client.frame);
        let program = filled(
            template,
            &[
                ("INCLUDES", includes),
                ("OPEN", open.trim_end()),
                ("FRAME", &frame),
                ("SEND", &send(client)),
                ("FINISH", finish(client)),
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
                ("TIMEOUT_S", &(client.timeout_ms / 1000).to_string()),
                ("TIMEOUT_US", &(client.timeout_ms % 1000 * 1000).to_string()),
                ("ADDRESS", &client.address.replace("*/", "*\\/")),
            ],
        );
        // A function that is not called is a warning.
        match program.matches("read_some(").count() {
            1 => without_function(&program, "/* As many bytes"),
            _ => program,
        }
    }

    fn open(place: &Place) -> (&'static str, String) {
        let (inet, kind) = match place {
            Place::Tcp(inet) | Place::Tls(inet) => (inet, "SOCK_STREAM"),
            Place::Udp(inet) => (inet, "SOCK_DGRAM"),
            Place::Unix(unix) => {
                let text = include_str!("programs/open_unix.c").replace("@BIND@", "");
                return ("", path(&text, unix).replace("@KIND@", "SOCK_STREAM"));
            }
            Place::UnixDgram(unix) => {
                let text = include_str!("programs/open_unix.c")
                    .replace("@BIND@", include_str!("programs/autobind.c"));
                return ("", path(&text, unix).replace("@KIND@", "SOCK_DGRAM"));
            }
        };
        let family = match inet.family {
            None => "AF_UNSPEC",
            Some(Family::V4) => "AF_INET",
            Some(Family::V6) => "AF_INET6",
        };
        let text = filled(
            include_str!("programs/open_inet.c"),
            &[
                ("HOST", &literal::text(Language::C, &inet.host)),
                ("PORT", &inet.port.to_string()),
                ("FAMILY", family),
                ("KIND", kind),
            ],
        );
        ("#include <netdb.h>\n", text)
    }

    fn path(text: &str, unix: &UnixPlace) -> String {
        let length = match unix.0.first() {
            Some(0) => unix.0.len(),
            // A path ends in a NUL.
            _ => unix.0.len() + 1,
        };
        text.replace("@PATH@", &literal::bytes(Language::C, &unix.0))
            .replace("@LENGTH@", &length.to_string())
    }

    fn send(client: &Client) -> String {
        let given: Vec<String> = client
            .messages
            .iter()
            .map(|message| {
                let text = literal::bytes(Language::C, message);
                format!("        {{{text}, {}}},\n", message.len())
            })
            .collect();
        let call = match (client.place.is_datagram(), client.frame) {
            (true, _) => "ask",
            (false, Frame::Raw) => "write_all",
            (false, _) => "send_message",
        };
        let given = format!(
            "    static const struct {{\n        const char *bytes;\n        size_t length;\n    }} \
             messages[] = {{\n{}    }};\n    \
             for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)\n        \
             {call}(peer, messages[i].bytes, messages[i].length);\n",
            given.concat()
        );
        let raw = "    static char buffer[65536];\n    size_t count;\n    \
                   while ((count = read_some(STDIN_FILENO, buffer, sizeof buffer)) > 0)\n        \
                   write_all(peer, buffer, count);\n";
        let lines = format!(
            "    char *line = NULL;\n    size_t size = 0;\n    ssize_t length;\n    \
             while ((length = getline(&line, &size, stdin)) >= 0) {{\n        \
             if (length > 0 && line[length - 1] == '\\n')\n            length--;\n        \
             {call}(peer, line, (size_t)length);\n    }}\n    free(line);\n"
        );
        one_of(client, &given, raw, &lines).to_owned()
    }

    fn finish(client: &Client) -> &'static str {
        match client.half_close {
            HalfClose::Send => {
                "    /* The peer reads to its end, and may still answer. */\n    \
                 if (shutdown(peer, SHUT_WR) < 0 && errno != ENOTCONN)\n        \
                 fail(\"cannot end our side\");\n"
            }
            HalfClose::Keep | HalfClose::Close => "",
        }
    }

    fn frame(frame: Frame) -> (String, String) {
        let prefix = match frame {
            Frame::Raw => return (String::new(), include_str!("programs/receive.c").to_owned()),
            Frame::Lines => {
                return (
                    include_str!("programs/framed_lines.c").to_owned(),
                    include_str!("programs/receive.c").to_owned(),
                );
            }
            Frame::Length(prefix) => prefix,
        };
        let shift = match prefix.endian {
            Endian::Big => "8 * (WIDTH - 1 - i)",
            Endian::Little => "8 * i",
        };
        let replace = |text: &str| {
            text.replace("@WIDTH@", &prefix.width.bytes().to_string())
                .replace("@SHIFT@", shift)
                .replace("@MOST@", &format!("UINT64_C({})", prefix.width.max()))
        };
        (
            replace(include_str!("programs/framed_length.c")),
            replace(include_str!("programs/receive_length.c")),
        )
    }

    fn talk(client: &Client) -> &'static str {
        match client.half_close {
            HalfClose::Close => "    send_everything(peer);\n    close(peer);\n",
            _ => {
                "    /* By itself, so that a peer that answers while we send stops nobody. */\n    \
                 pid_t sender = fork();\n    if (sender < 0)\n        fail(\"cannot fork\");\n    \
                 if (sender == 0) {\n        send_everything(peer);\n        _exit(0);\n    }\n    \
                 receive(peer);\n    kill(sender, SIGTERM); /* it may still wait for input */\n    \
                 close(peer);\n"
            }
        }
    }

    fn answer(client: &Client) -> &'static str {
        match client.half_close {
            HalfClose::Close => "",
            _ => include_str!("programs/answer.c"),
        }
    }
}
