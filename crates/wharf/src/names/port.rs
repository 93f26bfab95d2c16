//! The class of a port, and whether this user may bind it.

use std::fmt::{self, Display, Formatter};
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::fs;

/// The three ranges of ports (RFC 6335 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortClass {
    /// 0 to 1023, assigned by IANA; most systems let only privileged programs bind them.
    WellKnown,
    /// 1024 to 49151, registered with IANA.
    Registered,
    /// 49152 to 65535, for any use and never assigned. (Linux takes ephemeral ports from
    /// `ip_local_port_range`, usually 32768 to 60999, which is another range.)
    Dynamic,
}

impl PortClass {
    /// The class of `port`.
    ///
    /// ```
    /// use wharf::names::PortClass;
    /// assert_eq!(PortClass::of(80), PortClass::WellKnown);
    /// ```
    pub const fn of(port: u16) -> Self {
        match port {
            0..=1023 => Self::WellKnown,
            1024..=49151 => Self::Registered,
            49152..=65535 => Self::Dynamic,
        }
    }

    /// The first and the last port of the class.
    pub const fn range(self) -> (u16, u16) {
        match self {
            Self::WellKnown => (0, 1023),
            Self::Registered => (1024, 49151),
            Self::Dynamic => (49152, 65535),
        }
    }
}

impl Display for PortClass {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WellKnown => "well-known",
            Self::Registered => "registered",
            Self::Dynamic => "dynamic",
        })
    }
}

/// Whether this process may bind a port, and why. `Display` says it in words.
///
/// The kernel has the last word: in a container, a capability counts only if the network namespace
/// belongs to the same user namespace. Whether the port is free is another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindRight {
    /// Port 0: the system chooses one that is allowed.
    AnyFreePort,
    /// The port needs no privilege.
    Unprivileged {
        /// The first port that needs none.
        first: u16,
    },
    /// The port needs a privilege, and root has it.
    Superuser,
    /// The port needs `CAP_NET_BIND_SERVICE` (capabilities(7)), and this process has it.
    Capability,
    /// The port needs a privilege that this process lacks.
    Denied {
        /// The port.
        port: u16,
        /// The first port that needs none.
        first: u16,
    },
}

impl BindRight {
    /// Whether the port may be bound.
    pub const fn is_allowed(self) -> bool {
        !matches!(self, Self::Denied { .. })
    }

    /// What a user without the right can do, the simplest first; empty where the right is there.
    ///
    /// ```
    /// use wharf::names::BindRight;
    /// let denied = BindRight::Denied { port: 80, first: 1024 };
    /// assert_eq!(denied.cures()[0], "a port from 1024 on, such as 8080");
    /// ```
    pub fn cures(self) -> Vec<String> {
        let Self::Denied { port, first } = self else {
            return Vec::new();
        };
        let higher = port.saturating_add(8000).max(first);
        let mut cures = vec![format!("a port from {first} on, such as {higher}")];
        if cfg!(target_os = "linux") {
            cures.push("sudo setcap cap_net_bind_service=+ep PROGRAM".into());
            cures.push(format!(
                "sudo sysctl net.ipv4.ip_unprivileged_port_start={port}"
            ));
        } else {
            cures.push("sudo PROGRAM".into());
        }
        cures
    }
}

impl Display for BindRight {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyFreePort => f.write_str("port 0 asks the system for any free port"),
            Self::Unprivileged { first } => {
                write!(f, "ports from {first} on need no privilege")
            }
            Self::Superuser => f.write_str("root may bind every port"),
            Self::Capability => f.write_str("the process has CAP_NET_BIND_SERVICE"),
            Self::Denied { port, first } => write!(
                f,
                "port {port} is below {first} and needs root or CAP_NET_BIND_SERVICE"
            ),
        }
    }
}

/// Whether this process may bind `port`, by the system's first unprivileged port and the
/// capabilities of the process (`/proc/sys/net/ipv4/ip_unprivileged_port_start`,
/// `/proc/self/status`; ip(7), capabilities(7)).
///
/// ```
/// assert!(wharf::names::may_bind(0).is_allowed());
/// ```
pub fn may_bind(port: u16) -> BindRight {
    let (first, privilege) = first_and_privilege();
    decide(port, first, privilege)
}

