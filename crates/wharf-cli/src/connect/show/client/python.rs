//! Clients in Python.

use super::*;

pub(super) fn program(client: &Client) -> String {
    let template = match client.place.is_datagram() {
        true => include_str!("../programs/client_datagram.py"),
        false => include_str!("../programs/client.py"),
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
            include_str!("../programs/open_tcp.py").trim_end(),
        ),
        Place::Udp(inet) => (
            constants(inet),
            include_str!("../programs/open_udp.py").trim_end(),
        ),
        Place::Tls(inet) => (
            constants(inet),
            include_str!("../programs/open_tls.py").trim_end(),
        ),
        Place::Unix(unix) => (
            path(unix),
            include_str!("../programs/open_unix.py").trim_end(),
        ),
        Place::UnixDgram(unix) => (
            path(unix),
            include_str!("../programs/open_unix_dgram.py").trim_end(),
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
        Frame::Length(_) => include_str!("../programs/receive_length.py"),
        Frame::Raw | Frame::Lines => include_str!("../programs/receive.py"),
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
