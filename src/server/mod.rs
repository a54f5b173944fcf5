//! Process and worker lifecycle: start, connection loop, plan swap, drain.

mod admission;
mod connection;
mod content;
mod exchange;
mod memory;
mod pace;
mod prepare;
mod process;
mod stream_reply;
mod thread;
mod worker;
mod write;

pub use prepare::{Prepared, prepare, verify};
pub use process::{Launch, Reader, Reread, StartError, Steering, Verify, n_workers, run};
