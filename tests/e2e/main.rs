//! The real binary against scripted peers over sockets: bytes on the wire.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod cli;
mod connection;
mod demo;
mod errors;
mod explain;
mod harness;
mod headers;
mod hostile;
mod keeps;
mod merge;
mod operation;
mod placeholders;
mod router;
mod stream;
mod timeout;
mod upstream;
