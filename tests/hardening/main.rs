//! Tables A and C of docs/reference/hardening.md, each row a test named after its number, on both
//! drivers: the bytes of the row go to the real binary, and what the recording backend saw decides.
//! `docs/design/hardening-tests.md` lists row, test and what is asserted; `tests/docs.rs` keeps that
//! page and these names in step.
//!
//! "Rejected" means 400, 413, 414, 417, 431, 501 or 505, the end of the connection, and not one byte
//! at the backend. "Canonical" means written anew: one framing field, CRLF, nothing of the client's
//! framing. After every input a canary on another client connection, which shares the upstream pool,
//! must get its own answer.

#[path = "../support/mod.rs"]
mod support;

mod judge;
mod stage;

mod chunked_a9_a12;
mod connection_a6_a8;
mod families_requests;
mod families_responses;
mod features_c8_c13;
mod framing_a1_a5;
mod headers_c3_c7;
mod lines_a13_a14;
mod path_c1_c2;
mod query_c11_c12;
mod responses_a1_a15;
mod target_a16_a18;
