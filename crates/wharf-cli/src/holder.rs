//! Who holds a port: what /proc says, as far as this user may read it.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use wharf::address::Scheme;

/// How many processes are looked at before the search is given up.
const MAX_PROCESSES: usize = 20_000;

/// The process that holds the endpoint `at`, in words.
pub(crate) fn of(scheme: Scheme, at: &str) -> Option<String> {
    match process_of(inode(scheme, at)?) {
        Some(pid) => Some(describe(pid)),
        None => Some("a process of another user".to_owned()),
    }
}

/// The number of the process that holds the endpoint `at`, if this user may see it.
pub(crate) fn pid_of(scheme: Scheme, at: &str) -> Option<u32> {
    process_of(inode(scheme, at)?)
}

/// The name of a process, with nothing in it that a terminal would obey.
pub(crate) fn name_of(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    crate::failure::visible(name.trim())
}

fn inode(scheme: Scheme, at: &str) -> Option<u64> {
    match at.parse() {
        Ok(at) => socket_inode(scheme, at),
        Err(_) => unix_inode(at),
    }
}

/// The inode of the socket that listens at `at`, or at all addresses with its port.
fn socket_inode(scheme: Scheme, at: SocketAddr) -> Option<u64> {
    let transport = if scheme.is_datagram() { "udp" } else { "tcp" };
    // TCP_LISTEN is 0A; a bound UDP socket is in state 07 (net/tcp_states.h).
    let state = if scheme.is_datagram() { "07" } else { "0A" };
    let tables = [transport.to_owned(), format!("{transport}6")];
    let rows = tables
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/net/{table}")).ok());
    for table in rows {
        for row in table.lines().skip(1) {
            let fields: Vec<&str> = row.split_whitespace().collect();
            let (Some(local), Some(found), Some(inode)) =
                (fields.get(1), fields.get(3), fields.get(9))
            else {
                continue;
            };
            if *found == state && local_matches(local, at) {
                return inode.parse().ok();
            }
        }
    }
    None
}

/// The inode of the Unix socket that is bound to a path. Connections that were
/// accepted there have the same path, so one that listens comes first.
fn unix_inode(path: &str) -> Option<u64> {
    /// `__SO_ACCEPTCON` (linux/net.h), as the table writes it.
    const LISTENS: &str = "00010000";
    let table = fs::read_to_string("/proc/net/unix").ok()?;
    let bound = table.lines().skip(1).filter_map(|row| {
        // Num RefCount Protocol Flags Type St Inode Path; a path may hold spaces.
        let before = row.strip_suffix(path)?.strip_suffix(' ')?;
        let fields: Vec<&str> = before.split_whitespace().collect();
        match fields[..] {
            [_, _, _, flags, _, _, inode] => Some((flags == LISTENS, inode.parse().ok()?)),
            _ => None,
        }
    });
    bound.max().map(|(_, inode)| inode)
}

/// Whether a table's `ADDRESS:PORT` in hexadecimal is `at`, or all addresses.
fn local_matches(local: &str, at: SocketAddr) -> bool {
    let Some((address, port)) = local.split_once(':') else {
        return false;
    };
    if u16::from_str_radix(port, 16) != Ok(at.port()) {
        return false;
    }
    address.chars().all(|digit| digit == '0') || address.eq_ignore_ascii_case(&hex_of(at.ip()))
}

/// An address as /proc/net writes it: 32-bit words in the machine's byte order.
fn hex_of(ip: IpAddr) -> String {
    let bytes = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes
        .chunks_exact(4)
        .map(|word| {
            let word = [word[0], word[1], word[2], word[3]];
            format!("{:08X}", u32::from_ne_bytes(word))
        })
        .collect()
}

/// The process that has a descriptor of the socket.
fn process_of(inode: u64) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.take(MAX_PROCESSES);
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = descriptors.flatten().any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|link| link == Path::new(&wanted))
        });
        if holds {
            return Some(pid);
        }
    }
    None
}

fn describe(pid: u32) -> String {
    let name = name_of(pid);
    let age = fs::metadata(format!("/proc/{pid}"))
        .and_then(|found| found.modified())
        .ok()
        .and_then(|started| SystemTime::now().duration_since(started).ok());
    match age {
        Some(age) => format!("{name} (pid {pid}), running for {}", rough(age)),
        None => format!("{name} (pid {pid})"),
    }
}

/// A duration in its largest unit.
fn rough(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min", seconds / 60),
        3_600..=86_399 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn this_process_is_found_by_its_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let holder = of(Scheme::Tcp, &at).unwrap();
        let me = format!("(pid {})", std::process::id());
        assert!(holder.contains(&me), "{holder}");
        drop(listener);
        assert_eq!(of(Scheme::Tcp, &at), None);
    }

    #[test]
    fn a_unix_socket_is_found_by_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a name with spaces");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let at = path.display().to_string();
        let me = format!("(pid {})", std::process::id());
        assert!(of(Scheme::Unix, &at).unwrap().contains(&me));
        // What was accepted has the same path.
        let client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let accepted = listener.accept().unwrap();
        drop(client);
        assert!(of(Scheme::Unix, &at).unwrap().contains(&me));
        drop((listener, accepted));
        assert_eq!(of(Scheme::Unix, &at), None);
    }

    #[test]
    fn datagram_sockets_are_found_too() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap().to_string();
        assert!(of(Scheme::Udp, &at).is_some());
    }
}
