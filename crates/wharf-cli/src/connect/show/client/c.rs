//! Clients in C.

use super::*;

pub(super) fn program(client: &Client) -> String {
    let template = match client.place.is_datagram() {
        true => include_str!("../programs/client_datagram.c"),
        false => include_str!("../programs/client.c"),
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
            let text = include_str!("../programs/open_unix.c").replace("@BIND@", "");
            return ("", path(&text, unix).replace("@KIND@", "SOCK_STREAM"));
        }
        Place::UnixDgram(unix) => {
            let text = include_str!("../programs/open_unix.c")
                .replace("@BIND@", include_str!("../programs/autobind.c"));
            return ("", path(&text, unix).replace("@KIND@", "SOCK_DGRAM"));
        }
    };
    let family = match inet.family {
        None => "AF_UNSPEC",
        Some(Family::V4) => "AF_INET",
        Some(Family::V6) => "AF_INET6",
    };
    let text = filled(
        include_str!("../programs/open_inet.c"),
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
        Frame::Raw => {
            return (
                String::new(),
                include_str!("../programs/receive.c").to_owned(),
            );
        }
        Frame::Lines => {
            return (
                include_str!("../programs/framed_lines.c").to_owned(),
                include_str!("../programs/receive.c").to_owned(),
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
        replace(include_str!("../programs/framed_length.c")),
        replace(include_str!("../programs/receive_length.c")),
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
        _ => include_str!("../programs/answer.c"),
    }
}
