//! The fault matrix: backends, clients, bodies, logs, panics and configurations that go wrong, and
//! after each of them the invariants of `invariants.rs`.
//! Rows: docs/reference/hardening.md 4.1, 4.2, 4.4, E and F; `docs/design/fault-tests.md` says which
//! test has which.

#[path = "../peers/mod.rs"]
mod peers;
#[path = "../support/mod.rs"]
mod support;

mod invariants;

mod backend_bytes;
mod backend_connect;
mod backend_peers;
mod backend_time;
mod bodies_e;
mod client_aborts;
mod client_large;
mod client_slow;
mod connection_exhaustion;
mod documents_e;
mod early_answers;
mod logs_f3;
mod panics_f7;
mod pool_storms;
mod replays_f6;
mod rows;
mod scale_4_4;
mod tls_backend;
mod wrong_values_4_4;
