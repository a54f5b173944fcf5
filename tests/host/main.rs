//! Faults of the host that the gateway runs on (docs/reference/hardening.md 4.3). After each of them
//! the same is asked: the process lives, another backend's canary answers, files and charged memory
//! come back, and no answer belongs to another request. How long it takes is for the load tests.

#[path = "../support/mod.rs"]
mod support;

mod driver;
mod ends;
mod files;
mod invariants;
mod memory;
mod stdout;
mod stops;
