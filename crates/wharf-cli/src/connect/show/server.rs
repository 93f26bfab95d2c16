//! Servers, put together.

use wharf::address::{Address, Family};

use super::plan::{Inet, Place, UnixPlace};
use super::{Language, filled, literal, without_function};
use crate::exit::Exit;
use crate::failure::Failure;

/// The services that are shown.
const KNOWN: [&str; 5] = ["echo", "upper", "message", "daytime", "discard"];

/// The whole program.
pub(super) fn program(
    service: &str,
    place: &Place,
    address: &Address,
    language: Language,
) -> Result<String, Failure> {
    if !KNOWN.contains(&service) {
        let cause = format!("--show does not know the service {service}");
        return Err(Failure::new(Exit::Failed, cause).with("known", KNOWN.join(", ")));
    }
    if matches!(place, Place::Tls(_)) {
        return Err(Failure::new(
            Exit::Failed,
            "--show does not know tls: for servers: they need a certificate",
        ));
    }
    let address = address.to_string();
    let text = match language {
        Language::Python => python(service, place),
        Language::Rust => rust(service, place),
        Language::C => c(service, place),
    };
    Ok(filled(
        &text,
        &[("SERVICE", service), ("ADDRESS", &address)],
    ))
}

fn python(service: &str, place: &Place) -> String {
    let (template, kind) = match place.is_datagram() {
        true => (include_str!("programs/server_datagram.py"), "SOCK_DGRAM"),
        false => (include_str!("programs/server.py"), "SOCK_STREAM"),
    };
    let listen = match place.is_datagram() {
        true => "",
        false => "    server.listen()\n",
    };
    let (constants, open, place_text) = match place {
        Place::Tcp(inet) | Place::Udp(inet) | Place::Tls(inet) => {
            let host = literal::text(Language::Python, &inet.host);
            let family = match inet.family {
                None => "AF_UNSPEC",
                Some(Family::V4) => "AF_INET",
                Some(Family::V6) => "AF_INET6",
            };
            // A port that was just closed can be bound again (TIME_WAIT).
            let reuse = match place.is_datagram() {
                true => "",
                false => "    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n",
            };
            let open = format!(
                "def listen():\n    family, kind, protocol, _, address = socket.getaddrinfo(\n        \
                 HOST, PORT, socket.{family}, socket.{kind}\n    )[0]\n    \
                 server = socket.socket(family, kind, protocol)\n{reuse}    server.bind(address)\n\
                 {listen}    return server"
            );
            (
                format!("HOST = {host}\nPORT = {}\n", inet.port),
                open,
                "\"port\", server.getsockname()[1]",
            )
        }
        Place::Unix(unix) | Place::UnixDgram(unix) => (
            format!("PATH = {}\n", literal::bytes(Language::Python, &unix.0)),
            format!(
                "def listen():\n    server = socket.socket(socket.AF_UNIX, socket.{kind})\n    \
                 server.bind(PATH)\n{listen}    return server"
            ),
            "\"a Unix socket\"",
        ),
    };
    let mut text = filled(
        template,
        &[
            ("CONSTANTS", &constants),
            ("OPEN", &format!("\n{open}")),
            ("WHERE", place_text),
            ("SERVE", python_stream(service)),
            ("ANSWER", python_datagram(service)),
        ],
    );
    for module in ["codecs", "time"] {
        if !text.contains(&format!("{module}.")) {
            text = text.replace(&format!("import {module}\n"), "");
        }
    }
    text
}

fn python_stream(service: &str) -> &'static str {
    match service {
        "echo" => {
            "def serve(peer, name):\n    while chunk := peer.recv(65536):\n        \
             peer.sendall(chunk)  # send() may take only a part"
        }
        "upper" => {
            "def serve(peer, name):\n    \
             # A character may come in two pieces; bytes that are no text stay as they are.\n    \
             decoder = codecs.getincrementaldecoder(\"utf-8\")(\"surrogateescape\")\n    \
             chunk = b\"x\"\n    while chunk:\n        chunk = peer.recv(65536)\n        \
             text = decoder.decode(chunk, final=not chunk)\n        \
             peer.sendall(text.upper().encode(\"utf-8\", \"surrogateescape\"))"
        }
        "message" => {
            "def serve(peer, name):\n    \
             print(\"server accepted connection request from\", name, flush=True)\n    \
             print(\"server waits for data\", flush=True)\n    message = b\"\"\n    \
             # Until the end of the line, or of the stream; one recv may give only a part.\n    \
             while b\"\\n\" not in message and len(message) < 65536:\n        \
             chunk = peer.recv(4096)\n        if not chunk:\n            break\n        \
             message += chunk\n    line = message.split(b\"\\n\")[0]\n    \
             print(\"server received\", line.decode(errors=\"replace\"), flush=True)"
        }
        "daytime" => {
            "def serve(peer, name):\n    \
             peer.sendall((time.strftime(\"%a %b %e %H:%M:%S %Y\") + \"\\r\\n\").encode())"
        }
        _ => "def serve(peer, name):\n    while peer.recv(65536):\n        pass",
    }
}

