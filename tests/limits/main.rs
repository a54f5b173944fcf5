//! Every limit of `docs/limits.md` on the wire: exactly at it all is well, one beyond it the peer is
//! refused as the page says, with the label that the page names. Also what an overload does, and
//! what slow peers cost.

#[path = "../support/mod.rs"]
mod support;

mod connections;
mod every_key;
mod overload;
mod requests;
mod responses;
mod slow;
mod targets;
mod times;
