//! Origins, balancing, per-core pools and the client side of a call.