fn python_datagram(service: &str) -> &'static str {
    match service {
        "echo" => "def answer(payload, peer):\n    return payload",
        "upper" => {
            "def answer(payload, peer):\n    \
             # Bytes that are no text stay as they are.\n    \
             text = payload.decode(\"utf-8\", \"surrogateescape\")\n    \
             return text.upper().encode(\"utf-8\", \"surrogateescape\")"
        }
        "message" => {
            "def answer(payload, peer):\n    \
             print(\"server received\", payload.decode(errors=\"replace\"), \"from\", peer, flush=True)\n    \
             return None"
        }
        "daytime" => {
            "def answer(payload, peer):\n    \
             return (time.strftime(\"%a %b %e %H:%M:%S %Y\") + \"\\r\\n\").encode()"
        }
        _ => "def answer(payload, peer):\n    return None",
    }
}

fn rust(service: &str, place: &Place) -> String {
    let template = match place.is_datagram() {
        true => include_str!("programs/server_datagram.rs"),
        false => include_str!("programs/server.rs"),
    };
    let port = "port {}\", server.local_addr()?.port()";
    let inet = |kind: &str, inet: &Inet| {
        let host = literal::text(Language::Rust, &inet.host);
        format!("{kind}::bind(({host}, {}))", inet.port)
    };
    let (imports, listen, place_text, reply) = match place {
        Place::Tcp(at) | Place::Tls(at) => (
            "use std::net::TcpListener;\nuse std::net::TcpStream as Peer;",
            inet("TcpListener", at),
            port,
            "",
        ),
        Place::Udp(at) => (
            "use std::net::UdpSocket;\nuse std::net::UdpSocket as Server;",
            inet("UdpSocket", at),
            port,
            "        server.send_to(&reply, peer)?;",
        ),
        Place::Unix(at) => (
            "use std::os::unix::net::UnixListener;\nuse std::os::unix::net::UnixStream as Peer;",
            rust_unix("UnixListener", at),
            "a Unix socket\"",
            "",
        ),
        Place::UnixDgram(at) => (
            "use std::os::unix::net::UnixDatagram;\nuse std::os::unix::net::UnixDatagram as Server;",
            rust_unix("UnixDatagram", at),
            "a Unix socket\"",
            "        // A peer without a name cannot be answered.\n        \
             if !peer.is_unnamed() {\n            server.send_to_addr(&reply, &peer)?;\n        }",
        ),
    };
    let text = filled(
        template,
        &[
            ("IMPORTS", imports),
            ("LISTEN", &listen),
            ("WHERE", place_text),
            ("REPLY", reply),
            ("SERVE", rust_stream(service)),
            ("ANSWER", rust_datagram(service)),
        ],
    );
    match service {
        "daytime" if !place.is_datagram() => text.replace("{self, Read, Write}", "{self, Write}"),
        "message" | "discard" if !place.is_datagram() => {
            text.replace("{self, Read, Write}", "{self, Read}")
        }
        _ => text,
    }
    .replace("@NOW@", include_str!("programs/daytime.rs").trim_end())
}

fn rust_unix(kind: &str, place: &UnixPlace) -> String {
    match place.0.strip_prefix(b"\0") {
        None => format!("{kind}::bind({:?})", String::from_utf8_lossy(&place.0)),
        Some(name) => format!(
            "{kind}::bind_addr(&<std::os::unix::net::SocketAddr as \
             std::os::linux::net::SocketAddrExt>::from_abstract_name({})?)",
            literal::bytes(Language::Rust, name)
        ),
    }
}

