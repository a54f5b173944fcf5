//! The seam to the driver: ladder, sockets, TLS sessions, blocks, timers. Others never name
//! `ring` (our own driver) or monoio (the rungs below it).
//!
//! What others see are owned pooled blocks, streams of two halves, deadlines and mailboxes; whether
//! a ring or epoll works below is decided once, by `driver::probe`. Nothing here knows HTTP.
//! Design notes: docs/design/driver.md, docs/design/buffers.md, docs/design/tls-and-h2.md.

#[allow(unsafe_code)]
pub mod block;
pub mod budget;
pub mod cgroup;
#[allow(unsafe_code)]
pub mod clock;
pub mod connect;
#[allow(unsafe_code)]
pub mod descriptors;
pub mod driver;
pub mod failpoint;
#[allow(unsafe_code)]
pub mod fanout;
#[allow(unsafe_code)]
pub mod huge_pages;
#[allow(unsafe_code)]
pub mod listener;
#[allow(unsafe_code)]
mod monoio_socket;
#[allow(unsafe_code)]
pub mod placed;
pub mod poll_stream;
#[allow(unsafe_code)]
pub mod pump;
#[allow(unsafe_code)]
mod ring;
#[allow(unsafe_code)]
mod socket;
pub mod stream;
#[allow(unsafe_code)]
pub mod task;
#[allow(unsafe_code)]
pub mod timer;
pub mod tls;
mod turn;
pub mod wake;
mod wheel;
#[allow(unsafe_code)]
pub mod worker;
#[allow(unsafe_code)]
pub mod write_list;

pub use block::Block;
pub use connect::Endpoint;
pub use failpoint::failpoint;
pub use stream::{RecvHalf, SendHalf, Stream};
pub use task::spawn;
pub use turn::yield_now;
pub use write_list::WriteList;

#[cfg(test)]
mod on_each_driver;
#[cfg(test)]
mod proof;
