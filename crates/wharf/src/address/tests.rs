//! Rules and mistakes of the grammar, one line each; then properties of every address.

use std::path::Path;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Address, AddressError> {
    Address::parse_with_home(text, Some(Path::new("/home/ann")))
}

/// Every rule: what is written, and its canonical form.
#[test]
fn rules() {
    for (text, canonical) in [
        // Ports without a host.
        ("7000", "tcp::7000"),
        (":7000", "tcp::7000"),
        ("0", "tcp::0"),
        ("tcp:7000", "tcp::7000"),
        ("tcp::7000", "tcp::7000"),
        ("tcp://:7000", "tcp::7000"),
        ("udp:7000", "udp::7000"),
        ("udp::7000", "udp::7000"),
        ("UDP4::65535", "udp4::65535"),
        (":http", "tcp::http"),
        // Hosts.
        ("localhost:80", "tcp:localhost:80"),
        ("LOCALHOST:http", "tcp:localhost:http"),
        ("example.org.:80", "tcp:example.org.:80"),
        ("_dns.my_host:53", "tcp:_dns.my_host:53"),
        ("cafe:80", "tcp:cafe:80"),
        ("127.0.0.1:80", "tcp:127.0.0.1:80"),
        ("0.0.0.0:080", "tcp:0.0.0.0:80"),
        ("tcp6:localhost:80", "tcp6:localhost:80"),
        ("tcp:udp:80", "tcp:udp:80"),
        ("tcp:http:80", "tcp:http:80"),
        ("tls:example.org:443", "tls:example.org:443"),
        // IPv6 and zones: RFC 4007, RFC 9844, RFC 6874.
        ("[::1]:80", "tcp:[::1]:80"),
        ("tcp:[0:0:0:0:0:0:0:1]:80", "tcp:[::1]:80"),
        ("[fe80::1%eth0]:80", "tcp:[fe80::1%eth0]:80"),
        ("[fe80::1%25eth0]:80", "tcp:[fe80::1%eth0]:80"),
        ("[fe80::1%251]:80", "tcp:[fe80::1%251]:80"),
        ("tcp://[fe80::1%251]:80", "tcp:[fe80::1%1]:80"),
        ("[fe80::1%2]:http", "tcp:[fe80::1%2]:http"),
        // Every address.
        ("all:7000", "tcp:all:7000"),
        ("*:7000", "tcp:all:7000"),
        ("udp6:all:0", "udp6:all:0"),
        ("tcp:all.:80", "tcp:all.:80"),
        // URLs.
        ("tcp://localhost:80", "tcp:localhost:80"),
        ("tcp://localhost:80/", "tcp:localhost:80"),
        ("tcp://*:80/?ttl=3&sndbuf=1k", "tcp:all:80,ttl=3,sndbuf=1k"),
        ("udp://h:5?broadcast", "udp:h:5,broadcast"),
        ("localhost:80?ttl=3", "tcp:localhost:80,ttl=3"),
        ("unix:///run/x.sock?mode=660", "unix:/run/x.sock,mode=0660"),
        // Paths and names.
        ("/run/x.sock", "unix:/run/x.sock"),
        ("./x.sock", "unix:./x.sock"),
        ("../x.sock", "unix:../x.sock"),
        ("@name", "unix:@name"),
        ("unix:/run/x.sock", "unix:/run/x.sock"),
        ("unix://run/x.sock", "unix:run/x.sock"),
        ("unix:p/q", "unix:p/q"),
        ("unix:@name", "unix:@name"),
        ("unix:~/x.sock", "unix:/home/ann/x.sock"),
        ("~/x.sock", "unix:/home/ann/x.sock"),
        ("unix-dgram:x.sock", "unix-dgram:x.sock"),
        ("seqpacket:@n", "seqpacket:@n"),
        ("unix:/what?x", "unix:/what?x"),
        (r"unix:/a\,b\\c", r"unix:/a\,b\\c"),
        (r"unix:\@x", r"unix:\@x"),
        (r"unix:\~/x", r"unix:\~/x"),
        (r"unix:\x37000", r"unix:\x37000"),
        (r"unix:/a\x20b", "unix:/a b"),
        (r"unix:/x\ ", r"unix:/x\x20"),
        (r"@a\x00\xff", r"unix:@a\x00\xff"),
        ("/a:80", "unix:/a:80"),
        // Answered by the network, if at all.
        ("rdm:/x", "rdm:/x"),
        ("rdm::80", "rdm::80"),
        ("raw:localhost", "raw:localhost:0"),
        ("raw:[::1]", "raw:[::1]:0"),
        ("raw:127.0.0.1:icmp", "raw:127.0.0.1:icmp"),
        // Options, in one order.
        ("h:1,ttl=64,bind=10.0.0.1", "tcp:h:1,bind=10.0.0.1,ttl=64"),
        ("h:1,bind=:5000", "tcp:h:1,bind=:5000"),
        ("h:1,bind=5000", "tcp:h:1,bind=:5000"),
        ("h:1,bind=[::1]:5000", "tcp:h:1,bind=[::1]:5000"),
        ("h:1,bind=[fe80::1%eth0]", "tcp:h:1,bind=[fe80::1%eth0]"),
        ("unix-dgram:/s,bind=/c", "unix-dgram:/s,bind=/c"),
        ("unix-dgram:/s,bind=@c", "unix-dgram:/s,bind=@c"),
        (":1,rcvbuf=4M,sndbuf=65536", "tcp::1,rcvbuf=4M,sndbuf=64KiB"),
        (
            "udp:239.1.1.1:5,join=239.1.1.1,join=239.1.1.2%eth0",
            "udp:239.1.1.1:5,join=239.1.1.1,join=239.1.1.2%eth0",
        ),
        ("udp6::5,join=ff02::1%eth0", "udp6::5,join=ff02::1%eth0"),
        (
            "udp::5,ttl=0,interface=eth0.7",
            "udp::5,interface=eth0.7,ttl=0",
        ),
        (
            r"tls:h:1,key=~/k.pem,cert=/a\,b.pem,alpn=h2,alpn=http/1.1,sni=Example.ORG.",
            r"tls:h:1,cert=/a\,b.pem,key=/home/ann/k.pem,sni=example.org,alpn=h2,alpn=http/1.1",
        ),
        ("tls::1,self-signed", "tls::1,self-signed"),
        ("tls:h:1,insecure", "tls:h:1,insecure"),
    ] {
        let address = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(address.to_string(), canonical, "{text}");
        assert_eq!(parse(canonical), Ok(address), "{canonical}");
    }
}

