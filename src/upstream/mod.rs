//! Origins, balancing, per-core pools and the client side of a call.
//! Looks at `net` and `http`; knows endpoints and policies only through values handed in.
//! Source: docs/reference/lura-core.md section 4; docs/reference/hardening.md sections 1 and 4.1.

mod balance;
mod body;
mod call;
mod dial;
mod error;
mod heads;
mod pool;
mod request_body;
mod transport;

pub use balance::Balancer;
pub use body::{Collected, Response, Whole};
pub use call::{Call, Interims, call};
pub use error::CallError;
pub use pool::{Lease, Origin, Upstream};
pub use request_body::{BodyError, BodySource, Outgoing};
pub use transport::Transport;
