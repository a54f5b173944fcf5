//! Process and worker lifecycle: start, connection loop, plan swap, drain.

mod connection;
mod content;
mod exchange;
mod prepare;
mod process;
mod stream_reply;
mod thread;
mod worker;

pub use prepare::{Prepared, prepare, verify};
pub use process::{Launch, Reader, Reread, StartError, Steering, Verify, n_workers, run};
