//! The real binary against scripted peers over sockets: bytes on the wire.

#[path = "../peers/mod.rs"]
mod peers;
#[path = "../support/mod.rs"]
mod support;

mod harness;
mod misbehaviour;
