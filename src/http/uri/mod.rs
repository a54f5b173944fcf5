//! URI rules: what a request target may be, Go's percent-decoding and encoding of paths and queries
//! as KrakenD shows them to backends, and the checks on path parameters.

pub mod authority;
pub mod clean;
pub mod param;
pub mod path;
pub mod percent;
pub mod query;
pub mod target;
