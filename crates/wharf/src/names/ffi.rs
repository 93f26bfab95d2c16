//! The few calls of the C library that the standard library does not offer.
//!
//! All `unsafe` of this module is here, and nothing else is.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{SockAddr, SockAddrStorage};

/// Why the resolver has no answer: the `EAI_` code and its text (gai_strerror(3)).
#[derive(Debug)]
pub(super) struct Unresolved {
    pub(super) code: c_int,
    pub(super) reason: String,
}

/// The canonical name, if there is one, and the addresses.
pub(super) type Resolved = (Option<String>, Vec<IpAddr>);

/// gethostname(2).
pub(super) fn gethostname() -> io::Result<Vec<u8>> {
    let mut buffer = [0_u8; 256];
    // SAFETY: the pointer and the length describe `buffer`, which the call may write; one byte is
    // kept back, so that a NUL stands behind a name that was cut off.
    let result = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len() - 1) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let end = buffer.iter().position(|byte| *byte == 0);
    Ok(buffer[..end.unwrap_or(0)].to_vec())
}

/// Whether the effective user is root, where there is no `/proc` to say so.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// getaddrinfo(3) with `AI_CANONNAME`; each address once, in the order of preference.
pub(super) fn getaddrinfo(name: &CStr) -> Result<Resolved, Unresolved> {
    // SAFETY: `addrinfo` is plain C data, for which all zeroes (no flags, null pointers) is valid.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_flags = libc::AI_CANONNAME;
    hints.ai_socktype = libc::SOCK_STREAM; // or each address comes once for each socket type
    let mut list = std::ptr::null_mut();
    // SAFETY: `name` is NUL-terminated, the service may be null, and `hints` and `list` are valid
    // for the call.
    let code = unsafe { libc::getaddrinfo(name.as_ptr(), std::ptr::null(), &hints, &mut list) };
    if code != 0 {
        return Err(unresolved(code));
    }
    let mut canonical = None;
    let mut addresses = Vec::new();
    let mut next = list;
    // SAFETY: after success, `list` and each `ai_next` are null or point at an entry that lives
    // until `freeaddrinfo` below; nothing borrowed from them leaves the loop.
    while let Some(entry) = unsafe { next.as_ref() } {
        if !entry.ai_canonname.is_null() {
            // SAFETY: a name that is not null is a NUL-terminated string that lives as long.
            let name = unsafe { CStr::from_ptr(entry.ai_canonname) };
            canonical.get_or_insert_with(|| name.to_string_lossy().into_owned());
        }
        addresses.extend(address(entry).filter(|address| !addresses.contains(address)));
        next = entry.ai_next;
    }
    // SAFETY: `list` came from a successful `getaddrinfo` and is freed once.
    unsafe { libc::freeaddrinfo(list) };
    Ok((canonical, addresses))
}

fn address(entry: &libc::addrinfo) -> Option<IpAddr> {
    let mut storage = SockAddrStorage::zeroed();
    let length = entry.ai_addrlen as usize;
    if entry.ai_addr.is_null() || length > size_of::<SockAddrStorage>() {
        return None;
    }
    // SAFETY: `ai_addr` points at `ai_addrlen` bytes, which fit `storage` (checked above), which
    // is a `sockaddr_storage`; the two do not overlap, and afterwards `storage` begins with an
    // address of `length` bytes, as `SockAddr::new` asks.
    let address = unsafe {
        let to = (&raw mut storage).cast::<u8>();
        std::ptr::copy_nonoverlapping(entry.ai_addr.cast::<u8>(), to, length);
        SockAddr::new(storage, entry.ai_addrlen)
    };
    address.as_socket().map(|socket| socket.ip())
}

/// getnameinfo(3) with `NI_NAMEREQD`.
pub(super) fn getnameinfo(address: IpAddr) -> Result<String, Unresolved> {
    let address = SockAddr::from(SocketAddr::new(address, 0));
    // One byte more than NI_MAXHOST (1025), so that the last one stays NUL whatever happens.
    let mut buffer = [0 as c_char; 1026];
    // SAFETY: `address` gives a valid address and its length; pointer and length describe
    // `buffer`; a null service with length 0 is not asked for.
    let code = unsafe {
        libc::getnameinfo(
            address.as_ptr().cast(),
            address.len(),
            buffer.as_mut_ptr(),
            1025,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    if code != 0 {
        return Err(unresolved(code));
    }
    // SAFETY: the last byte of `buffer` is NUL, since the call may write all others only.
    let name = unsafe { CStr::from_ptr(buffer.as_ptr()) };
    Ok(name.to_string_lossy().into_owned())
}

fn unresolved(code: c_int) -> Unresolved {
    if code == libc::EAI_SYSTEM {
        let reason = io::Error::last_os_error().to_string();
        return Unresolved { code, reason };
    }
    // SAFETY: `gai_strerror` takes any number and returns a static NUL-terminated string.
    let reason = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
    let reason = reason.to_string_lossy().into_owned();
    Unresolved { code, reason }
}

/// A host name for the C library; `None` if it contains a NUL.
pub(super) fn c_name(name: &str) -> Option<CString> {
    CString::new(name).ok()
}
