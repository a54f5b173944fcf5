//! Byte ranges of JSON: scanner, selection, splicing. Knows nothing of HTTP, sockets or clocks.
//!
//! A backend's answer is one contiguous slice. [`decode::decode`] validates it in one pass and
//! leaves ranges in a pooled [`part::Part`]; [`merge::Renderer`] joins parts by copying those
//! ranges with commas between. Trees ([`tree`]) are for the few renderings that need order, and
//! their nodes are ranges too. Numbers stay text everywhere; untouched subtrees stay as they came.
//!
//! What is accepted and refused follows Go's encoding/json, since configurations were written
//! against it: docs/reference/lura-core.md 4.5.

pub mod decode;
pub mod depth;
pub mod encode;
pub mod error;
pub mod fuzz;
pub mod long;
pub mod lookup;
pub mod merge;
pub mod part;
pub mod scan;
pub mod select;
pub mod text;
pub mod tree;

mod diagnose;
mod keys;
mod nest;
mod repair;
mod special;
mod splice;
mod walk;

#[cfg(test)]
mod tests;