/// The first port that needs no privilege, and the privileges of this process.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn first_and_privilege() -> (u16, Privilege) {
    let start = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first = start.ok().and_then(|text| text.trim().parse().ok());
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    (first.unwrap_or(DEFAULT_FIRST), Privilege::read(&status))
}

/// Other Unix systems know root, and no capabilities.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn first_and_privilege() -> (u16, Privilege) {
    let is_root = super::ffi::is_root();
    let has_capability = is_root;
    let privilege = Privilege {
        is_root,
        has_capability,
    };
    (DEFAULT_FIRST, privilege)
}

/// Windows reserves no low ports.
#[cfg(not(unix))]
fn first_and_privilege() -> (u16, Privilege) {
    (0, Privilege::default())
}

/// `PROT_SOCK` of the kernel, and the tradition elsewhere.
#[cfg(unix)]
const DEFAULT_FIRST: u16 = 1024;

#[derive(Clone, Copy, Debug, Default)]
struct Privilege {
    is_root: bool,
    has_capability: bool,
}

impl Privilege {
    /// Reads `/proc/self/status` (proc_pid_status(5)).
    #[cfg(any(test, target_os = "linux", target_os = "android"))]
    fn read(status: &str) -> Self {
        const CAP_NET_BIND_SERVICE: u32 = 10; // linux/capability.h
        let field = |name| {
            status
                .lines()
                .find_map(|line: &str| line.strip_prefix(name))
        };
        // The second number is the effective user.
        let user = field("Uid:").and_then(|ids| ids.split_whitespace().nth(1));
        let capabilities =
            field("CapEff:").and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
        Self {
            is_root: user == Some("0"),
            has_capability: capabilities.is_some_and(|set| set >> CAP_NET_BIND_SERVICE & 1 == 1),
        }
    }
}

fn decide(port: u16, first: u16, privilege: Privilege) -> BindRight {
    match (port, privilege.has_capability) {
        (0, _) => BindRight::AnyFreePort,
        _ if port >= first => BindRight::Unprivileged { first },
        (_, true) if privilege.is_root => BindRight::Superuser,
        (_, true) => BindRight::Capability,
        // Root without the capability, as in many containers, is an ordinary user here.
        (_, false) => BindRight::Denied { port, first },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_meet_at_their_bounds() {
        for (port, class) in [
            (0, PortClass::WellKnown),
            (1023, PortClass::WellKnown),
            (1024, PortClass::Registered),
            (49151, PortClass::Registered),
            (49152, PortClass::Dynamic),
            (65535, PortClass::Dynamic),
        ] {
            assert_eq!(PortClass::of(port), class, "{port}");
            let (first, last) = class.range();
            assert!((first..=last).contains(&port));
        }
    }

    const ROOT: &str = "Name:\tx\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n";
    const BARE_ROOT: &str = "Uid:\t0\t0\t0\t0\nCapEff:\t0000000000000000\n";
    const GRANTED: &str = "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000400\n";
    const USER: &str = "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n";

    #[test]
    fn rights_follow_from_the_capability() {
        let denied = BindRight::Denied {
            port: 80,
            first: 1024,
        };
        for (status, port, expected) in [
            (USER, 0, BindRight::AnyFreePort),
            (USER, 1024, BindRight::Unprivileged { first: 1024 }),
            (USER, 80, denied),
            ("", 80, denied),
            (BARE_ROOT, 80, denied),
            (ROOT, 80, BindRight::Superuser),
            (GRANTED, 80, BindRight::Capability),
        ] {
            let right = decide(port, 1024, Privilege::read(status));
            assert_eq!(right, expected, "{status} {port}");
        }
        assert!(decide(80, 0, Privilege::default()).is_allowed());
    }

    #[test]
    fn a_denied_port_has_cures() {
        let denied = BindRight::Denied {
            port: 80,
            first: 1024,
        };
        let expected = "port 80 is below 1024 and needs root or CAP_NET_BIND_SERVICE";
        assert_eq!(denied.to_string(), expected);
        assert!(!denied.cures().is_empty());
        assert!(BindRight::Superuser.cures().is_empty());
    }

    #[test]
    fn the_verdict_is_what_the_kernel_does() {
        let verdict = may_bind(1);
        match std::net::TcpListener::bind("127.0.0.1:1") {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                assert!(!verdict.is_allowed(), "{verdict}");
            }
            _ => assert!(verdict.is_allowed(), "{verdict}"),
        }
    }
}
