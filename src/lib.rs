//! Ringway: an API gateway on io_uring. The library is the embedding API; `main.rs` is one user of it.
//!
//! The floors, lowest first: `json` `http` < `config` < `plan`, beside them `net` < `control`, then
//! `telemetry` < `upstream` < `protocol` `policy` < `proxy` < `admin` < `server` < `cli`.
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

/// The version that `X-Krakend`, `User-Agent` and `ringway version` show.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
