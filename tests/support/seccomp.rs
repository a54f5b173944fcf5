//! Forbids io_uring to a child, as container runtimes do.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// `io_uring_setup`, `io_uring_enter`, `io_uring_register`: the same numbers everywhere.
const FIRST: u32 = 425;
const LAST: u32 = 427;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_LESS: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const JUMP_MORE: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// The three calls fail with `errno` (`ENOSYS` or `EPERM`) in the child.
pub fn forbid_io_uring(command: &mut Command, errno: i32) {
    let refuse = libc::SECCOMP_RET_ERRNO | errno as u32;
    let op = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let filter = [
        // The number of the call is the first word of `seccomp_data`.
        op(LOAD, 0, 0, 0),
        op(JUMP_LESS, 0, 2, FIRST),
        op(JUMP_MORE, 1, 0, LAST),
        op(RETURN, 0, 0, refuse),
        op(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    // SAFETY: between fork and exec only two system calls are made, on memory that the closure
    // owns; nothing allocates, locks or unwinds.
    unsafe {
        command.pre_exec(move || {
            let program = libc::sock_fprog { len: 5, filter: filter.as_ptr().cast_mut() };
            let failed = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) != 0;
            if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
        });
    }
}
