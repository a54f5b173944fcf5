//! Process and worker lifecycle: start, connection loop, plan swap, drain.

mod connection;
mod content;
mod exchange;
mod stream_reply;
mod worker;
