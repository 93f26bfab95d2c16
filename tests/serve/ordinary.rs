//! Everything but low ports works for an ordinary user.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::peer::{ask, until};
use crate::support::{Ended, Process, Server, run};

/// A copy of the binary in a directory where `nobody` may run it and write.
struct Nobody {
    directory: tempfile::TempDir,
}

impl Nobody {
    /// `None`, with the reason printed, where this cannot be tried.
    fn new() -> Option<Nobody> {
        let id = run(Command::new("id").arg("-u"), "");
        if id.stdout.trim() != "0" {
            eprintln!("skipped: only root can run something as nobody");
            return None;
        }
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let nobody = Nobody { directory };
        std::fs::copy(env!("CARGO_BIN_EXE_wharf"), nobody.binary()).unwrap();
        let works = run(&mut nobody.shell("id -un"), "");
        if works.stdout.trim() != "nobody" {
            eprintln!("skipped: su nobody does not work here: {works:?}");
            return None;
        }
        Some(nobody)
    }

    fn binary(&self) -> PathBuf {
        self.directory.path().join("wharf")
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("su");
        command.args(["nobody", "-s", "/bin/sh", "-c", script]);
        command.current_dir(self.directory.path());
        command
    }

    fn wharf(&self, arguments: &str) -> Command {
        self.shell(&format!("exec {} {arguments}", self.binary().display()))
    }

    fn run(&self, arguments: &str, input: &str) -> Ended {
        run(&mut self.wharf(arguments), input)
    }
}

#[test]
fn a_low_port_is_refused_with_the_ways_out() {
    let Some(nobody) = Nobody::new() else { return };
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if first.is_ok_and(|first| first.trim().parse::<u16>().is_ok_and(|first| first <= 81)) {
        eprintln!("skipped: on this machine everybody may bind port 81");
        return;
    }
    let ended = nobody.run("serve echo 127.0.0.1:81", "");
    assert_eq!(ended.code(), 3, "{ended:?}");
    for expected in [
        "error: cannot listen on 127.0.0.1:81: permission denied\n",
        "CAP_NET_BIND_SERVICE",
        &format!(
            "setcap cap_net_bind_service=+ep {}",
            nobody.binary().display()
        ),
        "  try      wharf serve echo 127.0.0.1:8081\n",
    ] {
        assert!(
            ended.stderr.contains(expected),
            "no {expected:?} in {ended:?}"
        );
    }
}

#[test]
fn everything_else_works() {
    let Some(nobody) = Nobody::new() else { return };
    let path = nobody.directory.path().join("s").display().to_string();
    let serve = format!(
        "serve upper tcp:127.0.0.1:0 udp:127.0.0.1:0 {path} tls:127.0.0.1:0,self-signed --json"
    );
    let mut server = Server {
        process: Process::start(&mut nobody.wharf(&serve)),
    };
    let (port, datagrams) = (server.port(), server.port());
    assert_eq!(server.local(), path);
    let (secure, fingerprint) = server.process.wait_for_event("listening", |event| {
        let local = event["local"].as_str()?.to_owned();
        Some((local, event["fingerprint"].as_str()?.to_owned()))
    });
    for address in [
        format!("127.0.0.1:{port}"),
        format!("udp:127.0.0.1:{datagrams}"),
        path,
        format!("tls:{secure},pin={fingerprint}"),
    ] {
        let client = nobody.run(
            &format!("connect {address} --send hello --expect HELLO"),
            "",
        );
        assert_eq!(client.code(), 0, "{address}: {client:?}");
    }
    assert_eq!(ask(&port, b"from root"), "FROM ROOT");
    // su passes signals on; the port is free once the server itself has ended.
    server.process.signal("TERM");
    drop(server);
    until("the port is closed", || {
        std::net::TcpStream::connect(("127.0.0.1", port.parse::<u16>().unwrap())).is_err()
    });
}