/// Every mistake: what is written, the cause, and the cure.
#[rustfmt::skip]
const MISTAKES: &[(&str, &str, &str)] = &[
    ("", "it is empty", "a port such as 7000, host:port, or /path of a Unix socket"),
    ("a\0b", "it contains a NUL byte", ""),
    ("@a\0b", "it contains a NUL byte", r"\x00 for a NUL in an abstract name"),
    ("localhost 80", "it contains a blank where none belongs", "localhost:80"),
    ("tcp localhost 80", "it contains a blank where none belongs", "tcp:localhost:80"),
    ("localhost: 80,ttl=3", "it contains a blank where none belongs", "localhost:80,ttl=3"),
    ("::1 80", "it contains a blank where none belongs", "[::1]:80"),
    (" 7000", "it contains a blank where none belongs", "7000"),
    ("unix: /x", "it contains a blank where none belongs", "unix:/x"),
    ("/x ", "it contains a blank where none belongs", "/x"),
    // Schemes.
    ("tpc:localhost:80", r#""tpc" is not a scheme"#, "tcp:localhost:80"),
    ("tpc:7000", r#""tpc" is not a scheme"#, "tcp:7000"),
    ("tpc:", r#""tpc" is not a scheme"#, "tcp::PORT"),
    ("TCP4-LISTEN:80", r#""TCP4-LISTEN" is not a scheme"#, "tcp4:80"),
    ("udp-sendto:h:80", r#""udp-sendto" is not a scheme"#, "udp:h:80"),
    ("tcp", "nothing follows tcp:", "tcp::PORT"),
    ("unix", "nothing follows unix:", "unix:/path"),
    ("udpp::7000", r#""udpp" is not a scheme"#, "udp::7000"),
    ("unxi:/p", r#""unxi" is not a scheme"#, "unix:/p"),
    ("ssl://h:1", r#""ssl" is not a scheme"#, "tls://h:1"),
    ("ipc:///p", r#""ipc" is not a scheme"#, "unix:///p"),
    ("quux://h:1", r#""quux" is not a scheme"#,
     "one of tcp, tcp4, tcp6, udp, udp4, udp6, tls, unix, unix-dgram, seqpacket, rdm, raw"),
    ("http://example.org/x?y", "http: is not supported: HTTP is spoken over TCP, and an address names only the connection", "tcp:example.org:80"),
    ("HTTPS://example.org:8443", "https: is not supported: HTTPS is spoken over TLS, and an address names only the connection", "tls:example.org:8443"),
    ("ws://[::1]/chat", "ws: is not supported: WebSocket is spoken over TCP, and an address names only the connection", "tcp:[::1]:80"),
    ("wss:h", "wss: is not supported: WebSocket is spoken over TLS, and an address names only the connection", "tls:h:443"),
    ("dtls:h:1", "dtls: is not supported: TLS is offered over TCP, not over datagrams", "tls:h:1"),
    ("sctp:h:1", "sctp: is not supported: no SCTP is offered", "seqpacket:/path for messages in order on one machine, tcp: between machines"),
    ("vsock:2:80", "vsock: is not supported: sockets between virtual machines and their host are not offered", "tcp:HOST:PORT over the network between them"),
    ("fd:3", "fd: is not supported: an address cannot name an inherited descriptor", "unix:/path, tcp:HOST:PORT"),
    ("exec:cat", "exec: is not supported: a program is a service, not an address", "an address such as tcp::7000 for the service that starts the program"),
    ("tcp:", "nothing follows tcp:", "tcp::PORT"),
    ("unix:", "nothing follows unix:", "unix:/path"),
    ("tcp:,ttl=3", "nothing follows tcp:", "tcp::PORT,ttl=3"),
    ("tcp:/path", "tcp: takes a host and a port, not a path", "unix:/path"),
    ("udp:@n", "udp: takes a host and a port, not a path", "unix-dgram:@n"),
    ("unix:7000", r#"unix: takes a path, and "7000" looks like a port"#, "tcp:7000"),
    ("unix:localhost:80", r#"unix: takes a path, and "localhost:80" looks like a port"#, "tcp:localhost:80"),
    ("unix-dgram::80", r#"unix-dgram: takes a path, and ":80" looks like a port"#, "udp::80"),
    // Ports.
    ("70000", "port 70000 is above 65535", "7000"),
    ("65536", "port 65536 is above 65535", "6553"),
    ("tcp:localhost:70000", "port 70000 is above 65535", "tcp:localhost:7000"),
    ("[::1]:99999", "port 99999 is above 65535", "[::1]:9999"),
    ("localhost", "it names no port", "localhost:PORT"),
    ("localhost:", "it names no port", "localhost:PORT"),
    ("127.0.0.1", "it names no port", "127.0.0.1:PORT"),
    ("[::1]", "it names no port", "[::1]:PORT"),
    ("[::1]:", "it names no port", "[::1]:PORT"),
    ("all", "it names no port", "all:PORT"),
    (":", "it names no port", ":PORT"),
    ("tcp:http", "it names no port", "tcp::http"),
    (":-1", r#""-1" is neither a port number nor a service name"#, ":1"),
    (":7000-7010", r#""7000-7010" is neither a port number nor a service name"#, ":7000"),
    ("[::1]80", r#""80" is neither a port number nor a service name"#, "[::1]:80"),
    ("localhost:80/x", r#""/x" belongs after the target, not into it: an address has no URL path"#, "localhost:80"),
    ("tcp://h:80/x", r#""/x" belongs after the target, not into it: an address has no URL path"#, "tcp://h:80"),
    // IPv6.
    ("::1:80", "an IPv6 address needs brackets, since its colons look like the one before the port", "[::1]:80"),
    ("tcp:::1:80", "an IPv6 address needs brackets, since its colons look like the one before the port", "tcp:[::1]:80"),
    ("::1", "an IPv6 address needs brackets, since its colons look like the one before the port", "[::1]:PORT"),
    ("fe80::1%eth0:80", "an IPv6 address needs brackets, since its colons look like the one before the port", "[fe80::1%eth0]:80"),
    ("2001:db8::1", "an IPv6 address needs brackets, since its colons look like the one before the port", "[2001:db8::1]:PORT"),
    ("::7000", "an IPv6 address needs brackets, since its colons look like the one before the port", ":7000"),
    ("[::1:80", "a bracket around the IPv6 address is missing", "[::1]:80"),
    ("[::1", "a bracket around the IPv6 address is missing", "[::1]:PORT"),
    ("::1]:80", "a bracket around the IPv6 address is missing", "[::1]:80"),
    ("[127.0.0.1]:80", r#"only an IPv6 address stands in brackets, and "127.0.0.1" is none"#, "127.0.0.1:80"),
    ("[localhost]:80", r#"only an IPv6 address stands in brackets, and "localhost" is none"#, "localhost:80"),
    ("[::g]:80", r#"only an IPv6 address stands in brackets, and "::g" is none"#, "an IPv6 address, such as [::1]:PORT"),
    ("[fe80::1%]:80", r#""" is not a zone: it takes an interface name or number of 1 to 15 characters"#, "[fe80::1%eth0]:PORT"),
    ("tcp4:[::1]:80", r#""::1" is IPv6, which tcp4: does not carry"#, "tcp6:[::1]:80"),
    ("udp6:10.0.0.1:80", r#""10.0.0.1" is IPv4, which udp6: does not carry"#, "udp4:10.0.0.1:80"),
    // IPv4.
    ("256.1.1.1:80", r#""256.1.1.1" is not an IPv4 address: 256 is above 255"#, "four numbers from 0 to 255, such as 127.0.0.1:80"),
    ("1.2.3:80", r#""1.2.3" is not an IPv4 address: it has 3 of 4 parts"#, "1.2.0.3:80"),
    ("0x7f000001:80", r#""0x7f000001" is not an IPv4 address: it has 1 of 4 parts"#, "127.0.0.1:80"),
    ("010.0.0.1:80", r#""010.0.0.1" is not an IPv4 address: "010" has a leading zero, which some programs read as octal"#, "10.0.0.1:80"),
    ("1.2.3.4.5:80", r#""1.2.3.4.5" is not an IPv4 address: it has 5 of 4 parts"#, "four numbers from 0 to 255, such as 127.0.0.1:80"),
    ("8080:80", r#""8080" is not a host name: it is a number"#, ":80"),
    // Host names: RFC 1123.
    ("a..b:80", r#""a..b" is not a host name: a part between dots is empty"#, "a.b:80"),
    ("-a:80", r#""-a" is not a host name: "-a" begins or ends with a hyphen"#, ""),
    ("ann@host:80", r#""ann@host" is not a host name: '@' cannot be part of it"#, "host:80"),
    ("bücher.example:80", r#""bücher.example" is not a host name: 'ü' cannot be part of it (a name in another script needs its xn-- form)"#, ""),
    ("127.0.0.1%eth0:80", r#""127.0.0.1%eth0" is not a host name: '%' cannot be part of it"#, ""),
    ("a.b:1:2", r#""a.b:1" is not a host name: a colon cannot be part of it"#, ""),
    // Unix sockets.
    ("unix:@", "no name follows the @", "unix:@NAME"),
    ("unix:/run/", "the path ends in a directory and names no socket in it", "unix:/run/x.sock"),
    ("unix:..", "the path ends in a directory and names no socket in it", "unix:../x.sock"),
    ("unix:~bob/x", r#"only ~/ is expanded, not "~bob""#, r"unix:\~bob/x"),
    (r"unix:/a\b", r#""\b" is not an escape"#, r"\\ for a backslash, \, for a comma, \xHH for any byte"),
    (r"unix:/a\xg0", r#""\x" is not an escape"#, r"\\ for a backslash, \, for a comma, \xHH for any byte"),
    (r"unix:/a\x00", "it contains a NUL byte", ""),
    // Options.
    (":1,", "an option is missing beside a comma", ":1"),
    (":1,,ttl=3", "an option is missing beside a comma", ":1,ttl=3"),
    (":1,tll=3", r#"there is no option "tll""#, ":1,ttl=3"),
    ("udp:h:1,ttl=3,boardcast", r#"there is no option "boardcast""#, "udp:h:1,ttl=3,broadcast"),
    (":1,hops=3", r#"there is no option "hops""#, ":1,ttl=3"),
    ("tcp://h:1?reuseaddr&ttl=3", r#"there is no option "reuseaddr""#, "tcp://h:1,ttl=3"),
    ("unix:/p,broadcast", "the option broadcast belongs to udp and udp4, not to this address", "unix:/p"),
    ("udp6:h:1,broadcast", "the option broadcast belongs to udp and udp4, not to this address", "udp6:h:1"),
    (":1,join=239.1.1.1", "the option join belongs to udp, udp4 and udp6, not to this address", ":1"),
    (":1,mode=0660", "the option mode belongs to Unix sockets in the file system, not to this address", ":1"),
    ("@n,mode=0660", "the option mode belongs to Unix sockets in the file system, not to this address", "@n"),
    ("unix:/p,ttl=3", "the option ttl belongs to hosts and ports, not to this address", "unix:/p"),
    ("tcp::1,cert=/c", "the option cert belongs to tls, not to this address", "tcp::1"),
    (":1,ttl", "the option ttl needs a value", ":1,ttl=64"),
    (":1,bind=", "the option bind needs a value", ":1,bind=:5000"),
    ("udp::1,broadcast=1", "the option broadcast takes no value", "udp::1,broadcast"),
    (":1,ttl=3,ttl=4", "the option ttl is given twice", ":1,ttl=3"),
    (":1,ttl=0", r#""0" is no value for the option ttl: it takes a number from 1 to 255"#, ":1,ttl=64"),
    (":1,ttl=256", r#""256" is no value for the option ttl: it takes a number from 1 to 255"#, ":1,ttl=64"),
    (":1,rcvbuf=0", r#""0" is no value for the option rcvbuf: it takes 1 to 2147483647 bytes"#, ":1,rcvbuf=4MiB"),
    (":1,rcvbuf=4T", r#""4T" is no value for the option rcvbuf: it takes a whole number with k, M, KiB or MiB after it"#, ":1,rcvbuf=4MiB"),
    (":1,sndbuf=9G", r#""9G" is no value for the option sndbuf: it takes 1 to 2147483647 bytes"#, ":1,sndbuf=4MiB"),
    ("h:1,bind=::1", r#""::1" is no value for the option bind: it takes an IP address, a port after a colon, or both"#, "h:1,bind=[::1]"),
    ("h:1,bind=localhost", r#""localhost" is no value for the option bind: it takes an IP address, a port after a colon, or both"#, "h:1,bind=127.0.0.1"),
    ("h:1,bind=:70000", r#"":70000" is no value for the option bind: port 70000 is above 65535"#, "h:1,bind=:5000"),
    ("10.0.0.1:1,bind=[::1]", r#""[::1]" is no value for the option bind: it is IPv6, and the target is IPv4"#, "10.0.0.1:1,bind=:5000"),
    ("h:1,interface=much-too-long-a-name", r#""much-too-long-a-name" is no value for the option interface: it takes an interface name of 1 to 15 characters"#, "h:1,interface=eth0"),
    ("udp::1,join=10.0.0.1", r#""10.0.0.1" is no value for the option join: multicast groups are 224.0.0.0 to 239.255.255.255 or ff00::/8"#, "udp::1,join=239.1.1.1"),
    ("udp6::1,join=239.1.1.1", r#""239.1.1.1" is no value for the option join: it is of the other IP family"#, "udp6::1,join=ff02::1"),
    ("/p,mode=0888", r#""0888" is no value for the option mode: it takes permissions in octal, 0000 to 0777"#, "/p,mode=0660"),
    ("/p,mode=4755", r#""4755" is no value for the option mode: it takes permissions in octal, 0000 to 0777"#, "/p,mode=0660"),
    ("tls:h:1,sni=10.0.0.1", r#""10.0.0.1" is no value for the option sni: it takes a host name, not an IP address"#, "tls:h:1,sni=example.org"),
    ("tls:h:1,pin=ab:cd", r#""ab:cd" is no value for the option pin: a SHA-256 fingerprint has 64 hexadecimal digits, this one has 4"#, "tls:h:1,pin=SHA256-IN-HEX"),
    ("tls::1,key=/k", "the option key needs cert beside it", "tls::1,cert=/path/cert.pem,key=/k"),
    ("tls::1,cert=/c,self-signed", "the options self-signed and cert do not go together: the certificate is either made or given", "tls::1,cert=/c"),
    ("tls:h:1,insecure,ca=/c", "the options insecure and ca do not go together: every certificate is accepted, or only those of an authority", "tls:h:1,ca=/c"),
];

#[test]
fn mistakes() {
    for (text, cause, cure) in MISTAKES {
        let error = parse(text).expect_err(text);
        assert_eq!(error.kind().to_string(), *cause, "{text}");
        assert_eq!(error.cure().unwrap_or_default(), *cure, "{text}");
        assert_eq!(error.text(), *text);
        assert_eq!(error.to_string().lines().count(), 1, "{text}");
        // A cure that is an address must be one.
        let is_words = cure.is_empty() || cure.contains([' ', 'H']) || cure.contains("\\x");
        if !is_words {
            let filled = cure.replace("PORT", "7000");
            assert!(
                parse(&filled).is_ok(),
                "the cure of {text} is wrong: {cure}"
            );
        }
    }
}

#[test]
fn lengths_are_bounded_and_never_cut() {
    let limit = UNIX_PATH_MAX;
    let path = |length: usize| format!("/{}", "x".repeat(length - 1));
    assert!(parse(&path(limit)).is_ok());
    let error = parse(&path(limit + 1)).unwrap_err();
    let length = limit + 1;
    assert_eq!(
        *error.kind(),
        AddressErrorKind::PathTooLong { length, limit }
    );
    assert!(error.to_string().contains(&length.to_string()), "{error}");
    assert!(error.cure().is_some());

    assert!(parse(&format!("@{}", "x".repeat(limit))).is_ok());
    let error = parse(&format!("@{}", "x".repeat(length))).unwrap_err();
    assert_eq!(
        *error.kind(),
        AddressErrorKind::NameTooLong { length, limit }
    );

    // The home directory counts too.
    let home = path(limit);
    let error = Address::parse_with_home("unix:~/x", Some(Path::new(&home))).unwrap_err();
    let length = limit + 2;
    assert_eq!(
        *error.kind(),
        AddressErrorKind::PathTooLong { length, limit }
    );

    let label = "x".repeat(63);
    assert!(parse(&format!("{label}:80")).is_ok());
    assert!(parse(&format!("{label}x:80")).is_err());
    let name = [label.as_str(); 4].join(".");
    assert!(parse(&format!("{}:80", &name[..253])).is_ok());
    let error = parse(&format!("{}:80", &name[..254])).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("it has 254 characters of 253 at most")
    );

    let length = ADDRESS_TEXT_MAX + 1;
    let error = parse(&"x".repeat(length)).unwrap_err();
    assert_eq!(*error.kind(), AddressErrorKind::TooLong { length });
    assert!(error.to_string().len() < 200, "evidence is shortened");
}

#[test]
fn home_is_needed_only_for_a_tilde() {
    let error = Address::parse_with_home("unix:~/x", None).unwrap_err();
    assert_eq!(*error.kind(), AddressErrorKind::NoHome);
    assert!(error.cure().unwrap().contains("HOME"));
    assert!(Address::parse_with_home("unix:/x", None).is_ok());
}

#[test]
fn evidence_and_cure_hold_no_control_characters() {
    for text in ["\u{1b}[31m:80", "unix:~\u{1b}x/y", "a\nb c:1"] {
        let error = parse(text).unwrap_err();
        assert!(!error.to_string().contains(char::is_control), "{error}");
        assert!(!error.cure().unwrap_or_default().contains(char::is_control));
    }
}

#[test]
fn fingerprints_are_read_with_and_without_colons() {
    let digits = "0123456789abcdef".repeat(4);
    let plain = parse(&format!("tls:h:1,pin={digits}")).unwrap();
    let pairs: Vec<&str> = (0..32).map(|at| &digits[2 * at..2 * at + 2]).collect();
    let colons = pairs.join(":").to_uppercase();
    assert_eq!(parse(&format!("tls:h:1,pin={colons}")), Ok(plain.clone()));
    assert_eq!(plain.to_string(), format!("tls:h:1,pin={digits}"));
}

fn port() -> impl Strategy<Value = Port> {
    let service = "[a-z][a-z0-9-]{0,14}".prop_map(Port::Service);
    prop_oneof![3 => any::<u16>().prop_map(Port::Number), 1 => service]
}

fn zone() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("(25)?[a-z0-9._-]{1,13}")
}

fn host(family: Option<Family>) -> BoxedStrategy<Host> {
    let name = "[a-z_]([a-z0-9_-]{0,20}[a-z_])?(\\.[a-z]{1,9}){0,3}\\.?";
    let is_name = |name: &String| name != "all";
    let name = name
        .prop_filter("all is every address", is_name)
        .prop_map(Host::Name);
    let v4 = any::<Ipv4Addr>().prop_map(Host::V4);
    let v6 = (any::<Ipv6Addr>(), zone()).prop_map(|(addr, zone)| Host::V6 { addr, zone });
    match family {
        None => prop_oneof![name, v4, v6].boxed(),
        Some(Family::V4) => prop_oneof![name, v4].boxed(),
        Some(Family::V6) => prop_oneof![name, v6].boxed(),
    }
}

fn internet(family: Option<Family>) -> BoxedStrategy<Target> {
    prop_oneof![
        port().prop_map(Target::Port),
        port().prop_map(Target::All),
        (host(family), port()).prop_map(|(host, port)| Target::Host { host, port }),
    ]
    .boxed()
}

/// File names with everything that could be mistaken for something else.
fn path() -> impl Strategy<Value = PathBuf> {
    let odd = prop_oneof![
        proptest::collection::vec(1_u8..=255, 1..40),
        "[-@~.,:?&/ x7\\\\\n=]{1,12}".prop_map(String::into_bytes),
        "[-@~. /\\\\][a-z/ ,]{0,5}".prop_map(String::into_bytes),
        "[0-9]{1,5}".prop_map(String::into_bytes),
        "[a-z]{1,5}:[0-9]{1,5}".prop_map(String::into_bytes),
    ];
    odd.prop_filter_map("not a directory", |bytes| {
        let last = bytes.rsplit(|byte| *byte == b'/').next()?;
        let is_file = !matches!(last, b"" | b"." | b"..");
        is_file.then(|| text::path_of(bytes.clone()).ok())?
    })
}

fn unix() -> BoxedStrategy<Target> {
    let name = proptest::collection::vec(any::<u8>(), 1..=UNIX_PATH_MAX);
    prop_oneof![
        path().prop_map(Target::Path),
        name.prop_map(Target::Abstract)
    ]
    .boxed()
}

fn size() -> impl Strategy<Value = Option<ByteSize>> {
    let round = (
        1_u32..2000,
        prop_oneof![Just(1000), Just(1024), Just(1_000_000)],
    );
    let size = prop_oneof![any::<u32>(), round.prop_map(|(count, unit)| count * unit)];
    proptest::option::of(size.prop_map(ByteSize::new))
}

fn tls() -> impl Strategy<Value = TlsAddressOptions> {
    let pins = proptest::collection::vec(
        any::<[u8; 32]>().prop_map(|der| crate::tls::Fingerprint::of(&der)),
        0..3,
    );
    let alpn = proptest::collection::vec("\\PC{1,20}|[,\\\\ =]{1,5}", 0..3);
    let sni = proptest::option::of("[a-z]{1,9}\\.[a-z]{1,9}");
    let file = || proptest::option::of(path());
    let judged = prop_oneof![
        (file(), pins).prop_map(|(ca, pin)| (ca, pin, false)),
        Just((None, Vec::new(), true)),
    ];
    let shown = prop_oneof![
        (path(), file()).prop_map(|(cert, key)| (Some(cert), key, false)),
        any::<bool>().prop_map(|made| (None, None, made)),
    ];
    (judged, shown, sni, alpn).prop_map(|(judged, shown, sni, alpn)| {
        let ((ca, pin, insecure), (cert, key, self_signed)) = (judged, shown);
        TlsAddressOptions {
            cert,
            key,
            ca,
            pin,
            self_signed,
            insecure,
            sni,
            alpn,
        }
    })
}

/// A client's own end that suits the target.
fn bind(scheme: Scheme, target: &Target) -> BoxedStrategy<Option<BindTo>> {
    if matches!(target, Target::Path(_) | Target::Abstract(_)) {
        let name = proptest::collection::vec(any::<u8>(), 1..20);
        let end = prop_oneof![
            path().prop_map(BindTo::Path),
            name.prop_map(BindTo::Abstract)
        ];
        return proptest::option::of(end).boxed();
    }
    let peer = match target {
        Target::Host { host, .. } => host.ip().map(Family::of),
        _ => None,
    };
    let suits = peer.or(scheme.family());
    let ip = proptest::option::of((any::<IpAddr>(), zone()));
    let end = (ip, any::<u16>()).prop_map(move |(ip, port)| {
        let ip = ip.filter(|(ip, _)| suits.is_none_or(|family| family == Family::of(*ip)));
        let zone = ip
            .clone()
            .and_then(|(ip, zone)| zone.filter(|_| ip.is_ipv6()));
        let ip = ip.map(|(ip, _)| ip);
        BindTo::Internet { ip, zone, port }
    });
    proptest::option::of(end).boxed()
}

fn membership(family: Option<Family>) -> impl Strategy<Value = Membership> {
    (any::<IpAddr>(), zone()).prop_map(move |(ip, interface)| {
        let group = match (family, ip) {
            (Some(Family::V4), _) => Ipv4Addr::new(239, 1, 1, 1).into(),
            (None, IpAddr::V4(ip)) => IpAddr::V4(ip | Ipv4Addr::new(224, 0, 0, 0)),
            (_, _) => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).into(),
        };
        let group = if group.is_multicast() {
            group
        } else {
            Ipv4Addr::new(224, 0, 0, 9).into()
        };
        Membership { group, interface }
    })
}

fn options(scheme: Scheme, target: &Target) -> BoxedStrategy<AddressOptions> {
    let on_host = !matches!(target, Target::Path(_) | Target::Abstract(_));
    let on_file = matches!(target, Target::Path(_));
    let on_udp = scheme.is_datagram() && !scheme.is_unix();
    let groups = proptest::collection::vec(membership(scheme.family()), 0..3);
    let interface = proptest::option::of("[a-z0-9._-]{1,15}");
    let numbers = (any::<Option<u8>>(), 0_u32..=0o777, any::<[bool; 2]>());
    (
        bind(scheme, target),
        interface,
        size(),
        size(),
        numbers,
        groups,
        tls(),
    )
        .prop_map(
            move |(bind, interface, receive, send, numbers, join, tls)| {
                let (ttl, mode, [broadcast, has_mode]) = numbers;
                AddressOptions {
                    bind,
                    interface: interface.filter(|_| on_host),
                    ttl: ttl.filter(|ttl| on_host && (on_udp || *ttl > 0)),
                    receive_buffer: receive,
                    send_buffer: send,
                    broadcast: broadcast && on_udp && scheme.family() != Some(Family::V6),
                    join: if on_udp { join } else { Vec::new() },
                    mode: (on_file && has_mode).then_some(mode),
                    tls: if scheme == Scheme::Tls {
                        tls
                    } else {
                        Default::default()
                    },
                }
            },
        )
        .boxed()
}

fn address() -> impl Strategy<Value = Address> {
    let targets = |scheme: Scheme| {
        let target = match scheme {
            Scheme::Rdm => prop_oneof![internet(None), unix()].boxed(),
            _ if scheme.is_unix() => unix(),
            _ => internet(scheme.family()),
        };
        (Just(scheme), target)
    };
    proptest::sample::select(Scheme::ALL.to_vec())
        .prop_flat_map(targets)
        .prop_flat_map(|(scheme, target)| (Just(scheme), options(scheme, &target), Just(target)))
        .prop_map(|(scheme, options, target)| Address {
            scheme,
            target,
            options,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_canonical_form_parses_to_the_same_value(address in address()) {
        let text = address.to_string();
        prop_assert!(!text.contains(char::is_control), "{text:?}");
        let home = Some(Path::new("/nowhere"));
        prop_assert_eq!(Address::parse_with_home(&text, home), Ok(address), "{}", text);
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_text_of_the_grammars_own_characters_panics(
        text in "(tcp|udp6|tls|unix|rdm|raw|tpc|http)?:?(//)?[\\[\\]0-9a-f:.,=?&@~/*%\\\\ x\0-]{0,24}(,[a-z]{0,6}=?[\\[\\]0-9:%.\\\\]{0,8}){0,2}"
    ) {
        match parse(&text) {
            // What is accepted has a canonical form, and it is a fixed point.
            Ok(address) => {
                let canonical = address.to_string();
                prop_assert_eq!(parse(&canonical), Ok(address), "{}", canonical);
            }
            Err(error) => {
                prop_assert!(!error.to_string().contains(char::is_control), "{}", error);
            }
        }
    }
}
