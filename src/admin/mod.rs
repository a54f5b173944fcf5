//! Health, debug, echo and the admin socket: what the gateway says about itself.

pub mod builtin;
pub mod listener;