fn rust_stream(service: &str) -> &'static str {
    match service {
        "echo" => {
            "fn serve(mut peer: Peer, _name: &str) -> io::Result<()> {\n    \
             let mut buffer = [0; 65536];\n    loop {\n        match peer.read(&mut buffer)? {\n            \
             0 => return Ok(()),\n            count => peer.write_all(&buffer[..count])?,\n        }\n    }\n}"
        }
        "upper" => {
            "/// The letters A to Z; all other bytes stay as they are.\n\
             fn serve(mut peer: Peer, _name: &str) -> io::Result<()> {\n    \
             let mut buffer = [0; 65536];\n    loop {\n        let count = peer.read(&mut buffer)?;\n        \
             if count == 0 {\n            return Ok(());\n        }\n        \
             buffer[..count].make_ascii_uppercase();\n        \
             peer.write_all(&buffer[..count])?;\n    }\n}"
        }
        "message" => {
            "fn serve(mut peer: Peer, name: &str) -> io::Result<()> {\n    \
             println!(\"server accepted connection request from {name}\");\n    \
             println!(\"server waits for data\");\n    let mut message = Vec::new();\n    \
             let mut buffer = [0; 4096];\n    \
             // Until the end of the line, or of the stream; one read may give only a part.\n    \
             while !message.contains(&b'\\n') && message.len() < 65536 {\n        \
             match peer.read(&mut buffer)? {\n            0 => break,\n            \
             count => message.extend_from_slice(&buffer[..count]),\n        }\n    }\n    \
             let line = message.split(|byte| *byte == b'\\n').next().unwrap_or_default();\n    \
             println!(\"server received {}\", String::from_utf8_lossy(line));\n    Ok(())\n}"
        }
        "daytime" => {
            "fn serve(mut peer: Peer, _name: &str) -> io::Result<()> {\n    \
             peer.write_all(now().as_bytes())\n}\n\n@NOW@"
        }
        _ => {
            "fn serve(mut peer: Peer, _name: &str) -> io::Result<()> {\n    \
             let mut buffer = [0; 65536];\n    while peer.read(&mut buffer)? > 0 {}\n    Ok(())\n}"
        }
    }
}

fn rust_datagram(service: &str) -> &'static str {
    match service {
        "echo" => {
            "fn answer(payload: &[u8], _peer: &str) -> Option<Vec<u8>> {\n    \
             Some(payload.to_vec())\n}"
        }
        "upper" => {
            "/// The letters A to Z; all other bytes stay as they are.\n\
             fn answer(payload: &[u8], _peer: &str) -> Option<Vec<u8>> {\n    \
             Some(payload.to_ascii_uppercase())\n}"
        }
        "message" => {
            "fn answer(payload: &[u8], peer: &str) -> Option<Vec<u8>> {\n    \
             println!(\"server received {} from {peer}\", String::from_utf8_lossy(payload));\n    None\n}"
        }
        "daytime" => {
            "fn answer(_payload: &[u8], _peer: &str) -> Option<Vec<u8>> {\n    \
             Some(now().into_bytes())\n}\n\n@NOW@"
        }
        _ => "fn answer(_payload: &[u8], _peer: &str) -> Option<Vec<u8>> {\n    None\n}",
    }
}

fn c(service: &str, place: &Place) -> String {
    let kind = match place.is_datagram() {
        true => "SOCK_DGRAM",
        false => "SOCK_STREAM",
    };
    let listen = match place.is_datagram() {
        true => "",
        false => "    if (listen(server, SOMAXCONN) < 0)\n        fail(\"cannot listen\");\n",
    };
    let reuse = match place.is_datagram() {
        true => "",
        false => {
            "    int yes = 1; /* a port that was just closed can be bound again */\n    \
             if (setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0)\n        \
             fail(\"cannot set an option\");\n"
        }
    };
    let open = match place {
        Place::Tcp(inet) | Place::Udp(inet) | Place::Tls(inet) => {
            let family = match inet.family {
                None => "AF_UNSPEC",
                Some(Family::V4) => "AF_INET",
                Some(Family::V6) => "AF_INET6",
            };
            filled(
                include_str!("programs/listen_inet.c"),
                &[
                    ("HOST", &literal::text(Language::C, &inet.host)),
                    ("PORT", &inet.port.to_string()),
                    ("FAMILY", family),
                    ("KIND", kind),
                    ("REUSE", reuse),
                    ("LISTEN", listen),
                ],
            )
        }
        Place::Unix(unix) | Place::UnixDgram(unix) => {
            let length = unix.0.len() + usize::from(unix.0.first() != Some(&0));
            filled(
                include_str!("programs/listen_unix.c"),
                &[
                    ("PATH", &literal::bytes(Language::C, &unix.0)),
                    ("LENGTH", &length.to_string()),
                    ("KIND", kind),
                    ("LISTEN", listen),
                ],
            )
        }
    };
    let (serve, body) = match place.is_datagram() {
        true => (
            include_str!("programs/serve_datagram.c"),
            c_datagram(service),
        ),
        false => (include_str!("programs/serve_stream.c"), c_stream(service)),
    };
    let mut serve = filled(serve, &[("BODY", body)]);
    // A function that is not called is a warning.
    for (name, comment) in [
        ("write_all", "/* write() may"),
        ("read_some", "/* 0 is the end"),
    ] {
        if !body.contains(&format!("{name}(")) {
            serve = without_function(&serve, comment);
        }
    }
    filled(
        include_str!("programs/server.c"),
        &[("OPEN", open.trim_end()), ("SERVE", serve.trim_end())],
    )
}

