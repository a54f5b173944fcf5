//! The real binary against scripted peers over sockets: bytes on the wire.

mod harness;
#[path = "../support/mod.rs"]
mod support;
