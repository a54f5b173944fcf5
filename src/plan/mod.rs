//! What the hot path reads: policies' traits, router, head templates, endpoints; compiled before traffic.

pub mod router;
