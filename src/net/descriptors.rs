//! Descriptors that the data path leaves to others: the admin listener, the log, a file that is
//! read again. The kernel gives out the lowest free number, so that the number of a new descriptor
//! tells how many are in use: no count has to be kept.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

static LINE: AtomicI32 = AtomicI32::new(i32::MAX);

/// Reserves the last `reserved` of `limit` descriptors of the process.
pub fn reserve(limit: u64, reserved: u64) {
    let line = limit.saturating_sub(reserved);
    LINE.store(i32::try_from(line).unwrap_or(i32::MAX), Relaxed);
}

/// Whether a descriptor that was just made is one of the reserved ones.
pub fn is_reserved(fd: RawFd) -> bool {
    fd >= LINE.load(Relaxed)
}

/// Whether the next descriptor would be one above the reserve. Two system calls: for the slow path,
/// after [`is_reserved`] or an error said no.
pub fn has_room() -> bool {
    // SAFETY: numbers in, a number out; the call makes a descriptor or fails.
    let probe = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    probe >= 0 && {
        drop(super::socket::own(probe));
        !is_reserved(probe)
    }
}

/// The error that stands for "only reserved ones are left".
pub fn exhausted() -> io::Error {
    io::Error::from_raw_os_error(libc::EMFILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, since the line is the process's.
    #[test]
    fn the_number_of_a_descriptor_tells_how_many_are_in_use() {
        assert!(!is_reserved(1 << 20) && has_room(), "nothing is reserved at first");
        // Others open and close files beside us: lines far below and far above what is in use.
        reserve(3, 1);
        assert!(is_reserved(2) && !is_reserved(1) && !has_room());
        reserve(1 << 20, 32);
        assert!(has_room());
        reserve(u64::MAX, 32);
        assert!(!is_reserved(RawFd::MAX - 1) && has_room());
        assert_eq!(exhausted().raw_os_error(), Some(libc::EMFILE));
    }
}
