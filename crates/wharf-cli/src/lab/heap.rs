//! Memory of large networks.
//!
//! A connection of the lab has two buffers at each end, by default of 256 KiB each, most of
//! which no byte ever reaches. Zeroed memory that the kernel gives costs nothing until it is
//! touched, but glibc takes it from there only until the first large piece is freed; from
//! then on it takes what was freed before, and fills it with zeros (mallopt(3),
//! M_MMAP_THRESHOLD).

#![allow(unsafe_code, reason = "mallopt of a number")]

/// Pieces from this size on come from the kernel and go back to it: glibc's default before
/// it adapts.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 128 * 1024;

/// Leaves large pieces of memory untouched until somebody writes into them.
pub(super) fn leave_untouched() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes two numbers, and changes where later pieces come from, nothing else.
    // Where it fails, nothing changes.
    let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
}
