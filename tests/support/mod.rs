//! The harness of the tests on the wire: scripted backends, the gateway as a process, raw clients.
//!
//! A test reads as its story: `backend()` says what the peer answers, `gateway()` writes a
//! configuration and starts the real binary, `gw.send("GET /x …")` speaks bytes and checks bytes.
//! Nothing here uses the gateway's own parsers: a bug that both sides share must not hide itself.
//! Every wait has a deadline and ends as soon as what it waits for is there.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of the harness")]

pub mod answer;
pub mod backend;
pub mod client;
pub mod config;
pub mod driver;
pub mod embedded;
pub mod gateway;
pub mod json;
pub mod load;
pub mod metrics;
pub mod ports;
pub mod process;
pub mod response;
pub mod seccomp;
pub mod tls;
pub mod wire;

pub use answer::{Answer, Step, answer, echo, silence};
pub use backend::{Backend, Recorded, backend, backend_with};
pub use client::Connection;
pub use config::{Call, GatewayBuilder, call, gateway};
pub use driver::Driver;
pub use embedded::{Embedded, embed};
pub use gateway::Gateway;
pub use process::{Finished, ringway};
pub use response::{End, Response};
pub use serde_json::json;
pub use wire::escaped;

use std::time::{Duration, Instant};

/// How long a wait may take that should end at once: long enough for a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Asks `ready` again and again until it says yes; fails with `what` after [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < end, "in {PATIENCE:?} this did not happen: {what}");
        std::thread::sleep(ms(2));
    }
}