fn c_stream(service: &str) -> &'static str {
    match service {
        "echo" => {
            "static int serve(int peer)\n{\n    static char buffer[65536];\n    ssize_t count;\n    \
             while ((count = read_some(peer, buffer, sizeof buffer)) > 0)\n        \
             if (write_all(peer, buffer, (size_t)count) < 0)\n            return -1;\n    \
             return (int)count;\n}"
        }
        "upper" => {
            "/* The letters A to Z; all other bytes stay as they are. */\n\
             static int serve(int peer)\n{\n    static char buffer[65536];\n    ssize_t count;\n    \
             while ((count = read_some(peer, buffer, sizeof buffer)) > 0) {\n        \
             for (ssize_t i = 0; i < count; i++)\n            \
             buffer[i] = (char)toupper((unsigned char)buffer[i]);\n        \
             if (write_all(peer, buffer, (size_t)count) < 0)\n            return -1;\n    }\n    \
             return (int)count;\n}"
        }
        "message" => {
            "/* Until the end of the line, or of the stream; one read may give only a part. */\n\
             static int serve(int peer)\n{\n    static char message[65536];\n    size_t have = 0;\n    \
             puts(\"server accepted a connection request\");\n    puts(\"server waits for data\");\n    \
             fflush(stdout);\n    \
             while (have < sizeof message && memchr(message, '\\n', have) == NULL) {\n        \
             ssize_t count = read_some(peer, message + have, sizeof message - have);\n        \
             if (count < 0)\n            return -1;\n        if (count == 0)\n            break;\n        \
             have += (size_t)count;\n    }\n    char *end = memchr(message, '\\n', have);\n    \
             fputs(\"server received \", stdout);\n    \
             fwrite(message, 1, end != NULL ? (size_t)(end - message) : have, stdout);\n    \
             putchar('\\n');\n    return 0;\n}"
        }
        "daytime" => {
            "static int serve(int peer)\n{\n    char text[64];\n    time_t now = time(NULL);\n    \
             struct tm parts;\n    if (localtime_r(&now, &parts) == NULL)\n        return -1;\n    \
             size_t length = strftime(text, sizeof text, \"%a %b %e %H:%M:%S %Y\\r\\n\", &parts);\n    \
             return write_all(peer, text, length);\n}"
        }
        _ => {
            "static int serve(int peer)\n{\n    static char buffer[65536];\n    ssize_t count;\n    \
             while ((count = read_some(peer, buffer, sizeof buffer)) > 0)\n        continue;\n    \
             return (int)count;\n}"
        }
    }
}

fn c_datagram(service: &str) -> &'static str {
    match service {
        "echo" => {
            "/* The length of the answer in the buffer; negative is none. */\n\
             static ssize_t answer(char *buffer, size_t length)\n{\n    (void)buffer;\n    \
             return (ssize_t)length;\n}"
        }
        "upper" => {
            "/* The length of the answer in the buffer; negative is none. */\n\
             static ssize_t answer(char *buffer, size_t length)\n{\n    \
             for (size_t i = 0; i < length; i++)\n        \
             buffer[i] = (char)toupper((unsigned char)buffer[i]);\n    return (ssize_t)length;\n}"
        }
        "message" => {
            "/* The length of the answer in the buffer; negative is none. */\n\
             static ssize_t answer(char *buffer, size_t length)\n{\n    \
             fputs(\"server received \", stdout);\n    fwrite(buffer, 1, length, stdout);\n    \
             putchar('\\n');\n    fflush(stdout);\n    return -1;\n}"
        }
        "daytime" => {
            "/* The length of the answer in the buffer; negative is none. */\n\
             static ssize_t answer(char *buffer, size_t length)\n{\n    (void)length;\n    \
             time_t now = time(NULL);\n    struct tm parts;\n    \
             if (localtime_r(&now, &parts) == NULL)\n        return -1;\n    \
             return (ssize_t)strftime(buffer, 64, \"%a %b %e %H:%M:%S %Y\\r\\n\", &parts);\n}"
        }
        _ => {
            "/* The length of the answer in the buffer; negative is none. */\n\
             static ssize_t answer(char *buffer, size_t length)\n{\n    (void)buffer;\n    \
             (void)length;\n    return -1;\n}"
        }
    }
}
