//! The `ringway` binary: an allocator and the command line.

// A sanitizer sees nothing of what another allocator than the system's hands out.
#[cfg(not(ringway_sanitized))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ringway::cli::main()
}
