//! Ringway: an API gateway on io_uring. The library is the embedding API; `main.rs` is one user of it.
//!
//! A program of your own begins with [`Gateway::builder`] and adds policies by [`Registration`]; what
//! they need stands here, at the top. `examples/add_policy.rs` is such a program.
//!
//! The floors, lowest first: `json` `http` < `config` < `plan`, beside them `net` < `control`, then
//! `telemetry` < `upstream` < `protocol` `policy` < `proxy` < `admin` < `server` < `gateway` < `cli`.
//! Each looks down only (`tests/house.rs`). The first four compile for `wasm32-unknown-unknown`.
#![deny(unsafe_code)]
#![warn(clippy::undocumented_unsafe_blocks)]

pub mod config;
pub mod http;
pub mod json;
pub mod plan;

#[cfg(not(target_family = "wasm"))]
pub mod admin;
#[cfg(not(target_family = "wasm"))]
pub mod cli;
#[cfg(not(target_family = "wasm"))]
pub mod control;
#[cfg(not(target_family = "wasm"))]
mod gateway;
#[cfg(not(target_family = "wasm"))]
pub mod net;
#[cfg(not(target_family = "wasm"))]
pub mod policy;
#[cfg(not(target_family = "wasm"))]
pub mod protocol;
#[cfg(not(target_family = "wasm"))]
pub mod proxy;
#[cfg(not(target_family = "wasm"))]
pub mod server;
#[cfg(not(target_family = "wasm"))]
pub mod telemetry;
#[cfg(not(target_family = "wasm"))]
pub mod upstream;

pub use config::diagnostic::Diagnostics;
pub use config::node::Node;
#[cfg(not(target_family = "wasm"))]
pub use gateway::{BuildError, Builder, Gateway, Running, sleep};
pub use http::HeaderId;
pub use plan::policy::{
    Answer, Edits, End, Level, Locals, Needs, PlanCx, Policy, Registration, RequestCx, ResponseCx,
    Resume, Slot, Stage, Suspended, Verdict,
};
#[cfg(not(target_family = "wasm"))]
pub use server::StartError;

/// The version that `X-Krakend`, `User-Agent` and `ringway version` show.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The Rust of the manual compiles.
#[cfg(doctest)]
#[doc = include_str!("../docs/policies.md")]
pub struct Manual;
