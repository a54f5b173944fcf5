//! HTTP semantics without I/O: header ids, URI rules, the HTTP/1 codec.

pub mod quote;
