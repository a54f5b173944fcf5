//! Handshakes against a rustls server in a thread: what must be accepted, what must not.
