//! One file per capability; this list is the chain's order.
