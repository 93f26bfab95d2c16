//! Random bytes to every service over every transport.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::peer::{ask, converse, tcp, udp, unix};
use crate::support::{Process, Server, run, wharf};
use crate::{memory, stops_well};

/// Every service, with what it needs to be started.
const SERVICES: [&str; 7] = [
    "echo", "upper", "message", "discard", "chargen", "daytime", "time",
];

/// How much more memory than before a server may keep, in KiB.
const GROWTH: u64 = 16 * 1024;

/// Bytes as random as a test needs, the same in every run (xorshift64*, Vigna 2016).
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 56) as u8).collect()
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Mostly short, now and then longer than any buffer.
    fn message(&mut self) -> Vec<u8> {
        let length = match self.next() % 8 {
            0 => 0,
            7 => 70_000,
            _ => (self.next() % 2_000) as usize,
        };
        self.bytes(length)
    }
}

/// One server with `service` at one address of each scheme.
struct Everywhere {
    server: Server,
    tcp: String,
    tls: String,
    udp: String,
    unix: String,
    packets: String,
    datagrams: String,
    _directory: tempfile::TempDir,
}

impl Everywhere {
    fn start(service: &str, options: &[&str]) -> Everywhere {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let (unix, packets, datagrams) = (path("s"), path("p"), path("d"));
        let mut command = wharf(["--json", "serve", service]);
        command
            .args([
                "tcp:127.0.0.1:0",
                "tls:127.0.0.1:0,self-signed",
                "udp:127.0.0.1:0",
            ])
            .args([
                &unix,
                &format!("seqpacket:{packets}"),
                &format!("unix-dgram:{datagrams}"),
            ])
            .args(options);
        let mut server = Server {
            process: Process::start(&mut command),
        };
        let (tcp, tls, udp) = (server.port(), server.port(), server.port());
        for _ in 0..3 {
            server.local();
        }
        Everywhere {
            server,
            tcp,
            tls,
            udp,
            unix,
            packets,
            datagrams,
            _directory: directory,
        }
    }

    /// Sends one message of noise to each address; what comes back is not read.
    fn disturb(&self, noise: &mut Noise) {
        for port in [&self.tcp, &self.tls] {
            let mut stream = tcp(port);
            stream
                .set_write_timeout(Some(Duration::from_millis(200)))
                .unwrap();
            // It may be closed on us at any byte.
            let _ = stream.write_all(&noise.message());
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut local = unix(&self.unix);
        local
            .set_write_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let _ = local.write_all(&noise.message());
        let _ = udp(&self.udp).send(&noise.message());
        let socket = UnixDatagram::unbound().unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.send_to(&noise.message(), &self.datagrams);
        let packets = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        packets
            .connect(&SockAddr::unix(&self.packets).unwrap())
            .unwrap();
        packets.set_nonblocking(true).unwrap();
        let _ = packets.send(&noise.message());
    }
}

#[test]
fn random_bytes_harm_no_service_on_any_transport() {
    let frames: [&[&str]; 4] = [
        &[],
        &["--frame", "u32"],
        &["--frame", "netstring"],
        &[
            "--frame",
            "lines",
            "--too-long",
            "skip",
            "--max-message",
            "100",
        ],
    ];
    for service in SERVICES {
        let takes_frames = !matches!(service, "chargen" | "daytime" | "time");
        for options in frames {
            if takes_frames || options.is_empty() {
                disturbed(service, options);
            }
        }
    }
}

fn disturbed(service: &str, options: &[&str]) {
    let everywhere = Everywhere::start(service, options);
    let pid = everywhere.server.process.pid();
    let mut noise = Noise(0x5EED);
    for _ in 0..10 {
        everywhere.disturb(&mut noise);
    }
    let before = memory(pid);
    for _ in 0..50 {
        everywhere.disturb(&mut noise);
    }
    let after = memory(pid);
    assert!(
        after < before + GROWTH,
        "{service} {options:?}: {before} KiB before, {after} after"
    );
    stops_well(everywhere.server);
}

#[test]
fn noise_next_door_disturbs_nobody() {
    let everywhere = Everywhere::start("upper", &[]);
    let mut noise = Noise(0xD15);
    let mut other = tcp(&everywhere.tcp);
    let datagrams = udp(&everywhere.udp);
    for _ in 0..50 {
        everywhere.disturb(&mut noise);
        converse(&mut other, b"quiet please", b"QUIET PLEASE");
        datagrams.send(b"quiet").unwrap();
        let mut answer = [0; 10];
        assert_eq!(datagrams.recv(&mut answer).unwrap(), 5);
        assert_eq!(&answer[..5], b"QUIET");
    }
    assert_eq!(ask(&everywhere.tcp, b"end"), "END");
    let secure = format!("tls:127.0.0.1:{},insecure", everywhere.tls);
    let client = run(&mut wharf(["connect", &secure]), "tls");
    assert_eq!(client.stdout.trim_end(), "TLS", "{client:?}");
    drop(other);
    stops_well(everywhere.server);
}

#[test]
fn random_bytes_inside_tls_harm_nothing() {
    let everywhere = Everywhere::start("echo", &["--frame", "u32"]);
    let secure = format!("tls:127.0.0.1:{},insecure", everywhere.tls);
    let mut noise = Noise(0x715);
    for _ in 0..10 {
        let text: String = noise.bytes(2_000).into_iter().map(char::from).collect();
        run(&mut wharf(["connect", &secure]), &text);
    }
    assert_eq!(ask(&everywhere.tcp, b"\0\0\0\x02ok"), "\0\0\0\x02ok");
    stops_well(everywhere.server);
}

#[test]
fn a_program_reads_noise_as_it_is() {
    let mut command = wharf(["--json", "serve", "exec", "tcp:127.0.0.1:0", "--", "cksum"]);
    let mut server = Server {
        process: Process::start(&mut command),
    };
    let port = server.port();
    let noise = Noise(7).bytes(300_000);
    let sums: Vec<String> = (0..5).map(|_| ask(&port, &noise)).collect();
    assert!(sums[0].contains("300000"), "{sums:?}");
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
    stops_well(server);
}
