//! The composition engine: fan-out, merge, rendering, and the one table of outcomes.

mod backend_call;
mod chain;
mod compose;
mod core;
mod data;
mod decoding;
mod failure;
pub mod fuzz;
mod gunzip;
mod location;
mod message;
pub mod outcome;
pub mod render;
mod request;

pub use backend_call::{Scene, Streamed, discard};
pub use chain::{Advance, Ran, Stopped};
pub use compose::{Composed, Parts, compose, total};
pub use core::{Core, CorePlan};
pub use data::Data;
pub use failure::{Failure, Reply};
pub use gunzip::{Bounds, Gunzip};
pub use outcome::{Label, Outcome};
pub use request::{Request, RequestBody, Seen};
